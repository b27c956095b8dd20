"""Tree digests of git trees by parts: each tree is digested once, and what was digested before is remembered on disk.

For trees that grow by small steps (a set's log): a step costs the few trees that changed. The memory is derived data in the user's
cache (`git/memory.py`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, Digest, Oid, of_bytes, of_ordered
from git_atom.errors import MalformedError
from git_atom.git.memory import Memory
from git_atom.git.objects import MAX_DEPTH, Objects


class TreeDigests:
    """Digests of the trees of one repository. `folder` None: nothing is remembered between processes."""

    def __init__(self, objects: Objects, folder: str | None) -> None:
        self._objects = objects
        self._memory = Memory(folder) if folder else None
        self._files = Memory(os.path.join(folder, "files")) if folder else None
        self._known: dict[str, Digest] = {}
        self._blobs: dict[str, Digest] = {}
        self._fresh: set[str] = set()
        self._new: set[str] = set()  # trees that are not remembered
        self._read: set[str] = set()  # files

    def of(self, tree: str, depth: int = 0) -> Digest:
        """Tree digest of a git tree. Raises MalformedError ATOM-1004 for submodules and odd modes, ATOM-2015 for depth."""
        found = self._found(tree)
        if found is None:
            if depth == 0:
                self._ahead(tree)
            if depth > MAX_DEPTH:
                raise MalformedError("ATOM-2015", f"tree '{tree}' is nested more than {MAX_DEPTH} levels deep")
            found = self._digest(tree, depth)
            self._fresh.add(tree)
        self._known[tree] = found
        return found

    def _ahead(self, tree: str) -> None:
        """Read what is below a tree and not known yet level by level, in few questions, before it is digested from below."""
        level = [Oid(tree)]
        for _ in range(MAX_DEPTH):
            self._objects.load(level)
            entries = [entry for oid in level for entry in self._objects.tree(oid)]
            self._take([oid for mode, _, oid in entries if mode in (MODE_FILE, MODE_EXEC, MODE_LINK)])
            level = [
                oid
                for mode, _, oid in entries
                if mode == MODE_TREE and oid not in self._known and self._found(oid) is None
            ]
            level = list(dict.fromkeys(level))
            if not level:
                return

    def _found(self, tree: str) -> Digest | None:
        if self._memory is None or tree in self._new:
            return self._known.get(tree)
        found = self._known.get(tree) or self._memory.get(tree)
        if found is None:
            self._new.add(tree)
        else:
            self._known[tree] = found
        return found

    def _take(self, blobs: Sequence[Oid]) -> None:
        """Digest files. Raises MalformedError ATOM-1004 for what is none."""
        new = [oid for oid in dict.fromkeys(blobs) if oid not in self._blobs]
        if self._files is not None and new:
            self._blobs.update(self._files.several(new))
            new = [oid for oid in new if oid not in self._blobs]
        for oid, found in zip(new, self._objects.many(new), strict=True):
            if found is None or found[1] != "blob":
                raise MalformedError("ATOM-1004", f"object '{oid}' is not a file")
            self._blobs[oid] = of_bytes(found[2])
            self._read.add(oid)

    def _digest(self, tree: str, depth: int) -> Digest:
        entries = self._objects.tree(tree)
        for mode, name, _ in entries:
            if mode not in (MODE_FILE, MODE_EXEC, MODE_LINK, MODE_TREE):
                raise MalformedError(
                    "ATOM-1004", f"path '{name.decode(errors='backslashreplace')}' is not a plain file"
                )
        self._take([oid for mode, _, oid in entries if mode != MODE_TREE])
        return of_ordered(
            (mode, name, self._known.get(oid) or self.of(oid, depth + 1) if mode == MODE_TREE else self._blobs[oid])
            for mode, name, oid in entries
        )

    def remember(self, tree: str) -> None:
        """Keep the digests of a tree and of what is below it, and of whatever else was digested here, for later processes."""
        if self._memory is None or self._files is None or tree not in self._fresh:
            return
        fresh, self._fresh = self._fresh, set()
        read, self._read = self._read, set()
        try:
            self._memory.add({oid: self._known[oid] for oid in fresh})
            self._files.add({oid: self._blobs[oid] for oid in read})
        except OSError:
            return  # a cache that cannot be written is no error
