"""`git atom charter sign`."""

from __future__ import annotations

from git_atom.app.atom.owning import sign
from git_atom.cli.atom.changes import how, tell
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Sign a proposal, and record it when there are enough signatures."""
    return tell(ask, sign(ask.host, ask["file"], how(ask)))
