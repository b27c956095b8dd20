"""`git atom tree`."""

from __future__ import annotations

from git_atom.app.lock.locked import Row, tree
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print the locked graph, a line an atom; (*) marks what was shown in full before."""
    rows = tree(ask.host, ask["name"], inverted=ask["invert"])
    fields = (
        {
            "branch": row.drawn, "depth": str(row.depth), "name": row.name, "version": row.version, "requirement": row.wanted,
            "for": row.uses, "again": "(*)" if row.again else "", "variant": row.variant, "with": ", ".join(row.having), "told": _told(row),
        }
        for row in rows
    )  # fmt: skip
    ask.out.items(fields, "%(branch)%(name) %(version) %(told)", "git-atom-tree/1")
    return 0


def _told(row: Row) -> str:
    """What stands after an atom: the variants it has, the one that brought it in, and whether it was shown before."""
    having = f"with {', '.join(row.having)}" if row.having else ""
    return " ".join(filter(None, [having, f"({row.variant})" if row.variant else "", "(*)" if row.again else ""]))
