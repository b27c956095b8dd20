"""Tree digests of git trees by parts: each tree is digested once, and what was digested before is remembered on disk.

For trees that grow by small steps (a set's log): a step costs the few trees that changed. The memory is derived data in the user's
cache (`git/memory.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import filterfalse

from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, Digest, Oid, of_bytes, row
from git_atom.errors import MalformedError
from git_atom.git import beside
from git_atom.git.memory import Memory
from git_atom.git.objects import MAX_DEPTH, Entry, Objects

_FILES = (MODE_FILE, MODE_EXEC, MODE_LINK)
_MAX_ROWS = 200_000
_FEW = 16  # trees of a chain for which no other process is begun
_Made = tuple[dict[str, Digest], dict[str, Digest]]  # digests of trees and of files


class TreeDigests:
    """Digests of the trees of one repository. `folder` None: nothing is remembered between processes."""

    def __init__(self, objects: Objects, folder: str | None) -> None:
        self._objects = objects
        self._memory = Memory(folder) if folder else None
        self._files = Memory(os.path.join(folder, "files")) if folder else None
        self._known: dict[str, Digest] = {}
        # what an entry is in the bytes that are digested; its mode says what it must be
        self._rows: dict[Entry, bytes] = {}
        self._fresh: set[str] = set()
        self._new: set[str] = set()  # trees that are not remembered
        self._read: dict[str, Digest] = {}  # files
        self._other: beside.Beside[_Made] | None = None

    def of(self, tree: str) -> Digest:
        """Tree digest of a git tree. Raises MalformedError ATOM-1004 for submodules and odd modes, ATOM-2015 for depth."""
        if self._other is not None:
            self._join(self._other)
        if (found := self._found(tree)) is not None:
            return found
        if len(self._rows) > _MAX_ROWS:
            self._rows.clear()
        for level in reversed(self._unknown(tree)):
            for oid in level:
                self._digest(oid)
        return self._known[tree]

    @contextmanager
    def ahead(self, trees: Sequence[Oid]) -> Iterator[None]:
        """Have another process digest trees, which mostly are read already, until one of them is asked for or the context ends."""
        if len(trees) < _FEW or beside.processors() < 2:
            yield
            return
        try:
            other = beside.Beside(lambda: self._all(trees))
        except OSError:  # no process to be had
            yield
            return
        with other as self._other:
            try:
                yield
            finally:
                self._other = None

    def _all(self, trees: Sequence[Oid]) -> _Made:
        self._objects.forked()
        self._other, self._fresh, self._read = None, set(), {}
        for tree in trees:
            self.of(tree)
        return {oid: self._known[oid] for oid in self._fresh}, self._read

    def _join(self, other: beside.Beside[_Made]) -> None:
        """Take over what the other process made; what it could not make is made here."""
        self._other = None
        known, read = other.result() or ({}, {})
        self._known |= known
        self._fresh |= known.keys()
        self._read |= read

    def _unknown(self, tree: str) -> list[list[Oid]]:
        """A tree and those below it that are not known, level by level, each after all that hold it; files are digested."""
        level, found = [Oid(tree)], list[list[Oid]]()
        for _ in range(MAX_DEPTH + 1):
            self._objects.load(level)
            found.append(level)
            known = self._rows.__contains__
            fresh = dict.fromkeys(entry for oid in level for entry in filterfalse(known, self._objects.tree(oid)))
            self._take([entry for entry in fresh if entry[0] != MODE_TREE])
            below = dict.fromkeys(oid for mode, _, oid in fresh if mode == MODE_TREE)
            level = [oid for oid in below if self._found(oid) is None]
            if not level:
                return found
        raise MalformedError("ATOM-2015", f"tree '{tree}' is nested more than {MAX_DEPTH} levels deep")

    def _found(self, tree: str) -> Digest | None:
        if self._memory is None or tree in self._new:
            return self._known.get(tree)
        found = self._known.get(tree) or self._memory.get(tree)
        if found is None:
            self._new.add(tree)
        else:
            self._known[tree] = found
        return found

    def _take(self, files: Sequence[Entry]) -> None:
        """Digest files. Raises MalformedError ATOM-1004 for what is none."""
        for mode, name, _ in files:
            if mode not in _FILES:
                raise _no_file(name)
        wanted = {oid: name for _, name, oid in files}
        known = self._files.several(list(wanted)) if self._files is not None else {}
        rest = [oid for oid in wanted if oid not in known]
        for oid, found in zip(rest, self._objects.many(rest), strict=True):
            if found is None or found[1] != "blob":
                raise _no_file(wanted[oid])
            known[oid] = self._read[oid] = of_bytes(found[2])
        for entry in files:
            self._rows[entry] = row(entry[0], entry[1], known[entry[2]])

    def _digest(self, tree: str) -> None:
        """Digest a tree after its files and the trees below it."""
        entries, rows = self._objects.tree(tree), self._rows
        for entry in [*filterfalse(rows.__contains__, entries)]:
            rows[entry] = row(MODE_TREE, entry[1], self._known[entry[2]])
        self._known[tree] = of_bytes(b"".join(map(rows.__getitem__, entries)))
        self._fresh.add(tree)

    def remember(self, tree: str) -> None:
        """Keep the digests of a tree and of what is below it, and of whatever else was digested here, for later processes."""
        if self._memory is None or self._files is None or tree not in self._fresh:
            return
        fresh, self._fresh = self._fresh, set()
        read, self._read = self._read, {}
        try:
            self._memory.add({oid: self._known[oid] for oid in fresh})
            self._files.add(read)
        except OSError:
            return  # a cache that cannot be written is no error


def _no_file(name: bytes) -> MalformedError:
    return MalformedError("ATOM-1004", f"path '{name.decode(errors='backslashreplace')}' is not a plain file")
