"""Reading the objects of somebody who may be hostile: the size of each is asked before its bytes, and there is a limit to all of them.

One `git cat-file --batch-command` (git 2.36) answers both questions; what is over a limit is never inflated, neither by git nor here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO

from git_atom.core.digest import Oid
from git_atom.errors import MalformedError
from git_atom.git.objects import Objects
from git_atom.git.repo import Repo

KINDS = {"blob": 100 << 20, "tree": 16 << 20, "commit": 32 << 20, "tag": 64 << 10}  # bytes of one object
TOTAL = 8 << 30  # bytes of all objects read


class Capped(Objects):
    """As Objects, with limits in bytes for one object of each kind and for all that is read; over them, ATOM-2019 is raised."""

    ARGV = ("git", "-c", "core.bigFileThreshold=16m", "cat-file", "--batch-command")

    def __init__(self, repo: Repo, most: Mapping[str, int] = KINDS, total: int = TOTAL) -> None:
        super().__init__(repo)
        self._most = most
        self._left = total

    def __enter__(self) -> Capped:
        return self

    def ancestors(self, commit: Oid, until: Oid | None) -> list[Oid]:
        """Nothing: git would read commits whose size nobody has asked for."""
        return []

    def _admit(self, window: Sequence[str], write: IO[bytes], read: IO[bytes]) -> None:
        self._question("info", window, write)
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
