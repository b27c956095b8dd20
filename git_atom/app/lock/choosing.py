"""Which atoms a manifest's dependencies come to: the complete solver over verified set logs, and the lock's part that says so.

What is locked stays as long as there is any solution with all of it; only when there is none are all versions looked at, what is
locked still before what is newer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from git_atom.app.lock.ground import Chosen, Ground, ambiguous, circle
from git_atom.app.lock.refusing import refusal
from git_atom.app.lock.settling import HERE
from git_atom.app.lock.shelf import Shelf, Thing, edges
from git_atom.app.lock.stock import Stock
from git_atom.core import choices, variant
from git_atom.core.digest import Digest, Oid
from git_atom.core.lock import (
    Edge,
    Lock,
    LockedAtom,
    LockedDep,
    LockedSet,
    LockedToolchain,
    LockedVariant,
    beyond,
    edge_text,
    parse_edge,
    sets_in_use,
)
from git_atom.core.manifest import ENVIRONMENT
from git_atom.errors import CannotError, MalformedError
from git_atom.git import refs
from git_atom.resolve.problem import Problem, Requirement, is_decision
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
    variants: tuple[LockedVariant, ...] = ()


def choose(ground: Ground) -> Choice:
    """Choose for every dependency of a manifest and the environment it is built in, and for what the chosen need to run.

    Raises NoSolutionError ATOM-8041, 8048, 8700 with the chains and the ways out, CannotError ATOM-8046 and 8701 for atoms that need
    themselves, ATOM-8727 for an environment that is none, and what reading path dependencies and sets raises.
    """
    if not ground.wants and not ground.manifest.provide:
        return Choice((), (), ())
    with _stock(ground) as stock:
        shelf = Shelf(ground, stock)
        found = search(ground, shelf)
        things = [shelf.thing(one.candidate) for one in found.versions]
        _not_itself(ground, things)
        _no_circle(shelf, found)
        return _choice(ground, shelf, found, things)


def choose_together(grounds: Sequence[Ground], stock: Stock) -> Chosen:
    """One version of each name and one way to settle each variant for several atoms, chosen as if one atom had all of their dependencies.

    `stock` binds to the sets of all of their locks. That they need each other is left out: all of them are at hand, in the versions that they have. What
    they ask of each other's variants is not, so what a variant comes to in an atom's own lock is what it is for the others, too. A
    solution holds what each of them asks for, by itself and by way of the others. Raises as `choose`, and ConflictError ATOM-8710.
    """
    _distinct(grounds)
    if not any(ground.wants or ground.manifest.provide for ground in grounds):
        return Chosen({}, {})
    free = frozenset(name for one in grounds for name in one.free)
    ground = grounds[0]._replace(old=union([one.old for one in grounds]), free=free)
    shelf = Shelf(ground, stock, grounds)
    found = search(ground, shelf)
    things = [shelf.thing(one.candidate) for one in found.versions]
    words = {
        (edge, name): word
        for edge, settled in _settled(shelf, found).items()
        for name, word in settled.items()
        if word not in (variant.ON, variant.OFF)  # what is switched on is so where it is asked for
    }
    return Chosen({thing.edge: thing.version for thing in things if thing.set}, words)


def _distinct(grounds: Sequence[Ground]) -> None:
    """Raise ConflictError ATOM-8710 when variants are of an atom whose name another one of these has as well."""
    seen: dict[str, Ground] = {}
    for ground in grounds:
        other = seen.setdefault(ground.manifest.name, ground)
        if other is not ground and (choices.words(ground.manifest) or choices.words(other.manifest)):
            raise ambiguous(ground.manifest.name, ground, (other.name, ground.name))


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
        versions = found.versions if isinstance(found, Solution) else ()
        chosen = {shelf.thing(one.candidate).edge: one for one in versions}
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


def _no_circle(shelf: Shelf, found: Solution) -> None:
    """Raise CannotError ATOM-8701 when chosen atoms need each other to run; what a decision needs its atom does."""
    from graphlib import CycleError, TopologicalSorter

    about = [shelf.about(one.candidate) for one in found.chosen]
    below: dict[Thing, list[Thing]] = {}
    for edge in found.edges:
        asker, target = about[edge.asker] if edge.asker >= 0 else None, about[edge.target]
        if (
            asker
            and target
            and not is_decision(edge.wanted.terms[0].name)
            and (asker != target or not _decides(found, edge.asker))
        ):
            below.setdefault(asker, []).append(target)
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        raise circle([f"{thing.name} {thing.version}" for thing in reversed(error.args[1])], "") from error


def _decides(found: Solution, at: int) -> bool:
    return is_decision(found.chosen[at].candidate.name)


def _settled(shelf: Shelf, found: Solution) -> dict[Edge, dict[str, str]]:
    """What every variant came to, by atom."""
    out: dict[Edge, dict[str, str]] = {}
    for one in found.chosen:
        if (made := shelf.settling.decision(one.candidate)) is not None:
            out.setdefault(made.edge, {})[made.variant] = made.word
    return out


def _choice(ground: Ground, shelf: Shelf, found: Solution, things: Sequence[Thing]) -> Choice:
    """The rows of a lock for a solution."""
    settled = _settled(shelf, found)
    own = settled.get(HERE, {})
    deps = _deps(shelf, choices.active(ground.manifest, own))
    rows = [_row(shelf, thing, settled.get(thing.edge, {})) for thing in things]
    tools = _toolchains(shelf, things) if shelf.world else ()
    rows = _reached(rows, deps, tools)
    spoken = []
    for row in rows:
        _unedited(ground, row)
        if row.set and shelf.stock.warn(Digest(row.set), shelf.packages[Thing(*row.edge, row.version)].release):
            spoken.append((row.set, row.name, str(row.version)))
    chosen = tuple(LockedVariant(name, own[name]) for name, _ in ground.manifest.provide)
    return Choice(_sets(ground, shelf, deps, rows), tuple(deps), tuple(rows), tuple(spoken), tools, chosen)


def _deps(shelf: Shelf, taken: frozenset[str]) -> list[LockedDep]:
    """What the keys of [deps] came to; a candidate that was not taken says where it is from."""
    out = []
    for asking in shelf.deps.values():
        dep, edge = asking.want.dep, asking.edge
        version = shelf.local[edge[1]].manifest.version if dep.path and dep.name not in taken else ""
        out.append(LockedDep(dep.name, edge, dep.uses if dep.name in taken else (), version))
    return out


def _row(shelf: Shelf, thing: Thing, words: dict[str, str]) -> LockedAtom:
    texts = shelf.texts(thing)
    build, run = edges(thing, texts, words) if texts else ((), ())
    told = choices.told(texts.manifest, words) if texts else ()
    if not thing.set:
        return LockedAtom("", thing.name, thing.version, "", shelf.local[thing.name].tree, build, run, told)
    release = shelf.packages[thing].release
    return LockedAtom(thing.set, thing.name, thing.version, release.commit, release.tree, build, run, told)


def _reached(rows: list[LockedAtom], deps: Sequence[LockedDep], tools: Sequence[LockedToolchain]) -> list[LockedAtom]:
    """The rows that something leads to: a word that is not built from its atom's own lock may have asked for too much."""
    part = Lock(deps=tuple(deps), atoms=tuple(rows), toolchains=tuple(tools))
    return [row for row in rows if row.edge not in beyond(part)] if any(row.build for row in rows) else rows


def _toolchains(shelf: Shelf, things: Sequence[Thing]) -> tuple[LockedToolchain, ...]:
    """What the chosen environment stands on, for each platform that it is locked for: its own toolchain, or that of one below it."""
    chosen = {thing.edge: shelf.packages[thing] for thing in things if thing.set}
    asking = shelf.world[HERE]
    first = edge = asking.edge
    where = asking.want.where()
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
    if (
        old is not None
        and (old.version, old.tree) == (row.version, row.tree)
        and old.variants == row.variants
        and old.run != row.run
    ):
        was, now = (", ".join(name for _, name in edges) or "nothing" for edges in (old.run, row.run))
        raise MalformedError("ATOM-8707", f"the lock says '{row.name} {row.version}' needs {was}, and its manifest says {now}", where=ground.lock,
                             hint="the lock was edited; take a version of it that was committed, or delete it and run git atom lock")  # fmt: skip


def _sets(ground: Ground, shelf: Shelf, deps: Sequence[LockedDep], rows: Sequence[LockedAtom]) -> tuple[LockedSet, ...]:
    """The sets in use; a head moves on only when what is selected from its set does, and has to when something is new."""
    out = []
    for anchor in sorted(sets_in_use(deps, rows)):
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
