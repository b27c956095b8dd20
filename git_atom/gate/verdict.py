"""What a hook is asked and what it answers: changes of refs in, a verdict out. Parsing is strict, judging is elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from git_atom.core import refnames
from git_atom.core.digest import Digest, Oid
from git_atom.core.refnames import Place
from git_atom.core.statements import Release
from git_atom.errors import AtomError, MalformedError
from git_atom.git.capped import Capped
from git_atom.git.digests import TreeDigests

MAX_BYTES = 64 << 20  # of what git writes to a hook
MAX_REFS = 100_000  # of ours in one push
_LINE = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (\S[^\0]*)")
_SYMBOLIC = re.compile(rb"(?:ref:\S+|[0-9a-f]+) (?:ref:\S+|[0-9a-f]+) (\S[^\0]*)")


class Update(NamedTuple):
    """One ref that shall move: what it is said to be now and what it shall be; None for no ref."""

    ref: str
    old: Oid | None
    new: Oid | None


class Asked(NamedTuple):
    """One update of a ref that is ours, with what its name says."""

    place: Place
    update: Update


class Refusal(NamedTuple):
    """Why one ref may not move."""

    ref: str
    why: AtomError


class Verdict(NamedTuple):
    """Refusals, none when all may move; trees: of logs that were verified on the way, whose digests are worth remembering."""

    refused: tuple[Refusal, ...] = ()
    trees: tuple[Oid, ...] = ()


class Refs(Protocol):
    """The refs as they are accepted now."""

    def get(self, ref: str, /) -> Oid | None:
        """What a ref points to (unpeeled), or None."""
        ...


class View(NamedTuple):
    """What a judge may look at: objects (those that would come in included), and the refs as they are accepted now.

    atom_tree: the tree of an atom commit, refused when it is not the one a release makes; sub_commit: the commit of a sub-atom, from
    its tree or file, that one's kind and the object format. founders: anchors that may be founded here, empty for any.
    floor: the newest head of a set that its remote accepted, as far as the user knows. survives: whether a ref that is deleted is there
    afterwards all the same, because only one of the two places where git keeps it is cleared.
    """

    objects: Capped
    digests: TreeDigests
    refs: Refs
    atom_tree: Callable[[bytes, Release], Oid]
    sub_commit: Callable[[Oid, str, str], bytes]
    founders: frozenset[str] = frozenset()
    floor: Callable[[Digest], Oid | None] = lambda anchor: None
    survives: Callable[[str], bool] = lambda ref: False


def parse(data: bytes) -> list[Update]:
    """What git writes to pre-receive and reference-transaction (githooks(5)): `<old> SP <new> SP <ref> LF`, those of ours.

    A symbolic ref (`ref:<name>` in newer git) is refused where a ref of ours would become one. Raises MalformedError ATOM-8501.
    """
    if len(data) > MAX_BYTES:
        raise _bad(f"{len(data)} bytes of updates, at most {MAX_BYTES}")
    if data and not data.endswith(b"\n"):
        raise _bad("the last line is cut off")
    out: list[Update] = []
    seen: set[str] = set()
    for line in data.split(b"\n")[:-1]:
        match, symbolic = _LINE.fullmatch(line), _SYMBOLIC.fullmatch(line)
        if match is None and symbolic is None:
            raise _bad(f"line '{line[:200].decode(errors='backslashreplace')}'")
        ref = (match[3] if match else symbolic[1] if symbolic else b"").decode(errors="surrogateescape")
        if not refnames.guarded(ref):
            continue
        if match is None or len(match[1]) != len(match[2]):
            raise _bad(f"'{ref}' would be a symbolic ref")
        if ref in seen:
            raise _bad(f"'{ref}' stands there twice")
        seen.add(ref)
        out.append(Update(ref, _oid(match[1]), _oid(match[2])))
        if len(out) > MAX_REFS:
            raise _bad(f"more than {MAX_REFS} refs of sets at once")
    return out


def sort(updates: Sequence[Update]) -> tuple[dict[str, list[Asked]], list[Refusal]]:
    """The updates by the set they belong to, and those whose names are none of ours."""
    by_set: dict[str, list[Asked]] = {}
    refused = []
    for update in updates:
        try:
            place = refnames.read(update.ref)
        except AtomError as error:
            refused.append(Refusal(update.ref, error))
            continue
        by_set.setdefault(place.set, []).append(Asked(place, update))
    return by_set, refused


def _oid(text: bytes) -> Oid | None:
    return None if not text.strip(b"0") else Oid(text.decode())


def _bad(why: str) -> MalformedError:
    return MalformedError("ATOM-8501", "what git hands to this hook cannot be used", note=why)
