"""`git atom charter remove-owner`."""

from __future__ import annotations

from git_atom.app.atom.owning import remove_owner
from git_atom.cli.atom.changes import how, tell
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Remove an owner from the set."""
    return tell(ask, remove_owner(ask.host, ask["key"], how(ask)))
