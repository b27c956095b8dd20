"""A file tree as a flat list of leaves: what rooms pass to each other when they speak of files.

A leaf knows both of its names: the content digest (identity, cache key) and the git object id (where the store keeps it).
Directories are implied; an empty directory is a leaf of mode 040000 with the empty digest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from git_atom.core.digest import EMPTY, MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, Digest, Oid, TreeEntry, of_tree
from git_atom.errors import MalformedError

EMPTY_TREE_SHA1 = Oid("4b825dc642cb6eb9a060e54bf8d69288fbee4904")
_HEADER = b"atom-listing/1\n"


class Leaf(NamedTuple):
    """A file, symlink or empty directory: path without leading slash, git mode, content digest, size in bytes, git object id."""

    path: bytes
    mode: int
    digest: Digest
    size: int
    oid: Oid


def check_path(path: bytes) -> None:
    """Refuse a path git cannot hold: empty or dot components, NUL, and what any file system takes for `.git`.

    Raises MalformedError (ATOM-1004).
    """
    for part in path.split(b"/"):
        if part in (b"", b".", b"..") or b"\0" in part or _is_git(part):
            shown = path.decode(errors="backslashreplace")
            raise MalformedError(
                "ATOM-1004",
                f"path '{shown}' cannot be kept in a git tree",
                note="a component is empty, '.', '..', or some file system takes it for '.git'",
            )


def check_link(path: bytes) -> None:
    """Refuse a symbolic link under the name of a file that git itself reads in a tree. Raises MalformedError (ATOM-1004)."""
    if path.rpartition(b"/")[2].lower() in (b".gitmodules", b".gitattributes", b".gitignore", b".mailmap"):
        shown = path.decode(errors="backslashreplace")
        raise MalformedError("ATOM-1004", f"path '{shown}' is a link", note="git reads a file of that name itself")


# what HFS+ leaves out when it compares names
_IGNORED = {point: None for point in (*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF)}


def _is_git(part: bytes) -> bool:
    """`.git` as a name is seen without case, by HFS+ (some characters ignored) and by NTFS (short names, streams, trailing dots)."""
    if b"g" not in part and b"G" not in part:
        return False
    for piece in part.split(b"\\"):
        low = piece.lower()
        if low.split(b":")[0].rstrip(b". ") in (b".git", b"git~1"):
            return True
        if not low.isascii() and low.decode(errors="replace").translate(_IGNORED) == ".git":
            return True
    return False


def nest(leaves: Iterable[Leaf]) -> Node:
    """Leaves as nested directories, name to leaf or directory; raises MalformedError (ATOM-1004) where a path runs through a file."""
    root: Node = {}
    for leaf in leaves:
        node = root
        *parents, name = leaf.path.split(b"/")
        for part in parents:
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                shown = leaf.path.decode(errors="backslashreplace")
                raise MalformedError("ATOM-1004", f"path '{shown}' runs through a file")
            node = child
        node[name] = {} if leaf.mode == MODE_TREE else leaf
    return root


def tree_digest(leaves: Iterable[Leaf]) -> Digest:
    """Tree digest (design section 3) of a set of leaves in any order; two leaves at one path are the caller's fault."""
    return _digest(nest(leaves))


Node = dict[bytes, "Leaf | Node"]


def _digest(node: Node) -> Digest:
    return of_tree(
        TreeEntry(MODE_TREE, name, _digest(child))
        if isinstance(child, dict)
        else TreeEntry(child.mode, name, child.digest)
        for name, child in node.items()
    )


def encode_listing(leaves: Iterable[Leaf]) -> bytes:
    """A listing as cache bytes: a header, then `mode digest size oid path NUL` sorted by path. Derived data, never signed."""
    rows = [
        b"%o %s %d %s %s\0" % (x.mode, x.digest.hex.encode(), x.size, x.oid.encode(), x.path) for x in sorted(leaves)
    ]
    return _HEADER + b"".join(rows)


def decode_listing(data: bytes) -> list[Leaf]:
    """Inverse of encode_listing; raises MalformedError (ATOM-1004) when the bytes are not a listing."""
    if not data.startswith(_HEADER):
        raise MalformedError("ATOM-1004", "cached listing is damaged")
    out = []
    for row in data[len(_HEADER) :].split(b"\0")[:-1]:
        mode, digest, size, oid, path = row.split(b" ", 4)
        out.append(Leaf(path, int(mode, 8), Digest("blake3:" + digest.decode()), int(size), Oid(oid.decode())))
    return out


def empty_dir(path: bytes) -> Leaf:
    """The leaf of an empty directory."""
    return Leaf(path, MODE_TREE, EMPTY, 0, EMPTY_TREE_SHA1)


def mode_of(executable: bool) -> int:
    """Git mode of a regular file."""
    return MODE_EXEC if executable else MODE_FILE


__all__ = [
    "EMPTY_TREE_SHA1", "MODE_EXEC", "MODE_FILE", "MODE_LINK", "MODE_TREE", "Leaf",
    "check_link", "check_path", "decode_listing", "empty_dir", "encode_listing", "mode_of", "tree_digest",
]  # fmt: skip
