"""`git atom log`."""

from __future__ import annotations

from git_atom.app.atom.showing import forked, history
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print the entries of a set's log, newest first; with --forks, where two logs of a set were seen."""
    known = forked(ask.host, ask["source"] or "", everything=ask["forks"])
    if ask["forks"]:
        found = [
            {
                "anchor": told.fork.anchor,
                "after": str(told.after),
                "seen": told.fork.seen,
                "seen-seq": str(told.seen_seq),
                "shown": told.fork.shown,
                "shown-seq": str(told.shown_seq),
                "settled": told.fork.settled or "",
            }
            for told in known
        ]
        ask.out.items(found, "%(anchor) %(after) %(seen) %(shown) %(settled)", "git-atom-log-forks/1")
        return 0
    for told in known:
        if told.fork.settled is None:
            ask.out.say(f"warning: two logs of this set were seen, {told.fork.seen} and {told.fork.shown}", "yellow")
    rows = [
        {"seq": str(e.seq), "kind": e.kind, "items": ", ".join(" ".join(i) for i in e.items), "tree": e.tree}
        for e in reversed(history(ask.host, ask["source"] or ""))
    ]
    ask.out.items(rows, "%(seq) %(kind) %(items)", "git-atom-log/1")
    return 0
