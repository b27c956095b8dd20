"""Asking another repository by its refs alone: which versions it has under a name, quickly, and with nothing verified.

Hot: what the answer is read with is imported while the connection comes about.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

from git_atom.core.host import Host
from git_atom.core.name import check_name
from git_atom.errors import AtomError
from git_atom.git import wire
from git_atom.git.source import expanded
from git_atom.git.source import place as checked

if TYPE_CHECKING:
    from git_atom.core.version import Version


class Claimed(NamedTuple):
    """What refs say: names and versions, in order, and the refs under refs/atoms/ that are none of ours."""

    rows: list[tuple[str, Version]]
    foreign: list[str]


def locate(host: Host, source: str) -> str:
    """A source as the user wrote it, aliases expanded, and a path made absolute. Raises ATOM-1014 to 1016."""
    text = expanded(source, host.environ, host.cwd)
    return checked(host.home + text[1:] if text.startswith("~/") else text, host.cwd)


def reached(host: Host, source: str) -> AbstractContextManager[wire.Wire]:
    """A connection to a source as the user wrote it, which comes about while the caller does something else.

    Raises as `locate`, and UnavailableError ATOM-2011.
    """
    return wire.connected(locate(host, source), host.environ)


def claimed(host: Host, source: str, name: str = "") -> Claimed:
    """The versions that the refs of `source` claim to be there, of one name or of all; only refs of that name are asked for.

    Raises UnavailableError ATOM-2011 when it cannot be read, ATOM-2022, and ATOM-1010 for what cannot be a name.
    """
    name = name and check_name(name)
    with reached(host, source) as other:
        from git_atom.core import refnames
        from git_atom.core.version import Version
        from git_atom.git import lsrefs

        prefix = refnames.atom_ref(name, "") if name else refnames.ATOMS
        found = lsrefs.told_by(other, [prefix])
    rows, foreign = [], []
    for ref in found.refs:
        try:
            place = refnames.read(ref)
            rows.append((place.name, Version.parse(place.version)))
        except AtomError:
            foreign.append(ref)
    return Claimed(sorted(rows), sorted(foreign))
