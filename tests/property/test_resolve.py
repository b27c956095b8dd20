"""The solver against a search of every possibility, on problems small enough for that."""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from git_atom.resolve.closure import Closure
from git_atom.resolve.direct import direct
from git_atom.resolve.explain import Rule, explain
from git_atom.resolve.problem import BOUND, MUST, WISH, Bar, Candidate, Catalogue, Offer, Problem, Requirement, Term
from git_atom.resolve.sat import ENGINES
from git_atom.resolve.solve import Unsolvable, search, solve
from git_atom.resolve.walk import Solution

NAMES = "abcd"
VERSIONS = "123"
SPECS = ("", "1", "2", "3", "<3", ">1")
MATCH = {"1": "1", "2": "2", "3": "3", "<3": "12", ">1": "23"}

Key = tuple[str, str]  # scope, name
State = dict[Key, Candidate]

terms = st.builds(Term, st.sampled_from(NAMES + "z"), st.sampled_from(SPECS))


def requirements(modes: list[str], scopes: list[str | None]) -> st.SearchStrategy[Requirement]:
    return st.builds(
        Requirement, st.lists(terms, min_size=1, max_size=2, unique=True).map(tuple), st.just(""),
        st.sampled_from(["run", "run", "run", "test"]), st.sampled_from(modes), st.sampled_from(scopes),
    )  # fmt: skip


@st.composite
def problems(
    draw: Callable[..., object], scopes: bool = False
) -> tuple[list[Offer], list[Requirement], dict[Key, str]]:
    places: list[str | None] = [None, None, None, "t"] if scopes else [None]
    needs = requirements([MUST, MUST, MUST, BOUND, WISH], places)
    offers = []
    for name in NAMES[: 2 if scopes else 4]:
        for rank, version in enumerate(draw(st.sampled_from(["", "1", "12", "123", "13"])), 1):  # type: ignore[arg-type, var-annotated]
            reason = draw(st.sampled_from(["", "", "", "", "retracted"]))
            mine = draw(st.lists(needs, max_size=2))
            bars = draw(st.lists(st.builds(Bar, terms), max_size=2))
            meets = frozenset(s for s, versions in MATCH.items() if version in versions)
            offers.append(Offer(Candidate(name, version, reason), rank, meets, tuple(mine), tuple(bars)))  # type: ignore[arg-type]
    kinds = [MUST, MUST, MUST, BOUND, WISH]
    roots = draw(st.lists(requirements(kinds, places[-2:] if scopes else [None]), min_size=1, max_size=3))
    roots = [r._replace(origin=f"toml:{i}") for i, r in enumerate(roots)]  # type: ignore[attr-defined, call-overload]
    prefer = draw(
        st.dictionaries(st.tuples(st.just(""), st.sampled_from(NAMES)), st.sampled_from(VERSIONS), max_size=2)
    )
    return offers, roots, prefer  # type: ignore[return-value]


class Brute:
    """Every state of a problem that holds, and the walk of solve.py told again over the set of all of them."""

    def __init__(self, offers: list[Offer], roots: list[Requirement], prefer: dict[Key, str]) -> None:
        self.of = {o.candidate: o for o in offers}
        self.catalogue = Catalogue(offers)
        self.roots, self.prefer = roots, prefer
        scopes = sorted({"", *(r.scope or "" for o in offers for r in o.needs), *(r.scope or "" for r in roots)})
        keys = [(s, n) for s in scopes for n in sorted({o.candidate.name for o in offers})]
        options = [[None, *(c for c in self.of if c.name == n and not c.excluded)] for _, n in keys]
        states = ({k: c for k, c in zip(keys, pick, strict=True) if c} for pick in itertools.product(*options))
        self.states: list[State] = [s for s in states if self.holds(s)]

    def candidates(self, scope: str, wanted: Requirement) -> list[tuple[Key, Candidate]]:
        place = scope if wanted.scope is None else wanted.scope
        found = dict.fromkeys(c for t in wanted.terms for c in self.catalogue.find(t) if not c.excluded)
        order = sorted(found, key=lambda c: self.prefer.get((place, c.name)) != c.version)
        return [((place, c.name), c) for c in order]

    def met(self, state: State, scope: str, wanted: Requirement) -> bool:
        if wanted.mode == WISH:
            return True
        place = scope if wanted.scope is None else wanted.scope
        if wanted.mode == BOUND:
            inside = {c for t in wanted.terms for c in self.catalogue.find(t)}
            return all(state.get((place, t.name)) in {None, *inside} for t in wanted.terms)
        return any(state.get(key) == c for key, c in self.candidates(scope, wanted))

    def holds(self, state: State) -> bool:
        if not all(self.met(state, "", r) for r in self.roots):
            return False
        for (scope, _), c in state.items():
            if not all(self.met(state, scope, r) for r in self.of[c].needs if r.kind in ("build", "run")):
                return False
            for bar in self.of[c].bars:
                if any(state.get((scope, x.name)) == x for x in self.catalogue.find(bar.term) if x != c):
                    return False
        return True

    def walk(self, states: list[State]) -> State:
        taken: State = {}
        forced: deque[tuple[str, Requirement]] = deque()
        free: deque[tuple[str, Requirement]] = deque()
        wishes: deque[tuple[str, Requirement]] = deque()

        def ask(scope: str, needs: list[Requirement], me: tuple[Key, Candidate] | None) -> None:
            for r in sorted(needs, key=lambda r: (r.terms, r.scope or "", r.kind)):
                found = self.candidates(scope, r)
                if r.mode == WISH:
                    wishes.append((scope, r))
                elif r.mode == MUST and me not in found:
                    (forced if len({c.name for _, c in found}) < 2 else free).append((scope, r))

        def decide(scope: str, wanted: Requirement) -> None:
            nonlocal states
            options = self.candidates(scope, wanted)
            if any(taken.get(key) == c for key, c in options):
                return
            for key, c in options:
                left = [s for s in states if s.get(key) == c]
                if left:
                    states, taken[key] = left, c
                    ask(key[0], [r for r in self.of[c].needs if r.kind in ("build", "run")], (key, c))
                    return

        ask("", sorted(set(self.roots), key=lambda r: (r.terms, r.scope or "", r.kind, r.mode, r.origin)), None)
        while forced or free or wishes:
            decide(*(forced or free or wishes).popleft())
        return taken


def told(solution: Solution) -> State:
    return {(c.scope, c.candidate.name): c.candidate for c in solution.chosen}


@settings(max_examples=150, deadline=None)
@given(st.one_of(problems(), problems(scopes=True)))
def test_answers_are_those_of_a_search_of_everything(
    case: tuple[list[Offer], list[Requirement], dict[Key, str]],
) -> None:
    offers, roots, prefer = case
    brute = Brute(offers, roots, prefer)
    answer = solve(Problem(tuple(roots), Catalogue(offers), prefer))
    assert isinstance(answer, Solution) == bool(brute.states)
    if isinstance(answer, Solution):
        assert told(answer) == brute.walk(brute.states)
        assert brute.holds(told(answer))


@settings(max_examples=300, deadline=None)
@given(st.one_of(problems(), problems(scopes=True)))
def test_what_needs_no_search_is_what_the_search_finds(
    case: tuple[list[Offer], list[Requirement], dict[Key, str]],
) -> None:
    offers, roots, prefer = case
    problem = Problem(tuple(roots), Catalogue(offers), prefer)
    found, searched = direct(Closure(problem)), search(Closure(problem))
    assert found is None or found == searched
    brute = Brute(offers, roots, prefer)
    assert (told(searched) if isinstance(searched, Solution) else None) == (
        brute.walk(brute.states) if brute.states else None
    )
    begun = Closure(problem)
    direct(begun)
    assert search(begun) == searched  # what the quick way has looked at leaves no trace


def test_what_may_not_be_chosen_leaves_no_name() -> None:
    """An alternative that is retracted does not make a requirement one that leaves several names, which would come later."""
    deeper = (Requirement((Term("d", "1"),)),)
    offers = [
        Offer(Candidate(name, version, why), int(version), frozenset(s for s in MATCH if version in MATCH[s]), needs)
        for name, version, why, needs in (
            ("b", "2", "", ()), ("b", "3", "", deeper), ("c", "1", "retracted", ()), ("d", "1", "", ()), ("d", "2", "", ()),
        )
    ]  # fmt: skip
    roots = [Requirement((Term("b"), Term("c", "1"))), Requirement((Term("d"),))]
    brute = Brute(offers, roots, {})
    answer = solve(Problem(tuple(roots), Catalogue(offers)))
    assert isinstance(answer, Solution) and told(answer) == brute.walk(brute.states)
    assert {str(c.candidate) for c in answer.chosen} == {"b 3", "d 1"}


class Learning(Catalogue):
    """A catalogue that tells for a bare name only what it was asked for by ranges so far, as atoms of several sets are told."""

    def __init__(self, offers: list[Offer]) -> None:
        super().__init__(offers)
        self.asked: set[Candidate] = set()

    def find(self, term: Term) -> list[Candidate]:
        found = list(super().find(term))
        if not term.spec:
            return [c for c in found if c in self.asked]
        self.asked.update(found)
        return found


def in_ranges(wanted: Requirement) -> Requirement:
    return wanted._replace(terms=tuple(dict.fromkeys(Term(t.name, t.spec or "any") for t in wanted.terms)))


@settings(max_examples=150, deadline=None)
@given(problems())
def test_it_does_not_matter_when_a_version_becomes_known(
    case: tuple[list[Offer], list[Requirement], dict[Key, str]],
) -> None:
    offers, roots, prefer = case
    offers = [
        o._replace(matches=o.matches | {"any"}, needs=tuple(map(in_ranges, o.needs)), bars=tuple(b for b in o.bars if b.term.spec))
        for o in offers
    ]  # fmt: skip
    asked = tuple(map(in_ranges, roots))
    known = search(Closure(Problem(asked, Catalogue(offers), prefer)))
    for late in (
        search(Closure(Problem(asked, Learning(offers), prefer))),
        solve(Problem(asked, Learning(offers), prefer)),
    ):
        assert late == known if isinstance(known, Solution) else isinstance(late, Unsolvable)


@settings(max_examples=80, deadline=None)
@given(problems())
def test_the_smallest_closure_is_the_smallest(case: tuple[list[Offer], list[Requirement], dict[Key, str]]) -> None:
    offers, roots, prefer = case
    roots = [r for r in roots if r.mode != WISH] or [Requirement((Term("a"),))]
    offers = [o._replace(needs=tuple(r for r in o.needs if r.mode != WISH)) for o in offers]
    brute = Brute(offers, roots, prefer)
    answer = solve(Problem(tuple(roots), Catalogue(offers), prefer), minimise=True)
    assert isinstance(answer, Solution) == bool(brute.states)
    if isinstance(answer, Solution):
        fewest = min(map(len, brute.states))
        assert len(answer.chosen) == fewest
        assert told(answer) == brute.walk([s for s in brute.states if len(s) == fewest])


@settings(max_examples=60, deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_no_engine_and_no_order_of_input_shows(
    case: tuple[list[Offer], list[Requirement], dict[Key, str]], dice: random.Random
) -> None:
    offers, roots, prefer = case
    first = solve(Problem(tuple(roots), Catalogue(offers), prefer))
    why = explain(first) if isinstance(first, Unsolvable) else None
    for engine in ENGINES:
        mixed = [o._replace(needs=tuple(dice.sample(o.needs, len(o.needs)))) for o in dice.sample(offers, len(offers))]
        again = search(Closure(Problem(tuple(dice.sample(roots, len(roots))), Catalogue(mixed), prefer)), engine=engine)
        if isinstance(again, Unsolvable):
            assert explain(again, engine=engine) == why
        else:
            assert again == first


def without(offers: list[Offer], roots: list[Requirement], rule: Rule) -> tuple[list[Offer], list[Requirement]]:
    """The problem with one rule of an explanation dropped."""
    if not rule.name:
        return offers, [r for r in roots if r != rule.wanted]
    out = []
    for o in offers:
        if o.candidate.name != rule.name:
            out.append(o)
        elif rule.reason:
            out.append(o._replace(candidate=o.candidate._replace(excluded="")))
        else:
            needs = tuple(r for r in o.needs if r != rule.wanted)
            out.append(o._replace(needs=needs, bars=tuple(b for b in o.bars if b != rule.bar)))
    return out, roots


@settings(max_examples=150, deadline=None)
@given(problems())
def test_explanations_are_minimal_and_ways_out_lead_out(
    case: tuple[list[Offer], list[Requirement], dict[Key, str]],
) -> None:
    offers, roots, prefer = case
    answer = solve(Problem(tuple(roots), Catalogue(offers), prefer))
    if isinstance(answer, Solution):
        return
    why = explain(answer)
    rules = [line.rule for line in why.lines]
    assert len(set(rules)) == len(rules)
    for rule in rules:
        fewer, left = without(offers, roots, rule)
        others = [r for r in rules if r != rule]
        assert Brute(*only(fewer, left, others), {}).states, f"not minimal: {rule}"
    assert not Brute(*only(offers, roots, rules), {}).states, "the lines alone have a solution"
    for way in why.ways:
        assert leads_out(offers, roots, way), way


def only(offers: list[Offer], roots: list[Requirement], rules: list[Rule]) -> tuple[list[Offer], list[Requirement]]:
    """The problem with the rules of an explanation and none else."""
    keep = set(rules)
    out = []
    for o in offers:
        name = o.candidate.name
        out.append(
            o._replace(
                candidate=o.candidate
                if Rule("", name, reason=o.candidate.excluded) in keep
                else o.candidate._replace(excluded=""),
                needs=tuple(r for r in o.needs if Rule("", name, r) in keep),
                bars=tuple(b for b in o.bars if Rule("", name, bar=b) in keep),
            )
        )
    return out, [r for r in roots if Rule("", "", r) in keep]


def leads_out(offers: list[Offer], roots: list[Requirement], way: tuple[object, ...]) -> bool:
    for change in way:
        wanted, candidate = change.wanted, change.candidate  # type: ignore[attr-defined]
        if change.kind == "remove":  # type: ignore[attr-defined]
            roots = [r for r in roots if r != wanted]
        elif change.kind == "relax":  # type: ignore[attr-defined]
            relaxed = Requirement((Term(candidate.name, candidate.version),))
            roots = [relaxed if r == wanted else r for r in roots]
        else:
            offers = [
                o._replace(candidate=o.candidate._replace(excluded=""))
                if (o.candidate.name, o.candidate.excluded) == (candidate.name, candidate.excluded)
                else o
                for o in offers
            ]
    return isinstance(solve(Problem(tuple(roots), Catalogue(offers))), Solution)
