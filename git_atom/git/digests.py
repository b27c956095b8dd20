"""Tree digests of git trees by parts: each tree is digested once, and what was digested before is remembered on disk.

For trees that grow by small steps (a set's log): a step costs the few trees that changed. The memory is derived data in the user's
cache; a record that does not parse counts as absent.
"""

from __future__ import annotations

import os

from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, Digest, TreeEntry, of_bytes, of_tree
from git_atom.errors import AtomError, MalformedError
from git_atom.git import leftovers
from git_atom.git.objects import MAX_DEPTH, Objects


class TreeDigests:
    """Digests of the trees of one repository. `folder` None: nothing is remembered between processes."""

    def __init__(self, objects: Objects, folder: str | None) -> None:
        self._objects = objects
        self._folder = folder
        self._known: dict[str, Digest] = {}
        self._blobs: dict[str, Digest] = {}
        self._fresh: set[str] = set()

    def of(self, tree: str, depth: int = 0) -> Digest:
        """Tree digest of a git tree. Raises MalformedError ATOM-1004 for submodules and odd modes, ATOM-2015 for depth."""
        found = self._known.get(tree) or self._remembered(tree)
        if found is None:
            if depth > MAX_DEPTH:
                raise MalformedError("ATOM-2015", f"tree '{tree}' is nested more than {MAX_DEPTH} levels deep")
            found = self._digest(tree, depth)
            self._fresh.add(tree)
        self._known[tree] = found
        return found

    def _digest(self, tree: str, depth: int) -> Digest:
        entries = self._objects.tree(tree)
        for mode, name, _ in entries:
            if mode not in (MODE_FILE, MODE_EXEC, MODE_LINK, MODE_TREE):
                raise MalformedError(
                    "ATOM-1004", f"path '{name.decode(errors='backslashreplace')}' is not a plain file"
                )
        new = [oid for mode, _, oid in entries if mode != MODE_TREE and oid not in self._blobs]
        for oid, found in zip(new, self._objects.many(new), strict=True):
            if found is None or found[1] != "blob":
                raise MalformedError("ATOM-1004", f"object '{oid}' is not a file")
            self._blobs[oid] = of_bytes(found[2])
        return of_tree(
            TreeEntry(mode, name, self.of(oid, depth + 1) if mode == MODE_TREE else self._blobs[oid])
            for mode, name, oid in entries
        )

    def _remembered(self, tree: str) -> Digest | None:
        if self._folder is None:
            return None
        try:
            with open(os.path.join(self._folder, tree[:2], tree[2:]), encoding="ascii") as file:
                return Digest.parse(file.read(100))
        except (OSError, ValueError, AtomError):
            return None

    def remember(self, tree: str) -> None:
        """Keep the digest of a tree and of the trees below it for later processes; what is kept already is not visited again."""
        if self._folder is None or tree not in self._fresh:
            return
        self._fresh.discard(tree)
        for mode, _, oid in self._objects.tree(tree):
            if mode == MODE_TREE:
                self.remember(oid)
        path = os.path.join(self._folder, tree[:2], tree[2:])
        temporary = f"{path}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            leftovers.sweep(os.path.dirname(path), leftovers.WRITTEN)
            with open(temporary, "w", encoding="ascii") as file:
                file.write(self._known[tree])
            os.replace(temporary, path)
        except OSError:
            leftovers.remove(temporary)  # a cache that cannot be written is no error
        except BaseException:
            leftovers.remove(temporary)
            raise
