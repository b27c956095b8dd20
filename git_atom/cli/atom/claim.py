"""`git atom claim`."""

from __future__ import annotations

from git_atom.app.atom.owning import claim
from git_atom.cli.atom.changes import how, tell
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Claim a name, or hand it on."""
    return tell(ask, claim(ask.host, ask["name"], ask["key"], ask["threshold"], how(ask)))
