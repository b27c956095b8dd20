"""Which atoms a manifest's dependencies come to: the complete solver over verified set logs, and the lock's part that says so.

What is locked stays as long as there is any solution with all of it; only when there is none are all versions looked at, what is
locked still before what is newer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from git_atom.app.lock.ground import Ground, circle
from git_atom.app.lock.refusing import refusal
from git_atom.app.lock.shelf import Shelf, Thing
from git_atom.app.lock.stock import Stock
from git_atom.core.digest import Digest, Oid
from git_atom.core.lock import Edge, Lock, LockedAtom, LockedDep, LockedSet, LockedToolchain, edge_text, parse_edge
from git_atom.core.manifest import ENVIRONMENT
from git_atom.core.version import Version
from git_atom.errors import CannotError, MalformedError
from git_atom.git import refs
from git_atom.resolve.problem import Problem, Requirement
from git_atom.resolve.solve import Unsolvable, solve
from git_atom.resolve.walk import Solution

RUN = frozenset({"run"})


class Choice(NamedTuple):
    """The part of a lock that speaks of atoms; spoken_of: the chosen ones that were warned of, as (set, name, version)."""

    sets: tuple[LockedSet, ...]
    deps: tuple[LockedDep, ...]
    atoms: tuple[LockedAtom, ...]
    spoken_of: tuple[tuple[str, str, str], ...] = ()
    toolchains: tuple[LockedToolchain, ...] = ()  # those of the environment atom, when the manifest names one


def choose(ground: Ground) -> Choice:
    """Choose for every dependency of a manifest and the environment it is built in, and for what the chosen need to run.

    Raises NoSolutionError ATOM-8041, 8048, 8700 with the chains and the ways out, CannotError ATOM-8046 and 8701 for atoms that need
    themselves, ATOM-8727 for an environment that is none, and what reading path dependencies and sets raises.
    """
    if not ground.wants:
        return Choice((), (), ())
    with _stock(ground) as stock:
        shelf = Shelf(ground, stock)
        found = search(ground, shelf)
        things = [shelf.thing(one.candidate) for one in found.chosen]
        _not_itself(ground, things)
        _no_circle(found)
        return _choice(ground, shelf, found, things)


def choose_together(grounds: Sequence[Ground], stock: Stock) -> dict[Edge, Version]:
    """One version of each name for several atoms, chosen as if one atom had all of their dependencies; those of other sets alone.

    `stock` binds to the sets of all of their locks. What they need of each other is left out: all of them are at hand. Raises as `choose`.
    """
    at = {ground.place for ground in grounds}
    wants = [want for ground in grounds for want in ground.wants if ground.path_of(want.dep) not in at]
    if not wants:
        return {}
    free = frozenset(name for one in grounds for name in one.free)
    ground = grounds[0]._replace(old=union([one.old for one in grounds]), free=free)
    shelf = Shelf(ground, stock, wants)
    things = [shelf.thing(one.candidate) for one in search(ground, shelf).chosen]
    return {thing.edge: thing.version for thing in things if thing.set}


def union(olds: Sequence[Lock]) -> Lock:
    """What several locks say of atoms, as the one that choosing for all of them starts from: of two versions the newer one.

    It is no lock to be written: a set is there with each head that a lock names.
    """
    atoms: dict[Edge, LockedAtom] = {}
    mirrors: dict[str, set[str]] = {}
    for old in olds:
        for atom in old.atoms:
            if atom.set and (atom.edge not in atoms or atoms[atom.edge].version < atom.version):
                atoms[atom.edge] = atom
        for one in old.sets:
            mirrors.setdefault(one.anchor, set()).update(one.mirrors)
    sets = {one._replace(mirrors=tuple(sorted(mirrors[one.anchor]))) for old in olds for one in old.sets}
    tools = tuple(tool for old in olds for tool in old.toolchains)
    return Lock(sets=tuple(sorted(sets)), atoms=tuple(sorted(atoms.values())), toolchains=tools)


def _stock(ground: Ground) -> Stock:
    if ground.stock is not None:
        return ground.stock
    return Stock(ground.host, ground.old, offline=ground.offline, consent=ground.consent)


def search(ground: Ground, shelf: Shelf) -> Solution:
    """Solve what a shelf asks for, at first with what is locked alone, and with nothing but what was chosen before where that was done.

    Raises NoSolutionError ATOM-8041, 8048, 8700.
    """
    minimise = ground.minimise and ground.chosen is None
    if minimise:
        shelf.widen()
    found = answer(shelf, shelf.roots, minimise=minimise)
    if isinstance(found, Unsolvable) and not minimise and ground.chosen is None:
        shelf.widen()
        found = answer(shelf, shelf.roots)
    if isinstance(found, Unsolvable):
        raise refusal(shelf, found, lambda roots: isinstance(answer(shelf, roots), Solution))
    return found


def newer(ground: Ground) -> list[tuple[str, str, str, str, str]]:
    """For each locked atom of another set: name, locked version, what choosing anew comes to, the newest, and why not to keep it.

    Raises what `choose` raises.
    """
    atoms = [atom for atom in ground.old.atoms if atom.set]
    if not atoms:
        return []
    with _stock(ground) as stock:
        shelf = Shelf(ground, stock)
        found = answer(shelf, shelf.roots)
        chosen = {shelf.thing(one.candidate).edge: one for one in found.chosen} if isinstance(found, Solution) else {}
        out = []
        for atom in atoms:
            rows = stock.versions(Digest(atom.set), atom.name, shelf.asked(atom.set))
            usable = [
                version
                for version, reason in rows
                if not reason and (not version.prerelease or atom.version.prerelease)
            ]
            why = next((reason for version, reason in rows if version == atom.version), "")
            anew = chosen.get(atom.edge)
            newest = max([*usable, atom.version])
            out.append((atom.name, str(atom.version), anew.candidate.version if anew else "", str(newest), why))
        return out


def answer(shelf: Shelf, roots: Sequence[Requirement], *, minimise: bool = False) -> Solution | Unsolvable:
    """Solve, reading what gets chosen until everything chosen was read; the result is that of having read everything.

    What was not read yet needs nothing, so nothing that is read later can make a smaller solution or a better one.
    """
    while True:
        found = solve(Problem(tuple(roots), shelf, shelf.prefer(), RUN), minimise=minimise)
        if isinstance(found, Unsolvable) or not shelf.read([one.candidate for one in found.chosen]):
            return found


def _not_itself(ground: Ground, things: Sequence[Thing]) -> None:
    """The atom at hand may not come back as what it needs, neither from the work tree nor as published in this repository's set."""
    name = ground.manifest.name
    if not any(thing.name == name for thing in things):
        return
    own = {"", _own_set(ground)}
    if any(thing.name == name and thing.set in own for thing in things):
        raise CannotError("ATOM-8046", f"'{name}' depends on itself", where=ground.name,
                          note="a dependency of it needs it in turn", hint="take that dependency out")  # fmt: skip


def _own_set(ground: Ground) -> str:
    from git_atom.core import refnames
    from git_atom.git.objects import Objects
    from git_atom.trust import log as logs

    head = refs.get(ground.repo, refnames.LOG) if ground.repo else None
    if head is None or ground.repo is None:
        return ""
    with Objects(ground.repo) as objects:
        return str(logs.claimed_anchor(objects, head))


def _no_circle(found: Solution) -> None:
    """Raise CannotError ATOM-8701 when chosen atoms need each other to run."""
    from graphlib import CycleError, TopologicalSorter

    below: dict[int, list[int]] = {}
    for edge in found.edges:
        if edge.asker >= 0:
            below.setdefault(edge.asker, []).append(edge.target)
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        names = [str(found.chosen[at].candidate) for at in reversed(error.args[1])]
        raise circle(names, "") from error


def _choice(ground: Ground, shelf: Shelf, found: Solution, things: Sequence[Thing]) -> Choice:
    """The rows of a lock for a solution."""
    deps = [
        LockedDep(dep.name, shelf.edge_of(root), dep.uses)
        for dep, root in zip(sorted(ground.manifest.deps), shelf.roots, strict=False)  # the toolchain's is the last
    ]
    rows, spoken = [], []
    for thing in things:
        run = tuple(sorted({need.edge for need in shelf.needed(thing)}))
        if not thing.set:
            rows.append(LockedAtom("", thing.name, thing.version, "", shelf.local[thing.name].tree, (), run))
            continue
        release = shelf.packages[thing].release
        rows.append(LockedAtom(thing.set, thing.name, thing.version, release.commit, release.tree, (), run))
        _unedited(ground, rows[-1])
        if shelf.stock.warn(Digest(thing.set), release):
            spoken.append((thing.set, thing.name, str(thing.version)))
    tools = _toolchains(shelf, things) if ground.manifest.toolchain and ground.manifest.toolchain.environment else ()
    return Choice(_sets(ground, shelf, rows), tuple(deps), tuple(rows), tuple(spoken), tools)


def _toolchains(shelf: Shelf, things: Sequence[Thing]) -> tuple[LockedToolchain, ...]:
    """What the chosen environment stands on, for each platform that it is locked for: its own toolchain, or that of one below it."""
    chosen = {thing.edge: shelf.packages[thing] for thing in things if thing.set}
    first = edge = shelf.edge_of(shelf.roots[-1])
    where = shelf.wants[-1].where()
    while True:
        package = chosen[edge]
        manifest, shown = package.manifest, f"'{package.release.name} {package.release.version}'"
        if manifest is None or manifest.type != ENVIRONMENT:
            raise CannotError("ATOM-8727", f"{shown} is no environment", where=where,
                              note=f"its type is {manifest.type}" if manifest else "", hint="name an atom of type environment")  # fmt: skip
        if not package.lock.toolchains:
            raise CannotError("ATOM-8727", f"environment {shown} has no toolchain of its own", where=where,
                              hint="ask its publisher for one that has [toolchain]")  # fmt: skip
        if manifest.toolchain is None or not manifest.toolchain.environment:
            return tuple(t._replace(debian=(), environment=edge_text(first)) for t in package.lock.toolchains)
        below = parse_edge(package.lock.toolchains[0].environment)
        edge = (below[0] or edge[0], below[1])


def _unedited(ground: Ground, row: LockedAtom) -> None:
    """A row that stays must have the edges that the atom's own manifest gives it."""
    old = ground.old.atom(row.edge)
    if old is not None and (old.version, old.tree) == (row.version, row.tree) and old.run != row.run:
        was, now = (", ".join(name for _, name in edges) or "nothing" for edges in (old.run, row.run))
        raise MalformedError("ATOM-8707", f"the lock says '{row.name} {row.version}' needs {was}, and its manifest says {now}", where=ground.name,
                             hint="the lock was edited; take a version of it that was committed, or delete it and run git atom lock")  # fmt: skip


def _sets(ground: Ground, shelf: Shelf, rows: Sequence[LockedAtom]) -> tuple[LockedSet, ...]:
    """The sets in use; a head moves on only when what is selected from its set does, and has to when something is new."""
    out = []
    for anchor in sorted({row.set for row in rows if row.set}):
        old = next((s for s in ground.old.sets if s.anchor == anchor), None)
        before, now = _selection(ground.old.atoms, anchor), _selection(rows, anchor)
        if old is not None and (before == now or (now < before and not shelf.stock.was_asked(Digest(anchor)))):
            head: Oid = old.head
        else:
            head = shelf.stock.head(Digest(anchor))
        out.append(LockedSet(Digest(anchor), head, shelf.mirrors(anchor)))
    return tuple(out)


def _selection(rows: Sequence[LockedAtom], anchor: str) -> set[tuple[Edge, object]]:
    return {(row.edge, row.version) for row in rows if row.set == anchor}
