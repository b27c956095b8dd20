"""Every error is one of ours, has a registered code of one meaning, and speaks the grammar of messages."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from git_atom import errors
from git_atom.errors import CODES, EXITS, AtomError

PACKAGE = Path(errors.__file__).parent
CLASSES = {n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, AtomError)}
# the interpreter's own protocols: what __getattr__, iterators and context managers must raise
PROTOCOL = {
    "__getattr__": "AttributeError",
    "__setattr__": "AttributeError",
    "__delattr__": "AttributeError",
    "__next__": "StopIteration",
}
# file: exception -> why it is not one of ours. This list may only shrink.
OTHERS = {
    "view/kernel.py: OSError": "system calls through ctypes answer as those of the os module do; callers branch on errno",
}
MAP = {"1": "core", "2": "git", "3": "trust", "4": "view execute", "5": "ingest fetch", "6": "compose interface", "7": "build",
       "8": "atom gate", "9": "cli"}  # fmt: skip


@cache
def trees() -> dict[str, ast.Module]:
    return {p.relative_to(PACKAGE).as_posix(): ast.parse(p.read_text()) for p in sorted(PACKAGE.rglob("*.py"))}


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Every place that makes one of our errors: file, call, class name."""
    for path, tree in trees().items():
        if path == "errors.py":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = _last(node.func)
                if name in CLASSES:
                    yield path, node, name


def _last(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


@cache
def makers() -> set[str]:
    """Functions of the package that return one of our errors, by their own annotation."""
    found = set()
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.returns is not None and _last(node.returns) in CLASSES:
                found.add(node.name)
    return found


def _parts(node: ast.expr | None) -> str | None:
    """A message's text with `{}` for what is filled in, or None when it is not a literal."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _parts(node.left), _parts(node.right)
        return None if left is None and right is None else (left or "{}") + (right or "{}")
    return None


def _codes(node: ast.expr) -> set[str]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def test_every_raise_is_one_of_ours() -> None:
    wrong, met = [], set()
    for path, tree in trees().items():
        for scope in ast.walk(tree):
            if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
                continue
            caught = {h.name for h in ast.walk(scope) if isinstance(h, ast.ExceptHandler)}
            typed = _typed_errors(scope)
            for node in _own(scope):
                if not isinstance(node, ast.Raise) or node.exc is None:
                    continue
                name = _last(node.exc.func) if isinstance(node.exc, ast.Call) else _last(node.exc)
                protocol = PROTOCOL.get(getattr(scope, "name", "")) == name
                held = isinstance(node.exc, ast.Name) and (name in caught or name in typed)
                other = f"{path}: {name}"
                met.add(other)
                if not (name in CLASSES or name in makers() or held or protocol or other in OTHERS):
                    wrong.append(f"{path}:{node.lineno}: raises {ast.unparse(node.exc)[:60]}")
    assert not wrong, "\n".join(wrong)
    assert set(OTHERS) <= met, "no longer raised, take it off the list"


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope without those of the functions inside it."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _own(child)


def _typed_errors(scope: ast.AST) -> set[str]:
    """Local names that hold one of our errors: annotated so, or assigned from a class or maker of ours."""
    found = set()
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if _last(node.value.func) in CLASSES | makers():
                found |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        annotation = node.annotation if isinstance(node, ast.AnnAssign | ast.arg) else None
        if annotation is not None and any(_last(n) in CLASSES for n in ast.walk(annotation)):
            found.add(node.arg if isinstance(node, ast.arg) else _last(node.target))  # type: ignore[union-attr]
    return found


def test_every_code_is_registered_and_used() -> None:
    wrong, spoken = [], set()
    for path, node, name in calls():
        codes = {c for c in _codes(node.args[0]) if c.startswith("ATOM-")} if node.args else set()
        handed = bool(node.args) and isinstance(
            node.args[0], ast.Name | ast.Attribute
        )  # the literal stands at the caller
        if name != "ManyErrors" and not codes and not handed:
            wrong.append(f"{path}:{node.lineno}: {name} without a code")
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if path != "errors.py" and isinstance(node, ast.Constant) and re.fullmatch(r"ATOM-\d+", str(node.value)):
                spoken.add(node.value)
                if node.value not in CODES:
                    wrong.append(f"{path}:{node.lineno}: {node.value} is not in errors.CODES")
    wrong += [f"errors.py: {code} is never raised" for code in sorted(set(CODES) - spoken)]
    assert not wrong, "\n".join(wrong)


def test_each_code_belongs_to_one_class() -> None:
    classes: dict[str, dict[str, str]] = defaultdict(dict)
    for path, node, name in calls():
        for code in _codes(node.args[0]) if node.args else ():
            classes[code].setdefault(name, f"{path}:{node.lineno}")
    wrong = [f"{code}: {places}" for code, places in sorted(classes.items()) if len(places) > 1]
    assert not wrong, "\n".join(wrong)


def test_messages_follow_the_grammar() -> None:
    wrong = []
    for path, node, name in calls():
        if name == "ManyErrors" or len(node.args) < 2:
            continue
        more = [_parts(k.value) or "" for k in node.keywords if k.arg in ("note", "hint")]
        texts = [_parts(node.args[1]), *(line for text in more for line in text.split("\n"))]
        wrong += [f"{path}:{node.lineno}: {text!r}: {why}" for text in texts if text for why in faults(text)]
    assert not wrong, "\n".join(wrong)


def faults(text: str) -> Iterator[str]:
    """What the grammar has against a message: lower case, no full stop, one line, single quotes around subjects."""
    first = re.match(r"[A-Za-z]+", text)
    if first and first[0][0].isupper() and not first[0][1:].isupper() and first[0] not in ("Debian", "SemVer"):
        yield "begins with a capital"
    if re.search(r"(?<!\.)\.\s*$", text) or text.endswith("!"):
        yield "ends with a full stop"
    if "\n" in text.strip():
        yield "has more than one line"
    if '"{}"' in text or "`" in text:
        yield "subjects stand in single quotes"
    if re.search(r"\b(please|sorry|oops)\b", text, re.I):
        yield "errors do not plead"


# parts of a hint's command that need no quotes: names, versions, ids and settings, which are checked before or are ours
PLAIN = {"MAX_FETCH", "STALL", "LOG", "TOOLCHAIN", "most * 2 >> 20 or 1", "tool.name", "word", "nearest", "text[:-1]",
         "PACKAGES.get(program, program)", "_parent(raw)", "after.value.anchor", "log.anchor", "anchor", "alias", "chain[-1]",
         "source.split('/')[0]", "fingerprint", "key.fingerprint", "asked.name", "names[0]", "node.manifest.name", "found[-1]", "git",
         "shown.anchor", "release.origin", "target", "typed", "policies.MINIMUM_AGE.lower()", "refnames.LOG"}  # fmt: skip
COMMAND = re.compile(r"\b(?:git|ssh-add|ssh-keygen|rm|gpg|cd) ")


def hints() -> Iterator[tuple[str, ast.expr]]:
    """Every text of the package that is given as a hint, or as a part of one that is returned: file and line, the text."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
            value = node.value if isinstance(node, ast.keyword) and node.arg == "hint" else None
            if isinstance(node, ast.Assign) and _last(node.targets[0]) == "hint":
                value = node.value
            for part in ast.walk(value) if value is not None else ():
                if isinstance(part, ast.JoinedStr | ast.Constant) and isinstance(getattr(part, "value", ""), str):
                    yield f"{path}:{part.lineno}", part


def test_commands_of_hints_can_be_pasted() -> None:
    """No prose but behind a #, and nothing of a user or of another repository that a shell could take for its own."""
    wrong = []
    for place, node in hints():
        for line in (_parts(node) or "").split("\n"):
            bare = line.split("  #")[0]
            if COMMAND.match(line) and (re.search(r", |;|\(|   ", bare) or re.search(r"\b(then|or) ", bare)):
                wrong.append(f"{place}: {line!r} is no command alone")
        before = ""
        for value in node.values if isinstance(node, ast.JoinedStr) else ():
            text = ast.unparse(value.value) if isinstance(value, ast.FormattedValue) else ""
            if (
                text
                and COMMAND.search(before)
                and not re.match(r"shell\(|shlex\.quote\(|stand\.at\(", text)
                and text not in PLAIN
            ):
                wrong.append(f"{place}: {text} is not quoted")
            before += ast.unparse(value)
    assert not wrong, "\n".join(wrong)


def test_no_assert_in_the_package() -> None:
    wrong = [f"{p}:{n.lineno}" for p, t in trees().items() for n in ast.walk(t) if isinstance(n, ast.Assert)]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_swallowed_bare() -> None:
    wrong = [
        f"{path}:{node.lineno}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and (node.type is None or _last(node.type) == "BaseException")
        and not any(isinstance(n, ast.Raise) for n in ast.walk(node))
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_codes_stand_in_their_rooms_range() -> None:
    """The first digit says the room; app/ and cli/ join rooms and may use any."""
    wrong = []
    for path, node, _ in calls():
        room = path.split("/")[0]
        for code in _codes(node.args[0]) if node.args else ():
            digit = code.removeprefix("ATOM-")[:1]
            if room not in ("app", "cli") and digit in MAP and room not in MAP[digit].split() and digit not in "12":
                wrong.append(f"{path}:{node.lineno}: {code} is for {MAP[digit]}")
    assert not wrong, "\n".join(wrong)


def test_classes_and_exit_codes_agree() -> None:
    exits = {c.exit for c in vars(errors).values() if isinstance(c, type) and issubclass(c, AtomError)}
    assert exits <= set(EXITS)
    assert list(CODES) == sorted(CODES)
    for meaning in (*CODES.values(), *EXITS.values()):
        assert not list(faults(meaning)), meaning
