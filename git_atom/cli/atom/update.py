"""`git atom update`."""

from __future__ import annotations

from git_atom.app.lock.workspace import Which, update
from git_atom.cli.atom.lock import how, told
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Choose anew for the names, or for everything; told as git atom lock does."""
    which = Which(tuple(ask["dir"]), ask["all"], ask["together"])
    return told(ask, which, update(ask.host, ask["name"], which, how(ask)))
