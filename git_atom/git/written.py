"""Writing git objects without libgit2: loose ones directly, many at once into one pack, on disk before a ref may name them."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from git_atom.core.digest import MODE_TREE, Oid
from git_atom.core.tree import Leaf, Node, nest
from git_atom.git import leftovers, proc, trees
from git_atom.git.repo import Repo

if TYPE_CHECKING:
    from git_atom.git.pack import PackWriter


def oid_of(kind: str, data: bytes, fmt: str = "sha1") -> Oid:
    """The object id of bytes taken as an object of this kind (blob, tree, commit, tag) in a repository of this format."""
    hasher = hashlib.sha1 if fmt == "sha1" else hashlib.sha256
    made = hasher(b"%s %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
    made.update(data)
    return Oid(made.hexdigest())


# Objects written and not yet known to be on disk, by object directory; `settle` empties it before a ref may name them.
_UNSETTLED: dict[str, set[str]] = {}
_FEW = 100


class _Gathered:
    """Objects on their way into one pack: its writer, and what was written, for readers that git cannot serve yet."""

    def __init__(self) -> None:
        self.writer: PackWriter | None = None
        self.held: dict[str, tuple[str, bytes]] = {}

    def write(self, repo: Repo, kind: str, data: bytes) -> Oid:
        if self.writer is None:
            from git_atom.git.pack import PackWriter

            self.writer = PackWriter(repo)
        oid = self.writer.add(kind, data)
        self.held[oid] = (kind, data)
        return oid

    def end(self, keep: bool) -> None:
        """Seal the pack so that it is on disk and git sees it, or drop it. What was written is held still."""
        writer, self.writer = self.writer, None
        if writer is not None:
            with writer:
                if keep:
                    writer.finish()


_GATHERED: dict[str, _Gathered] = {}


@contextmanager
def one_pack(repo: Repo) -> Iterator[None]:
    """Gather the objects written into this repository in this block into one pack, in place before a ref moves or when the block ends.

    For many small objects: a file each costs more than all that is in it. An error drops what was gathered. Readers of this process
    see the objects at once. Repositories in SHA-256 format get loose objects as ever.
    """
    if repo.object_format != "sha1":
        yield
        return
    gathered = _GATHERED[repo.objects] = _Gathered()
    keep = False
    try:
        yield
        keep = True
    finally:
        del _GATHERED[repo.objects]
        gathered.end(keep)


def awaited(folder: str) -> Mapping[str, tuple[str, bytes]]:
    """What was written into an object directory inside `one_pack`, which git may not be able to tell yet: kind and bytes by id."""
    gathered = _GATHERED.get(folder)
    return gathered.held if gathered is not None else {}


def write_loose(repo: Repo, kind: str, data: bytes) -> Oid:
    """Write one object and return its id; nothing happens when it is there already. Atomic; on disk before a ref moves (`settle`).

    Inside `one_pack` it goes into that pack.

    Repositories in SHA-256 format go through `git hash-object`.
    """
    if repo.object_format != "sha1":
        out = proc.check(["git", "hash-object", "-t", kind, "-w", "--stdin"], env=repo.env, stdin=data)
        return Oid.parse(out.decode().strip())
    if (gathered := _GATHERED.get(repo.objects)) is not None:
        return gathered.write(repo, kind, data)
    oid = oid_of(kind, data)
    folder = os.path.join(repo.objects, oid[:2])
    path = os.path.join(folder, oid[2:])
    try:
        os.utime(path)  # fresh again: a pruning gc looks at the time
        return oid
    except FileNotFoundError:
        pass
    except PermissionError:
        return oid  # another user's object in a shared repository
    import zlib

    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(repo.objects, f"tmp_obj_{os.getpid()}_{time.monotonic_ns()}")
    try:
        with open(temporary, "wb") as file:
            file.write(zlib.compress(b"%s %d\0" % (kind.encode(), len(data)) + data, 1))
        os.chmod(temporary, 0o444)
        _into_place(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass
        raise
    _UNSETTLED.setdefault(repo.objects, set()).add(path)
    return oid


def _into_place(temporary: str, path: str) -> None:
    """Give a loose object its name; a git that packs beside us (git-prune-packed(1)) removes directories that are empty at the moment."""
    while True:
        try:
            return os.replace(temporary, path)
        except FileNotFoundError:
            if not os.path.exists(temporary):
                raise
            os.makedirs(os.path.dirname(path), exist_ok=True)


def settle(repo: Repo) -> None:
    """Wait until every object this process wrote into the repository is on disk: file by file when they are few, else all at once."""
    for folder in (repo.objects, os.path.join(repo.objects, "pack")):
        leftovers.sweep(folder, leftovers.OBJECTS)
    if (gathered := _GATHERED.get(repo.objects)) is not None:
        gathered.end(keep=True)
    paths = _UNSETTLED.pop(repo.objects, set())
    if len(paths) > _FEW and _sync_all(repo.objects):
        return
    for path in [*paths, *{os.path.dirname(path) for path in paths}]:
        to_disk(path)


def to_disk(path: str) -> None:
    """Wait until a file, or what names a directory has, is on disk (fsync(2)). Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_all(folder: str) -> bool:
    """Wait for the whole file system of a folder (syncfs(2)); False when that did not work, so that files are synced one by one."""
    import ctypes

    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return bool(ctypes.CDLL(None).syncfs(handle) == 0)
    finally:
        os.close(handle)


def tree_of(leaves: Iterable[Leaf], write: Callable[[bytes], Oid]) -> Oid:
    """Encode the trees over leaves, deepest first, through `write` (tree bytes in, id out); returns the root tree's id."""
    return _tree_of(nest(leaves), write)


def _tree_of(node: Node, write: Callable[[bytes], Oid]) -> Oid:
    return write(
        trees.encode_tree(
            (MODE_TREE, name, _tree_of(child, write)) if isinstance(child, dict) else (child.mode, name, child.oid)
            for name, child in node.items()
        )
    )


def write_tree_of(repo: Repo, leaves: Iterable[Leaf]) -> Oid:
    """Write the tree objects over leaves whose blobs exist already; returns the root tree's id."""
    return tree_of(leaves, lambda data: write_loose(repo, "tree", data))
