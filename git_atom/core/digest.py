"""The content digest and its kin. Door: blake3.

`Digest` is what we sign and compare (`blake3:<64 hex>`, design section 3); `Oid` is a git object id, a storage key whose length
names its algorithm. They are different types; passing one for the other is a type error.
"""

from __future__ import annotations

import re
from base64 import b32hexencode
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from blake3 import blake3

from git_atom.errors import MalformedError

_DIGEST = re.compile(r"blake3:[0-9a-f]{64}")
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

MODE_FILE, MODE_EXEC, MODE_LINK, MODE_TREE = 0o100644, 0o100755, 0o120000, 0o040000


class Digest(str):
    """A BLAKE3 digest in its one spelling, `blake3:` and 64 lower-case hex digits."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str, where: str = "") -> Digest:
        """Take text as a digest; raises MalformedError (ATOM-1001) when it is not one."""
        if not _DIGEST.fullmatch(text):
            raise MalformedError(
                "ATOM-1001", f"'{text}' is not a digest", where=where, note="a digest is blake3:<64 hex digits>"
            )
        return cls(text)

    @classmethod
    def of_raw(cls, raw: bytes) -> Digest:
        """Spell 32 raw digest bytes."""
        return cls("blake3:" + raw.hex())

    @property
    def hex(self) -> str:
        """The 64 hex digits alone, as used in ref and file names."""
        return self[7:]

    @property
    def raw(self) -> bytes:
        """The 32 raw bytes, as used inside trees."""
        return bytes.fromhex(self[7:])


class Oid(str):
    """A git object id in lower-case hex; 40 digits are SHA-1, 64 are SHA-256."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str, where: str = "") -> Oid:
        """Take text as an object id; raises MalformedError (ATOM-1002) when it is not one."""
        if not _OID.fullmatch(text):
            raise MalformedError("ATOM-1002", f"'{text}' is not a git object id", where=where)
        return cls(text)


class TreeEntry(NamedTuple):
    """One name in a directory: git mode, name as bytes, and the digest of what it names."""

    mode: int
    name: bytes
    digest: Digest


EMPTY = Digest.of_raw(blake3(b"").digest())


def of_bytes(data: bytes | bytearray | memoryview) -> Digest:
    """Digest of bytes."""
    return Digest("blake3:" + blake3(data).hexdigest())


def of_chunks(chunks: Iterable[bytes]) -> Digest:
    """Digest of bytes that arrive in pieces."""
    hasher = blake3()
    for chunk in chunks:
        hasher.update(chunk)
    return Digest("blake3:" + hasher.hexdigest())


class Hasher:
    """A digest in the making, for bytes that arrive in pieces and go elsewhere as well."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state = blake3()

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take in more bytes."""
        self._state.update(data)

    def digest(self) -> Digest:
        """The digest of all bytes so far."""
        return Digest("blake3:" + self._state.hexdigest())


def sort_key(mode: int, name: bytes) -> bytes:
    """Git's order of names in a tree: a directory sorts as if its name ended in `/` (gitformat-pack, base_name_compare)."""
    return name + b"/" if mode == MODE_TREE else name


def of_tree(entries: Iterable[TreeEntry]) -> Digest:
    """Digest of one directory: git's tree encoding with BLAKE3 for SHA-1 and no object header (design section 3)."""
    ordered = sorted(entries, key=lambda e: sort_key(e[0], e[1]))
    return of_bytes(b"".join([row(mode, name, digest) for mode, name, digest in ordered]))


def row(mode: int, name: bytes, digest: Digest) -> bytes:
    """One entry in the bytes that a directory's digest is taken over, which hold all of them in git's order."""
    return b"%o %s\0%s" % (mode, name, bytes.fromhex(digest[7:]))


@lru_cache(1024)
def atom_id(root: Oid, name: str) -> str:
    """Atom id for people and indexes: keyed BLAKE3 of the name under the set's root commit, base32hex, unpadded (design section 3)."""
    key = blake3(bytes.fromhex(root), derive_key_context="AtomId").digest()
    return b32hexencode(blake3(name.encode(), key=key).digest()).decode().rstrip("=").lower()
