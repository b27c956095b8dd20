"""A lock as the solution that it is: atoms, and what else the atom at hand names, as leaves; of a toolchain what was asked for.

A lock holds no edges between packages, so one that nobody asked for has its toolchain alone above it, and is left out unless it is named.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from git_atom.core import variant
from git_atom.core.lock import Edge, Lock, LockedToolchain, parse_edge
from git_atom.core.manifest import Manifest
from git_atom.resolve.problem import Candidate, Requirement, Term
from git_atom.resolve.walk import Chosen, Solution
from git_atom.resolve.walk import Edge as Link

ATOM, PIN, SOURCE, TOOLCHAIN, PACKAGE = "atom", "pin", "source", "toolchain", "package"
CLOSURE = "closure"  # the kind of an edge to a package that is there for others
SHORT = 12  # digits of a commit or digest that are shown


class Told(NamedTuple):
    """What there is to say of a thing. having: an atom's variants; more: packages or files behind it that are not shown."""

    kind: str
    having: tuple[str, ...] = ()
    more: int = 0


class Graph(NamedTuple):
    """A solution, and what is said of each thing in it. The scope of a thing tells equal names apart: a set, a kind or a platform."""

    solution: Solution
    told: Mapping[Chosen, Told]

    @property
    def names(self) -> set[str]:
        """What can be asked for by name."""
        return {one.candidate.name for one in self.solution.chosen}


def graph(manifest: Manifest, lock: Lock, also: Collection[str] = ()) -> Graph:
    """The graph of a lock, with the manifest's requirements on the edges from the atom at hand; pins by commit, files by digest.

    The origin of an edge is the variant that brought it in, where one did. also: packages to show although nobody asked for them.
    """
    made = _Making()
    taken = [variant.text(pair) for pair in lock.taken.items()]
    place = made.atoms(manifest, lock, taken)
    for pin in lock.pins:
        made.need(-1, made.thing(PIN, pin.name, pin.commit[:SHORT], Told(PIN)), pin.ref, kind="pin")
    made.sources(manifest, lock)
    for one in lock.toolchains:
        made.toolchain(one, place[parse_edge(one.environment)] if one.environment else -1, taken, also)
    links = sorted(made.links, key=lambda e: (e.asker, e.wanted.terms, e.wanted.kind, e.target))
    return Graph(Solution(tuple(made.chosen), tuple(links)), made.told)


class _Making:
    """A graph that grows."""

    def __init__(self) -> None:
        self.chosen: list[Chosen] = []
        self.told: dict[Chosen, Told] = {}
        self.links: list[Link] = []

    def thing(self, scope: str, name: str, version: str, told: Told) -> int:
        one = Chosen(scope, Candidate(name, version), True)
        self.chosen.append(one)
        self.told[one] = told
        return len(self.chosen) - 1

    def need(self, asker: int, target: int, spec: str = "", origin: str = "", kind: str = "run") -> None:
        name = self.chosen[target].candidate.name
        self.links.append(Link(asker, Requirement((Term(name, spec),), origin, kind), target))

    def atoms(self, manifest: Manifest, lock: Lock, taken: Sequence[str]) -> dict[Edge, int]:
        order = sorted(lock.atoms, key=lambda a: (a.name, a.set))
        place = {a.edge: self.thing(a.set, a.name, str(a.version), Told(ATOM, a.variants)) for a in order}
        stated = {dep.name: str(dep.requirement) for dep in manifest.deps}
        for dep in lock.deps:
            if dep.uses:
                self.need(-1, place[dep.atom], stated.get(dep.key, ""), _by(taken, dep.key), "/".join(dep.uses))
        for atom in order:
            for edge in atom.requires:
                self.need(place[atom.edge], place[edge], origin=_by(atom.variants, edge[1]))
        spec = str(manifest.toolchain.requirement) if manifest.toolchain else ""
        for text in sorted({t.environment for t in lock.toolchains if t.environment}):
            self.need(-1, place[parse_edge(text)], spec, kind="toolchain")
        return place

    def sources(self, manifest: Manifest, lock: Lock) -> None:
        """One thing a source, whatever it consists of: by Debian's version, else by the digest of its file, tree or lockfile."""
        stated = {src.name: src for src in manifest.srcs}
        subs = {sub.name: sub.tree for sub in lock.subs}
        for name in sorted({*subs, *(fetch.name for fetch in lock.fetches)}):
            files = [fetch for fetch in lock.fetches if fetch.name == name]
            digest = subs[name] if name in subs else files[0].digest
            version = files[0].version if files and files[0].version else digest.hex[:SHORT]
            src = stated.get(name)
            what = (src.url or src.path or f"debian:{src.debian}") if src else ""
            told = Told(SOURCE, more=len(files) if name in subs else 0)
            self.need(-1, self.thing(SOURCE, name, version, told), what, kind="/".join(src.uses) if src else "")

    def toolchain(self, one: LockedToolchain, asker: int, taken: Sequence[str], also: Collection[str]) -> None:
        locked = {package.name: package.version for package in one.packages}
        shown = sorted({*one.debian, *(name for name in also if name in locked)})
        told = Told(TOOLCHAIN, more=len(locked) - sum(name in locked for name in shown))
        node = self.thing(one.platform, "toolchain", f"debian {one.suite}", told)
        self.need(asker, node, "" if one.environment else one.suite, kind="toolchain")
        for name in shown:
            at = self.thing(one.platform, name, locked.get(name, ""), Told(PACKAGE))  # "" for one that another provides
            kind = PACKAGE if name in one.debian else CLOSURE
            self.need(node, at, origin=_by(taken, name), kind=kind)


def _by(variants: Sequence[str], key: str) -> str:
    """The variants that are taken by a candidate."""
    return ", ".join(text for text in variants if text.partition("=")[2] == key)
