"""`git atom outdated`."""

from __future__ import annotations

from git_atom.app.lock.locked import outdated
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print locked atoms that could be newer: locked, what git atom update would choose, the newest there is."""
    rows = outdated(ask.host, offline=ask["offline"])
    fields = (
        {"name": r.name, "locked": r.locked, "update": r.update or r.locked, "newest": r.newest, "state": r.why}
        for r in rows
    )
    ask.out.items(fields, "%(name) %(locked) -> %(update), newest %(newest)  %(state)", "git-atom-outdated/1")
    if not rows and not ask.out.json:
        ask.out.say("everything locked is the newest that may be chosen")
    return 0
