"""`git atom tree`."""

from __future__ import annotations

from git_atom.app.lock.graph import SOURCE, TOOLCHAIN
from git_atom.app.lock.locked import Row, tree
from git_atom.cli.parser import Ask

_BEHIND = {SOURCE: ("file", ""), TOOLCHAIN: ("package", " not shown")}


def run(ask: Ask) -> int:
    """Print the locked graph, a line a thing; (*) marks what was shown in full before."""
    rows = tree(ask.host, ask["name"], inverted=ask["invert"])
    fields = (
        {
            "branch": row.drawn, "depth": str(row.depth), "name": row.name, "version": row.version, "requirement": row.wanted,
            "for": row.uses, "again": "(*)" if row.again else "", "variant": row.variant, "with": ", ".join(row.having), "told": _told(row),
            "kind": row.kind, "platform": row.platform, "more": str(row.more or ""),
        }
        for row in rows
    )  # fmt: skip
    ask.out.items(fields, "%(branch)%(name) %(version) %(told)", "git-atom-tree/1")
    return 0


def _told(row: Row) -> str:
    """What stands after a thing: the variants it has, the one that brought it in, what is behind it, and whether it was shown before."""
    having = f"with {', '.join(row.having)}" if row.having else ""
    more = ""
    if row.more:
        word, rest = _BEHIND[row.kind]
        more = f"{row.more} {word}{'s' if row.more > 1 else ''}{rest}"
    said = ", ".join(filter(None, [row.variant, row.platform if row.kind == TOOLCHAIN else "", more]))
    return " ".join(filter(None, [having, f"({said})" if said else "", "(*)" if row.again else ""]))
