"""`git atom driver merge`: run by git for `merge=atom-lock` and `merge=atom-manifest`."""

from __future__ import annotations

from git_atom.app.lock.driving import merge_files
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Merge into the second file."""
    merge_files(ask.host, ask["base"], ask["ours"], ask["theirs"], ask["path"] or ask["ours"])
    return 0
