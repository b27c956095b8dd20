"""The provider of atoms: what meets a requirement, and what an atom requires, answered from sets' logs, manifests and own locks.

An atom's manifest says which versions it takes; its lock says of which set. Only what a dependency needs to run counts here: what it
was built and tested with is a scope of its own, solved when it was published, and stands in the lock that it carries.

Reading is lazy, and that changes no answer. An atom whose manifest was not read yet is taken to need nothing, which can only admit
more; when such a one is chosen it is read and the problem solved again. While `narrow`, a locked name has its locked version alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from git_atom.app.lock.ground import TOOLCHAIN, Ground, Here, Want, here
from git_atom.app.lock.stock import Asked, Package, Stock
from git_atom.core.digest import Digest
from git_atom.core.lock import Edge, Lock, LockedAtom, parse_edge
from git_atom.core.manifest import ENVIRONMENT, Manifest
from git_atom.core.version import ANY, Requirement, Version
from git_atom.errors import ConflictError, MalformedError
from git_atom.resolve import problem
from git_atom.resolve.problem import Bar, Candidate, Term


class Thing(NamedTuple):
    """What a candidate stands for: its set ("" for this repository), name and version."""

    set: str
    name: str
    version: Version

    @property
    def edge(self) -> Edge:
        """How a lock refers to it."""
        return (self.set, self.name)


class Need(NamedTuple):
    """A requirement of an atom with the edge it is about."""

    edge: Edge
    requirement: Requirement


class Shelf:
    """Answers about atoms for one run of choosing. It implements resolve's Provider."""

    def __init__(self, ground: Ground, stock: Stock, wants: Sequence[Want] | None = None) -> None:
        """wants: what is asked for when it is more than the manifest at hand asks for."""
        self.ground = ground
        self.stock = stock
        self.narrow = True
        self.packages: dict[Thing, Package] = {}
        self.local: dict[str, Here] = {}  # by name
        self._urls: dict[str, dict[str, str]] = {}  # set -> URL -> where it is written
        self._home: dict[str, str] = {}
        self._meaning: dict[Term, Need | None] = {}
        self._what: dict[tuple[str, str], Thing] = {}
        self._found: dict[Term, list[Candidate]] = {}
        self._world = _below(ground.old) if TOOLCHAIN in ground.free else frozenset()
        old = {a.edge: a.version for a in ground.old.atoms if a.set and not self._is_free(a)}
        self._held = dict(old if ground.chosen is None else ground.chosen)
        self.wants = tuple(ground.wants if wants is None else wants)  # what each root is of
        self.roots = tuple(map(self._root, self.wants))
        for root, want in zip(self.roots, self.wants, strict=True):
            need = self._meaning[root.terms[0]]
            kept = self._held.get(need.edge) if need else None
            if need and kept is not None and not want.dep.requirement.allows(kept):
                del self._held[need.edge]

    def _is_free(self, atom: LockedAtom) -> bool:
        return self.ground.anew or atom.name in self.ground.free or atom.edge in self._world

    # ---- what there is to ask ----------------------------------------------------------------------------------------------

    def _root(self, want: Want) -> problem.Requirement:
        dep, origin = want.dep, want.where("version")
        if dep.path:
            found = here(want.ground, dep.path, want.where("path"))
            self._take(want.ground, found, dep.path)
            return problem.Requirement((self.term(("", found.manifest.name), dep.requirement),), origin)
        anchor = self.stock.anchor_of(dep.url, want.where())
        self._note(str(anchor), (dep.url,), want.where("url"))
        return problem.Requirement((self.term((str(anchor), dep.name), dep.requirement),), origin)

    def _take(self, ground: Ground, found: Here, path: str) -> None:
        """Take in an atom of the work tree and those of this repository that it needs."""
        known = self.local.get(found.manifest.name)
        if known is not None and known.folder == found.folder:
            return
        if known is not None:
            raise ConflictError("ATOM-8710", f"'{found.manifest.name}' is the name of several atoms of this repository", where=ground.name,
                                note=f"{known.folder}\n{found.folder}", hint="give one of them another id in its atom.toml")  # fmt: skip
        self.local[found.manifest.name] = found
        self._learn(found.lock)
        for dep in found.manifest.deps:
            if dep.path and "run" in dep.uses:
                inner = os.path.normpath(os.path.join(path, dep.path))
                self._take(ground, here(ground, inner, os.path.join(found.folder, "atom.toml")), inner)

    def prefer(self) -> Mapping[tuple[str, str], str]:
        """What is locked and stays where it can."""
        return {("", edge[1]): self._told(edge, str(version)) for edge, version in self._held.items()}

    def term(self, edge: Edge, requirement: Requirement) -> Term:
        """A requirement on an atom as the solver sees and tells it; the set is told only where a name is of several."""
        self._home.setdefault(edge[1], edge[0])
        term = Term(edge[1], self._told(edge, str(requirement)))
        self._meaning[term] = Need(edge, requirement)
        return term

    def _told(self, edge: Edge, text: str) -> str:
        if self._home.setdefault(edge[1], edge[0]) == edge[0]:
            return text
        return f"{text} of {f'set {edge[0][7:19]}' if edge[0] else 'this repository'}"

    def thing(self, candidate: Candidate) -> Thing:
        """What a candidate stands for."""
        return self._what[candidate.name, candidate.version]

    def edge_of(self, wanted: problem.Requirement) -> Edge:
        """Which atom a requirement is about."""
        need = self._meaning[wanted.terms[0]]
        return need.edge if need else ("", wanted.terms[0].name)

    # ---- Provider ----------------------------------------------------------------------------------------------------------

    def find(self, term: Term) -> Sequence[Candidate]:
        """The candidates that a requirement allows, newest first; for a bare name those of every set it was asked of."""
        if term not in self._found:
            if not term.spec:
                edges = sorted({n.edge for t, n in self._meaning.items() if n and t.name == term.name})
                return [c for edge in edges for c in self._all(edge)]
            need = self._meaning.get(term)
            self._found[term] = [] if need is None else self._allowed(need)
        return self._found[term]

    def _allowed(self, need: Need) -> list[Candidate]:
        return [c for c in self._all(need.edge) if need.requirement.allows(self.thing(c).version)]

    def _all(self, edge: Edge) -> list[Candidate]:
        anchor, name = edge
        if not anchor:
            found = self.local.get(name)
            return [self._candidate(edge, found.manifest.version)] if found else []
        kept = self._held.get(edge)
        if kept is not None and self.narrow:
            return [self._candidate(edge, kept)]
        rows = self.stock.versions(Digest(anchor), name, self.asked(anchor))
        return [self._candidate(edge, version, "" if version == kept else why) for version, why in rows]

    def _candidate(self, edge: Edge, version: Version, why: str = "") -> Candidate:
        made = Candidate(edge[1], self._told(edge, str(version)), why)
        self._what[made.name, made.version] = Thing(*edge, version)
        return made

    def needs(self, candidate: Candidate) -> Sequence[problem.Requirement]:
        """What an atom needs to run; nothing while its manifest was not read."""
        thing = self.thing(candidate)
        package = self.packages.get(thing)
        if package is not None and package.problem:
            term = Term("git-atom", f"that can read its manifest ({package.problem})")
            self._meaning[term] = None
            return [problem.Requirement((term,))]
        return [problem.Requirement((self.term(n.edge, n.requirement),)) for n in self.needed(thing)]

    def needed(self, thing: Thing) -> list[Need]:
        """The edges an atom needs to run, with the requirement on each, as far as it was read."""
        if not thing.set:
            held = self.local.get(thing.name)
            return _needs("", held.manifest, held.lock) if held else []
        package = self.packages.get(thing)
        if package is None or package.manifest is None:
            return []
        return _needs(thing.set, package.manifest, package.lock)

    def bars(self, candidate: Candidate) -> Sequence[Bar]:
        """Atoms bar nothing but other versions of themselves."""
        return ()

    def answers(self, candidate: Candidate) -> Sequence[str]:
        """Its name."""
        return (candidate.name,)

    def near(self, name: str) -> Sequence[str]:
        """Names of the set that a name was asked of which look like it."""
        from difflib import get_close_matches

        edges = {n.edge for n in self._meaning.values() if n and n.edge[1] == name and n.edge[0]}
        known = sorted({other for a, _ in edges for other in self.stock.names(Digest(a), self.asked(a))})
        return get_close_matches(name, known, 3, 0.6)

    # ---- reading -----------------------------------------------------------------------------------------------------------

    def widen(self) -> None:
        """From now on every version of every name is looked at, locked ones first."""
        self.narrow = False
        self._found.clear()

    def read(self, candidates: Sequence[Candidate]) -> bool:
        """Read the manifests of candidates that were not read yet, a set at a time; whether there were any."""
        wanted: dict[str, list[Thing]] = {}
        for thing in map(self.thing, candidates):
            if thing.set and thing not in self.packages:
                wanted.setdefault(thing.set, []).append(thing)
        for anchor, things in wanted.items():
            pairs = [(thing.name, thing.version) for thing in things]
            got = self.stock.packages(Digest(anchor), pairs, self.asked(anchor))
            for thing, package in zip(things, got, strict=True):
                self._check(thing, package)
                self.packages[thing] = package
                self._learn(package.lock)
                for dep in package.manifest.deps if package.manifest else ():
                    edge = next((d.atom for d in package.lock.deps if d.key == dep.name), None)
                    if dep.url and edge:
                        self._note(edge[0] or thing.set, (dep.url,), f"{thing.name} {thing.version}")
        return bool(wanted)

    def _check(self, thing: Thing, package: Package) -> None:
        """A version that is locked must be the very one that its set published."""
        known = self.ground.old.atom(thing.edge)
        if known is None or known.version != thing.version:
            return
        release = package.release
        if (known.tree, known.commit) != (release.tree, release.commit):
            raise MalformedError("ATOM-8050", f"'{thing.name} {thing.version}' is not what the lock names", where=self.asked(thing.set).where,
                                 note=f"locked    {known.tree} {known.commit}\npublished {release.tree} {release.commit}",
                                 hint="the lock was edited, or its set is another; take a version of it that was committed")  # fmt: skip

    def _learn(self, lock: Lock) -> None:
        for one in lock.sets:
            self._note(str(one.anchor), one.mirrors, "")

    def _note(self, anchor: str, urls: Sequence[str], where: str) -> None:
        known = self._urls.setdefault(anchor, {})
        for url in urls:
            known.setdefault(url, where)

    def asked(self, anchor: str) -> Asked:
        """Where a set may be asked: what manifests name first, then what locks know of."""
        known = self._urls.get(anchor, {})
        old = next((s.mirrors for s in self.ground.old.sets if s.anchor == anchor), ())
        return Asked(tuple(dict.fromkeys((*known, *old))), next((w for w in known.values() if w), ""))

    def mirrors(self, anchor: str) -> tuple[str, ...]:
        """The URLs of a set that manifests and the locks inside atoms name."""
        return tuple(self._urls.get(anchor, ()))


def _below(lock: Lock) -> frozenset[Edge]:
    """The environments that a lock's toolchains are, and all that they need."""
    seen: set[Edge] = set()
    todo = [parse_edge(t.environment) for t in lock.toolchains if t.environment]
    while todo:
        edge = todo.pop()
        atom = lock.atom(edge)
        if atom is not None and edge not in seen:
            seen.add(edge)
            todo += atom.requires
    return frozenset(seen)


def _needs(home: str, manifest: Manifest, lock: Lock) -> list[Need]:
    """What an atom of a set needs to run: its manifest's requirements, of the sets that its own lock names.

    A path dependency without a requirement takes, once published, what is compatible with the version that was locked then.
    An environment that stands on another one needs that as well.
    """
    out = []
    for dep in manifest.deps:
        edge = next((d.atom for d in lock.deps if d.key == dep.name), None)
        if "run" not in dep.uses or edge is None:
            continue
        locked: LockedAtom | None = lock.atom(edge)
        wanted = dep.requirement
        if home and dep.path and wanted == ANY and locked is not None:
            wanted = Requirement.parse(f"^{locked.version}")
        out.append(Need((edge[0] or home, edge[1]), wanted))
    if manifest.type == ENVIRONMENT and manifest.toolchain and manifest.toolchain.environment and lock.toolchain:
        edge = parse_edge(lock.toolchain.environment)
        out.append(Need((edge[0] or home, edge[1]), manifest.toolchain.requirement))
    return sorted(set(out), key=lambda need: (need.edge, str(need.requirement)))
