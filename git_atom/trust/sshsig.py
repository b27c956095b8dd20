"""SSHSIG, OpenSSH's detached signature (PROTOCOL.sshsig): strict reading, one way of writing.

A signature always belongs to a namespace, so that a signature of one kind can never be shown as another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import lru_cache
from typing import NamedTuple

from git_atom.errors import RefusedError
from git_atom.trust.publickey import ED25519, PublicKey, of_blob
from git_atom.trust.wire import Reader, malformed, string

BEGIN, END = b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----"
_MAGIC = b"SSHSIG"
_HASHES = ("sha256", "sha512")
MAX_BYTES = 16 * 1024

# Namespaces. `git` is git's own, for tags and commits (gitformat-signature); all others are this suite's.
GIT = "git"
CHARTER = "atom-charter-v1"
CLAIM = "atom-claim-v1"
RETRACTION = "atom-retraction-v1"
REVOCATION = "atom-revocation-v1"


# What few keys' many signatures begin with, taken apart once: the bytes before the 64 of an Ed25519 signature, to all else of it.
_HEADS: dict[bytes, Parts] = {}
_MANY = 1024


class Parts(NamedTuple):
    """A signature taken apart: who made it, under which namespace and hash, and the bare signature blob."""

    key: PublicKey
    namespace: str
    hash: str
    signature: bytes


def to_sign(namespace: str, hash_name: str, message: bytes) -> bytes:
    """The bytes a key signs for a message."""
    digest = (hashlib.sha512 if hash_name == "sha512" else hashlib.sha256)(message).digest()
    return _head(namespace, hash_name) + string(digest)


@lru_cache(64)
def _head(namespace: str, hash_name: str) -> bytes:
    return _MAGIC + string(namespace.encode()) + string(b"") + string(hash_name.encode())


def armor(parts: Parts) -> bytes:
    """A signature as text, as ssh-keygen writes it, with its final newline."""
    blob = _MAGIC + (1).to_bytes(4, "big") + string(parts.key.blob) + string(parts.namespace.encode())
    blob += string(b"") + string(parts.hash.encode()) + string(parts.signature)
    return b"\n".join([BEGIN, *_lines(blob), END, b""])


def _lines(blob: bytes) -> list[bytes]:
    text = base64.b64encode(blob)
    return [text[at : at + 70] for at in range(0, len(text), 70)]


@lru_cache(256)
def parse(armored: bytes) -> Parts:
    """Take text as a signature; raises RefusedError ATOM-3001 for anything but exactly one whole signature.

    The armor must be the one way of writing these bytes that ssh-keygen has, so equal signatures are equal texts.
    """
    what = "the signature"
    lines = armored.split(b"\n")
    if len(armored) > MAX_BYTES or lines[:1] != [BEGIN] or lines[-2:] != [END, b""]:
        raise malformed(what, "it is not one armored SSH signature")
    try:
        blob = base64.b64decode(b"".join(lines[1:-2]), validate=True)
    except (binascii.Error, ValueError):
        raise malformed(what, "it is not base64") from None
    if _lines(blob) != lines[1:-2]:
        raise malformed(what, "its text is not in the usual form")
    head = _HEADS.get(blob[:-64])  # all but the bytes of an Ed25519 signature, with all lengths
    if head is not None:
        return head._replace(signature=head.signature + blob[-64:])
    parts = _take_apart(blob)
    if parts.signature.startswith(ED25519) and len(parts.signature) == len(ED25519) + 64 and len(_HEADS) < _MANY:
        _HEADS[blob[:-64]] = parts._replace(signature=ED25519)
    return parts


def _take_apart(blob: bytes) -> Parts:
    what = "the signature"
    reader = Reader(blob, what)
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise malformed(what, "it is not an SSH signature")
    if (version := reader.number()) != 1:
        raise malformed(what, f"it is of version {version}, not 1")
    key = of_blob(reader.string())
    namespace, reserved, hash_name, signature = (reader.string() for _ in range(4))
    reader.end()
    if reserved or not namespace:
        raise malformed(what, "its reserved field is not empty" if reserved else "it has no namespace")
    if hash_name.decode(errors="replace") not in _HASHES:
        raise malformed(what, f"hash '{hash_name.decode(errors='replace')}' is not accepted")
    return Parts(key, namespace.decode(errors="replace"), hash_name.decode(), signature)


def verify(public: PublicKey | None, namespace: str, message: bytes, armored: bytes) -> PublicKey:
    """Check a detached signature and return the key that made it; with `public`, it must be that key.

    Raises RefusedError: ATOM-3001 malformed, ATOM-3003 another namespace, ATOM-3004 another key, ATOM-3002 not a signature of this.
    Whether the key may sign such a thing is the caller's question.
    """
    return check(parse(armored), public, namespace, message)


def check(parts: Parts, public: PublicKey | None, namespace: str, message: bytes) -> PublicKey:
    """As `verify`, of a signature that is taken apart already."""
    if parts.namespace != namespace:
        raise RefusedError(
            "ATOM-3003",
            f"the signature is for namespace '{parts.namespace}', not '{namespace}'",
            note="a signature of one kind of thing cannot stand for another",
        )
    if public is not None and parts.key != public:
        raise RefusedError(
            "ATOM-3004", f"the signature is by key {parts.key.fingerprint}", note=f"expected {public.fingerprint}"
        )
    from git_atom.trust.primitives import verify as fits

    if not fits(parts.key, parts.signature, to_sign(namespace, parts.hash, message)):
        raise RefusedError(
            "ATOM-3002", "the signature does not fit what it is said to sign", note=f"key {parts.key.fingerprint}"
        )
    return parts.key
