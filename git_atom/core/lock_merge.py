"""Merging two locks that came from one, record by record: what only one side changed is taken, what both changed alike is too. Pure.

Merging is conservative: where the sides chose differently for one thing only choosing anew can tell, and that needs the merged
manifest. What a merge leaves needs to hold together as any lock does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from git_atom.core import lock as locks
from git_atom.core.digest import Oid
from git_atom.core.lock import Edge, Lock, LockedAtom, LockedSet, LockedVariant, edge_text
from git_atom.errors import AtomError

Later = Callable[[LockedSet, LockedSet], Oid | None]  # which of two heads of one set holds the other; None: not known


class Merged(NamedTuple):
    """The merged lock, or what stands in its way, a line each."""

    lock: Lock
    conflicts: tuple[str, ...]


def merge(base: Lock, ours: Lock, theirs: Lock, later: Later) -> Merged:
    """Merge three locks; `later` is asked only when both sides moved one set's head."""
    wrong: list[str] = []
    parts: dict[str, Any] = {}
    for section in Lock._fields:
        rows = [{_key(section, row): row for row in getattr(one, section)} for one in (base, ours, theirs)]
        parts[section] = _section(section, rows[0], rows[1], rows[2], later, wrong)
    made = _swept(Lock(**parts))
    if not wrong:
        try:
            locks.format(made)
        except AtomError as error:
            wrong.append(error.what)
    wrong += _one_version(made)
    return Merged(made, tuple(wrong))


def _key(section: str, row: Any) -> tuple[str, ...]:
    """What a record is about."""
    if section == "atoms":
        return (row.set, row.name)
    if section == "fetches":
        return (row.name, row.url)
    return (str(row[0]),)


def _section(
    section: str,
    base: Mapping[Any, Any],
    ours: Mapping[Any, Any],
    theirs: Mapping[Any, Any],
    later: Later,
    wrong: list[str],
) -> tuple[Any, ...]:
    out = []
    for key in sorted({*base, *ours, *theirs}):
        was, mine, yours = base.get(key), ours.get(key), theirs.get(key)
        if mine == yours or yours == was:
            taken = mine
        elif mine == was:
            taken = yours
        elif section == "sets":
            taken = _set(was, mine, yours, later, wrong)
        else:
            taken = mine
            wrong.append(f"{section}: '{'::'.join(filter(None, key))}' is {_told(mine)} here and {_told(yours)} there")
        if taken is not None:
            out.append(taken)
    return tuple(out)


def _set(
    was: LockedSet | None, mine: LockedSet | None, yours: LockedSet | None, later: Later, wrong: list[str]
) -> LockedSet | None:
    """A set that both sides have changed: mirrors of both, and the head that holds the other."""
    if mine is None or yours is None:
        return mine or yours  # swept when nothing is of it any more
    gone = set(was.mirrors if was else ()) - (set(mine.mirrors) & set(yours.mirrors))
    mirrors = tuple(sorted((set(mine.mirrors) | set(yours.mirrors)) - gone))
    head = mine.head if mine.head == yours.head or yours.head == (was.head if was else "") else later(mine, yours)
    if was is not None and mine.head == was.head:
        head = yours.head
    if head is None:
        wrong.append(f"sets: '{mine.anchor}' stands at {mine.head[:12]} here and at {yours.head[:12]} there")
        return LockedSet(mine.anchor, mine.head, mirrors)
    return LockedSet(mine.anchor, head, mirrors)


def _told(row: Any) -> str:
    if row is None:
        return "gone"
    if isinstance(row, LockedVariant):
        return f"'{row.chosen}'"
    return str(row.version) if isinstance(row, LockedAtom) else "other"


def _swept(lock: Lock) -> Lock:
    """Without the atoms that nothing leads to any more, and the sets that nothing is of."""
    there = locks.reached(lock, locks.roots(lock))
    atoms = tuple(a for a in lock.atoms if a.edge in there)
    used = locks.sets_in_use(lock.deps, atoms)
    return lock._replace(atoms=atoms, sets=tuple(s for s in lock.sets if s.anchor in used))


def _one_version(lock: Lock) -> Iterable[str]:
    """Names that came to be of two sets, each brought by one side."""
    seen: dict[str, Edge] = {}
    for atom in lock.atoms:
        other = seen.setdefault(atom.name, atom.edge)
        if other != atom.edge:
            yield f"atoms: '{atom.name}' is of two sets, '{edge_text(other)}' and '{edge_text(atom.edge)}'"
