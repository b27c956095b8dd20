"""`git atom new`."""

from __future__ import annotations

from git_atom.app.lock.starting import new
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Write a manifest to start from; its path is the output, what was guessed is talk."""
    dry = ask["dry_run"]
    made = new(ask.host, ask["dir"], name=ask["id"] or "", kind=ask["type"], dry_run=dry)
    if ask.out.json:
        ask.out.document("git-atom-new/1", made._asdict() | {"dry-run": dry})
        return 0
    ask.out.say(
        f"{made.sign} tells of {made.system}; the guess is written out in [build]"
        if made.system
        else "no build system was recognised; say in [build] how it is built"
    )
    if not dry:
        ask.out.say("next: edit it, then git atom lock")
    ask.out.line(made.path)
    return 0
