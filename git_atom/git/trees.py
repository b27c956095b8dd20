"""The bytes of git's tree objects (git-mktree(1)): written, and read, where entries that tree after tree repeats are taken apart once."""

from __future__ import annotations

import re
from collections.abc import Iterable

from git_atom.core.digest import MODE_TREE, Oid, sort_key
from git_atom.errors import MalformedError

Entry = tuple[int, bytes, Oid]

_ROWS = {n: re.compile(rb"[0-7]{5,6} [^\0]+\0.{%d}" % n, re.DOTALL) for n in (20, 32)}
_MAX_NOTED = 200_000


def encode_tree(entries: Iterable[Entry]) -> bytes:
    """A tree object's bytes from (mode, name, oid) in any order."""
    ordered = sorted(entries, key=lambda e: sort_key(e[0], e[1]))
    return b"".join(b"%o %s\0%s" % (mode, name, bytes.fromhex(oid)) for mode, name, oid in ordered)


def decode_tree(data: bytes, oid: str) -> list[Entry]:
    """The entries of a tree object in stored order; raises MalformedError ATOM-2009 when the bytes are not a tree in git's order."""
    rows = _ROWS[len(oid) // 2].findall(data)
    if sum(map(len, rows)) != len(data):
        raise MalformedError("ATOM-2009", f"tree '{oid}' is damaged")
    if len(_ENTRIES) > _MAX_NOTED:
        _ENTRIES.clear()
        _KEYS.clear()
    for row in [row for row in rows if row not in _ENTRIES]:
        _note(row)
    out = list(map(_ENTRIES.__getitem__, rows))
    keys = list(map(_KEYS.__getitem__, rows))
    if keys != sorted(keys) or len({name for _, name, _ in out}) != len(out):
        raise MalformedError("ATOM-2009", f"tree '{oid}' is not in git's order or repeats a name")
    return out


_ENTRIES: dict[bytes, Entry] = {}  # by its bytes: a tree shares all but a few entries with the one before it
_KEYS: dict[bytes, bytes] = {}  # and its place in git's order


def _note(row: bytes) -> None:
    head, _, raw = row.partition(b"\0")
    digits, _, name = head.partition(b" ")
    mode = int(digits, 8)
    _ENTRIES[row] = mode, name, Oid(raw.hex())
    _KEYS[row] = name + b"/" if mode == MODE_TREE else name  # as sort_key, whose call would take as long again
