"""`git atom driver textconv`: run by git for `diff=atom-lock`."""

from __future__ import annotations

from git_atom.app.lock.driving import text
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print a lock one thing a line."""
    lines = text(ask.host, ask["file"])
    if ask.out.json:
        ask.out.document("git-atom-lock-text/1", {"lines": lines})
        return 0
    for line in lines:
        ask.out.line(line)
    return 0
