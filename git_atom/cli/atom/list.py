"""`git atom list`. Hot: what is needed for another repository is imported only then."""

from __future__ import annotations

import os

from git_atom.cli.parser import Ask
from git_atom.errors import UsageError

_TEXT = "%(name) %(version) %(state)"
_FEW = 20


def run(ask: Ask) -> int:
    """Print names and versions; exit 1 when a name is asked for and not there."""
    source, name = ask["source"], ask["name"]
    if source and not name and not _is_source(source, ask.host.cwd):
        source, _, name = source.rpartition("::")
    if source:
        return _other(ask, source, name or "")
    if ask["unverified"]:
        raise UsageError("ATOM-9001", "'--unverified' asks another repository", hint="name its URL, path or +alias")
    from git_atom.app.atom.listing import own_versions

    rows = own_versions(ask.host, name or "")
    ask.out.items(({"name": n, "version": v, "state": s} for n, v, s in rows), _TEXT, "git-atom-list/1")
    return _none(ask, name) if name and not rows else 0


def _is_source(text: str, cwd: str) -> bool:
    if "::" in text:
        return False
    return any(c in text for c in "/:+") or text in (".", "..") or os.path.isdir(os.path.join(cwd, text, "objects"))


def _other(ask: Ask, source: str, name: str) -> int:
    if ask["unverified"]:
        return _by_refs(ask, source, name) or 0
    from git_atom.app.atom import asking
    from git_atom.errors import UnavailableError

    try:
        with asking.reached(ask.host, source) as other:
            from git_atom.app.atom.atoms import peek

            rows, shown, trusted = peek(ask.host, source, name, other)
    except UnavailableError as error:
        code = _by_refs(ask, source, name, no_log=True) if error.code == "ATOM-8011" else None
        if code is None:
            raise
        return code
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


def _by_refs(ask: Ask, source: str, name: str, no_log: bool = False) -> int | None:
    """What refs claim; None, and nothing is said, when there is no log and no ref either."""
    from git_atom.app.atom.asking import claimed

    found = claimed(ask.host, source, name)
    rows = [(n, str(v), "unverified") for n, v in found.rows]
    if no_log:
        from git_atom.app.atom.unsigned import listed

        others = listed(ask.host, source)
        if not found.rows and not found.foreign and not others:
            return None
        rows = [(row.name, str(row.version), row.state) for row in others if not name or row.name == name]
        found = found._replace(foreign=[ref for ref in found.foreign if ref not in {row.ref for row in others}])
    fields = {"anchor": "", "trusted": "false"}
    ask.out.items(({"name": n, "version": v, "state": s, **fields} for n, v, s in rows), _TEXT, "git-atom-list/1")
    for ref in found.foreign[:_FEW]:
        ask.out.say(f"note: '{ref}' is not a ref of a set; skipped")
    if len(found.foreign) > _FEW:
        ask.out.say(f"note: {len(found.foreign) - _FEW} more refs are none; skipped")
    if any(state == "unsigned" for _, _, state in rows):
        ask.out.say("note: what is unsigned is eka's; locks and builds do not take it")
    ask.out.say("note: nothing of this is verified" + ("; there is no log to do it by" if no_log else ""))
    return _none(ask, name) if name and not rows else 0


def _none(ask: Ask, name: str) -> int:
    ask.out.say(f"no atom '{name}'")
    return 1
