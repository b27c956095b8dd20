"""`git atom why`."""

from __future__ import annotations

from git_atom.app.lock.locked import why
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print the shortest path to an atom, or every one, a line a path."""
    paths = why(ask.host, ask["name"], every=ask["all"])
    rows = ({"path": " -> ".join(path), "length": str(len(path) - 1)} for path in paths)
    ask.out.items(rows, "%(path)", "git-atom-why/1")
    return 0
