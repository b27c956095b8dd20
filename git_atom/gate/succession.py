"""Policy changes and their use in one push are judged by the state before the push.

Each entry of a log is valid by the state before that entry, which is what a reader of the whole log asks. A server asks more: whoever
got hold of one key at one moment may not hand the set over and publish under the new order in a single step. What a push changes of
who may do what counts from the next push on; nobody is shut out, since a push of the change alone is all it takes.
"""

from __future__ import annotations

from collections.abc import Iterable

from git_atom.core.digest import Oid
from git_atom.core.refnames import LOG
from git_atom.core.statements import Claim, Entry, name_folder
from git_atom.errors import RefusedError
from git_atom.git.capped import Capped
from git_atom.git.objects import Objects
from git_atom.trust import log as logs
from git_atom.trust.log import Log
from git_atom.trust.objects import signer_of
from git_atom.trust.publickey import PublicKey, parse


def check_old_state(objects: Objects, before: Log, after: Log) -> None:
    """Hold every entry after `before` up to `after`, both verified, against who might do what before. Raises RefusedError ATOM-8508."""
    policy = _Policy(objects, before)
    charter_changed = False
    claimed: set[str] = set()
    commits = _commits(objects, before.head, after.head)
    for raw, entry in zip(commits, logs.entries(objects, after.head, before.head), strict=True):
        if charter_changed:
            raise _refused(entry, raw, "the charter before it in this push is not accepted yet")
        charter_changed = entry.kind == "charter"
        if entry.kind in ("charter", "revoke"):
            continue  # signed under the charter before it, or only taking something away
        names = {item[0] for item in entry.items}
        policy.ready(names)
        who = signer_of(raw, policy.known(names))
        if who.key is None or not policy.may_enter(who.key, names):
            raise _refused(entry, raw, f"key {who.fingerprint} might not write it before this push")
        if entry.kind == "publish":
            _check_signers(objects, policy, after, entry, raw)
        elif (fresh := sorted(claimed & names)) and not all(policy.keeps(after, name) for name in fresh):
            raise _refused(entry, raw, f"the claim of '{fresh[0]}' before it in this push is not accepted yet")
        claimed |= names if entry.kind == "claim" else set()


def _check_signers(objects: Objects, policy: _Policy, after: Log, entry: Entry, raw: bytes) -> None:
    paths = [f"{name_folder(name)}/versions/{version}".encode() for name, version in entry.items]
    places = objects.at_all(after.tree, paths)
    tags = objects.many([place[1] for place in places if place is not None])
    for (name, _), place in zip(entry.items, places, strict=True):
        tag = next(tags) if place is not None else None
        signer = signer_of(tag[2] if tag else b"", policy.publishers(name))
        if signer.key not in policy.publishers(name):
            raise _refused(entry, raw, f"key {signer.fingerprint} might not publish '{name}' before this push")


def warm(objects: Capped, before: Log | None, head: Oid) -> None:
    """Have the entries that a push brings read in few questions, and not at all when they bring more than anybody publishes."""
    trees: list[Oid] = []
    at: Oid | None = head
    while at is not None and (before is None or at != before.head):
        found = objects.get(at)
        if found is None or found[1] != "commit":
            return
        lines = found[2].split(b"\n\n", 1)[0].split(b"\n")
        trees.append(Oid(lines[0][5:].decode(errors="replace")))
        at = _parent(found[2])
    last = before.tree if before is not None and before.head == at else None
    # nothing of what was accepted before is looked at
    objects.warm(list(zip([*trees[1:], last], trees, strict=True)))


class _Policy:
    """Who might do what in a set, as it was accepted: owners, and the keys of the claims."""

    def __init__(self, objects: Objects, log: Log) -> None:
        self._objects = objects
        self._log = log
        self._owners = frozenset(parse(line) for line in log.charter.owners)
        self._claims: dict[str, frozenset[PublicKey]] = {}

    def ready(self, names: Iterable[str]) -> None:
        """Have the keys of these names read in few questions."""
        asked = [name for name in names if name not in self._claims]
        found = logs.statements_in(self._objects, self._log.tree, asked)
        for name, blob in zip(found, self._objects.many(list(found.values())), strict=True):
            if blob is not None:
                self._claims[name] = frozenset(parse(line) for line in Claim.decode(blob[2]).keys)
        self._claims |= {name: self._owners for name in asked if name not in found}

    def publishers(self, name: str) -> frozenset[PublicKey]:
        """Keys that might publish a name: those of its claim, or the owners while it has none."""
        if name not in self._claims:
            claim = logs.claim_in(self._objects, self._log.tree, name)
            self._claims[name] = self._owners if claim is None else frozenset(parse(line) for line in claim.keys)
        return self._claims[name]

    def may_enter(self, key: PublicKey, names: set[str]) -> bool:
        """Whether a key might write an entry about these names."""
        return key in self._owners or (bool(names) and all(key in self.publishers(name) for name in names))

    def known(self, names: set[str]) -> frozenset[PublicKey]:
        """Every key that might write some entry about these names."""
        return self._owners.union(*(self.publishers(name) for name in names))

    def keeps(self, after: Log, name: str) -> bool:
        """Whether the claim of a name after the push names nobody who might not publish it before."""
        claim = logs.claim_in(self._objects, after.tree, name)
        return claim is not None and {parse(line) for line in claim.keys} <= self.publishers(name)


def _commits(objects: Objects, old: Oid, new: Oid) -> list[bytes]:
    """The raw commits after `old` up to `new`, oldest first."""
    out: list[bytes] = []
    at: Oid | None = new
    while at is not None and at != old:
        raw = objects.read(at)[2]
        out.append(raw)
        at = _parent(raw)
    return out[::-1]


def _parent(raw: bytes) -> Oid | None:
    lines = raw.split(b"\n\n", 1)[0].split(b"\n")
    return next((Oid.parse(line[7:].decode(errors="replace")) for line in lines if line.startswith(b"parent ")), None)


def _refused(entry: Entry, raw: bytes, why: str) -> RefusedError:
    return RefusedError(
        "ATOM-8508",
        f"entry {entry.seq} ('{entry.kind}') uses what only this push would allow",
        note=why,
        hint=f"push up to the entry before it first: git push <remote> {_parent(raw)}:{LOG}",
    )
