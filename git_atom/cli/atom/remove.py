"""`git atom remove`."""

from __future__ import annotations

from git_atom.app.lock.editing import remove
from git_atom.cli.atom.add import kind, told
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Take requirements out of the manifest and lock; told as git atom add does."""
    return told(ask, remove(ask.host, ask["name"], kind=kind(ask), offline=ask["offline"], dry_run=ask["dry_run"]))
