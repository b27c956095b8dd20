"""`git atom tree`."""

from __future__ import annotations

from git_atom.app.lock.locked import tree
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print the locked graph, a line an atom; (*) marks what was shown in full before."""
    rows = tree(ask.host, ask["name"], inverted=ask["invert"])
    fields = (
        {
            "branch": row.drawn, "depth": str(row.depth), "name": row.name, "version": row.version, "requirement": row.wanted,
            "for": row.uses, "again": "(*)" if row.again else "",
        }
        for row in rows
    )  # fmt: skip
    ask.out.items(fields, "%(branch)%(name) %(version) %(again)", "git-atom-tree/1")
    return 0
