"""`git atom update`."""

from __future__ import annotations

from git_atom.app.lock.intent import update
from git_atom.cli.atom.consent import consent
from git_atom.cli.atom.lock import told
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Choose anew for the names, or for everything; told as git atom lock does."""
    done = update(
        ask.host, ask["name"], offline=ask["offline"], minimise=ask["minimise"], dry_run=ask["dry_run"], consent=consent(ask)
    )  # fmt: skip
    return told(ask, done)
