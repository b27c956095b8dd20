"""An atom as it stands in a committed revision: its directory's tree, manifest and lock, read and checked. Nothing is written."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from git_atom.atom.agreement import disagreements
from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core import uri
from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, Digest, Oid, of_bytes
from git_atom.core.lock import Lock
from git_atom.core.manifest import Manifest
from git_atom.core.text import shell
from git_atom.core.tree import Leaf, check_link, tree_digest
from git_atom.errors import CannotError, ConflictError, MalformedError, NegativeError
from git_atom.git.objects import MODE_SUBMODULE, Objects
from git_atom.git.repo import Repo

# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: the file that stands in a commit for a large one
_POINTER = rb"version https?://[a-z.-]+/spec/(?:v1|2)\n(?:ext-\d-[^\n]*\n)*oid sha256:[0-9a-f]{64}\nsize \d+\n?"
_POINTER_SIZES = (100, 1023)
_NOT_OURS = "publish it as an atom of its own and depend on that, or take it as [pins]"


class Stand(NamedTuple):
    """Where the user stands, for what hints say: the working directory and the work tree's root, real paths; empty where there is none."""

    cwd: str = ""
    top: str = ""

    def at(self, path: str) -> str:
        """A path of the revision as it is typed there."""
        return shell(os.path.relpath(os.path.join(self.top, path), self.cwd) if self.top else path)

    def has(self, path: str) -> bool:
        """Whether the work tree has a manifest in that directory."""
        return bool(self.top) and os.path.isfile(os.path.join(self.top, path, manifests.FILE))


_NOWHERE = Stand()


def standing(cwd: str, repo: Repo) -> Stand:
    """Where a user stands whose working directory this is."""
    return Stand(os.path.realpath(cwd), os.path.realpath(repo.work_tree)) if repo.work_tree else _NOWHERE


class Source(NamedTuple):
    """One atom of one revision. path: directory below the root, `.` for the root itself."""

    path: str
    commit: Oid
    tree: Oid
    digest: Digest
    manifest: Manifest
    manifest_digest: Digest
    lock: Lock | None
    stand: Stand = _NOWHERE

    @property
    def name(self) -> str:
        """The atom's name."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """The version the manifest states."""
        return str(self.manifest.version)


def read(objects: Objects, commit: Oid, root: Oid, path: str, stand: Stand = _NOWHERE) -> Source:
    """Read the atom in directory `path` of a revision with root tree `root`; every problem has an error of its own.

    Raises CannotError ATOM-8001 (no such directory), 8002 (no manifest), those of manifest and lock, 8003 (a lock is needed), and
    MalformedError ATOM-1004 and 8054 for what cannot be published.
    """
    found = objects.at(root, b"" if path == "." else path.encode(errors="surrogateescape"))
    if found is None or found[0] != MODE_TREE:
        raise CannotError(
            "ATOM-8001",
            f"'{path}' is not a directory of revision {commit[:12]}",
            note="only what is committed is published",
            hint=_way(stand, path, lambda: _meant(objects, root, path)),
        )
    tree = found[1]
    where = manifests.FILE if path == "." else f"{path}/{manifests.FILE}"
    data = _file(objects, tree, where)
    if data is None:
        raise CannotError(
            "ATOM-8002",
            f"there is no '{where}' in revision {commit[:12]}",
            note="only what is committed is published",
            hint=_way(stand, path, lambda: [posixpath.normpath(f"{path}/{d}") for d in directories(objects, tree)[:1]]),
        )
    manifest = manifests.parse(data, where)
    at = posixpath.join(posixpath.dirname(where), locks.FILE)
    text = _file(objects, tree, at)
    lock = None if text is None else locks.parse(text, at)
    if lock is None and (manifest.deps or manifest.pins or manifest.srcs or manifest.toolchain):
        raise CannotError(
            "ATOM-8003",
            f"there is no '{at}' in revision {commit[:12]}",
            note="the manifest names things that a lock must pin",
            hint=_lock_again(stand, path),
        )
    try:
        leaves = objects.listing(tree)
        check_links(leaves)
    except MalformedError as error:
        error.where = error.where or path  # of several atoms, the one that holds it
        raise
    check_pointers(objects, leaves, path)
    return Source(path, commit, tree, tree_digest(leaves), manifest, of_bytes(data), lock, stand)


def _way(stand: Stand, path: str, others: Callable[[], list[str]]) -> str:
    """What to type for a directory that has no manifest in the revision: it is only in the work tree, another one is meant, or it is new."""
    if stand.has(path):
        return f"git add {stand.at(path)} && git commit"
    found = others()
    if found:
        return f"git atom publish {stand.at(found[0])}\ngit atom publish --all"
    return f"git atom new {stand.at(path)}"


def _meant(objects: Objects, root: Oid, path: str) -> list[str]:
    """The directory of an atom that a path may be meant for: what holds it, or what is called nearly so."""
    from difflib import get_close_matches

    known = directories(objects, root)
    return [d for d in (posixpath.dirname(path),) if d in known] or get_close_matches(path, known, 1)


def _lock_again(stand: Stand, path: str) -> str:
    at = stand.at(path)
    return f"git atom lock{'' if at == '.' else f' {at}'} && git add {at} && git commit"


def check_lock(one: Source) -> None:
    """What is published can be had as its manifest says: raises NegativeError ATOM-8045 for a lock that is not one of the manifest."""
    wrong = disagreements(one.manifest, one.lock or Lock())
    if wrong:
        raise NegativeError(
            "ATOM-8045",
            f"the lock of '{one.name}' does not fit its manifest",
            where=_lock_of(one),
            note="\n".join(wrong[:20]),
            hint=_lock_again(one.stand, one.path),
        )


def check_places(one: Source) -> None:
    """Raises CannotError ATOM-8009 when a set or a pin of the lock is to be had at places of this machine alone."""
    lock = one.lock or Lock()
    for places in (*(s.mirrors for s in lock.sets), *((p.git,) for p in lock.pins)):
        if places and all(map(uri.is_local, places)):
            raise CannotError(
                "ATOM-8009",
                f"'{one.name}' needs what only this machine has, at '{uri.redact(places[0])}'",
                where=_lock_of(one),
                hint="give the dependency a url that others reach too, then git atom lock",
            )


def _lock_of(one: Source) -> str:
    return locks.FILE if one.path == "." else f"{one.path}/{locks.FILE}"


def check_subs(objects: Objects, root: Oid, one: Source) -> None:
    """What becomes sub-atoms must lie in the revision (root tree `root`) as the lock names it, all of it git's own to give.

    Raises ConflictError ATOM-8053, MalformedError ATOM-1004 (a submodule) and 8054 (a pointer of Git LFS).
    """
    paths = {src.name: src.path for src in one.manifest.srcs if src.path}
    where = _lock_of(one)
    for sub in one.lock.subs if one.lock else ():
        path = posixpath.normpath(posixpath.join(one.path, paths.get(sub.name, "")))
        found = objects.at(root, path.encode(errors="surrogateescape"))
        if found is not None and found[0] == MODE_SUBMODULE:
            raise MalformedError("ATOM-1004", f"path '{path}' is a submodule", where=where, hint=_NOT_OURS)
        if found is not None and found[0] == MODE_TREE:
            leaves = objects.listing(found[1])
            digest = tree_digest(leaves)
        elif found is not None:
            data = objects.read(found[1])[2]
            leaves = [Leaf(b"", found[0], of_bytes(data), len(data), found[1])]
            digest = leaves[0].digest
        else:
            leaves, digest = [], None
        check_pointers(objects, leaves, path)
        if found is None or (found[1], digest) != (sub.object, sub.tree):
            raise ConflictError(
                "ATOM-8053",
                f"'{path}' of revision {one.commit[:12]} is not what '{one.name}' is locked to",
                where=where,
                note=f"locked    {sub.tree}\nrevision  {digest or 'has nothing there'}",
                hint=_lock_again(one.stand, one.path),
            )


def check_public(one: Source) -> None:
    """What an atom is published with must be there for others. Raises CannotError ATOM-8055."""
    where = manifests.FILE if one.path == "." else f"{one.path}/{manifests.FILE}"
    for pin in one.manifest.pins:
        if not uri.is_remote(pin.git):
            raise CannotError(
                "ATOM-8055",
                f"pin '{pin.name}' of '{one.name}' is of a repository on this machine",
                where=where,
                note=f"nobody else can read '{pin.git}'",
                hint="push it to a server and pin it there",
            )
    stated = {src.url for src in one.manifest.srcs}
    for fetch in one.lock.fetches if one.lock else ():
        if uri.is_local(fetch.url):
            raise CannotError(
                "ATOM-8055",
                f"source '{fetch.name}' of '{one.name}' is a file on this machine",
                where=where if fetch.url in stated else _lock_of(one),
                note=f"nobody else can read '{fetch.url}'",
                hint="commit the file and name its path, or put it on a server and name its URL there",
            )


def check_links(leaves: Sequence[Leaf]) -> None:
    """Refuse links under names that git itself reads. Raises MalformedError ATOM-1004."""
    for leaf in leaves:
        if leaf.mode == MODE_LINK:
            check_link(leaf.path)


def check_pointers(objects: Objects, leaves: Sequence[Leaf], below: str) -> None:
    """Refuse pointers of Git LFS: what they point to is in no commit, so nobody could verify it, or build from it. ATOM-8054."""
    few = [leaf for leaf in leaves if _POINTER_SIZES[0] <= leaf.size <= _POINTER_SIZES[1] and leaf.mode != MODE_LINK]
    for leaf, found in zip(few, objects.many([leaf.oid for leaf in few]), strict=True):
        if found is not None and re.fullmatch(_POINTER, found[2]):
            path = posixpath.join(below, leaf.path.decode(errors="backslashreplace")).rstrip("/")
            raise MalformedError(
                "ATOM-8054",
                f"'{posixpath.normpath(path)}' is a pointer of Git LFS, its content is not in the repository",
                note="only what a commit holds can be signed, fetched and verified",
                hint=f"git lfs migrate export --include={shell(posixpath.normpath(path))}  # or name its URL under [srcs]",
            )


def _file(objects: Objects, tree: Oid, where: str) -> bytes | None:
    found = objects.at(tree, posixpath.basename(where).encode())
    if found is None:
        return None
    if found[0] not in (MODE_FILE, MODE_EXEC):
        kind = "a link" if found[0] == MODE_LINK else "a directory"
        raise MalformedError("ATOM-8004", f"'{where}' is {kind}, not a file", hint="commit a file in its place")
    return objects.read(found[1])[2]


def directories(objects: Objects, root: Oid) -> list[str]:
    """Every directory of a revision that holds a manifest, in order of path."""
    name = manifests.FILE.encode()
    found = [path for path, mode, _ in objects.walk(root) if path == name or path.endswith(b"/" + name)]
    return sorted(path[: -len(name) - 1].decode(errors="surrogateescape") or "." for path in found)
