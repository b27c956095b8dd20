"""Which refs another repository has below a prefix, and nothing else of it: `ls-refs` of git's protocol version 2 (gitprotocol-v2(5)).

`git ls-remote` has no way to say a prefix, so it is told of every ref there is. A server that speaks an older version tells all refs, as
it does to git; a place that `git/wire.py` does not lead to is left to ls-remote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from git_atom.core.digest import Oid
from git_atom.git import bounds, wire
from git_atom.git.source import unreachable

MAX_REFS = 5_000_000
_ABILITIES = 1000


class Told(NamedTuple):
    """What a repository told: its refs by name, its protocol version, and what it can do, as version 2 lists it."""

    refs: dict[str, Oid]
    version: int
    abilities: tuple[str, ...]


def told(
    source: str, prefixes: Sequence[str], environ: Mapping[str, str], cwd: str = "/", *, peel: bool = False
) -> Told:
    """The refs at `source` (a checked URL, scp-like place or absolute path) that begin with one of the prefixes.

    peel: of a signed or annotated tag, tell what it is of.

    Raises UnavailableError ATOM-2011 when it cannot be read, MalformedError ATOM-2022 when it does not answer as git's protocol wants.
    """
    with wire.connected(source, environ, cwd) as other:
        return told_by(other, prefixes, peel=peel)


def told_by(other: wire.Wire, prefixes: Sequence[str], *, peel: bool = False) -> Told:
    """As `told`, over a connection that is ended with it."""
    found = ask(other, prefixes, peel=peel)
    if found is None:
        return every(other.place, prefixes, other.env, peel=peel)
    other.hang_up()
    return found


def ask(other: wire.Wire, prefixes: Sequence[str], most: int = MAX_REFS, *, peel: bool = False) -> Told | None:
    """As `told`, over a connection that is there still then, or None where none can be had; at most this many refs may be told.

    Raises MalformedError ATOM-2022, and ATOM-2023 over the limit of the connection.
    """
    if not other.begun():
        return None
    first = next(other.lines(), b"")
    if not first:  # version 0 of a repository without refs
        return Told({}, 0, ())
    if first != b"version 2":
        return _older(first, other.lines(), prefixes, most, peel)
    abilities = tuple(line.decode(errors="replace") for line in islice(other.lines(), _ABILITIES))
    if len(abilities) == _ABILITIES:
        raise wire.broken("it tells of more abilities than git has")
    wanted = [b"ref-prefix " + prefix.encode(errors="surrogateescape") for prefix in prefixes]
    other.ask("ls-refs", abilities, [*([b"peel"] if peel else []), *wanted])
    refs = dict(_rows(other.lines(), prefixes, most, peel))
    other.answered()
    return Told(refs, 2, abilities)


def _older(first: bytes, rest: Iterator[bytes], prefixes: Sequence[str], most: int, peel: bool) -> Told:
    """Version 0 or 1, where all refs come unasked, the abilities behind the first (gitprotocol-pack(5))."""
    version = 1 if first == b"version 1" else 0
    line = next(rest, b"") if version else first
    row, _, words = line.partition(b"\0")
    refs = dict(_rows((one for line in (iter([row]), rest) for one in line if one), prefixes, most, peel))
    return Told(refs, version, tuple(words.decode(errors="replace").split()))


def _rows(lines: Iterator[bytes], prefixes: Sequence[str], most: int, peel: bool = False) -> Iterator[tuple[str, Oid]]:
    """Name and id of each ref told; prefixes are held against the answer, since a server may tell more than it was asked.

    What a tag is of follows its name in version 2, and is a row of its own after it in older ones.
    """
    wanted = tuple(prefix.encode(errors="surrogateescape") for prefix in prefixes)
    size = 0
    for count, line in enumerate(lines):
        size += len(line)
        if size > wire.MOST:
            raise wire.broken(f"it tells more than {wire.MOST} bytes")
        oid, _, rest = line.partition(b" ")
        name, *words = rest.split(b" ")
        if peel:
            name = name.removesuffix(b"^{}")
            oid = next((word[7:] for word in words if word.startswith(b"peeled:")), oid)
        if count >= most:
            raise wire.broken(f"it tells more than {most} refs")
        if not name or not re.fullmatch(rb"[0-9a-f]{40}|[0-9a-f]{64}", oid):
            raise wire.broken("what should be a ref is none")
        if name.startswith(wanted) and not name.endswith(b"^{}"):
            yield name.decode(errors="surrogateescape"), Oid(oid.decode())


def every(place: str, prefixes: Sequence[str], env: Mapping[str, str], cwd: str = "/", *, peel: bool = False) -> Told:
    """The refs there that begin with one of the prefixes, out of all, by git's own ls-remote: for places that no prefix can be said to.

    Raises as `told`.
    """
    argv = ["git", "-c", "protocol.version=2", "ls-remote", *(() if peel else ("--refs",)), "--", place]
    done, peak, late = bounds.run_within(argv, env=env, stdin=b"", size=wire.MOST, memory=wire.MOST, cwd=cwd)
    if done.status != 0 and peak > wire.MOST // 2:
        raise wire.broken(f"it tells more than {wire.MOST} bytes")
    if done.status != 0:
        raise unreachable(place, late or done.err)
    lines = (line.replace(b"\t", b" ", 1) for line in done.out.splitlines())
    return Told(dict(_rows(lines, prefixes, MAX_REFS, peel)), 0, ())
