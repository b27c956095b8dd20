"""`git atom fetch`."""

from __future__ import annotations

from git_atom.app.atoms import fetch
from git_atom.cli.atom.consent import consent
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Fetch each atom; one line each: name, version, tree digest."""
    dry = ask["dry_run"]
    asking = None if dry else consent(ask)
    done = [fetch(ask.host, text, offline=ask["offline"], dry_run=dry, consent=asking) for text in ask["uri"]]
    rows = [
        {"name": a.name, "version": str(a.version), "tree": a.tree, "anchor": a.anchor, "commit": a.commit}
        for a in done
    ]
    ask.out.items(rows, "%(name) %(version) %(tree)", "git-atom-fetch/1")
    return 0
