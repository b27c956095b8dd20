"""Choosing with variants, against a search of everything: small worlds of sets with their manifests, answered from memory."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_atom.app.lock.choosing import answer, choose_together
from git_atom.app.lock.ground import Ground
from git_atom.app.lock.shelf import Shelf
from git_atom.app.lock.stock import Package
from git_atom.core import choices
from git_atom.core import manifest as manifests
from git_atom.core.digest import EMPTY
from git_atom.core.host import Host
from git_atom.core.lock import Lock, LockedAtom, LockedDep, LockedVariant
from git_atom.core.manifest import Dep, Manifest
from git_atom.core.version import Version
from git_atom.errors import NoSolutionError
from git_atom.resolve.problem import is_decision
from git_atom.resolve.walk import Solution

ANCHOR = str(EMPTY)
NAMES = ("aa", "bb", "cc", "dd")
USES = (["run"], ["run"], ["build", "run"], ["build"])
Atom = tuple[str, str]
Taken = dict[str, tuple[str, dict[str, str]]]  # name -> version, and its variants as they are settled


class World(NamedTuple):
    """The manifest at hand and those of one set, as texts, newest version of each name first."""

    top: str
    atoms: dict[Atom, str]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Each atom depends on names after its own, so there are no circles."""
    atoms = {
        (name, version): draw(manifest(name, version, NAMES[at + 1 :]))
        for at, name in enumerate(NAMES)
        for version in draw(st.sampled_from([("1.0.0",), ("2.0.0", "1.0.0")]))
    }
    return World(draw(manifest("app", "1.0.0", NAMES)), atoms)


@st.composite
def manifest(draw: st.DrawFn, name: str, version: str, below: Sequence[str]) -> str:
    deps = draw(st.lists(st.sampled_from(below), unique=True, max_size=3)) if below else []
    text = f'[atom]\nid = "{name}"\nversion = "{version}"\n'
    for dep in deps:
        asks = draw(st.lists(st.sampled_from(["x=on", "x=off", "v=none", *(f"v={n}" for n in NAMES)]), max_size=1))
        wanted = draw(st.sampled_from(["*", "*", "^1", "^2"]))
        text += f'[deps.{dep}]\nurl = "https://example.org/set"\nversion = "{wanted}"\nwith = {asks!r}\nfor = {draw(st.sampled_from(USES))!r}\n'
    words = draw(st.lists(st.sampled_from(["none", *deps]), unique=True, max_size=3))
    if words:
        text += f"[provide]\nv = {words!r}\n"
    return text + draw(st.sampled_from(["", "[support]\nx = true\n", "[support]\nx = false\n"]))


class Told(NamedTuple):
    """Of a release what is held against a lock."""

    tree: str = EMPTY
    commit: str = ""


class Memory:
    """What a Stock answers, from memory."""

    def __init__(self, world: World) -> None:
        self.read = {atom: manifests.parse(text.encode()) for atom, text in world.atoms.items()}

    def anchor_of(self, *_: object) -> str:
        return ANCHOR

    def versions(self, _: object, name: str, *__: object) -> list[tuple[Version, str]]:
        return [(Version.parse(version), "") for other, version in self.read if other == name]

    def names(self, *_: object) -> list[str]:
        return sorted({name for name, _ in self.read})

    def packages(self, _: object, pairs: Sequence[tuple[str, Version]], *__: object) -> list[Package]:
        found = [self.read[name, str(version)] for name, version in pairs]
        return [Package(cast(Any, Told()), one, own_lock(one)) for one in found]


def own_lock(one: Manifest) -> Lock:
    """The lock that an atom was published with: where each dependency is from, and what took its variant then, is all that is asked of it."""
    taken = choices.active(one, choices.default(one, {}))
    deps = tuple(LockedDep(dep.name, (ANCHOR, dep.name), dep.uses if dep.name in taken else ()) for dep in one.deps)
    return Lock(deps=deps, variants=tuple(LockedVariant(name, words[0]) for name, words in one.provide))


def solved(world: World, old: Lock = Lock(), order: int = 0, fewest: bool = False) -> Taken | None:  # noqa: B008 - it is a value
    """What choosing comes to; the atom at hand is "". order: in which the set tells of its atoms, which must not matter."""
    names = list(world.atoms)
    random.Random(order).shuffle(names)
    names.sort(key=lambda atom: atom[1], reverse=True)
    memory = Memory(World(world.top, {name: world.atoms[name] for name in names}))
    data = world.top.encode()
    ground = Ground(cast(Host, HOST), None, "/", data, manifests.parse(data), old)
    shelf = Shelf(ground, cast(Any, memory))
    if fewest:
        shelf.widen()
    found = answer(shelf, shelf.roots, minimise=fewest)
    if not isinstance(found, Solution):
        shelf.widen()
        found = answer(shelf, shelf.roots)
    if not isinstance(found, Solution):
        return None
    return taken_of(shelf, found)


def taken_of(shelf: Shelf, found: Solution) -> Taken:
    out: Taken = {"": ("1.0.0", {})}
    for one in found.chosen:
        if not is_decision(one.candidate.name):
            out.setdefault(one.candidate.name, (one.candidate.version, {}))
    for one in found.chosen:
        made = shelf.settling.decision(one.candidate)
        if made is not None:
            assert not made.version or out[made.edge[1]][0] == made.version
            out[made.edge[1]][1][made.variant] = made.word
    return out


class _Host(NamedTuple):
    cwd: str = "/"


HOST = _Host()


def every(world: World) -> Iterator[Taken]:
    """Every solution with nothing in it that nobody needs, by trying all there is."""
    memory = Memory(world)
    top = manifests.parse(world.top.encode())
    ways = [[None, *(v for n, v in memory.read if n == name)] for name in NAMES]
    for versions in product(*ways):
        there = {name: memory.read[name, version] for name, version in zip(NAMES, versions, strict=True) if version} | {
            "": top
        }
        options = [[dict(zip(words, some, strict=True)) for some in product(*words.values())]
                   for words in (choices.words(one) for one in there.values())]  # fmt: skip
        for settled in product(*options):
            taken = {name: (str(one.version), words) for (name, one), words in zip(there.items(), settled, strict=True)}
            if holds(taken, there):
                yield taken


def holds(taken: Taken, there: dict[str, Manifest]) -> bool:
    needed = {""}
    for name, (_, words) in taken.items():
        if name == "":  # variants that nobody asks are as they are by default: [support] of the atom at hand
            words = {k: v for k, v in words.items() if k in dict(there[""].provide)}
            if taken[""][1] != words:
                taken[""] = (taken[""][0], words)
        for dep in active(there[name], words, not name):
            if dep.name not in there or not dep.requirement.allows(there[dep.name].version):
                return False
            if any(taken[dep.name][1].get(variant) != word for variant, word in dep.asks):
                return False
    todo = [""]
    while todo:
        name = todo.pop()
        fresh = {dep.name for dep in active(there[name], taken[name][1], not name)} - needed
        needed |= fresh
        todo += fresh
    return needed == set(there)


def active(one: Manifest, words: dict[str, str], top: bool) -> list[Dep]:
    """What is needed of an atom: all by the one at hand; by another what it runs with, and all when it has to be built from that."""
    keys = choices.active(one, words)
    apart = choices.active(one, choices.default(one, {}))
    anew = any(dep.name in keys - apart and "build" in dep.uses for dep in one.deps)
    return [dep for dep in one.deps if dep.name in keys and (top or anew or "run" in dep.uses)]


@settings(max_examples=60)
@given(worlds(), st.integers(0, 5))
def test_there_is_an_answer_whenever_there_is_a_solution(world: World, order: int) -> None:
    found, all_of_them = solved(world), list(every(world))
    assert (found is not None) == bool(all_of_them)
    assert found is None or found in all_of_them
    assert solved(world, order=order) == found
    least = solved(world, fewest=True)
    assert least is None or (least in all_of_them and len(least) == min(map(len, all_of_them)))
    provide = dict(manifests.parse(world.top.encode()).provide)
    if found is not None and provide:  # the first word that any solution has
        possible = {taken[""][1]["v"] for taken in all_of_them}
        assert found[""][1]["v"] == next(word for word in provide["v"] if word in possible)


@settings(max_examples=50)
@given(worlds(), st.randoms())
def test_what_is_locked_stays(world: World, rng: random.Random) -> None:
    """Any solution stays once it is locked, save what of it nobody asks for any more."""
    possible = [taken for taken in every(world) if unasked_is_default(world, taken)]
    if possible:
        taken = rng.choice(possible)
        assert solved(world, locked(world, taken)) == taken


def locked(world: World, taken: Taken) -> Lock:
    read = Memory(world).read
    rows = [
        LockedAtom(ANCHOR, name, Version.parse(version), "", EMPTY, (), (), choices.told(read[name, version], words))
        for name, (version, words) in taken.items()
        if name
    ]
    return Lock(atoms=tuple(rows), variants=tuple(LockedVariant(*pair) for pair in taken[""][1].items()))


def unasked_is_default(world: World, taken: Taken) -> bool:
    """Whether what is switched in a solution is so because somebody asks for it, or by default."""
    read = Memory(world).read | {("", "1.0.0"): manifests.parse(world.top.encode())}
    there = {name: read[name, version] for name, (version, _) in taken.items()}
    asked = {
        (dep.name, *ask)
        for name, one in there.items()
        for dep in active(one, taken[name][1], not name)
        for ask in dep.asks
    }
    return all(
        taken[name][1][key] == choices.words(one)[key][0] or (name, key, taken[name][1][key]) in asked
        for name, one in there.items()
        for key, _ in one.support
        if name
    )


def beside(seed: int) -> tuple[World, World]:
    """Two manifests at hand over one set, made so that what suits one of them often does not suit both."""
    rng = random.Random(seed)
    atoms = {
        (name, version): dense(rng, name, version, NAMES[at + 1 :], rng.randint(0, 1))
        for at, name in enumerate(NAMES)
        for version in ("2.0.0", "1.0.0")
    }
    one, other = (dense(rng, name, "1.0.0", NAMES, rng.randint(1, 3)) for name in ("app", "bpp"))
    return World(one, atoms), World(other, atoms)


def dense(rng: random.Random, name: str, version: str, below: Sequence[str], many: int) -> str:
    deps = rng.sample(below, min(many, len(below)))
    text = f'[atom]\nid = "{name}"\nversion = "{version}"\n'
    for dep in deps:
        asks = rng.choice([[], [], [], ["x"], ["x=off"], ["v=none"], [f"v={rng.choice(NAMES)}"]])
        wanted = rng.choice(["*", "^1", "^2"])
        text += f'[deps.{dep}]\nurl = "https://example.org/set"\nversion = "{wanted}"\nwith = {asks!r}\nfor = {rng.choice(USES)!r}\n'
    words = [*deps, *rng.choice([[], ["none"]])]
    rng.shuffle(words)
    text += f"[provide]\nv = {words!r}\n" if words and rng.random() < 0.7 else ""
    return text + "[support]\nx = false\n"


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_together_each_has_the_joint_choice_and_keeps_it(seed: int) -> None:
    """There is a joint choice whenever two solutions agree; each lock made from it is a solution, and stays when it is locked apart."""
    pair = beside(seed)
    grounds = [standing(world, at) for at, world in enumerate(pair)]
    solutions = [list(every(world)) for world in pair]
    ways = [[dict(shared) for shared in {without_own(taken) for taken in some}] for some in solutions]
    possible = any(agree(one, other) for one, other in product(*ways))
    try:
        chosen = choose_together(grounds, cast(Any, Memory(pair[0])))
    except NoSolutionError:
        assert not possible
        return
    assert possible
    locks = []
    for ground, world, some in zip(grounds, pair, solutions, strict=True):
        taken = alone(ground._replace(chosen=chosen), world)
        assert taken is not None and taken in some
        for name, (version, words) in taken.items():
            edge = (ANCHOR, name) if name else ("", ground.manifest.name)
            assert not name or str(chosen.versions[edge]) == version
            assert all(chosen.words[edge, key] == word for key, word in words.items() if key == "v")
        locks.append(locked(world, taken))
        assert alone(ground._replace(old=locks[-1]), world) == taken
    again = [ground._replace(old=lock) for ground, lock in zip(grounds, locks, strict=True)]
    assert choose_together(again, cast(Any, Memory(pair[0]))) == chosen


def test_what_takes_no_variant_moves_nothing() -> None:
    """A candidate that was not taken asks for another version of what is locked: neither a later lock nor a joint choice minds."""
    url = 'url = "https://example.org/set"\n'
    head = '[atom]\nid = "{}"\nversion = "{}"\n'
    atoms = {(name, version): head.format(name, version) for name in ("aa", "bb") for version in ("2.0.0", "1.0.0")}
    below = f'[deps.bb]\n{url}version = "^1"\n'
    atoms["aa", "2.0.0"] += below
    atoms["aa", "1.0.0"] += below
    top = f'[deps.aa]\n{url}version = "*"\n[deps.bb]\n{url}version = "{{}}"\n[provide]\nv = ["aa", "bb"]\n'
    pair = [World(head.format(name, "1.0.0") + top.format("^2"), atoms) for name in ("app", "bpp")]
    chosen = choose_together([standing(world, at) for at, world in enumerate(pair)], cast(Any, Memory(pair[0])))
    for at, world in enumerate(pair):
        taken = alone(standing(world, at)._replace(chosen=chosen), world)
        assert taken == {"": ("1.0.0", {"v": "aa"}), "aa": ("2.0.0", {}), "bb": ("1.0.0", {})}
    # the locked version is one of several that would do: the newest would be taken if it was not held
    atoms = {name: text.replace('"^1"', '"*"') for name, text in atoms.items()}
    world = World(pair[0].top, atoms)
    assert taken is not None and alone(standing(world, 0)._replace(old=locked(world, taken)), world) == taken


def standing(world: World, at: int) -> Ground:
    data = world.top.encode()
    return Ground(cast(Host, HOST), None, f"/{at}", data, manifests.parse(data), Lock())


def alone(ground: Ground, world: World) -> Taken | None:
    shelf = Shelf(ground, cast(Any, Memory(world)))
    found = answer(shelf, shelf.roots)
    return taken_of(shelf, found) if isinstance(found, Solution) else None


def without_own(taken: Taken) -> tuple[tuple[str, tuple[str, tuple[tuple[str, str], ...]]], ...]:
    """A solution without the atom at hand."""
    return tuple((name, (version, tuple(sorted(words.items())))) for name, (version, words) in taken.items() if name)


def agree(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one[name] == other[name] for name in one.keys() & other.keys())
