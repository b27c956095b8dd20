"""Charters, claims, retractions and revocations: who may sign what, judged by the log alone; each refusal beside its control.

Tests that begin with a letter and two digits are cases of the threat catalogue, by their ids.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from test_log import OTHER, OWNER, Set, key, place, refused

from git_atom.core.digest import Digest, of_bytes
from git_atom.core.statements import Charter, Claim, Retraction, Revocation, name_folder
from git_atom.errors import AtomError
from git_atom.trust import log as logs
from git_atom.trust import sshsig
from git_atom.trust.keys import HeldKey

THIRD = key("third")
TIME = "2023-11-14T22:13:20Z"


@pytest.fixture
def log(tmp_path: Path, home: Path) -> Set:
    return Set(tmp_path / "r.git").claim("a", "b").publish("a", "1.0.0")


def owners(*who: HeldKey) -> tuple[str, ...]:
    return tuple(sorted(k.public for k in who))


def standing(log: Set) -> Charter:
    return log.verify().value.charter


def successor(log: Set, who: tuple[HeldKey, ...], threshold: int = 1) -> Charter:
    old = standing(log)
    return old._replace(
        anchor=log.draft.anchor,
        owners=owners(*who),
        previous=of_bytes(old.encode()),
        seq=old.seq + 1,
        threshold=threshold,
    )


def signed(folder: str, statement: bytes, namespace: str, *signers: HeldKey) -> dict[str, bytes]:
    made = {f"{folder}/signatures/{k.key_digest.hex}": k.sign(namespace, statement) for k in signers}
    return {f"{folder}/statement": statement} | made


def charter(log: Set, new: Charter, *signers: HeldKey, by: HeldKey = OWNER) -> Set:
    files = signed(f"charters/{new.seq}", new.encode(), sshsig.CHARTER, *signers)
    return log.append("charter", [(str(new.seq),)], files, by)


def handover(
    log: Set, name: str, who: tuple[HeldKey, ...], *signers: HeldKey, by: HeldKey = OWNER, threshold: int = 1
) -> Set:
    old = logs.claim_in(log.objects, log.draft.tree, name)
    new = Claim(log.draft.anchor, owners(*who), name, of_bytes(old.encode()), old.seq + 1, threshold)
    folder = f"{name_folder(name)}/claims/{new.seq}"
    return log.append("claim", [(name,)], signed(folder, new.encode(), sshsig.CLAIM, *signers), by)


def retraction(log: Set, name: str, version: str, /, *signers: HeldKey, by: HeldKey = OWNER, **other: object) -> Set:
    tree = logs.release(log.objects, log.verify(), name, version)[0].value.tree
    made = Retraction(log.draft.anchor, name, "broken", TIME, tree, version)._replace(**other)
    folder = f"{name_folder(name)}/retractions/{version}"
    return log.append("retract", [(name, version)], signed(folder, made.encode(), sshsig.RETRACTION, *signers), by)


def revocation(log: Set, gone: HeldKey, *signers: HeldKey, by: HeldKey = OWNER) -> Set:
    made = Revocation(log.draft.anchor, gone.public, "stolen", TIME)
    folder = f"revocations/{gone.key_digest.hex}"
    files = signed(folder, made.encode(), sshsig.REVOCATION, *signers)
    return log.append("revoke", [(gone.fingerprint,)], files, by)


class Rewind:
    """Back to where the log stood, as often as one likes."""

    def __init__(self, log: Set) -> None:
        self.log, self.start = log, log.draft

    def __call__(self) -> Set:
        self.log.draft = self.start
        return self.log


# ---- charters ----------------------------------------------------------------------------------------------------------


def test_s08_a_threshold_counts_distinct_keys(log: Set) -> None:
    """Two of three: not by one key twice, nor by a key under another's name, nor by the old owners alone."""
    charter(log, successor(log, (OWNER, OTHER, THIRD), 2), OWNER, OTHER)
    assert standing(log).threshold == 2
    again = Rewind(log)
    after = successor(log, (OWNER, OTHER), 2)
    folder, statement = f"charters/{after.seq}", after.encode()
    assert charter(again(), after, OWNER, OTHER).verify()
    assert charter(again(), after, OWNER, THIRD, OTHER, by=THIRD).verify()
    refused(charter(again(), after, OWNER), "ATOM-3010")
    refused(charter(again(), after, OWNER, THIRD), "ATOM-3010")  # enough of the old owners, one of the new
    one = signed(folder, statement, sshsig.CHARTER, OWNER)
    twice = one | {f"{folder}/signatures/{OTHER.key_digest.hex}": OWNER.sign(sshsig.CHARTER, statement)}
    refused(again().append("charter", [(str(after.seq),)], twice, OWNER), "ATOM-3004")
    elsewhere = one | {f"{folder}/signatures/x": OWNER.sign(sshsig.CHARTER, statement)}
    refused(again().append("charter", [(str(after.seq),)], elsewhere, OWNER), "ATOM-3010")


def test_a_key_line_with_a_comment_is_no_second_key(log: Set) -> None:
    statement = successor(log, (OWNER,)).encode().replace(OWNER.public.encode(), OWNER.public.encode() + b" two")
    folder = "charters/1"
    refused(log.append("charter", [("1",)], signed(folder, statement, sshsig.CHARTER, OWNER), OWNER), "ATOM-1030")


@pytest.mark.parametrize("namespace", ["git", sshsig.CLAIM, sshsig.RETRACTION])
def test_s02_a_charter_is_signed_as_a_charter(log: Set, namespace: str) -> None:
    new, again = successor(log, (OWNER, OTHER)), Rewind(log)
    assert charter(again(), new, OWNER).verify()
    files = signed("charters/1", new.encode(), namespace, OWNER)
    refused(again().append("charter", [("1",)], files, OWNER), "ATOM-3003")


def test_s09_rotation_by_strangers(log: Set) -> None:
    """The successor's own owners do not make it theirs: the old threshold has to sign."""
    new, again = successor(log, (THIRD,)), Rewind(log)
    assert charter(again(), new, OWNER, THIRD).verify()
    refused(charter(again(), new, THIRD, by=THIRD), "ATOM-3010")
    refused(charter(again(), new, THIRD, OTHER, by=OWNER), "ATOM-3010")
    refused(charter(again(), new, OWNER, by=OWNER), "ATOM-3010")  # the new owner never said yes
    refused(charter(again(), new, OWNER, THIRD, by=OTHER), "ATOM-3004")


@pytest.mark.parametrize(
    "change",
    [
        {"anchor": Digest("blake3:" + "0" * 64)},
        {"nonce": "11" * 32},
        {"previous": of_bytes(b"another")},
        {"root": "1" * 40},
        {"seq": 2},
        {"seq": 2**53 - 1},
    ],
    ids=str,
)
def test_s10_a_charter_that_does_not_succeed(log: Set, change: dict[str, object]) -> None:
    """Skipped, repeated, of another set, with another root: refused; F05 is the largest number there is."""
    new, again = successor(log, (OWNER, OTHER)), Rewind(log)
    assert charter(again(), new, OWNER, OTHER).verify()
    refused(charter(again(), new._replace(**change), OWNER, OTHER), "ATOM-3010")


def test_s10_an_equal_number_with_other_bytes(log: Set) -> None:
    first = successor(log, (OWNER, OTHER))
    other = successor(log, (OWNER, THIRD))
    charter(log, first, OWNER, OTHER)
    refused(charter(log, other, OWNER, THIRD), "ATOM-3010")


def test_s13_two_successors_of_one_parent(log: Set) -> None:
    """Whoever saw one never takes the other; in one log there is no place for both."""
    again = Rewind(log)
    base = log.verify()
    left, right = successor(log, (OWNER, OTHER)), successor(log, (OWNER, THIRD))
    one = charter(again(), left, OWNER).verify(base)
    charter(again(), right, OWNER)
    assert log.verify(base)
    with pytest.raises(AtomError) as caught:
        log.verify(one)
    assert caught.value.code == "ATOM-3012"
    refused(charter(log, left._replace(seq=2), OWNER), "ATOM-3010")


def test_two_charters_in_one_entry(log: Set) -> None:
    first = successor(log, (OWNER, OTHER))
    second = first._replace(previous=of_bytes(first.encode()), seq=2, owners=owners(OWNER))
    files = signed("charters/1", first.encode(), sshsig.CHARTER, OWNER)
    files |= signed("charters/2", second.encode(), sshsig.CHARTER, OWNER)
    refused(log.append("charter", [("1",), ("2",)], files), "ATOM-3010")


# ---- rotation and revocation, by position in the log ---------------------------------------------------------------------


def test_s05_a_key_that_was_rotated_away_cannot_backdate(log: Set) -> None:
    """Its old releases verify for ever; a new one is refused whatever its dates say."""
    handover(log, "a", (OTHER,), OWNER, OTHER)
    assert logs.release(log.objects, log.verify(), "a", "1.0.0")
    again = Rewind(log)
    late = log.release("a", "1.1.0", "1.0.0")._replace(time="2001-01-01T00:00:00Z")
    good = {place("a", "1.1.0"): log.tag(late, OTHER)}
    assert again().append("publish", [("a", "1.1.0")], good, OTHER).verify()
    bad = {place("a", "1.1.0"): log.tag(late, OWNER)}
    refused(again().append("publish", [("a", "1.1.0")], bad, OTHER), "ATOM-3004")
    refused(again().append("publish", [("a", "1.1.0")], bad, OWNER), "ATOM-3004")


def test_s06_dates_are_never_asked(log: Set) -> None:
    for stated in ("1970-01-01T00:00:00Z", "2262-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        again = Rewind(log)
        tag = log.tag(log.release("b", "1.0.0")._replace(time=stated))
        assert again().append("publish", [("b", "1.0.0")], {place("b", "1.0.0"): tag}).verify()
        again()


def test_s07_a_revoked_key(log: Set) -> None:
    """What it signed before stays readable; after the entry it signs nothing, though claim and charter still name it."""
    charter(log, successor(log, (OWNER, OTHER)), OWNER)
    handover(log, "a", (OWNER, OTHER), OWNER, OTHER)
    again = Rewind(log)
    tag = log.tag(log.release("a", "1.1.0", "1.0.0"))
    assert again().append("publish", [("a", "1.1.0")], {place("a", "1.1.0"): tag}).verify()
    revocation(again(), OWNER, OTHER, by=OTHER)
    state = log.verify().value
    assert state.revoked == {OWNER.key_digest.hex}
    assert logs.remembered(log.objects, log.draft.head).value.revoked == state.revoked
    assert logs.release(log.objects, log.verify(), "a", "1.0.0"), "what it published before is still there"
    assert logs.revocation(log.objects, log.draft.tree, OWNER.key).reason == "stolen"
    after = Rewind(log)
    refused(log.append("publish", [("a", "1.1.0")], {place("a", "1.1.0"): tag}, OTHER), "ATOM-3004")
    by_other = log.tag(log.release("a", "1.1.0", "1.0.0"), OTHER)
    refused(after().append("publish", [("a", "1.1.0")], {place("a", "1.1.0"): by_other}, OWNER), "ATOM-3004")
    assert after().append("publish", [("a", "1.1.0")], {place("a", "1.1.0"): by_other}, OTHER).verify()
    refused(charter(after(), successor(log, (OTHER,)), OWNER, OTHER, by=OTHER), "ATOM-3010")
    refused(charter(after(), successor(after(), (OWNER, THIRD)), OTHER, THIRD, by=OTHER), "ATOM-3010")
    assert charter(after(), successor(after(), (OTHER,)), OTHER, by=OTHER).verify()
    refused(retraction(after(), "a", "1.0.0", OWNER, by=OTHER), "ATOM-3010")
    refused(revocation(after(), OWNER, OTHER, by=OTHER), "ATOM-3010")


def test_who_may_revoke(log: Set) -> None:
    again = Rewind(log)
    assert revocation(again(), OTHER, OWNER).verify()
    assert revocation(again(), OTHER, OTHER, by=OTHER).verify(), "a key may revoke itself"
    refused(revocation(again(), OTHER, THIRD, by=OWNER), "ATOM-3010")
    refused(revocation(again(), OWNER, OTHER, by=OTHER), "ATOM-3010")
    refused(revocation(again(), OTHER), "ATOM-3010")


# ---- claims --------------------------------------------------------------------------------------------------------------


def test_p04_a_claimed_name_and_another_key(log: Set) -> None:
    again = Rewind(log)
    assert handover(again(), "a", (OTHER,), OWNER, OTHER).verify()
    refused(handover(again(), "a", (OTHER,), OTHER, by=OTHER), "ATOM-3010")
    refused(handover(again(), "a", (OTHER,), OTHER, by=OWNER), "ATOM-3010")
    refused(handover(again(), "a", (OTHER,), OWNER), "ATOM-3010")  # the new key never said yes
    made = Claim(log.draft.anchor, owners(OTHER), "a", None, 0, 1)
    files = signed(f"{name_folder('a')}/claims/1", made.encode(), sshsig.CLAIM, OWNER)
    refused(again().append("claim", [("a",)], files), "ATOM-3010")


def test_claims_are_succeeded_by_their_holders_or_the_owners(log: Set) -> None:
    handover(log, "a", (OTHER,), OWNER, OTHER)
    again = Rewind(log)
    assert handover(again(), "a", (THIRD,), OTHER, THIRD, by=OTHER).verify(), "the holder, without the owners"
    assert handover(again(), "a", (THIRD,), OWNER, THIRD).verify(), "the owners, without the holder"
    refused(handover(again(), "a", (THIRD,), THIRD, by=THIRD), "ATOM-3010")
    refused(handover(again(), "b", (THIRD,), OTHER, THIRD, by=OTHER), "ATOM-3010")  # another name's holder


def test_s13_two_successors_of_one_claim(log: Set) -> None:
    base, again = log.verify(), Rewind(log)
    one = handover(again(), "a", (OTHER,), OWNER, OTHER).verify(base)
    handover(again(), "a", (THIRD,), OWNER, THIRD)
    with pytest.raises(AtomError) as caught:
        log.verify(one)
    assert caught.value.code == "ATOM-3012"


@pytest.mark.parametrize("twin", ["A", "а"])
def test_n04_a_sibling_that_only_looks_new(log: Set, twin: str) -> None:
    start = Rewind(log)
    assert log.claim("c").verify()
    refused(start().claim(twin), "ATOM-3010")
    refused(start().claim("fo-o", "fo_o"), "ATOM-3010")


# ---- retractions ---------------------------------------------------------------------------------------------------------


def test_retraction(log: Set) -> None:
    again = Rewind(log)
    retraction(log, "a", "1.0.0", OWNER)
    assert logs.retracted(log.objects, log.verify().value.tree, "a") == {"1.0.0"}
    assert logs.retraction(log.objects, log.draft.tree, "a", "1.0.0").reason == "broken"
    assert logs.release(log.objects, log.verify(), "a", "1.0.0"), "it can still be verified"
    refused(retraction(log, "a", "1.0.0", OWNER), "ATOM-3010")  # once is for good
    for change in (
        {"anchor": of_bytes(b"x")}, {"tree": of_bytes(b"x")}, {"version": "1.0.1"}, {"name": "b"},
    ):  # fmt: skip
        refused(retraction(again(), "a", "1.0.0", OWNER, **change), "ATOM-3010")
    refused(retraction(again(), "a", "1.0.0", OTHER), "ATOM-3010")
    refused(retraction(again(), "a", "1.0.0", OTHER, by=OTHER), "ATOM-3010")
    refused(retraction(again(), "a", "1.0.0", OWNER, by=OTHER), "ATOM-3004")
    refused(retraction(again(), "a", "1.0.0", OWNER, reason="two\nlines"), "ATOM-1080")


def test_who_retracts(log: Set) -> None:
    handover(log, "a", (OTHER,), OWNER, OTHER)
    again = Rewind(log)
    assert retraction(again(), "a", "1.0.0", OTHER, by=OTHER).verify()
    assert retraction(again(), "a", "1.0.0", OWNER).verify()
    refused(retraction(again(), "a", "1.0.0", THIRD, by=OWNER), "ATOM-3010")


# ---- entries -------------------------------------------------------------------------------------------------------------


def test_s03_statements_change_with_every_field() -> None:
    for good in (
        Retraction(of_bytes(b"a"), "curl", "why", TIME, of_bytes(b"t"), "1.0.0"),
        Revocation(of_bytes(b"a"), OWNER.public, "why", TIME),
    ):
        other = {
            "anchor": of_bytes(b"x"), "name": "zlib", "reason": "other", "time": "2024-11-14T22:13:20Z", "key": OTHER.public,
            "tree": of_bytes(b"y"), "version": "1.0.1",
        }  # fmt: skip
        digests = {of_bytes(good._replace(**{field: other[field]}).encode()) for field in good._fields}
        assert len(digests | {of_bytes(good.encode())}) == len(good._fields) + 1
        kind = type(good)
        assert kind.decode(good.encode()) == good
        for data in (good.encode() + b"\n", good.encode().replace(b'"time":', b'"time": '), good.encode()[:-1]):  # S14
            with pytest.raises(AtomError):
                kind.decode(data)


def test_an_entry_brings_what_its_kind_says(log: Set) -> None:
    new, again = successor(log, (OWNER, OTHER)), Rewind(log)
    files = signed("charters/1", new.encode(), sshsig.CHARTER, OWNER)
    assert again().append("charter", [("1",)], files).verify()
    for kind, items in (
        ("claim", [("1",)]),
        ("retract", [("1",)]),
        ("revoke", [("1",)]),
        ("charter", [("2",)]),
        ("charter", []),
    ):
        refused(again().append(kind, items, files), "ATOM-3010")
    refused(again().append("charter", [("1",)], files | {"charters/1/more": b"x"}), "ATOM-3010")
    refused(again().append("charter", [("1",)], files | {"notes": b"x"}), "ATOM-3010")
    moved = {path.replace("charters/1", "charters/3"): data for path, data in files.items()}
    refused(again().append("charter", [("1",)], moved), "ATOM-3010")


def test_stored_bytes_of_succession_stay(tmp_path: Path, home: Path) -> None:
    """What is signed in the formats of gitatom-format-log(5) today verifies for ever: one log of every kind, by its head."""
    log = Set(tmp_path / "r.git").claim("curl").publish("curl", "8.5.0")
    charter(log, successor(log, (OWNER, OTHER), 2), OWNER, OTHER)
    handover(log, "curl", (OTHER,), OWNER, OTHER)
    retraction(log, "curl", "8.5.0", OTHER, by=OTHER)
    revocation(log, OWNER, OWNER)
    assert log.verify().value.seq == 6
    told = hashlib.sha256("\n".join([log.draft.head, log.draft.message]).encode()).hexdigest()
    assert told == "67264832845af3cfe686487e015ed2595ce39eabdd9470b411cd11a224b04302"
