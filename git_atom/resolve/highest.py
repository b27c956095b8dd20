"""Choosing versions without search: the newest that will do, what is locked before what is newer, and who disagrees with whom.

Knows neither git nor files; the caller says who asks for what.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from git_atom.core.version import Requirement, Version


class Chosen(NamedTuple):
    """One atom as some chain of requirements came to it. identity is what must agree for a name: set, version, content."""

    name: str
    identity: tuple[str, ...]
    version: Version
    chain: tuple[str, ...]  # from the manifest down to this atom, each link as told to people


class Clash(NamedTuple):
    """Two chains that came to different things under one name."""

    one: Chosen
    other: Chosen


def newest(requirement: Requirement, offered: Iterable[Version], first: Sequence[Version] = ()) -> Version | None:
    """The version to take: the first of `first` (forced, then locked) that is allowed and offered, else the newest allowed."""
    allowed = {version for version in offered if requirement.allows(version)}
    for version in first:
        if version in allowed:
            return version
    return max(allowed, default=None)


def clashes(chosen: Iterable[Chosen]) -> list[Clash]:
    """Every name that two chains came to differently, the first two of them, in order of name."""
    seen: dict[str, Chosen] = {}
    found: dict[str, Clash] = {}
    for one in chosen:
        before = seen.setdefault(one.name, one)
        if before.identity != one.identity:
            found.setdefault(one.name, Clash(before, one))
    return [found[name] for name in sorted(found)]
