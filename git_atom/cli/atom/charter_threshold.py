"""`git atom charter threshold`."""

from __future__ import annotations

from git_atom.app.atom.owning import threshold
from git_atom.cli.atom.changes import how, tell
from git_atom.cli.parser import Ask
from git_atom.errors import UsageError


def run(ask: Ask) -> int:
    """Change how many owners must sign."""
    text = ask["number"]
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        raise UsageError(
            "ATOM-9001", f"'{text}' is not a threshold", hint="a whole number, from 1 to the number of owners"
        )
    return tell(ask, threshold(ask.host, int(text), how(ask)))
