"""`git compose list`."""

from __future__ import annotations

from git_atom.app.world.compositions import listing
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """One line a composition: name and root of its newest generation."""
    rows = listing(ask.host)
    fields = (
        {"name": row.name, "root": row.root, "view": row.view, "generations": str(row.generations)} for row in rows
    )
    ask.out.items(fields, "%(name) %(root)", "git-compose-list/1")
    return 0
