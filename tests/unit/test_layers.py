"""The house holds: imports go down the floors of docs/design.md, each third-party package has one door, nothing grows too long."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "git_atom"

# third-party package -> the one module that imports it, or one room with the reason why it is a whole room
DOORS: dict[str, str] = {
    "blake3": "core/digest.py",
    "cryptography": "trust/",  # the room exists for it: keys, signatures and envelopes each use another part
    "pysat": "resolve/",
    "tomlkit": "core/",
}

FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}
MAX_FILE, MAX_FUNCTION, MAX_COMMAND = 600, 60, 120

# path or path:function -> why it may be longer. This list may only shrink.
LONGER: dict[str, str] = {}

# what only cli/ may touch
AMBIENT = {
    "os.environ", "os.environb", "os.getenv", "os.putenv", "os.getcwd", "os.getcwdb", "os.chdir", "os.path.expanduser",
    "Path.cwd", "Path.home", "pathlib.Path.cwd", "pathlib.Path.home", "sys.argv", "sys.exit", "sys.stdout", "sys.stderr",
    "sys.stdin", "print", "input", "exit", "quit",
}  # fmt: skip


class Module(NamedTuple):
    name: str  # git_atom.core.digest
    path: str  # core/digest.py
    tree: ast.Module
    lines: int

    @property
    def room(self) -> str:
        return self.path.split("/")[0].removesuffix(".py")


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        path = file.relative_to(PACKAGE).as_posix()
        name = "git_atom." + path.removesuffix(".py").replace("/", ".")
        text = file.read_text()
        found.append(Module(name.removesuffix(".__init__"), path, ast.parse(text), len(text.splitlines())))
    return tuple(found)


@cache
def floors() -> dict[str, int]:
    section = (ROOT / "docs/design.md").read_text().split("## 10. Rooms")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d) \| ([^|]+) \|", section, re.M)
    table = {room: int(floor) for floor, rooms in rows for room in re.findall(r"`(\w+)`", rooms)}
    assert len(table) >= 16
    return table


def imported(module: Module) -> Iterator[tuple[str, int]]:
    """Every module this one imports, late imports and imports for types included, with the line."""
    known = {m.name for m in modules()}
    package = module.name if module.path.endswith("__init__.py") else module.name.rpartition(".")[0]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*up, base]) if base else ".".join(up)
            for alias in node.names:
                deeper = f"{base}.{alias.name}"
                yield (deeper if deeper in known else base), node.lineno


def ours(module: Module) -> Iterator[tuple[str, int]]:
    return ((name, line) for name, line in imported(module) if name.split(".")[0] == "git_atom")


def room_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_every_room_stands_in_the_table() -> None:
    rooms = {m.room for m in modules()} - {"__init__", "__main__"}
    assert rooms == set(floors())


def test_imports_go_down() -> None:
    wrong = []
    for module in modules():
        if module.room == "__init__":
            continue
        for name, line in ours(module):
            room = room_of(name)
            if room in ("", module.room) or (module.room == "core" and room == "errors"):
                continue
            if floors()[room] >= floors()[module.room]:
                wrong.append(f"{module.path}:{line}: floor {floors()[module.room]} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_the_rooms_of_app_use_those_before_them() -> None:
    row = re.search(r"^\| 5 \| `app` \|.*$", (ROOT / "docs/design.md").read_text(), re.M)
    order = re.findall(r"`(\w+)`", row[0])[1:] if row else []
    assert set(order) == {path.parent.name for path in PACKAGE.glob("app/*/__init__.py")}
    wrong = []
    for module in (m for m in modules() if m.path.startswith("app/") and m.path.count("/") == 2):
        for name, line in ours(module):
            parts = name.split(".")
            if len(parts) > 3 and parts[1] == "app" and order.index(parts[2]) > order.index(module.path.split("/")[1]):
                wrong.append(f"{module.path}:{line}: imports {name}")
    assert not wrong, "\n".join(wrong)


def test_errors_imports_nothing_of_ours() -> None:
    assert not list(ours(next(m for m in modules() if m.path == "errors.py")))


def test_no_circles() -> None:
    graph = {m.name: {name for name, _ in ours(m)} - {m.name} for m in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_one_door_for_each_third_party_package() -> None:
    wrong, doors = [], {}
    for module in modules():
        for name, line in imported(module):
            top = name.split(".")[0]
            if top in sys.stdlib_module_names or top == "git_atom":
                continue
            doors.setdefault(top, set()).add(module.path)
            if top not in DOORS:
                wrong.append(f"{module.path}:{line}: {top} has no door")
            elif not module.path.startswith(DOORS[top]):
                wrong.append(f"{module.path}:{line}: the door of {top} is {DOORS[top]}")
    for top, paths in doors.items():
        if len(paths) > 1 and top != "cryptography":
            wrong.append(f"{top} has more than one door: {', '.join(sorted(paths))}")
    assert not wrong, "\n".join(wrong)
    assert doors.keys() == DOORS.keys(), "a door to nothing"
    declared = {
        re.split(r"[^\w-]", line)[0]
        for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    }
    assert declared == {"python-sat" if name == "pysat" else name for name in doors}, (
        "declared and not used, or used and not declared"
    )


def test_commands_are_thin() -> None:
    wrong = []
    for module in modules():
        if not re.match(r"cli/(atom|compose|build)/(?!__init__)", module.path):
            continue
        if module.lines > MAX_COMMAND:
            wrong.append(f"{module.path}: {module.lines} lines, at most {MAX_COMMAND}")
        for name, line in imported(module):
            top = name.split(".")[0]
            if top == "git_atom" and room_of(name) not in ("app", "core", "errors", "cli"):
                wrong.append(f"{module.path}:{line}: a command asks app/, not {name}")
    assert not wrong, "\n".join(wrong)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def too_long() -> dict[str, str]:
    found = {}
    for module in modules():
        if module.lines > MAX_FILE and not _is_data(module.tree):
            found[module.path] = f"{module.path}: {module.lines} lines, at most {MAX_FILE}"
        for node in functions(module.tree):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION:
                found[f"{module.path}:{node.name}"] = f"{module.path}:{node.lineno}: {node.name} has {length} lines"
    return found


def _is_data(tree: ast.Module) -> bool:
    """Whether a module is a table and nothing else: no function, no class."""
    return not any(isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Lambda) for n in ast.walk(tree))


def test_nothing_is_too_long() -> None:
    wrong = [text for key, text in too_long().items() if key not in LONGER]
    assert not wrong, "\n".join(wrong)


def test_the_list_of_long_things_only_shrinks() -> None:
    stale = [key for key in LONGER if key not in too_long()]
    assert not stale, f"no longer too long, take off the list: {stale}"
    assert all(reason for reason in LONGER.values())


def test_no_attic() -> None:
    names = {m.path: set(m.path.removesuffix(".py").split("/")) for m in modules()}
    assert not [path for path, parts in names.items() if parts & FORBIDDEN_NAMES]


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def test_only_the_command_line_touches_the_surroundings() -> None:
    wrong = []
    for module in modules():
        if module.room == "cli":
            continue
        for node in ast.walk(module.tree):
            name = dotted(node)
            if isinstance(node, ast.ImportFrom):
                taken = {f"{node.module}.{alias.name}" for alias in node.names} & AMBIENT
                wrong += [f"{module.path}:{node.lineno}: {name}" for name in taken]
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and name in AMBIENT:
                if _bound(module.tree, name):
                    continue
                wrong.append(f"{module.path}:{node.lineno}: {name}")
            elif isinstance(node, ast.Attribute) and name in AMBIENT:
                wrong.append(f"{module.path}:{node.lineno}: {name}")
    assert not wrong, "\n".join(wrong)


def _bound(tree: ast.Module, name: str) -> bool:
    """Whether the module has a name of its own that only looks like the builtin."""
    args = (a.arg for f in functions(tree) for a in (*f.args.args, *f.args.kwonlyargs))
    return name in args or any(f.name == name for f in functions(tree))


def test_only_refs_moves_refs() -> None:
    """`update-ref` and a writing `symbolic-ref` are spoken in git/refs.py alone (init and fetch make refs of their own accord)."""
    wrong = []
    for module in modules():
        if module.path == "git/refs.py":
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.List | ast.Tuple):
                words = {getattr(item, "value", None) for item in node.elts}
                if "update-ref" in words or ("symbolic-ref" in words and not words & {"--short", "--quiet"}):
                    wrong.append(f"{module.path}:{node.lineno}: {ast.unparse(node)[:60]}")
    assert not wrong, "\n".join(wrong)


def test_every_public_thing_has_a_docstring() -> None:
    wrong = []
    for module in modules():
        if not ast.get_docstring(module.tree):
            wrong.append(module.path)
        for node in module.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                if not ast.get_docstring(node):
                    wrong.append(f"{module.path}:{node.lineno}: {node.name}")
    assert not wrong, "\n".join(wrong)
