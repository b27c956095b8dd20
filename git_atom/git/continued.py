"""Fetching a chain of commits that continues one that is here: the `fetch` command of protocol version 2, over one connection.

`git fetch` connects twice and then walks all that may be reached, which for a chain of some hundred small commits takes longer than the
rest. What comes is put into place by git's own index-pack, which checks every object and that what each names is here (`--strict`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, NamedTuple, cast

from git_atom.core.digest import Oid
from git_atom.git import bounds, lsrefs, wire
from git_atom.git.repo import Repo
from git_atom.git.source import LEAST_MEMORY, most_bytes, too_much, unreachable

_HAVES = 256  # as many as git says in vain
_FEW = 1000  # refs that begin with the one asked for
_DATA, _FATAL = b"\1", b"\3"  # bands (gitprotocol-pack(5))


class Found(NamedTuple):
    """What a ref is there, or None where it is not."""

    head: Oid | None


def fetch(repo: Repo, other: wire.Wire, ref: str, known: Sequence[Oid], meanwhile: Callable[[], None]) -> Found | None:
    """Bring what a ref reaches and some commits do not, in one pack, into `repo` (a quarantine that sees those commits).

    other: a connection on which nothing was said yet, and which is ended with it. meanwhile: done while the other side makes the pack.
    None when it cannot be done so and must be left to git: an older protocol, another way to connect, a source whose history is cut off.
    Raises UnavailableError ATOM-2011 when the source cannot be read or sends something that is not sound, MalformedError ATOM-2022, and
    ATOM-2023 when it sends more than `atom.maxFetchSize`.
    """
    other.most = most_bytes(repo.env)
    told = lsrefs.ask(other, [ref], _FEW)
    if told is None or told.version != 2 or not _fits(told.abilities, repo):
        return None
    head = told.refs.get(ref)
    if head is not None and head not in known:
        wanted = [b"thin-pack", b"no-progress", b"ofs-delta", f"want {head}".encode()]
        wanted += [f"have {oid}".encode() for oid in known[:_HAVES]]
        if not _comes(other, told.abilities, wanted, bool(known), meanwhile):
            return None
        _index(repo, other)
    other.hang_up()
    return Found(head)


def _fits(abilities: Sequence[str], repo: Repo) -> bool:
    formats = [word for word in abilities if word.startswith("object-format=")] or ["object-format=sha1"]
    return formats == [f"object-format={repo.object_format}"] and any(re.match("fetch(=|$)", w) for w in abilities)


def _comes(
    other: wire.Wire, abilities: Sequence[str], wanted: Sequence[bytes], haves: bool, meanwhile: Callable[[], None]
) -> bool:
    """Ask for a pack; whether the other side goes on to send one, and nothing else before it. haves: what is wanted names commits that are here."""
    other.ask("fetch", abilities, wanted if haves else [*wanted, b"done"])
    meanwhile()
    if haves:
        if other.packet() != b"acknowledgments\n":
            return False
        ready = False
        while not isinstance(line := other.packet(), str):
            ready = ready or line == b"ready\n"
        if line == wire.FLUSH and not ready:  # it has none of them, and waits for more to be said
            other.answered()
            other.ask("fetch", abilities, [*wanted, b"done"])
        elif not ready or line != wire.DELIM:
            return False
    return other.packet() == b"packfile\n"


def _index(repo: Repo, other: wire.Wire) -> None:
    """Give the pack that comes to index-pack, within limits of space and memory."""
    # whoever accepts the pack brings it to the disk
    argv = ["git", "-c", "core.fsync=none", "index-pack", "--stdin", "--fix-thin", "--strict"]
    argv.append(f"--max-input-size={other.most}")
    with open(os.memfd_create("said"), "w+b") as words:
        with bounds.limited(argv, repo.env, words, size=other.most, memory=max(other.most, LEAST_MEMORY)) as process:
            _hand_over(other, cast("IO[bytes]", process.stdin))
        if process.returncode == 0:
            return
        words.seek(0)
        if largest_pack(repo) >= other.most:
            raise too_much(other.place, other.most)
        raise unreachable(other.place, words.read(1 << 16))


def _hand_over(other: wire.Wire, write: IO[bytes]) -> None:
    try:
        while not isinstance(data := other.packet(), str):
            if data[:1] == _DATA:
                write.write(data[1:])
            elif data[:1] == _FATAL:
                raise unreachable(other.place, data[1:])
        wire.ended(data)
        other.answered()  # before index-pack is waited for, which may take longer than a silent connection may live
        write.close()
    except BrokenPipeError:  # index-pack has said why
        with suppress(BrokenPipeError):
            write.close()


def largest_pack(repo: Repo) -> int:
    """Bytes of the largest file among the packs of a quarantine, unfinished ones too: git was stopped by its limit when it has that size."""
    packs = os.path.join(repo.objects, "pack")
    return max((os.stat(os.path.join(packs, name)).st_size for name in os.listdir(packs)), default=0)
