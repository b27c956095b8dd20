"""`git atom remove`."""

from __future__ import annotations

from git_atom.app.lock.editing import remove
from git_atom.cli.atom.add import told
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Take dependencies out of the manifest and lock; told as git atom add does."""
    return told(ask, remove(ask.host, ask["name"], offline=ask["offline"], dry_run=ask["dry_run"]))
