"""Signatures of either kind, told apart by their first line: who is said to have made one, and whether it holds.

SSHSIG names its namespace itself. OpenPGP has none, so a statement is signed as its namespace, a newline and its bytes, which no git object
begins with; tags and commits are signed as git does, over their own bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from git_atom.errors import RefusedError
from git_atom.trust import openpgp, sshsig
from git_atom.trust.publickey import OPENPGP, PublicKey

BEGINS = (sshsig.BEGIN, openpgp.BEGIN)


class Maker(NamedTuple):
    """Who a signature says has made it. key: the key itself, None when it is of OpenPGP and none of those that were asked about."""

    fingerprint: str
    key: PublicKey | None


def maker(armored: bytes, known: Iterable[PublicKey] = ()) -> Maker:
    """Who is said to have made a signature; `known`: the keys that may have, which an OpenPGP signature is held against, as it holds no key.

    Nothing is verified here. Raises RefusedError ATOM-3001.
    """
    if not armored.startswith(openpgp.BEGIN):
        key = sshsig.parse(armored).key
        return Maker(key.fingerprint, key)
    name = openpgp.parse(armored).fingerprint
    return Maker(name, next((key for key in known if key.kind == OPENPGP and key.fingerprint == name), None))


def check(armored: bytes, allowed: Collection[PublicKey], namespace: str, message: bytes) -> PublicKey:
    """Check a detached signature by one of these keys, and return that key.

    Raises RefusedError: ATOM-3001 malformed, ATOM-3002 not a signature of this, ATOM-3003 another namespace, ATOM-3004 another key.
    """
    made_by = maker(armored, allowed)
    if made_by.key is None or made_by.key not in allowed:
        raise RefusedError(
            "ATOM-3004",
            f"the signature is by key {made_by.fingerprint}",
            note=f"allowed: {', '.join(key.fingerprint for key in allowed) or 'none'}",
        )
    if made_by.key.kind != OPENPGP:
        return sshsig.check(sshsig.parse(armored), made_by.key, namespace, message)
    if not openpgp.check(openpgp.parse(armored), made_by.key, to_sign(namespace, message)):
        raise RefusedError(
            "ATOM-3002", "the signature does not fit what it is said to sign", note=f"key {made_by.fingerprint}"
        )
    return made_by.key


def to_sign(namespace: str, message: bytes) -> bytes:
    """What an OpenPGP key signs for a message: with its namespace, but for git's own."""
    return message if namespace == sshsig.GIT else namespace.encode() + b"\n" + message
