"""Signatures checked by another process: the same answers, whatever becomes of that process, and nothing of a bad walk is remembered."""

from __future__ import annotations

import os
import signal

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from git_atom.errors import RefusedError
from git_atom.trust import objects, primitives, sshsig
from git_atom.trust.aside import Aside
from git_atom.trust.keys import HeldKey
from git_atom.trust.primitives import PrivateKey

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RAW = KEY.public_key().public_bytes_raw()
PUBLIC = PrivateKey(KEY).public
SIGNER = HeldKey(PrivateKey(KEY))
MANY = 3000  # more than is sent at a time


def test_all_fit() -> None:
    with Aside() as checker:
        for number in range(MANY):
            message = b"%d" % number
            checker.ask(RAW, KEY.sign(message), message)
        assert checker.all_fit() and checker.fit


@pytest.mark.parametrize("bad", [0, MANY // 2, MANY - 1])
@pytest.mark.parametrize("what", ["message", "signature", "key"])
def test_one_that_does_not_fit(bad: int, what: str) -> None:
    good, other = KEY.sign(b"good"), KEY.sign(b"other")
    with Aside() as checker:
        told = True
        for number in range(MANY):
            wrong = number == bad
            key = b"\xff" * 32 if wrong and what == "key" else RAW
            signature = other if wrong and what == "signature" else good
            told = checker.ask(key, signature, b"bad" if wrong and what == "message" else b"good") and told
        assert told or bad < MANY - 1
        assert not checker.all_fit() and not checker.fit


def test_a_checker_that_is_killed_vouches_for_nothing() -> None:
    with Aside() as checker:
        checker.ask(RAW, KEY.sign(b"good"), b"good")
        os.kill(checker._pid, signal.SIGKILL)
        os.waitid(os.P_PID, checker._pid, os.WEXITED | os.WNOWAIT)
        assert not checker.all_fit()
    assert not os.path.exists(f"/proc/{checker._pid}")


def tag(text: bytes, signer: HeldKey = SIGNER) -> bytes:
    return objects.sign_tag(b"object x\n\n" + text + b"\n", signer)


def test_what_a_bad_walk_saw_is_not_remembered() -> None:
    keys = {PUBLIC}
    forged = tag(b"one").replace(b"one", b"two")

    def walk(*tags: bytes) -> str:
        for one in tags:
            objects.verify_tag(one, keys)
        return "walked"

    assert objects.aside(lambda: walk(tag(b"1"), tag(b"2"))) == "walked"
    assert objects.aside(lambda: walk(tag(b"1"), forged)) is None
    with pytest.raises(RefusedError, match="does not fit"):
        walk(forged)
    assert primitives._aside is None


def test_an_error_of_the_walk_counts_when_all_signatures_fit() -> None:
    def walk(*tags: bytes) -> None:
        for one in tags:
            objects.verify_tag(one, {PUBLIC})
        raise RefusedError("ATOM-3010", "a rule is broken")

    with pytest.raises(RefusedError, match="a rule is broken"):
        objects.aside(lambda: walk(tag(b"1")))
    assert objects.aside(lambda: walk(tag(b"one").replace(b"one", b"two"))) is None, (
        "the signature before it is what is wrong"
    )


def test_other_kinds_and_namespaces_are_judged_at_once() -> None:
    with primitives.aside() as checker:
        with pytest.raises(RefusedError):
            sshsig.verify(None, "git", b"m", SIGNER.sign("file", b"m"))
        assert checker.all_fit()
