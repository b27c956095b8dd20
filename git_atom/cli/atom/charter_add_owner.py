"""`git atom charter add-owner`."""

from __future__ import annotations

from git_atom.app.atom.owning import add_owner
from git_atom.cli.atom.changes import how, tell
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Add an owner to the set."""
    return tell(ask, add_owner(ask.host, ask["key"], how(ask)))
