"""Reading the objects of somebody who may be hostile: the size of each is asked before its bytes, and there is a limit to all of them.

One `git cat-file --batch-command` (git 2.36) answers both questions; what is over a limit is never inflated, neither by git nor here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from git_atom.core.digest import MODE_TREE, Oid
from git_atom.errors import MalformedError
from git_atom.git.objects import Objects, decode_tree
from git_atom.git.repo import Repo

KINDS = {"blob": 100 << 20, "tree": 16 << 20, "commit": 32 << 20, "tag": 64 << 10}  # bytes of one object
TOTAL = 8 << 30  # bytes of all objects read
MAX_FILES = 1_000_000  # that one tree brings over another
MAX_LEVELS = 64
KEPT = 96 << 20  # bytes of warmed objects


class Capped(Objects):
    """As Objects, with limits in bytes for one object of each kind and for all that is read; over them, ATOM-2019 is raised."""

    ARGV = ("git", "-c", "core.bigFileThreshold=16m", "cat-file", "--batch-command")
    VERB = "contents "

    def __init__(self, repo: Repo, most: Mapping[str, int] = KINDS, total: int = TOTAL) -> None:
        super().__init__(repo)
        self._most = most
        self._left = total
        self._kept: dict[str, tuple[Oid, str, bytes]] = {}
        self._room = KEPT

    def __enter__(self) -> Capped:
        return self

    def many(self, names: Sequence[str]) -> Iterator[tuple[Oid, str, bytes] | None]:
        """As Objects.many; what was warmed is not read again."""
        if names and all(name in self._kept for name in names):
            return iter([self._kept[name] for name in names])
        return super().many(names)

    def warm(self, old: Oid | None, new: Oid) -> None:
        """Read what the tree `new` has and `old` has not, level by level in few questions, for those who will ask one by one.

        Raises MalformedError ATOM-2015 when that is more than can be looked at one by one: a few trees can stand for billions of files.
        What is not there or not sound is left to those who ask; so is what takes more memory than is meant for this.
        """
        pairs: dict[tuple[Oid | None, Oid], int] = {(old, new): 1}
        files = 0
        for _ in range(MAX_LEVELS):
            rows = {
                oid: decode_tree(data, oid)
                for oid, data in self._take([oid for pair in pairs for oid in pair if oid is not None], "tree").items()
            }
            below: dict[tuple[Oid | None, Oid], int] = {}
            blobs: list[Oid] = []
            for (was, now), times in pairs.items():
                before = {name: oid for _, name, oid in rows.get(was, [])} if was else {}
                fresh = [row for row in rows.get(now, []) if before.get(row[1]) != row[2]]
                files += times * len(fresh)
                if files > MAX_FILES:
                    raise MalformedError(
                        "ATOM-2015", f"tree '{new}' brings more than {MAX_FILES} files and directories"
                    )
                for mode, name, oid in fresh:
                    if mode == MODE_TREE:
                        below[before.get(name), oid] = below.get((before.get(name), oid), 0) + times
                    else:
                        blobs.append(oid)
            self._take(blobs, "blob")
            pairs = below
            if not pairs:
                return
        raise MalformedError("ATOM-2015", f"tree '{new}' is nested more than {MAX_LEVELS} levels deep")

    def _take(self, oids: Sequence[Oid], kind: str) -> dict[Oid, bytes]:
        """The bytes of those that are there and of this kind, which are kept as long as there is room."""
        wanted = list(dict.fromkeys(oids))
        out: dict[Oid, bytes] = {oid: self._kept[oid][2] for oid in wanted if oid in self._kept and kind == "tree"}
        for found in super().many([oid for oid in wanted if oid not in self._kept]):
            if found is not None and found[1] == kind:
                if kind == "tree":
                    out[found[0]] = found[2]
                if self._room > len(found[2]):
                    self._kept[found[0]] = found
                    self._room -= len(found[2]) + 200
        return out

    def _admit(self, window: Sequence[str], write: IO[bytes], read: IO[bytes]) -> None:
        try:
            write.write("".join(f"info {name}\n" for name in window).encode())
            write.flush()
        except BrokenPipeError:
            raise self._damaged(window[0]) from None
        over: MalformedError | None = None
        for name in window:
            line = read.readline()
            if not line:
                raise self._damaged(name)
            words = line.rstrip(b"\n").rsplit(b" ", 2)
            if len(words) == 3 and words[2].isdigit():
                over = over or self._count(name, words[1].decode(), int(words[2]))
        if over is not None:
            raise over

    def _count(self, name: str, kind: str, size: int) -> MalformedError | None:
        most = self._most.get(kind, 0)
        self._left -= size
        if size <= most and self._left >= 0:
            return None
        return MalformedError(
            "ATOM-2019",
            f"{kind} '{name}' has {size} bytes"
            if size > most
            else "there is more to read than is read for one request",
            note=f"at most {most}" if size > most else "of all objects together",
            hint="keep large files out of atoms; what [srcs] names is fetched when building",
        )
