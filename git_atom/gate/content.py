"""Digests of many trees at once, read level by level under limits: each tree and file once, however often a tree repeats it.

A few hundred bytes of git objects can stand for billions of files, so files are counted without being visited.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, Digest, Oid, TreeEntry, of_bytes, of_tree
from git_atom.errors import AtomError, CannotError, MalformedError
from git_atom.git import trees as git_trees
from git_atom.git.objects import Entry, Objects

MAX_DEPTH = 128  # directories below one another
MAX_FILES = 200_000  # in one atom
MAX_ENTRIES = 2_000_000  # names in all distinct trees of one push
MAX_TEXTS = 128 << 20  # bytes of all manifests and locks of one push
_TEXTS = {manifests.FILE.encode(), locks.FILE.encode()}
_SPECIAL = (b".gitmodules", b".gitattributes", b".gitignore", b".mailmap")
# code points that HFS+ leaves out when it compares names (git's utf8.c, next_hfs_char)
_IGNORED = dict.fromkeys([*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])


class Content(NamedTuple):
    """What was found of one tree: its digest, or why it has none; texts: manifest and lock in its root by name."""

    digest: Digest | None
    problem: AtomError | None
    texts: dict[bytes, bytes]


class _Tree(NamedTuple):
    digest: Digest
    files: int
    depth: int


def contents(objects: Objects, roots: Iterable[Oid]) -> dict[Oid, Content]:
    """Digest and texts of each of these trees. Raises MalformedError ATOM-8511 when all together are over a limit."""
    wanted = list(dict.fromkeys(roots))
    trees: dict[Oid, list[Entry]] = {}
    problems: dict[Oid, AtomError] = {}
    _load(objects, wanted, trees, problems)
    blobs, texts = _read(objects, wanted, trees, problems)
    done: dict[Oid, _Tree] = {}
    out = {}
    for root in wanted:
        _digest(root, trees, blobs, done, problems)
        here = {name: texts[oid] for _, name, oid in trees.get(root, ()) if name in _TEXTS and oid in texts}
        found = done.get(root)
        out[root] = Content(found.digest if found else None, problems.get(root), here)
    return out


def check_name(name: bytes, mode: int) -> None:
    """Refuse what file systems or git take for `.git` or, as a link, for one of git's own files. Raises MalformedError ATOM-8512."""
    parts = [_folded(part) for part in name.split(b"\\")]
    is_git = any(hidden & {b".git", b"git~1"} for hidden in parts) or name in (b"", b".", b"..") or b"/" in name
    is_special = mode == MODE_LINK and any(
        part in _SPECIAL or part.startswith((b"gitmod~", b"gitatt~", b"gitign~", b"gi7")) for part in parts[0]
    )
    if is_git or is_special:
        raise MalformedError(
            "ATOM-8512",
            f"an atom cannot hold the name '{name.decode(errors='backslashreplace')}'",
            note="some file system, or git, takes it for a file of git's own",
        )


def _folded(part: bytes) -> set[bytes]:
    """What a name is to file systems that know no case, HFS+ and NTFS."""
    low = part.lower()
    return {low, low.decode(errors="replace").translate(_IGNORED).encode(), low.split(b":")[0].rstrip(b". ")}


def _load(
    objects: Objects, roots: Sequence[Oid], trees: dict[Oid, list[Entry]], problems: dict[Oid, AtomError]
) -> None:
    """Every tree below the roots, one level at a time."""
    level, entries = list(roots), 0
    for _ in range(MAX_DEPTH):
        below: dict[Oid, None] = {}
        for oid, found in zip(level, objects.many(level), strict=True):
            trees[oid] = []
            try:
                if found is None or found[1] != "tree":
                    raise _missing(oid, "directory")
                trees[oid] = _checked(git_trees.decode_tree(found[2], found[0]))
            except AtomError as error:
                problems[oid] = error
            entries += len(trees[oid])
            if entries > MAX_ENTRIES:
                raise _over(f"more than {MAX_ENTRIES} names in its directories")
            below |= {child: None for mode, _, child in trees[oid] if mode == MODE_TREE}
        level = [oid for oid in below if oid not in trees]
        if not level:
            return
    for oid in level:
        trees[oid] = []
        problems[oid] = _over(f"directories more than {MAX_DEPTH} deep")


def _checked(entries: list[Entry]) -> list[Entry]:
    for mode, name, _ in entries:
        check_name(name, mode)
        if mode not in (MODE_FILE, MODE_EXEC, MODE_LINK, MODE_TREE):
            shown = name.decode(errors="backslashreplace")
            raise MalformedError(
                "ATOM-1004",
                f"path '{shown}' has mode {mode:o}",
                note="a source tree holds files, links and directories",
            )
    return entries


def _read(
    objects: Objects, roots: Sequence[Oid], trees: dict[Oid, list[Entry]], problems: dict[Oid, AtomError]
) -> tuple[dict[Oid, Digest], dict[Oid, bytes]]:
    """Digests of all files, and the bytes of those that are manifest or lock of a root."""
    kept = {
        oid for root in roots for mode, name, oid in trees[root] if name in _TEXTS and mode in (MODE_FILE, MODE_EXEC)
    }
    wanted = list(dict.fromkeys(oid for entries in trees.values() for mode, _, oid in entries if mode != MODE_TREE))
    digests: dict[Oid, Digest] = {}
    texts: dict[Oid, bytes] = {}
    room = MAX_TEXTS
    for oid, found in zip(wanted, objects.many(wanted), strict=True):
        if found is None or found[1] != "blob":
            problems[oid] = _missing(oid, "file")
            continue
        digests[oid] = of_bytes(found[2])
        if oid in kept:
            texts[oid] = found[2]
            room -= len(found[2])
        if room < 0:
            raise _over(f"manifests and locks of more than {MAX_TEXTS} bytes together")
    return digests, texts


def _digest(
    root: Oid,
    trees: dict[Oid, list[Entry]],
    blobs: dict[Oid, Digest],
    done: dict[Oid, _Tree],
    problems: dict[Oid, AtomError],
) -> None:
    """Digest a tree after those below it, without recursion; a problem below is one of the tree above."""
    stack = [root]
    while stack:
        oid = stack[-1]
        open_below = [c for mode, _, c in trees[oid] if mode == MODE_TREE and c not in done and c not in problems]
        if open_below and oid not in problems:
            stack += open_below
            continue
        stack.pop()
        if oid in done or oid in problems:
            continue
        problem = next((problems[child] for _, _, child in trees[oid] if child in problems), None)
        below = [done[c] for mode, _, c in trees[oid] if mode == MODE_TREE and c in done]
        files = sum(t.files for t in below) + sum(mode != MODE_TREE for mode, _, _ in trees[oid])
        depth = 1 + max((t.depth for t in below), default=0)
        if problem is None and (files > MAX_FILES or depth > MAX_DEPTH):
            problem = _over(f"{files} files, {depth} directories deep; at most {MAX_FILES} and {MAX_DEPTH}")
        if problem is not None:
            problems[oid] = problem
            continue
        entries = (TreeEntry(m, n, done[c].digest if m == MODE_TREE else blobs[c]) for m, n, c in trees[oid])
        done[oid] = _Tree(of_tree(entries), files, depth)


def _over(why: str) -> MalformedError:
    return MalformedError("ATOM-8511", "an atom is too large", note=why)


def _missing(oid: Oid, what: str) -> CannotError:
    return CannotError("ATOM-2008", f"{what} '{oid}' is not there", hint="git fsck")
