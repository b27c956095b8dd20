"""OpenPGP public keys of version 4 (RFC 4880 section 5.5.2, RFC 6637): strict reading of one packet's body, primary key or subkey.

What certificates say of a key (names, expiry, revocation, who signed it) is not read: the log alone decides about keys.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import NamedTuple

from git_atom.errors import RefusedError
from git_atom.trust.wire import Reader, check_rsa, malformed

_HINT = "gpg --quick-generate-key <you> ed25519 sign never"
RSA, ECDSA, EDDSA = 1, 19, 22
ED25519 = bytes.fromhex("2b06010401da470f01")
CURVES = {bytes.fromhex("2a8648ce3d030107"): 256, bytes.fromhex("2b81040022"): 384, bytes.fromhex("2b81040023"): 521}


class Numbers(NamedTuple):
    """A public key taken apart: algorithm, curve (its OID, empty for RSA) and its numbers as written (RSA: n and e; else a point)."""

    algorithm: int
    curve: bytes
    values: tuple[bytes, ...]


@lru_cache(1024)  # few keys sign many things
def numbers(body: bytes) -> Numbers:
    """Take the body of a public key packet; raises RefusedError ATOM-3001 (malformed) or ATOM-3006 (a kind that is not accepted)."""
    what = "the OpenPGP key"
    reader = Reader(body, what)
    if (version := reader.take(1)[0]) != 4:
        raise _refused(f"an OpenPGP key of version {version} is not accepted", "accepted: version 4")
    reader.take(4)  # when it was made; part of its fingerprint, and nothing else
    algorithm = reader.take(1)[0]
    if algorithm == RSA:
        values = (mpi(reader, what), mpi(reader, what))
        check_rsa(int.from_bytes(values[0], "big"), int.from_bytes(values[1], "big"), _HINT)
        reader.end()
        return Numbers(algorithm, b"", values)
    if algorithm not in (ECDSA, EDDSA):
        raise _refused(f"OpenPGP keys of algorithm {algorithm} are not accepted", "accepted: Ed25519, ECDSA, RSA")
    curve = reader.take(reader.take(1)[0])
    if curve not in CURVES if algorithm == ECDSA else curve != ED25519:
        raise _refused("the curve of the OpenPGP key is not accepted", "accepted: Ed25519, NIST P-256, P-384, P-521")
    point = mpi(reader, what)
    reader.end()
    first, size = (0x40, 32) if algorithm == EDDSA else (4, 2 * ((CURVES[curve] + 7) // 8))
    if len(point) != 1 + size or point[0] != first:
        raise malformed(what, "its point is not of its curve's form")
    return Numbers(algorithm, curve, (point,))


@lru_cache(1024)
def fingerprint(body: bytes) -> str:
    """The fingerprint that gpg shows: 40 hexadecimal digits (RFC 4880 section 12.2). It names a key; what is compared is the whole key."""
    return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False).hexdigest().upper()


def mpi(reader: Reader, what: str) -> bytes:
    """The bytes of a multiple precision integer, in its one shortest form (RFC 4880 section 3.2)."""
    bits = int.from_bytes(reader.take(2), "big")
    raw = reader.take((bits + 7) // 8)
    if int.from_bytes(raw, "big").bit_length() != bits:
        raise malformed(what, "an integer is not in its shortest form")
    return raw


def _refused(why: str, note: str) -> RefusedError:
    return RefusedError("ATOM-3006", why, note=note, hint=_HINT)
