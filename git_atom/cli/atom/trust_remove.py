"""`git atom trust remove`."""

from __future__ import annotations

from git_atom.app.atom.sets import trust_remove, trusted
from git_atom.cli.parser import Ask
from git_atom.core.digest import Digest


def run(ask: Ask) -> int:
    """Trust a set no more; exit 1 when it was not trusted."""
    anchor = Digest.parse(ask["anchor"])
    was = anchor in trusted(ask.host) if ask["dry_run"] else trust_remove(ask.host, anchor)
    if ask.out.json:
        ask.out.document("git-atom-trust-remove/1", {"anchor": anchor, "removed": was, "dry-run": ask["dry_run"]})
    else:
        ask.out.say("you do not trust this set any more" if was and not ask["dry_run"] else
                    "you trust this set" if was else "you did not trust this set")  # fmt: skip
    return 0 if was else 1
