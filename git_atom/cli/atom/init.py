"""`git atom init`."""

from __future__ import annotations

from git_atom.app.atom.publish import init
from git_atom.cli.parser import Ask

_SAID = {
    "founded": "founded a set of atoms",
    "joined": "joined the set of atoms at '{source}'",
    "already": "this repository has its set of atoms already",
}
_WOULD = _SAID | {
    "founded": "would found a set of atoms",
    "joined": "would join the set of atoms at '{source}'",
}


def run(ask: Ask) -> int:
    """Join or found the set of this repository; prints its anchor."""
    dry = ask["dry_run"]
    done = init(ask.host, dry_run=dry)
    if ask.out.json:
        anchor = done.set.anchor if done.head else None  # a set not founded yet has none
        value = {"how": done.how, "anchor": anchor, "owners": list(done.set.owners), "head": done.head or None}
        ask.out.document("git-atom-init/1", value | {"trusted": done.trust, "dry-run": dry})
        return 0
    said = _WOULD if dry else _SAID
    ask.out.say(said[done.how].format(source=done.set.source))
    for owner in done.set.owners:
        ask.out.say(f"  owner  {owner}")
    if dry and not done.head:
        return 0
    if not dry and done.how != "already":
        ask.out.say(f"  wrote  refs/atoms-log/head {done.head[:12]}")
    if done.trust:
        ask.out.say("  wrote  atom.trustedAnchor in your git configuration: you trust this set")
    ask.out.line(done.set.anchor)
    return 0
