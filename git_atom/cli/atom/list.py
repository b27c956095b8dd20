"""`git atom list`. Hot: what is needed for another repository is imported only then."""

from __future__ import annotations

import os

from git_atom.cli.parser import Ask

_TEXT = "%(name) %(version) %(state)"


def run(ask: Ask) -> int:
    """Print names and versions; exit 1 when a name is asked for and not there."""
    source, name = ask["source"], ask["name"]
    if source and not name and not _is_source(source, ask.host.cwd):
        source, _, name = source.rpartition("::")
    if source:
        return _other(ask, source, name or "")
    from git_atom.app.listing import own_versions

    rows = own_versions(ask.host, name or "")
    ask.out.items(({"name": n, "version": v, "state": s} for n, v, s in rows), _TEXT, "git-atom-list/1")
    return _none(ask, name) if name and not rows else 0


def _is_source(text: str, cwd: str) -> bool:
    if "::" in text:
        return False
    return any(c in text for c in "/:+") or text in (".", "..") or os.path.isdir(os.path.join(cwd, text, "objects"))


def _other(ask: Ask, source: str, name: str) -> int:
    from git_atom.app.atoms import peek

    offered, shown, trusted = peek(ask.host, source)
    rows = [row for row in offered if not name or row.name == name]
    fields = (
        {
            "name": r.name,
            "version": str(r.version),
            "state": r.state,
            "anchor": r.anchor,
            "trusted": str(trusted).lower(),
        }
        for r in rows
    )
    ask.out.items(fields, _TEXT, "git-atom-list/1")
    if not trusted:
        ask.out.say(f"note: this set is not one you trust; anchor {shown.anchor}")
        for owner in shown.owners:
            ask.out.say(f"note: owner {owner}")
        ask.out.say(f"hint: git atom trust add {shown.anchor}")
    return _none(ask, name) if name and not rows else 0


def _none(ask: Ask, name: str) -> int:
    ask.out.say(f"no atom '{name}'")
    return 1
