"""Finding files in a union of packages as kernel and loader would: paths through symlinks, libraries along run paths (ld.so(8)).

Nothing is opened on the host; a package is a listing, its links are read from their leaves. A name that would leave the tree, a
relative run path, or a library name with a slash that is not absolute is never followed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from git_atom.core.digest import MODE_LINK, MODE_TREE
from git_atom.core.tree import Leaf
from git_atom.interface.elf import ElfFacts

MAX_LINKS = 40  # as Linux has it
TRIPLES = {
    "x86_64": "x86_64-linux-gnu", "i386": "i386-linux-gnu", "aarch64": "aarch64-linux-gnu", "arm": "arm-linux-gnueabihf",
    "riscv": "riscv64-linux-gnu", "ppc64": "powerpc64le-linux-gnu", "s390": "s390x-linux-gnu", "loongarch": "loongarch64-linux-gnu",
}  # fmt: skip
PROGRAMS = (b"usr/local/sbin", b"usr/local/bin", b"usr/sbin", b"usr/bin", b"sbin", b"bin")


class Found(NamedTuple):
    """A file: its package's index, its real path and leaf, and the packages whose symlinks lead to it."""

    package: int
    path: bytes
    leaf: Leaf
    via: tuple[int, ...]


class Union:
    """Several packages as one tree. Where two have a path, the lower index is asked first; `among` narrows a question to some."""

    def __init__(self, packages: Sequence[Sequence[Leaf]], target: Callable[[Leaf], bytes]) -> None:
        self._target = target
        self._at: dict[bytes, list[tuple[int, Leaf]]] = {}
        self._folders: set[bytes] = set()
        for index, leaves in enumerate(packages):
            for leaf in leaves:
                if leaf.mode == MODE_TREE:
                    self._folders.add(leaf.path)
                else:
                    self._at.setdefault(leaf.path, []).append((index, leaf))
                self._add_folders(leaf.path)

    def _add_folders(self, path: bytes) -> None:
        while (cut := path.rfind(b"/")) > 0:
            path = path[:cut]
            if path in self._folders:
                return
            self._folders.add(path)

    def holders(self, path: bytes) -> list[int]:
        """The packages that have something at this very path."""
        return [index for index, _ in self._at.get(path, ())]

    def _look(self, path: bytes, among: Collection[int] | None) -> tuple[int, Leaf] | None:
        return next((row for row in self._at.get(path, ()) if among is None or row[0] in among), None)

    def find(self, path: bytes, among: Collection[int] | None = None) -> Found | None:
        """The regular file at a path (with or without leading slash), links followed; None when there is none.

        `among` limits whose files count; links of all packages are followed, because a missing link is added with what it leads to.
        """
        todo = [part for part in path.split(b"/") if part not in (b"", b".")][::-1]
        here: list[bytes] = []
        via: list[int] = []
        while todo:
            part = todo.pop()
            if part == b"..":
                here = here[:-1]
                continue
            at = b"/".join([*here, part])
            row = self._look(at, among) or self._link_elsewhere(at, among)
            if row is None:
                here.append(part)
                if todo and at not in self._folders:
                    return None
                continue
            index, leaf = row
            if leaf.mode != MODE_LINK:
                return Found(index, at, leaf, tuple(dict.fromkeys(via))) if not todo else None
            via.append(index)
            if len(via) > MAX_LINKS:
                return None
            target = self._target(leaf)
            here = [] if target.startswith(b"/") else here
            todo += [p for p in target.split(b"/") if p not in (b"", b".")][::-1]
        return None

    def _link_elsewhere(self, path: bytes, among: Collection[int] | None) -> tuple[int, Leaf] | None:
        if among is None:
            return None
        return next((row for row in self._at.get(path, ()) if row[1].mode == MODE_LINK), None)


def directories(facts: ElfFacts, path: bytes) -> list[bytes]:
    """Where the loader looks for what the file at `path` needs, in order: run paths, then the system's own directories."""
    origin = b"/" + path.rpartition(b"/")[0]
    out = []
    for entry in facts.runpath or facts.rpath:
        where = entry.encode("utf-8", "surrogateescape")
        for name, value in (
            (b"ORIGIN", origin),
            (b"LIB", b"lib/" + _triple(facts)),
            (b"PLATFORM", facts.machine.encode()),
        ):
            where = where.replace(b"${" + name + b"}", value).replace(b"$" + name, value)
        if where.startswith(b"/"):
            out.append(where)
    return [*out, *system_directories(facts)]


def system_directories(facts: ElfFacts) -> list[bytes]:
    """The default directories of a distribution's loader, multiarch ones first (Debian's glibc has no others)."""
    triple = _triple(facts)
    lib = b"lib64" if facts.bits == 64 else b"lib32"
    return [b"lib/" + triple, b"usr/lib/" + triple, b"lib", b"usr/lib", lib, b"usr/" + lib]


def _triple(facts: ElfFacts) -> bytes:
    return TRIPLES.get(facts.machine, facts.machine).encode()
