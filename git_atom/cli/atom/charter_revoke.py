"""`git atom charter revoke`."""

from __future__ import annotations

from git_atom.app.atom.owning import revoke
from git_atom.cli.atom.changes import how, reason, tell
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Revoke a key for good."""
    return tell(ask, revoke(ask.host, ask["key"], reason(ask), how(ask)))
