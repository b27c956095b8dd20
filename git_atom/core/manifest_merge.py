"""Merging two manifests that came from one, table by table and key by key, with comments and layout. Pure.

A text is taken apart into tables and these into keys, each with the lines above it that are its own; every line belongs to exactly one.
What one side alone has added, changed or taken out is settled. What is left differs in all three texts, for git to write its marks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from git_atom.core import manifest
from git_atom.core.toml_place import Path, check, lines, own_end, statements
from git_atom.errors import AtomError

_NAMED = ("deps", "pins", "srcs", "provide")  # tables of named things, of which each side may add its own


class Sides(NamedTuple):
    """Three texts that came from one; where they are alike nothing is left to merge."""

    base: str
    ours: str
    theirs: str


class _Part(NamedTuple):
    """A header or a key: the blank lines before it, its comments and lines."""

    blank: str = ""
    body: str = ""


_Table = dict[Path, _Part]  # by path of the key; the header's is ()
_NONE = _Part()


def settle(sides: Sides) -> Sides:
    """The texts with everything settled that only one side changed. Each must be TOML."""
    base, mine, yours = map(_taken_apart, sides)
    ends = [one.pop(_END, {}).get((), _NONE) for one in (base, mine, yours)]
    out: list[Sides] = []
    for key in _order(base, mine, yours):
        out += _table(key, base.get(key), mine.get(key), yours.get(key))
    out += _settled(*ends) or [Sides(*[ends[1].blank] * 3)]
    return Sides(*("".join(parts) for parts in zip(*out, strict=True)))


def agrees(text: str, sides: Sides) -> bool:
    """Whether a merged text says what merging the values comes to (anything, where both sides changed one), and is a manifest if both were."""
    found, was, mine, yours = map(_values, (text, *sides))
    if found is None or was is None or mine is None or yours is None:
        return False
    if not _is_manifest(text) and _is_manifest(sides.ours) and _is_manifest(sides.theirs):
        return False
    wanted = {}
    for key in {**mine, **yours}:
        before, one, other = was.get(key), mine.get(key), yours.get(key)
        if before not in (one, other) and one != other:
            return True
        value = other if one == before else one
        if value is not None:
            wanted[key] = value
    return found == wanted


def readable(sides: Sides) -> bool:
    """Whether all three texts are TOML."""
    return all(_values(side) is not None for side in sides)


def _values(text: str) -> dict[Path, Any] | None:
    """Every value of a text by its path, lists whole; None when it is no TOML."""
    import tomllib

    try:
        check(text.encode(), manifest.FILE)
        return dict(_leaves(tomllib.loads(text), ()))
    except (AtomError, ValueError):
        return None


def _leaves(value: Mapping[str, Any], above: Path) -> list[tuple[Path, Any]]:
    out: list[tuple[Path, Any]] = []
    for key, one in value.items():
        out += _leaves(one, (*above, key)) if isinstance(one, dict) else [((*above, key), one)]
    return out


def _is_manifest(text: str) -> bool:
    try:
        manifest.parse(text.encode(), manifest.FILE)
    except AtomError:
        return False
    return True


# ---- taking apart --------------------------------------------------------------------------------------------------------

_END: Path = ("", -1)  # what follows the last key; no table has this path


def _taken_apart(text: str) -> dict[Path, _Table]:
    rows = lines(text)
    if rows and not rows[-1].endswith("\n"):
        rows[-1] += "\r\n" if rows[0].endswith("\r\n") else "\n"
    tables: dict[Path, _Table] = {(): {}}
    at, here = 0, tables[()]
    for one in statements(text):
        last = own_end(rows, one.last)
        if one.header:
            here = tables.setdefault(one.path, {})
        here[() if one.header else one.path] = _part(rows[at:last])
        at = last
    return tables | {_END: {(): _part(rows[at:])}}


def _part(rows: list[str]) -> _Part:
    first = next((at for at, row in enumerate(rows) if row.strip()), len(rows))
    return _Part("".join(rows[:first]), "".join(rows[first:]))


# ---- putting together ----------------------------------------------------------------------------------------------------


def _order(base: Mapping[Path, Any], mine: Mapping[Path, Any], yours: Mapping[Path, Any]) -> list[Path]:
    """Our order; what only they have comes after what stands before it there, and after what only we put in that place."""
    behind: dict[Path | None, list[Path]] = {}
    above: Path | None = None
    for key in yours:
        if key in mine:
            above = key
        else:
            behind.setdefault(above, []).append(key)
    out: list[Path] = []
    waiting = behind.get(None, [])
    for key in mine:
        if key in base or key in yours:
            out += waiting
            waiting = behind.get(key, [])
        out.append(key)
    return [*out, *waiting]


def _table(key: Path, was: _Table | None, mine: _Table | None, yours: _Table | None) -> list[Sides]:
    whole = _settled(*(_whole(one) for one in (was, mine, yours)))
    named = was is not None or (len(key) == 1 and key[0] in _NAMED)
    if mine is None or yours is None or not named or all(one.ours == one.theirs for one in whole):
        return whole
    base, out = was or {}, []
    for one in _order(base, mine, yours):
        out += _settled(base.get(one, _NONE), mine.get(one, _NONE), yours.get(one, _NONE))
    return out


def _whole(table: _Table | None) -> _Part:
    parts = list((table or {}).values())
    return _Part(parts[0].blank, parts[0].body + "".join(map("".join, parts[1:]))) if parts else _NONE


def _settled(was: _Part, mine: _Part, yours: _Part) -> list[Sides]:
    """One part in the three texts, the same in all where one side alone changed it."""
    if mine.body not in (yours.body, was.body) and yours.body != was.body:
        return [Sides(*map("".join, (was, mine, yours)))]
    body = yours.body if mine.body == was.body else mine.body
    both = mine.body and yours.body
    blank = (yours if both and mine.blank == was.blank or body != mine.body else mine).blank
    return [Sides(*[blank + body] * 3)] if body or both else []
