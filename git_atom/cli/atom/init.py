"""`git atom init`."""

from __future__ import annotations

from git_atom.app.publish import init
from git_atom.cli.parser import Ask

_SAID = {
    "founded": "founded a set of atoms",
    "joined": "joined the set of atoms at '{source}'",
    "already": "this repository has its set of atoms already",
}


def run(ask: Ask) -> int:
    """Join or found the set of this repository; prints its anchor."""
    done = init(ask.host)
    if ask.out.json:
        value = {"how": done.how, "anchor": done.set.anchor, "owners": list(done.set.owners), "head": done.head}
        ask.out.document("git-atom-init/1", value | {"trusted": done.trust})
        return 0
    ask.out.say(_SAID[done.how].format(source=done.set.source))
    for owner in done.set.owners:
        ask.out.say(f"  owner  {owner}")
    if done.how != "already":
        ask.out.say(f"  wrote  refs/atoms-log/head {done.head[:12]}")
    if done.trust:
        ask.out.say("  wrote  atom.trustedAnchor in your git configuration: you trust this set")
    ask.out.line(done.set.anchor)
    return 0
