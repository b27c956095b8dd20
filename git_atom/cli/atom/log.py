"""`git atom log`."""

from __future__ import annotations

from git_atom.app.showing import history
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print the entries of a set's log, newest first."""
    rows = [
        {"seq": str(e.seq), "kind": e.kind, "items": ", ".join(" ".join(i) for i in e.items), "tree": e.tree}
        for e in reversed(history(ask.host, ask["source"] or ""))
    ]
    ask.out.items(rows, "%(seq) %(kind) %(items)", "git-atom-log/1")
    return 0
