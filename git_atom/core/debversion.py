"""Debian versions, ordered as dpkg orders them (deb-version(7); Debian Policy 5.6.12)."""

from __future__ import annotations

import re
from functools import lru_cache

from git_atom.errors import MalformedError

MAX_TEXT = 512

Key = tuple[int, tuple[str | int, ...], tuple[str | int, ...]]

_FORM = re.compile(r"[0-9A-Za-z.+~:-]+", re.ASCII)
_RUNS = re.compile(r"([^0-9]*)([0-9]*)", re.ASCII)
_END = "\x01"
# a tilde sorts before the end of a run, the end before letters, letters before everything else
_WEIGHT = {ord("~"): "\x00"} | {ord(c): chr(256 + ord(c)) for c in ".+-:"}


@lru_cache(maxsize=65536)
def split(version: str) -> tuple[int, str, str]:
    """Epoch, upstream version and revision. Raises MalformedError (ATOM-1051) when the text is no version."""
    if len(version) <= MAX_TEXT and _FORM.fullmatch(version):
        epoch, _, rest = version.partition(":") if ":" in version else ("0", ":", version)
        upstream, dash, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
        if upstream and bool(dash) == bool(revision) and epoch.isdigit() and len(epoch) < 10 and ":" not in revision:
            return int(epoch), upstream, revision
    raise MalformedError("ATOM-1051", f"'{version[:200]}' is not a Debian version")


def key(version: str) -> Key:
    """A sort key: tuples of this shape compare as `dpkg --compare-versions` does. Raises MalformedError (ATOM-1051)."""
    epoch, upstream, revision = split(version)
    return epoch, _part(upstream), _part(revision)


@lru_cache(maxsize=65536)
def _part(text: str) -> tuple[str | int, ...]:
    """Runs of other characters and of digits in turn, always ending in a run of other characters, so that a shorter text ends in time."""
    out: list[str | int] = []
    for other, digits in _RUNS.findall(text):
        out.append(other.translate(_WEIGHT) + _END)
        if digits:
            out.append(int(digits))
            continue
        if other or len(out) == 1:
            out += [0, _END]
        break
    return tuple(out)


def compare(one: str, other: str) -> int:
    """-1, 0 or 1, as one version is earlier than, equal to or later than the other."""
    (epoch, upstream, revision), (epoch2, upstream2, revision2) = split(one), split(other)
    if epoch != epoch2:
        return (epoch > epoch2) - (epoch < epoch2)
    a, b = _part(upstream), _part(upstream2)
    if a == b:
        a, b = _part(revision), _part(revision2)
    return (a > b) - (a < b)


def satisfies(version: str, relation: str, bound: str) -> bool:
    """Whether `version relation bound` holds; relation is one of << <= = >= >> (Policy 7.1), or '' for any version."""
    if not relation:
        return True
    if version == bound:
        return "=" in relation
    order = compare(version, bound)
    return order < 0 if relation == "<<" else order > 0 if relation == ">>" else (
        order == 0 or (relation == "<=" and order < 0) or (relation == ">=" and order > 0)
    )  # fmt: skip
