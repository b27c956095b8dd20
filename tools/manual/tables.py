"""The command tables of the three tools, and what each error code exits with, as the package itself states them."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

from git_atom import errors
from git_atom.cli.spec import Tool

NAMES = ("atom", "compose", "build")


def tools() -> list[Tool]:
    """The three tools with their tables."""
    return [import_module(f"git_atom.cli.{name}").TOOL for name in NAMES]


def exits_of_codes() -> dict[str, int]:
    """Exit code of each error code, read from the places that raise it."""
    classes = {n: v.exit for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, errors.AtomError)}
    found: dict[str, int] = {}
    for path in sorted(Path(errors.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            code = getattr(node.args[0], "value", "")
            if name in classes and code in errors.CODES:
                found[code] = classes[name]
    return found
