"""Public keys and the wire encoding they are written in (RFC 4251 section 5, RFC 4253 section 6.6, PROTOCOL.u2f).

An OpenPGP key is written in the same way: type `openpgp`, then the body of its public key packet; see `openpgpkey.py`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import lru_cache
from typing import NamedTuple

from git_atom.core.digest import Digest, of_bytes
from git_atom.errors import RefusedError
from git_atom.trust import openpgpkey
from git_atom.trust.wire import Reader, check_rsa, malformed, string

CURVES = {"ecdsa-sha2-nistp256": "nistp256", "ecdsa-sha2-nistp384": "nistp384", "ecdsa-sha2-nistp521": "nistp521"}
SK_ED25519, SK_ECDSA = "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"
OPENPGP = "openpgp"
KINDS = ("ssh-ed25519", *CURVES, "ssh-rsa", SK_ED25519, SK_ECDSA, OPENPGP)
ED25519 = string(b"ssh-ed25519") + (64).to_bytes(4, "big")  # what the blob of an Ed25519 signature begins with


class PublicKey(NamedTuple):
    """A public key: its type and its wire bytes. The comment of a key line is no part of it."""

    kind: str
    blob: bytes

    @property
    def line(self) -> str:
        """As in an authorized_keys file, without comment."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen -l prints it, `SHA256:` and unpadded base64; of an OpenPGP key as gpg does, 40 hexadecimal digits."""
        if self.kind == OPENPGP:
            return openpgpkey.fingerprint(self.body)
        return _fingerprint(self.blob)

    @property
    def body(self) -> bytes:
        """The body of an OpenPGP key's packet."""
        return self.blob[8 + len(OPENPGP) :]

    @property
    def digest(self) -> Digest:
        """BLAKE3 of the wire bytes: what tells distinct keys apart and names files of detached signatures."""
        return of_bytes(self.blob)


@lru_cache(1024)  # few keys sign many things
def _fingerprint(blob: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


@lru_cache(1024)
def of_blob(blob: bytes) -> PublicKey:
    """Take wire bytes as a key; raises RefusedError ATOM-3001 (malformed) or ATOM-3006 (a type or size that is not accepted)."""
    reader = Reader(blob, "the public key")
    kind = reader.string().decode(errors="replace")
    if kind not in KINDS:
        raise RefusedError("ATOM-3006", f"keys of type '{kind}' are not accepted", note=f"accepted: {', '.join(KINDS)}")
    if kind in ("ssh-ed25519", SK_ED25519):
        if len(reader.string()) != 32:
            raise malformed("the public key", "an Ed25519 key has 32 bytes")
    elif kind == OPENPGP:
        openpgpkey.numbers(reader.string())
    elif kind == "ssh-rsa":
        exponent = reader.mpint()
        check_rsa(reader.mpint(), exponent, "ssh-keygen -t ed25519")
    else:
        if reader.string().decode(errors="replace") != CURVES.get(kind, "nistp256"):
            raise malformed("the public key", "its curve is not that of its type")
        reader.string()
    if kind in (SK_ED25519, SK_ECDSA):
        reader.string()
    reader.end()
    return PublicKey(kind, blob)


@lru_cache(1024)
def parse(line: str, where: str = "") -> PublicKey:
    """Take `type base64 [comment]` as a key; raises RefusedError ATOM-3001 or ATOM-3006."""
    words = line.split()
    try:
        key = of_blob(base64.b64decode(words[1], validate=True))
    except (IndexError, binascii.Error, ValueError):
        raise RefusedError("ATOM-3001", "the public key is malformed", where=where) from None
    if key.kind != words[0]:
        raise malformed("the public key", f"it says '{words[0]}' and is '{key.kind}'")
    return key
