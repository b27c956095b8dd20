"""OpenPGP's detached signatures of version 4 (RFC 4880, RFC 6637), as gpg makes them: strict reading, no keyring, no web of trust.

Format page: gitatom-format-log(5).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from git_atom.trust.openpgpkey import ECDSA, EDDSA, RSA, fingerprint, mpi, numbers
from git_atom.trust.publickey import OPENPGP, PublicKey, of_blob
from git_atom.trust.wire import Reader, malformed, string

__all__ = ["Parts", "armor", "check", "fingerprint", "key_of_body", "packets", "parse"]

BEGIN, END = b"-----BEGIN PGP SIGNATURE-----", b"-----END PGP SIGNATURE-----"
MAX_BYTES = 16 * 1024
HASHES = {8: "sha256", 9: "sha384", 10: "sha512"}
_CREATED, _EXPIRES, _ISSUER, _NOTATION, _SERVER, _POLICY, _SIGNER, _FINGERPRINT = 2, 3, 16, 20, 24, 26, 28, 33


class Parts(NamedTuple):
    """A signature taken apart: who is said to have made it, the algorithms, the part of it that is signed too, and its numbers."""

    fingerprint: str
    algorithm: int
    hash: str
    signed: bytes
    left: bytes
    values: tuple[bytes, ...]


def key_of_body(body: bytes) -> PublicKey:
    """The key whose public key packet has this body. Raises as `numbers`."""
    return of_blob(string(OPENPGP.encode()) + string(body))


def packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of each packet of a keyring export (RFC 4880 section 4.2). Raises RefusedError ATOM-3001."""
    reader = Reader(data, "the exported key")
    while not reader.done:
        head = reader.take(1)[0]
        if head & 0xC0 == 0x80 and head & 3 != 3:
            yield head >> 2 & 15, reader.take(int.from_bytes(reader.take(1 << (head & 3)), "big"))
        elif head & 0xC0 == 0xC0:
            yield head & 63, reader.take(_length(reader))
        else:
            raise malformed("the exported key", "it is not OpenPGP packets")


def armor(packet: bytes) -> bytes:
    """A signature packet as text in the one form that is accepted, the one gpg writes without version and comment."""
    text = base64.b64encode(packet)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join([BEGIN, b"", *lines, b"=" + base64.b64encode(_crc(packet)), END, b""])


@lru_cache(256)
def parse(armored: bytes) -> Parts:
    """Take text as a signature; raises RefusedError ATOM-3001 for anything but exactly one whole signature of a kind accepted here."""
    what = "the signature"
    lines = armored.split(b"\n")
    if len(armored) > MAX_BYTES or len(lines) < 6 or lines[:2] != [BEGIN, b""] or lines[-2:] != [END, b""]:
        raise malformed(what, "it is not one armored OpenPGP signature")
    try:
        packet = base64.b64decode(b"".join(lines[2:-3]), validate=True)
    except (binascii.Error, ValueError):
        raise malformed(what, "it is not base64") from None
    if armor(packet) != armored:
        raise malformed(what, "its text is not in the usual form")
    size = {0x88: 1, 0x89: 2}.get(packet[0] if packet else 0)
    if size is None or int.from_bytes(packet[1 : 1 + size], "big") != len(packet) - 1 - size:
        raise malformed(what, "it is not one OpenPGP signature")
    body = packet[1 + size :]
    if (size == 2) != (len(body) > 255):
        raise malformed(what, "its length is not in the usual form")
    return _parts(body)


def _parts(body: bytes) -> Parts:
    what = "the signature"
    reader = Reader(body, what)
    version, kind, algorithm, hashing = reader.take(4)
    if (version, kind) != (4, 0):
        raise malformed(what, f"it is of version {version} and type {kind}; version 4 over a document is accepted")
    if hashing not in HASHES:
        raise malformed(what, f"hash algorithm {hashing} is not accepted")
    hashed = reader.take(int.from_bytes(reader.take(2), "big"))
    loose = reader.take(int.from_bytes(reader.take(2), "big"))
    left = reader.take(2)
    values = tuple(mpi(reader, what) for _ in range({RSA: 1, ECDSA: 2, EDDSA: 2}.get(algorithm, 0)))
    reader.end()
    made_by = _subpackets(hashed, loose)
    return Parts(made_by, algorithm, HASHES[hashing], body[: 6 + len(hashed)], left, values)


def _subpackets(hashed: bytes, loose: bytes) -> str:
    """The fingerprint of who made the signature; what would change its meaning is refused."""
    what, found = "the signature", {}
    for kind, data in _walk(hashed):
        plain = kind & 0x7F
        if plain in found and plain in (_CREATED, _FINGERPRINT):
            raise malformed(what, "it says one thing twice")
        if plain == _EXPIRES and any(data):
            raise malformed(what, "it says when it expires, and the log knows no time")
        if kind & 0x80 and plain not in (_CREATED, _EXPIRES, _ISSUER, _SIGNER, _FINGERPRINT):
            raise malformed(what, f"it demands what is not known here (subpacket {plain})")
        found[plain] = data
    who = found.get(_FINGERPRINT, b"")
    if _CREATED not in found or len(who) != 21 or who[0] != 4:
        raise malformed(what, "it does not say which key made it")
    if any((kind, data) not in ((_ISSUER, who[-8:]), (_FINGERPRINT, who)) for kind, data in _walk(loose)):
        raise malformed(what, "it holds more than it signs")
    return who[1:].hex().upper()


def _walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    reader = Reader(data, "the signature")
    while not reader.done:
        field = reader.take(_length(reader))
        if not field:
            raise malformed("the signature", "a part of it is empty")
        yield field[0], field[1:]


def check(parts: Parts, key: PublicKey, message: bytes) -> bool:
    """Whether this key made the signature over a message. Raises RefusedError ATOM-3001 for one that such a key does not make."""
    from git_atom.trust.primitives import verify_numbers

    known = numbers(key.body)
    if parts.algorithm != known.algorithm:
        raise malformed("the signature", f"an OpenPGP key of algorithm {known.algorithm} does not make it")
    end = b"\x04\xff" + len(parts.signed).to_bytes(4, "big")
    digest = hashlib.new(parts.hash, message + parts.signed + end).digest()
    return digest[:2] == parts.left and verify_numbers(known, parts.hash, digest, parts.values)


def _length(reader: Reader) -> int:
    first = reader.take(1)[0]
    if first < 192:
        return first
    if first < 224:  # from there on packets and their parts differ, in what nobody writes
        return (first - 192 << 8) + reader.take(1)[0] + 192
    if first < 255:
        raise malformed("the OpenPGP data", "it is cut into parts")
    return int.from_bytes(reader.take(4), "big")


def _crc(data: bytes) -> bytes:
    """The checksum of an armor (RFC 4880 section 6.1)."""
    value = 0xB704CE
    for byte in data:
        value ^= byte << 16
        for _ in range(8):
            value <<= 1
            if value & 0x1000000:
                value ^= 0x1864CFB
    return value.to_bytes(3, "big")
