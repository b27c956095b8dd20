"""`git atom driver install`."""

from __future__ import annotations

from git_atom.app.lock.driving import install
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Install merge drivers and textconv; the file of attributes is the output."""
    done = install(ask.host, everywhere=ask["global"], dry_run=ask["dry_run"])
    if ask.out.json:
        value = {"attributes": done.attributes, "new": list(done.new), "dry-run": ask["dry_run"]}
        ask.out.document("git-atom-driver/1", value)
        return 0
    for line in done.new:
        ask.out.say(f"  + {line}", colour="32")
    if not done.new:
        ask.out.say("it is installed already")
    ask.out.line(done.attributes)
    return 0
