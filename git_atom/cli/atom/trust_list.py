"""`git atom trust list`."""

from __future__ import annotations

from git_atom.app.atom.sets import trusted
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print the anchors the user trusts."""
    ask.out.items(({"anchor": anchor} for anchor in trusted(ask.host)), "%(anchor)", "git-atom-trust/1")
    return 0
