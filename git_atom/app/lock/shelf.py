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

from git_atom.app.lock.ground import TOOLCHAIN, Ground, Here, Want, ambiguous, here
from git_atom.app.lock.settling import HERE, Decision, Settling, Texts, is_anew, needed
from git_atom.app.lock.stock import Asked, Package, Stock
from git_atom.core import choices, variant
from git_atom.core import manifest as manifests
from git_atom.core.digest import Digest
from git_atom.core.lock import Edge, Lock, LockedAtom, parse_edge, reached
from git_atom.core.manifest import ENVIRONMENT, Dep
from git_atom.core.version import ANY, Requirement, Version
from git_atom.errors import MalformedError
from git_atom.resolve import problem
from git_atom.resolve.problem import Bar, Candidate, Term, is_decision


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
    """A requirement of an atom with the edge it is about, and the variants that it asks for."""

    edge: Edge
    requirement: Requirement
    asks: tuple[variant.Ask, ...] = ()


class Asking(NamedTuple):
    """What a manifest asks for in one place: of which atom, its version (nothing of an atom at hand that has it), and variants it is to have."""

    want: Want
    edge: Edge
    version: tuple[problem.Requirement, ...]
    asks: tuple[problem.Requirement, ...]

    @property
    def wanted(self) -> tuple[problem.Requirement, ...]:
        """All that is required."""
        return (*self.version, *self.asks)


class Shelf:
    """Answers about atoms for one run of choosing. It implements resolve's Provider."""

    def __init__(self, ground: Ground, stock: Stock, grounds: Sequence[Ground] = ()) -> None:
        """grounds: where what several manifests ask for is asked together; each of them has one way, for itself and for the others."""
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
        self._held = dict(old if ground.chosen is None else ground.chosen.versions)
        self.hands = _hands(grounds) or {HERE: ground}
        self._beside = {one.place: edge for edge, one in self.hands.items() if edge != HERE}
        self.settling = Settling(self.hands)
        self.settling.kept |= self._kept()
        self.deps: dict[tuple[Edge, str], Asking] = {}  # by the atom at hand and the key
        self.world: dict[Edge, Asking] = {}  # the environments that atoms at hand are built in
        for edge, one in self.hands.items():
            for want in one.wants:
                if want.is_dependency:
                    self.deps[edge, want.dep.name] = self._asking(want)
                else:
                    self.world[edge] = self._asking(want)
        self.roots = self._roots()
        self._release()

    def _kept(self) -> dict[tuple[Edge, str], str]:
        """What variants were settled to stays. What is switched on is so only as long as it is asked for."""
        if (chosen := self.ground.chosen) is not None:
            own = ("", self.ground.manifest.name)
            return {(HERE if edge == own else edge, name): word for (edge, name), word in chosen.words.items()}
        kept: dict[tuple[Edge, str], str] = {}
        for edge, one in self.hands.items():
            for row in one.old.variants if not one.anew else ():
                if row.name not in one.free and row.chosen in dict(one.manifest.provide).get(row.name, ()):
                    kept[edge, row.name] = row.chosen
        local = (atom for one in self.hands.values() for atom in one.old.atoms if not atom.set)
        for atom in (*self.ground.old.atoms, *local):
            if atom.edge in self.hands or self._is_free(atom):
                continue  # one at hand says itself what it was
            for name, word in map(variant.parse, atom.variants):
                if word != variant.ON:
                    kept.setdefault((atom.edge, name), word)
        return kept

    def _release(self) -> None:
        """What was locked and is ruled out by a manifest at hand does not stay. What could take a variant and did not rules out nothing."""
        if self.ground.chosen is not None:
            return
        kept = self.settling.kept
        taken = {(edge, word) for (edge, _), word in kept.items() if edge in self.hands}
        some = {edge: choices.candidates(one.manifest) for edge, one in self.hands.items()}
        needed = [one for at, one in self.deps.items() if at[1] not in some[at[0]] or at in taken]
        for asking in (*needed, *self.world.values()):
            edge, dep = asking.edge, asking.want.dep
            held = self._held.get(edge)
            if held is not None and not dep.requirement.allows(held):
                del self._held[edge]
            for name, word in dep.asks:
                if kept.get((edge, name), word) != word:
                    del kept[edge, name]

    def _roots(self) -> tuple[problem.Requirement, ...]:
        """What the manifests at hand ask for: their variants settled, what is no candidate of one, their environments."""
        self._own: dict[problem.Requirement, Ground] = {}  # a variant settled -> of which atom at hand
        self._asked: dict[problem.Requirement, tuple[Want, variant.Ask | None]] = {}
        out: list[problem.Requirement] = []
        for edge, one in self.hands.items():
            for name, words in one.manifest.provide:
                term = self.settling.term(edge, name, words, "|".join(words))
                out.append(problem.Requirement((term,), one.where("provide", name)))
                self._own[out[-1]] = one
        for (hand, name), asking in self.deps.items():
            out += asking.wanted if name not in choices.candidates(self.hands[hand].manifest) else ()
        for asking in self.world.values():
            out += asking.wanted
        for asking in (*self.deps.values(), *self.world.values()):
            self._asked |= dict.fromkeys(asking.version, (asking.want, None))
            self._asked |= {one: (asking.want, ask) for one, ask in zip(asking.asks, asking.want.dep.asks, strict=True)}
        return tuple(out)

    def candidates(self, root: problem.Requirement) -> list[Asking]:
        """The dependencies that can take the variant of an atom at hand which a root is about; none for another root."""
        if root not in self._own:
            return []
        edge, name = self.edge_of(root), self.settling.variant_of(root.terms[0].name)
        words = dict(self._own[root].manifest.provide)[name]
        return [self.deps[edge, word] for word in words if (edge, word) in self.deps]

    def ask(self, edge: Edge, ask: variant.Ask) -> Term:
        """The requirement that an atom has a variant settled by a word."""
        return self.settling.term(edge, ask[0], ask[1:], ask[1] if edge in self.hands else self._told(edge, ask[1]))

    def asker(self, wanted: problem.Requirement) -> tuple[Want, variant.Ask | None] | None:
        """Which dependency a manifest at hand asks by this, and the variant that it asks for where it is that; None for a variant of its own."""
        return self._asked.get(wanted)

    def whose(self, wanted: problem.Requirement) -> Ground:
        """Of which manifest at hand a requirement is."""
        return self._own[wanted] if wanted in self._own else self._asked[wanted][0].ground

    def named(self, want: Want) -> str:
        """The name of the atom that a dependency of a manifest at hand is."""
        return next(asking.edge[1] for asking in self.deps.values() if asking.want is want)

    def _is_free(self, atom: LockedAtom) -> bool:
        return self.ground.anew or atom.name in self.ground.free or atom.edge in self._world

    # ---- what there is to ask ----------------------------------------------------------------------------------------------

    def _asking(self, want: Want) -> Asking:
        edge = self._beside.get(want.ground.path_of(want.dep))
        version: tuple[problem.Requirement, ...] = ()
        if edge is None:
            version = (self._root(want),)
            edge = self.edge_of(version[0])
        elif not want.dep.requirement.allows(self.hands[edge].manifest.version):
            version = (problem.Requirement((self.term(edge, want.dep.requirement),), want.where("version")),)
        origin = want.where("with") if want.dep.asks else ""
        asks = tuple(problem.Requirement((self.ask(edge, ask),), origin) for ask in want.dep.asks)
        return Asking(want, edge, version, asks)

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
        edge = ("", found.manifest.name)
        known = self.local.get(edge[1])
        if known is not None and known.folder == found.folder:
            return
        if known is not None:
            raise ambiguous(edge[1], ground, (known.folder, found.folder))
        hand = self.hands.get(edge)
        if hand is not None and self._beside.get(os.path.realpath(os.path.join(ground.folder, path))) != edge:
            if choices.words(hand.manifest) or choices.words(found.manifest):
                raise ambiguous(edge[1], ground, (hand.name, found.folder))
        self.local[found.manifest.name] = found
        self._learn(found.lock)
        for dep in found.manifest.deps:
            if dep.path and ("run" in dep.uses or found.manifest.provide):
                inner = os.path.normpath(os.path.join(path, dep.path))
                where = os.path.normpath(os.path.join(os.path.dirname(ground.name), path, manifests.FILE))
                self._take(ground, here(ground, inner, where), inner)

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
        """What a candidate stands for that is a version."""
        return self._what[candidate.name, candidate.version]

    def about(self, candidate: Candidate) -> Thing | None:
        """The version that a candidate is, or is a decision about; None for a decision about an atom at hand."""
        found = self.settling.decision(candidate)
        if found is None:
            return self.thing(candidate)
        return self._what[found.edge[1], found.version] if found.version else None

    def edge_of(self, wanted: problem.Requirement) -> Edge:
        """Which atom a requirement is about."""
        if is_decision(wanted.terms[0].name):
            return self.settling.edge_of(wanted.terms[0].name)
        need = self._meaning[wanted.terms[0]]
        return need.edge if need else ("", wanted.terms[0].name)

    # ---- Provider ----------------------------------------------------------------------------------------------------------

    def find(self, term: Term) -> Sequence[Candidate]:
        """The candidates that a requirement allows, newest first; for a bare name those of every set it was asked of."""
        if is_decision(term.name):
            return self.settling.find(term, _Known(self), self.narrow)
        if term not in self._found:
            if not term.spec:
                edges = sorted({n.edge for t, n in self._meaning.items() if n and t.name == term.name})
                return [c for edge in edges for c in self.all(edge)]
            need = self._meaning.get(term)
            self._found[term] = [] if need is None else self._allowed(need)
        return self._found[term]

    def _allowed(self, need: Need) -> list[Candidate]:
        return [c for c in self.all(need.edge) if need.requirement.allows(self.thing(c).version)]

    def all(self, edge: Edge) -> list[Candidate]:
        """The versions of an atom, newest first; of one that is locked that alone, while narrow."""
        anchor, name = edge
        if not anchor:
            found = self.local.get(name) or self.hands.get(edge)
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
        """What an atom needs to run, its variants settled among it; nothing while its manifest was not read."""
        decision = self.settling.decision(candidate)
        if decision is not None:
            return self._by_decision(decision)
        thing = self.thing(candidate)
        package = self.packages.get(thing)
        if package is not None and package.problem:
            term = Term("git-atom", f"that can read its manifest ({package.problem})")
            self._meaning[term] = None
            return [problem.Requirement((term,))]
        texts = self.texts(thing)
        if texts is None:
            return []
        words = choices.words(texts.manifest)
        settled = [
            self.settling.term(thing.edge, name, some, self._told(thing.edge, "|".join(some)))
            for name, some in words.items()
        ]
        out = [wanted for need in needs_of(thing.set, texts) for wanted in self._requirements(need)]
        return [*out, *(problem.Requirement((term,)) for term in settled)]

    def _requirements(self, need: Need) -> list[problem.Requirement]:
        terms = [self.term(need.edge, need.requirement), *(self.ask(need.edge, ask) for ask in need.asks)]
        return [problem.Requirement((term,)) for term in terms]

    def _by_decision(self, decision: Decision) -> list[problem.Requirement]:
        """What settling a variant by a word needs."""
        if decision.edge in self.hands:
            found = self.deps.get((decision.edge, decision.word))
            return list(found.wanted) if found else []
        thing = self._what[decision.edge[1], decision.version]
        out = [problem.Requirement((self.term(decision.edge, Requirement.parse(f"={thing.version}")),))]
        texts = self.texts(thing)
        if texts is not None:
            deps = [dep for dep, _ in needed(texts, decision.variant, decision.word)]
            out += [wanted for need in _needs(thing.set, texts, deps) for wanted in self._requirements(need)]
        return out

    def texts(self, thing: Thing) -> Texts | None:
        """Manifest and lock of an atom; None while they were not read, or cannot be."""
        if not thing.set:
            held = self.local.get(thing.name)
            return Texts(held.manifest, held.lock) if held else None
        package = self.packages.get(thing)
        return Texts(package.manifest, package.lock) if package and package.manifest else None

    def bars(self, candidate: Candidate) -> Sequence[Bar]:
        """Atoms bar nothing but other versions of themselves."""
        return ()

    def answers(self, candidate: Candidate) -> Sequence[str]:
        """Its name."""
        return (candidate.name,)

    def near(self, name: str) -> Sequence[str]:
        """Names of the set that a name was asked of which look like it; for a decision the variants of the atom that do."""
        from difflib import get_close_matches

        if is_decision(name):
            return get_close_matches(self.settling.variant_of(name), self.variants(name), 3, 0.5)
        edges = {n.edge for n in self._meaning.values() if n and n.edge[1] == name and n.edge[0]}
        known = sorted({other for a, _ in edges for other in self.stock.names(Digest(a), self.asked(a))})
        return get_close_matches(name, known, 3, 0.6)

    def variants(self, name: str) -> list[str]:
        """The variants that the atom has which a decision of this name is about, in any version that was read."""
        read = [texts for _, texts in _Known(self)[self.settling.edge_of(name)] if texts]
        return sorted({variant for texts in read for variant in choices.words(texts.manifest)})

    # ---- reading -----------------------------------------------------------------------------------------------------------

    def widen(self) -> None:
        """From now on every version of every name is looked at, locked ones first."""
        self.narrow = False
        self._found.clear()

    def read(self, candidates: Sequence[Candidate]) -> bool:
        """Read the manifests of candidates that were not read yet, a set at a time; whether there were any.

        All versions are read of what does not have the variants that it is asked for: the next one would hardly have them.
        """
        fresh = [t for t in map(self.about, candidates) if t and t.set and t not in self.packages]
        self._bring(fresh)
        lacking = {t.edge for t in fresh if (texts := self.texts(t)) and self.settling.lacks(t.edge, texts.manifest)}
        every = [self.thing(c) for edge in sorted(lacking) for c in self.all(edge)]
        self._bring([thing for thing in every if thing.set and thing not in self.packages])
        return bool(fresh)

    def _bring(self, fresh: Sequence[Thing]) -> None:
        wanted: dict[str, list[Thing]] = {}
        for thing in dict.fromkeys(fresh):
            wanted.setdefault(thing.set, []).append(thing)
        for anchor, things in wanted.items():
            pairs = [(thing.name, thing.version) for thing in things]
            got = self.stock.packages(Digest(anchor), pairs, self.asked(anchor))
            for thing, package in zip(things, got, strict=True):
                self._check(thing, package)
                self.packages[thing] = package
                self._learn(package.lock)
                for dep in package.manifest.deps if package.manifest else ():
                    row = package.lock.dep(dep.name)
                    if dep.url and row:
                        self._note(row.atom[0] or thing.set, (dep.url,), f"{thing.name} {thing.version}")

    def _check(self, thing: Thing, package: Package) -> None:
        """A version that is locked must be the very one that its set published."""
        known = self.ground.old.atom(thing.edge)
        if known is None or known.version != thing.version:
            return
        release = package.release
        if (known.tree, known.commit) != (release.tree, release.commit):
            raise MalformedError("ATOM-8050", f"'{thing.name} {thing.version}' is not what the lock names", where=self.asked(thing.set).lock,
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
        """Where a set may be asked: what manifests name first, then what locks know of; and the first lock that does."""
        known = self._urls.get(anchor, {})
        old = next((s.mirrors for s in self.ground.old.sets if s.anchor == anchor), ())
        named = (one.lock for one in self.hands.values() if any(s.anchor == anchor for s in one.old.sets))
        return Asked(tuple(dict.fromkeys((*known, *old))), next((w for w in known.values() if w), ""), next(named, ""))

    def mirrors(self, anchor: str) -> tuple[str, ...]:
        """The URLs of a set that manifests and the locks inside atoms name."""
        return tuple(self._urls.get(anchor, ()))


def _hands(grounds: Sequence[Ground]) -> dict[Edge, Ground]:
    """Several atoms at hand as others know them; of two that have one name, and so no variants, the second by its place as well."""
    out: dict[Edge, Ground] = {}
    for one in grounds:
        edge = ("", one.manifest.name)
        out[edge if edge not in out else ("", f"{edge[1]} of {one.name}")] = one
    return out


def _below(lock: Lock) -> frozenset[Edge]:
    """The environments that a lock's toolchains are, and all that they need."""
    return frozenset(reached(lock, [parse_edge(t.environment) for t in lock.toolchains if t.environment]))


class _Known(dict[Edge, list[tuple[str, Texts | None]]]):
    """The versions of an atom as told, newest first, with what was read of them; looked up when asked for."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__({edge: [("", Texts(one.manifest, one.old))] for edge, one in shelf.hands.items()})
        self._shelf = shelf

    def __missing__(self, edge: Edge) -> list[tuple[str, Texts | None]]:
        shelf = self._shelf
        self[edge] = [(c.version, shelf.texts(shelf.thing(c))) for c in shelf.all(edge)]
        return self[edge]


def needs_of(home: str, texts: Texts) -> list[Need]:
    """What an atom of a set needs to run however its variants are settled.

    An environment that stands on another one needs that as well.
    """
    manifest, lock = texts
    some = choices.candidates(manifest)
    out = _needs(home, texts, [dep for dep in manifest.deps if "run" in dep.uses and dep.name not in some])
    if manifest.type == ENVIRONMENT and manifest.toolchain and manifest.toolchain.environment and lock.toolchain:
        edge = parse_edge(lock.toolchain.environment)
        out.append(Need((edge[0] or home, edge[1]), manifest.toolchain.requirement))
    return sorted(set(out), key=lambda need: (need.edge, str(need.requirement), need.asks))


def _needs(home: str, texts: Texts, deps: Sequence[Dep]) -> list[Need]:
    """What an atom of a set needs for some of its dependencies: its manifest's requirements, of the sets that its own lock names.

    A path dependency without a requirement takes, once published, what is compatible with the version that was locked then.
    """
    out = []
    for dep in deps:
        row = texts.lock.dep(dep.name)
        if row is None:
            continue
        locked: LockedAtom | None = texts.lock.atom(row.atom)
        wanted = dep.requirement
        if home and dep.path and wanted == ANY and (version := row.version or (locked.version if locked else "")):
            wanted = Requirement.parse(f"^{version}")
        out.append(Need((row.atom[0] or home, row.atom[1]), wanted, dep.asks))
    return out


def edges(thing: Thing, texts: Texts, words: Mapping[str, str]) -> tuple[tuple[Edge, ...], tuple[Edge, ...]]:
    """The edges of an atom for building and for running with its variants settled so.

    Those for building are told only where its own lock does not have what it is built from.
    """
    anew = any(is_anew(texts, word) for name, word in words.items() if name in dict(texts.manifest.provide))
    keys = choices.active(texts.manifest, words)
    build = [dep for dep in texts.manifest.deps if anew and dep.name in keys and "build" in dep.uses]
    run = [dep for name, word in words.items() for dep, running in needed(texts, name, word) if running]
    return (
        tuple(sorted({need.edge for need in _needs(thing.set, texts, build)})),
        tuple(sorted({need.edge for need in (*needs_of(thing.set, texts), *_needs(thing.set, texts, run))})),
    )
