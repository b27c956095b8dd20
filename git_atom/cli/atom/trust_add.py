"""`git atom trust add`."""

from __future__ import annotations

from git_atom.app.atom.forks import settle
from git_atom.app.atom.sets import trust_add, trusted
from git_atom.cli.parser import Ask
from git_atom.core.digest import Digest, Oid


def run(ask: Ask) -> int:
    """Trust a set; with --head, follow one of two logs of it. Says what it wrote."""
    anchor = Digest.parse(ask["anchor"])
    head = Oid.parse(ask["head"]) if ask["head"] else None
    settled = settle(ask.host, anchor, head, dry=ask["dry_run"]) if head else False
    new = anchor not in trusted(ask.host) if ask["dry_run"] else trust_add(ask.host, anchor)
    if ask.out.json:
        value = {"anchor": anchor, "added": new, "dry-run": ask["dry_run"], "head": head or "", "settled": settled}
        ask.out.document("git-atom-trust-add/1", value)
        return 0
    if head:
        ask.out.say(f"{'would follow' if ask['dry_run'] else 'following'} the log that has {head}")
    if new:
        ask.out.say(f"{'would write' if ask['dry_run'] else 'wrote'} atom.trustedAnchor in your git configuration")
    elif not head:
        ask.out.say("you trust this set already")
    return 0
