"""`git atom retract`."""

from __future__ import annotations

from git_atom.app.atom.owning import retract
from git_atom.cli.atom.changes import how, reason, tell
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Retract one published version."""
    return tell(ask, retract(ask.host, ask["atom"], reason(ask), how(ask)))
