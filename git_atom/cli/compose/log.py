"""`git compose log`."""

from __future__ import annotations

from git_atom.app.compose import compose
from git_atom.cli.compose.when import day
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """One line a generation, newest first."""
    fields = (
        {
            "name": step.spec,
            "root": step.root,
            "view": step.view,
            "commit": step.commit,
            "time": day(step.when),
            "added": str(step.added),
            "removed": str(step.removed),
        }
        for step in compose.history(ask.host, ask["composition"])
    )
    ask.out.items(fields, "%(name) %(time) +%(added) -%(removed) %(root)", "git-compose-log/1")
    return 0
