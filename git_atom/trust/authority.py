"""Who must sign a statement of a set, judged by the state before it: the one table of thresholds (design section 4).

Pure. `trust/delta.py` counts the signatures in a log entry by it; who collects signatures asks it what is still missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from git_atom.core.digest import Digest, of_bytes
from git_atom.core.statements import (
    CHARTER,
    CLAIM,
    RETRACTION,
    REVOCATION,
    Charter,
    Claim,
    Entry,
    Retraction,
    Revocation,
    form_of,
    name_folder,
    read_tag,
)
from git_atom.errors import RefusedError
from git_atom.trust import sshsig
from git_atom.trust.objects import split_tag
from git_atom.trust.primitives import numbers_of
from git_atom.trust.publickey import OPENPGP, PublicKey, parse


class Before(NamedTuple):
    """The state a log entry is judged by. `anchor` is None before the founding.

    claim: the claim in force of a name, or None. versions: the published versions of a name. looks: skeleton of every claimed name.
    tag: the bytes of a version's signed tag, or None. retracted: whether a version is. revoked: hex digests of the revoked keys.
    """

    anchor: Digest | None
    charter: Charter | None
    claim: Callable[[str], Claim | None]
    versions: Callable[[str], frozenset[str]]
    looks: Callable[[], Mapping[str, str]]
    tag: Callable[[str, str], bytes | None] = lambda name, version: None
    retracted: Callable[[str, str], bool] = lambda name, version: False
    revoked: frozenset[str] = frozenset()


class Party(NamedTuple):
    """Some keys of which at least `threshold` distinct ones must sign."""

    who: str  # for people: `the owners`
    keys: frozenset[PublicKey]
    threshold: int


class Need(NamedTuple):
    """What it takes to bring one statement into the log.

    kind: of the entry. item: what the entry says of it. folder: where it lies in the log's tree. namespace: of its signatures.
    ways: any one of these will do, all of its parties together. entry: keys that may sign the entry's commit beside the owners.
    said: the statement, read; None for the founding charter, which nobody asks about.
    """

    kind: str
    item: tuple[str, ...]
    folder: str
    namespace: str
    ways: tuple[tuple[Party, ...], ...]
    entry: frozenset[PublicKey] = frozenset()
    said: Charter | Claim | Retraction | Revocation | None = None

    @property
    def allowed(self) -> frozenset[PublicKey]:
        """Every key whose signature counts for something."""
        return frozenset(key for way in self.ways for party in way for key in party.keys)

    def met(self, signed: Collection[PublicKey]) -> bool:
        """Whether these distinct keys suffice."""
        return any(all(len(party.keys & set(signed)) >= party.threshold for party in way) for way in self.ways)

    def lacks(self, signed: Collection[PublicKey]) -> str:
        """What is missing, for people: `1 of 2 signatures of the owners`; of several ways, each."""
        told = []
        for way in self.ways:
            short = [p for p in way if len(p.keys & set(signed)) < p.threshold]
            parts = [f"{len(p.keys & set(signed))} of {p.threshold} signatures of {p.who}" for p in short]
            told.append(" and ".join(parts))
        return ", or ".join(told)


def wrong(entry: Entry | None, why: str) -> RefusedError:
    """The error for an entry that breaks the rules."""
    which = f"entry {entry.seq} ('{entry.kind}')" if entry else "an entry"
    return RefusedError("ATOM-3010", f"{which} of the log is not valid", note=why)


def keys(lines: Sequence[str]) -> frozenset[PublicKey]:
    """The keys that public key lines name."""
    return frozenset(parse(line) for line in lines)


def alive(before: Before, lines: Sequence[str]) -> frozenset[PublicKey]:
    """The keys that public key lines name, without those that are revoked."""
    return frozenset(key for key in keys(lines) if not before.revoked or key.digest.hex not in before.revoked)


def owners(before: Before) -> Party:
    """The owners that the charter in force names, and how many of them speak for the set."""
    charter = _charter(before)
    return Party("the owners", alive(before, charter.owners), charter.threshold)


def need(before: Before, statement: bytes) -> Need:
    """What a statement needs to come into the log after this state. Raises RefusedError ATOM-3010 when it cannot come there at all.

    The founding charter is not asked about here: it needs nothing but itself.
    """
    rule = _NEEDS.get(form_of(statement))
    if rule is None:
        raise wrong(None, f"'{form_of(statement)}' is not a statement known here")
    return rule(before, statement)


def _of_charter(before: Before, statement: bytes) -> Need:
    """A successor names the charter in force and keeps root and nonce; the old threshold signs it, and the new."""
    old, new = _charter(before), Charter.decode(statement)
    if new.anchor != before.anchor or new.seq != old.seq + 1 or new.previous != of_bytes(old.encode()):
        raise wrong(None, f"charter {new.seq} does not succeed the charter in force, {old.seq}")
    if (new.root, new.nonce) != (old.root, old.nonce):
        raise wrong(None, "a charter keeps the root and the nonce of the one before it")
    _distinct(new.owners)
    _none_revoked(before, new.owners)
    ways = ((owners(before), Party("the new owners", keys(new.owners), new.threshold)),)
    return Need("charter", (str(new.seq),), f"charters/{new.seq}", sshsig.CHARTER, ways, keys(new.owners), new)


def _of_claim(before: Before, statement: bytes) -> Need:
    """The first claim of a name is the owners'. A later one is signed by the old claim's threshold or the owners', and by the new's."""
    claim = Claim.decode(statement)
    if claim.anchor != before.anchor:
        raise wrong(None, f"the claim of '{claim.name}' is for another set")
    old = before.claim(claim.name)
    _distinct(claim.keys)
    _none_revoked(before, claim.keys)
    folder = f"{name_folder(claim.name)}/claims/{claim.seq}"
    made = Need("claim", (claim.name,), folder, sshsig.CLAIM, ((owners(before),),), said=claim)
    if old is None:
        if claim.seq != 0:
            raise wrong(None, f"the first claim of '{claim.name}' is not there")
        return made
    if claim.seq == 0:
        raise wrong(None, f"name '{claim.name}' is claimed already")
    if claim.seq != old.seq + 1 or claim.previous != of_bytes(old.encode()):
        raise wrong(None, f"claim {claim.seq} of '{claim.name}' does not succeed the claim in force, {old.seq}")
    holders = holding(before, old)
    new = Party(f"the new keys of '{claim.name}'", keys(claim.keys), claim.threshold)
    return made._replace(ways=((holders, new), (owners(before), new)), entry=holders.keys | new.keys)


def _of_retraction(before: Before, statement: bytes) -> Need:
    """A retraction is of a version that is there, once; signed by the threshold of the name's claim or the owners'."""
    said = Retraction.decode(statement)
    tag, claim = before.tag(said.name, said.version), before.claim(said.name)
    if said.anchor != before.anchor or tag is None or claim is None:
        raise wrong(None, f"'{said.name} {said.version}' is not published in this set")
    if read_tag(split_tag(tag)[0]).tree != said.tree:
        raise wrong(None, f"the retraction of '{said.name} {said.version}' is of other content")
    if before.retracted(said.name, said.version):
        raise wrong(None, f"'{said.name} {said.version}' is retracted already")
    holders = holding(before, claim)
    folder = f"{name_folder(said.name)}/retractions/{said.version}"
    ways = ((holders,), (owners(before),))
    return Need("retract", (said.name, said.version), folder, sshsig.RETRACTION, ways, holders.keys, said)


def _of_revocation(before: Before, statement: bytes) -> Need:
    """A key is revoked once, by the owners' threshold or by itself."""
    said = Revocation.decode(statement)
    key = parse(said.key)
    if said.anchor != before.anchor:
        raise wrong(None, "the revocation is for another set")
    if key.digest.hex in before.revoked:
        raise wrong(None, f"key {key.fingerprint} is revoked already")
    alone = Party("the key itself", frozenset((key,)), 1)
    folder = f"revocations/{key.digest.hex}"
    return Need(
        "revoke", (key.fingerprint,), folder, sshsig.REVOCATION, ((owners(before),), (alone,)), frozenset((key,)), said
    )


_NEEDS: dict[str, Callable[[Before, bytes], Need]] = {
    CHARTER: _of_charter,
    CLAIM: _of_claim,
    RETRACTION: _of_retraction,
    REVOCATION: _of_revocation,
}


def holding(before: Before, claim: Claim) -> Party:
    """The keys that hold a name by a claim, and how many of them speak for it."""
    return Party(f"the keys of '{claim.name}'", alive(before, claim.keys), claim.threshold)


def distinct(lines: Sequence[str]) -> bool:
    """Whether no two of these lines are one key in two dresses: as an SSH key and for OpenPGP, or for OpenPGP with two dates."""
    known = keys(lines)
    if not any(key.kind == OPENPGP for key in known):
        return True
    return len({numbers_of(key) for key in known}) == len(known)


def _distinct(lines: Sequence[str]) -> None:
    if not distinct(lines):
        raise wrong(None, "it names one key twice")


def _none_revoked(before: Before, lines: Sequence[str]) -> None:
    for key in keys(lines):
        if key.digest.hex in before.revoked:
            raise wrong(None, f"key {key.fingerprint} is revoked")


def _charter(before: Before) -> Charter:
    if before.charter is None:
        raise wrong(None, "there is no charter before it")
    return before.charter
