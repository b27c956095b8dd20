"""`git atom trust add`."""

from __future__ import annotations

from git_atom.app.sets import trust_add, trusted
from git_atom.cli.parser import Ask
from git_atom.core.digest import Digest


def run(ask: Ask) -> int:
    """Trust a set; says what it wrote."""
    anchor = Digest.parse(ask["anchor"])
    new = anchor not in trusted(ask.host) if ask["dry_run"] else trust_add(ask.host, anchor)
    if ask.out.json:
        ask.out.document("git-atom-trust-add/1", {"anchor": anchor, "added": new, "dry-run": ask["dry_run"]})
    elif not new:
        ask.out.say("you trust this set already")
    else:
        ask.out.say(f"{'would write' if ask['dry_run'] else 'wrote'} atom.trustedAnchor in your git configuration")
    return 0
