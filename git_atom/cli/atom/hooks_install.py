"""`git atom hooks install`."""

from __future__ import annotations

from git_atom.app.atom.hooking import install
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Install hooks; one line a hook: its path."""
    dry = ask["dry_run"]
    done = install(ask.host, server=ask["server"], client=ask["client"], dry_run=dry)
    if ask.out.json:
        ask.out.document("git-atom-hooks-install/1", {"hooks": [one._asdict() for one in done], "dry-run": dry})
        return 0
    for one in done:
        ask.out.line(one.path)
        how = {"already": "is installed already", "updated": "brought up to date", "installed": "installed"}[one.how]
        ask.out.say(f"{'would be ' if dry and one.how != 'already' else ''}{how}: {one.hook}")
        if one.before:
            ask.out.say(f"note: the hook that was there is '{one.before}' and runs after it")
        for note in one.notes:
            ask.out.say(f"note: {note}")
        for hint in one.hints:
            ask.out.say(f"hint: {hint}")
    return 0
