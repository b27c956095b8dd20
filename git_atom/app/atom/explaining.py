"""`git atom trust explain`: why an atom is accepted or not, one step after the other, from the user's own trust down to the bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from git_atom.app.atom import atoms, forks, policies, sets
from git_atom.app.atom.showing import Here, find
from git_atom.core.host import Host
from git_atom.core.statements import Release
from git_atom.core.version import Version
from git_atom.errors import AtomError
from git_atom.git import repo as repos
from git_atom.git.digests import TreeDigests
from git_atom.git.objects import Objects
from git_atom.trust import log as logs
from git_atom.trust import policy as judging
from git_atom.trust.log import Log
from git_atom.trust.policy import Policy
from git_atom.trust.publickey import PublicKey, parse
from git_atom.trust.verified import Verified


class Step(NamedTuple):
    """One question and its answer. answer: `yes`, `no`, `warning`, or `unknown` when an earlier answer leaves it open."""

    what: str
    answer: str
    why: str


class Explained(NamedTuple):
    """The steps in order, and the verdict: `accepted` or `refused`."""

    name: str
    version: str
    verdict: str
    steps: tuple[Step, ...]


_STEPS = (
    "anchor",
    "log",
    "rollback",
    "fork",
    "charter",
    "claim",
    "signer",
    "position",
    "content",
    "retraction",
    "revocation",
    "age",
)


def explain(host: Host, text: str) -> Explained:
    """Go through every step for an atom that is here; a step that fails leaves those open that stand on it.

    Raises what finding the atom raises, and CannotError ATOM-3018 for a policy that cannot be read.
    """
    here, name, version = find(host, text)
    policy = policies.policy_of(host, here.anchor)
    with Objects(here.repo) as objects:
        case = _Case(host, here, name, str(version), policy, objects)
        steps = case.run()
    refused = any(step.answer in ("no", "unknown") for step in steps)
    return Explained(name, str(version), "refused" if refused else "accepted", tuple(steps))


class _Case:
    """One atom before the court: what the steps so far have established."""

    def __init__(self, host: Host, here: Here, name: str, version: str, policy: Policy, objects: Objects) -> None:
        self.host, self.here, self.policy, self.objects = host, here, policy, objects
        self.name, self.version = name, version
        self.log: Verified[Log] | None = None
        self.release: Release | None = None
        self.tag = b""
        self.key: PublicKey | None = None

    def run(self) -> list[Step]:
        """All steps; errors become answers."""
        done: list[Step] = []
        for what in _STEPS:
            step: Callable[[], Step | None] = getattr(self, f"_{what}")
            try:
                said = step()
            except AtomError as error:
                said = Step(what, "no", f"{error.what}{f' ({error.note.splitlines()[0]})' if error.note else ''}")
            done.append(said or Step(what, "unknown", "a step before this one failed"))
        return done

    def _anchor(self) -> Step:
        trusted = self.here.anchor in sets.trusted(self.host)
        why = f"{self.here.anchor}, " + ("trusted by your configuration" if trusted else f"not in your {sets.TRUSTED}")
        return Step("anchor", "yes" if trusted else "no", why)

    def _log(self) -> Step:
        self.log = logs.verify(self.objects, TreeDigests(self.objects, None), self.here.head, anchor=self.here.anchor)
        return Step("log", "yes", f"{self.log.value.seq + 1} entries from the founding up to {self.here.head} hold")

    def _rollback(self) -> Step:
        floor, held = sets.floor_held(self.host, self.here.repo, self.here.anchor, self.here.head)
        if floor in (None, self.here.head):
            return Step("rollback", "yes", "no newer log of this set is known")
        if not held:
            return Step("rollback", "no", f"your store knows {floor}, which this log does not continue")
        return Step("rollback", "yes", f"it continues {floor}, the newest that a remote accepted")

    def _fork(self) -> Step:
        store = repos.store(self.host)
        known = forks.of(store, self.here.anchor)
        if not known:
            return Step("fork", "yes", "no other log of this set was seen")
        with Objects(store) as objects:
            for fork in known:
                told = forks.told(objects, fork)
                why = f"two logs were seen, {fork.seen} and {fork.shown}, which part after entry {told.after}; "
                if fork.settled is None and forks.beyond(objects, fork, self.name, self.version):
                    return Step("fork", "no", why + "this version is not in both")
        return Step(
            "fork", "warning", why + (f"you follow {fork.settled}" if fork.settled else "this version is in both")
        )

    def _charter(self) -> Step | None:
        if self.log is None:
            return None
        charter = self.log.value.charter
        return Step(
            "charter",
            "yes",
            f"charter {charter.seq}: {charter.threshold} of {len(charter.owners)} owners speak for the set",
        )

    def _claim(self) -> Step | None:
        if self.log is None:
            return None
        claim = logs.claim_of(self.objects, self.log.value, self.name)
        if claim is None:
            return Step("claim", "no", f"'{self.name}' is not claimed")
        keys = ", ".join(parse(line).fingerprint for line in claim.keys)
        return Step("claim", "yes", f"claim {claim.seq} of '{self.name}': {keys}")

    def _signer(self) -> Step | None:
        if self.log is None:
            return None
        held = logs.release(self.objects, self.log, self.name, self.version)
        if held is None:
            return Step("signer", "no", f"the log has no '{self.name} {self.version}'")
        self.release, self.tag = held[0].value, held[1]
        self.key = key = logs.signer(self.tag, logs.holders(self.objects, self.log.value.tree, self.name))
        numbers = [c.seq for c in logs.claims(self.objects, self.log.value.tree, self.name) if key.line in c.keys]
        return Step(
            "signer", "yes", f"the tag is signed by {key.fingerprint}, a key of claim {', '.join(map(str, numbers))}"
        )

    def _position(self) -> Step | None:
        if self.release is None:
            return None
        for entry in reversed(logs.entries(self.objects, self.here.head, None)):
            if entry.kind == "publish" and (self.name, self.version) in entry.items:
                return Step("position", "yes", f"published by entry {entry.seq}, when that key was allowed to")
        return Step("position", "no", "no entry of the log published it")

    def _content(self) -> Step | None:
        if self.release is None:
            return None
        if self.objects.get(self.release.commit) is None:
            return Step("content", "warning", f"not here; signed is {self.release.tree}")
        atoms.check_content(self.objects, self.release)
        return Step("content", "yes", f"the files have the signed digest {self.release.tree}")

    def _retraction(self) -> Step | None:
        if self.log is None or self.release is None:
            return None
        gone = logs.retraction(self.objects, self.log.value.tree, self.name, self.version)
        if gone is None:
            return Step("retraction", "yes", "not retracted")
        judging.admit(self.policy, f"{self.name} {self.version}", gone, None)
        return Step("retraction", "warning", f"retracted: {gone.reason}; never chosen anew, kept where it is locked")

    def _revocation(self) -> Step | None:
        if self.log is None or self.release is None or self.key is None:
            return None
        gone = logs.revocation(self.objects, self.log.value.tree, self.key)
        if gone is None:
            return Step("revocation", "yes", "its signer's key is not revoked")
        judging.admit(self.policy, f"{self.name} {self.version}", None, gone)
        return Step("revocation", "warning", f"its signer's key was revoked later: {gone.reason}")

    def _age(self) -> Step | None:
        if self.release is None:
            return None
        if not self.policy.minimum_age:
            return Step("age", "yes", "you ask for no minimum age")
        ages = policies.Ages(self.host, self.objects, self.here.anchor, self.policy.minimum_age)
        rows = policies.seen(self.host, self.here.anchor)
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(rows[0].when)) if rows else "never"
        told = f"minimum {self.policy.minimum_age} s, this set is known here since {since}"
        if ages.young(self.name, str(Version.parse(self.version)), self.release.time):
            return Step("age", "warning", f"too new to be chosen; {told}")
        return Step("age", "yes", f"old enough; {told}")
