"""Rotations of keys and thresholds (catalogue S09), after the situations that the TUF specification's clients are tried with.

A situation is who owns before and after, how many of each must sign, and who did. Owners stand for TUF's root, the keys of a claim for
its other roles. One verdict differs on purpose: a signature by a key that has no say is refused here, where TUF passes over it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from test_log import OWNER, Set, key, refused
from test_owning import charter, handover, retraction, successor

KEYS = [key(f"rotation {at}") for at in range(10)]


def some(digits: str) -> tuple:
    return tuple(KEYS[int(digit)] for digit in digits)


@pytest.fixture
def log(tmp_path: Path, home: Path) -> Set:
    return Set(tmp_path / "r.git").claim("a").publish("a", "1.0.0")


# owners, threshold, signers of each charter in turn; the last one is the one in question
GOOD = {
    "another key": ["1 1 1", "2 1 21", "2 1 2"],
    "any three of five": ["01234 3 024", "01234 3 041", "01234 3 013", "01234 3 013"],
    "one of five, by those who stay": ["01234 3 024", "01345 3 041"],
    "one of five, in two steps": ["01234 3 024", "01345 3 0245", "01345 3 045"],
    "all of five, in two steps": ["01234 3 024", "56789 3 024567", "56789 3 567"],
    "a higher threshold": ["123 1 1", "123 2 12"],
    "a lower threshold": ["123 2 12", "123 1 12", "123 1 1"],
    "another owner and both needed": ["1 1 1", "12 2 12"],
}
BAD = {
    "not by the old key": ["1 1 1", "2 1 2"],
    "not by the new key": ["1 1 1", "2 1 1"],
    "two of the new three": ["01234 3 024", "01345 3 024"],
    "two of the old three": ["01234 3 024", "01345 3 045"],
    "the new threshold not met": ["123 1 1", "123 2 2"],
    "the old threshold not met": ["123 2 12", "123 1 1"],
}
BESIDES = {
    "another key, and strangers": ["1 1 1", "2 1 3214"],
    "the same key, and strangers": ["1 1 1", "1 1 314"],
    "strangers in place of the old key": ["1 1 1", "2 1 234"],
    "strangers in place of the new key": ["1 1 1", "2 1 134"],
}


def rotated(log: Set, steps: list[str]) -> Set:
    """All steps, the last of them not verified yet; the first is signed by all its owners and by who founded the set."""
    by = OWNER
    for at, step in enumerate(steps):
        owners, threshold, signers = step.split()
        if at:
            log.verify()
        who = (OWNER, *some(owners)) if at == 0 else some(signers)
        charter(log, successor(log, some(owners), int(threshold)), *who, by=by)
        by = some(owners)[0]
    return log


@pytest.mark.parametrize("steps", GOOD.values(), ids=GOOD)
def test_s09_a_charter_that_succeeds(log: Set, steps: list[str]) -> None:
    charters = len(steps)
    assert rotated(log, steps).verify().value.charter.seq == charters


@pytest.mark.parametrize("steps", [*BAD.values(), *BESIDES.values()], ids=[*BAD, *BESIDES])
def test_s09_a_charter_that_does_not(log: Set, steps: list[str]) -> None:
    rotated(log, steps[:1]).verify()
    start = log.draft
    owners, threshold, signers = steps[1].split()
    by = some(steps[0].split()[0])[0]
    charter(log, successor(log, some(owners), int(threshold)), *some(signers), by=by)
    refused(log, "ATOM-3010")
    log.draft = start
    both = sorted(set(owners + steps[0].split()[0]))
    charter(log, successor(log, some(owners), int(threshold)), *some("".join(both)), by=by)
    assert log.verify(), "the control: the same change, signed by all"


# keys of the claim, threshold, signers of a statement under it, verdict
STATEMENTS = [
    ("2 1 2", True), ("01234 3 024", True), ("01234 3 041", True), ("01234 3 013", True), ("01234 3 123", True), ("01234 3 234", True),
    ("2 1 134", False), ("1 1 314", False), ("01345 3 024", False), ("01345 3 04", False),
]  # fmt: skip


@pytest.mark.parametrize(("case", "good"), STATEMENTS, ids=[case for case, _ in STATEMENTS])
def test_s09_what_the_keys_of_a_name_say(log: Set, case: str, good: bool) -> None:
    names, threshold, signers = case.split()
    holders = some(names)
    handover(log, "a", holders, OWNER, *holders, threshold=int(threshold))
    log.verify()
    start = log.draft
    retraction(log, "a", "1.0.0", *some(signers), by=holders[0])
    if good:
        assert log.verify()
        return
    refused(log, "ATOM-3010")
    log.draft = start
    assert retraction(log, "a", "1.0.0", *holders, by=holders[0]).verify()


def test_s09_a_verdict_is_no_step_further(log: Set) -> None:
    """After a refused rotation the charter before it is in force, and what builds on the refused one is refused with it."""
    rotated(log, ["1 1 1"])
    good = log.verify()
    charter(log, successor(log, some("2"), 1), *some("2"), by=KEYS[1])
    refused(log, "ATOM-3010")
    log.claim("b")
    refused(log, "ATOM-3010")
    assert good.value.charter.owners == (KEYS[1].public,)
