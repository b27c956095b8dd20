"""An atom as it stands in a committed revision: its directory's tree, manifest and lock, read and checked. Nothing is written."""

from __future__ import annotations

from typing import NamedTuple

from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, Digest, Oid, of_bytes
from git_atom.core.lock import Lock
from git_atom.core.manifest import Manifest
from git_atom.core.tree import check_link, tree_digest
from git_atom.errors import CannotError, MalformedError
from git_atom.git.objects import Objects


class Source(NamedTuple):
    """One atom of one revision. path: directory below the root, `.` for the root itself."""

    path: str
    commit: Oid
    tree: Oid
    digest: Digest
    manifest: Manifest
    manifest_digest: Digest
    lock: Lock | None

    @property
    def name(self) -> str:
        """The atom's name."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """The version the manifest states."""
        return str(self.manifest.version)


def read(objects: Objects, commit: Oid, root: Oid, path: str) -> Source:
    """Read the atom in directory `path` of a revision with root tree `root`; every problem has an error of its own.

    Raises CannotError ATOM-8001 (no such directory), 8002 (no manifest), those of manifest and lock, and 8003 (a lock is needed).
    """
    found = objects.at(root, b"" if path == "." else path.encode(errors="surrogateescape"))
    if found is None or found[0] != MODE_TREE:
        raise CannotError(
            "ATOM-8001",
            f"'{path}' is not a directory of revision {commit[:12]}",
            note="only what is committed is published",
            hint=f"git add {path} && git commit",
        )
    where = manifests.FILE if path == "." else f"{path}/{manifests.FILE}"
    data = _file(objects, found[1], manifests.FILE)
    if data is None:
        raise CannotError(
            "ATOM-8002",
            f"there is no '{where}' in revision {commit[:12]}",
            note="only what is committed is published",
            hint=f"git atom new {path}, or git add {where} && git commit",
        )
    manifest = manifests.parse(data, where)
    text = _file(objects, found[1], locks.FILE)
    lock = None if text is None else locks.parse(text, where.replace(manifests.FILE, locks.FILE))
    if lock is None and (manifest.deps or manifest.pins or manifest.srcs or manifest.toolchain):
        raise CannotError(
            "ATOM-8003",
            f"there is no '{where.replace(manifests.FILE, locks.FILE)}' in revision {commit[:12]}",
            note="the manifest names things that a lock must pin",
            hint=f"git atom lock {'' if path == '.' else path}".rstrip() + " && git add . && git commit",
        )
    leaves = objects.listing(found[1])
    for leaf in leaves:
        if leaf.mode == MODE_LINK:
            check_link(leaf.path)
    return Source(path, commit, found[1], tree_digest(leaves), manifest, of_bytes(data), lock)


def _file(objects: Objects, tree: Oid, name: str) -> bytes | None:
    found = objects.at(tree, name.encode())
    if found is None:
        return None
    if found[0] not in (MODE_FILE, MODE_EXEC):
        kind = "a link" if found[0] == MODE_LINK else "a directory"
        raise MalformedError("ATOM-8004", f"'{name}' is {kind}, not a file")
    return objects.read(found[1])[2]


def directories(objects: Objects, root: Oid) -> list[str]:
    """Every directory of a revision that holds a manifest, in order of path."""
    name = manifests.FILE.encode()
    found = [path for path, mode, _ in objects.walk(root) if path == name or path.endswith(b"/" + name)]
    return sorted(path[: -len(name) - 1].decode(errors="surrogateescape") or "." for path in found)
