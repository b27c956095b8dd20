"""`git atom fetch`."""

from __future__ import annotations

from git_atom.app.atom.unsigned import Unsigned, fetch_any
from git_atom.cli.atom.consent import consent
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Fetch each atom; one line each: name, version, tree digest, and `unsigned` for one that nobody signed."""
    dry = ask["dry_run"]
    asking = None if dry else consent(ask)
    done = [fetch_any(ask.host, text, offline=ask["offline"], dry_run=dry, consent=asking) for text in ask["uri"]]
    rows = [
        {
            "name": a.name,
            "version": str(a.version),
            "tree": a.tree,
            "anchor": "" if isinstance(a, Unsigned) else a.anchor,
            "commit": a.commit,
            "state": "unsigned" if isinstance(a, Unsigned) else "",
        }
        for a in done
    ]
    ask.out.items(rows, "%(name) %(version) %(tree) %(state)", "git-atom-fetch/1")
    return 0
