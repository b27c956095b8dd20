"""Everything that can be reached from the roots, as numbered variables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from git_atom.resolve.problem import MUST, Bar, Candidate, Problem, Requirement, Term

_name = itemgetter(0)  # of a candidate

ROOT = 0  # stands where a variable would for what the roots themselves ask


class Choice(NamedTuple):
    """What can meet a requirement in a scope, best first, as variables: a range where they are neighbours.

    barred: would do, but may not be chosen. forced: all that may have one name.
    """

    allowed: Sequence[int]
    barred: tuple[int, ...]
    forced: bool


class Closure:
    """The reachable part of a problem. Variables are 1 to `size`; `nodes[v]` and `scopes[v]` say what each stands for.

    All versions of a name are numbered one after the other, best first, when the first of them is found: so a range of versions is a
    range of numbers, however many lie in it. Only those that were reached count.
    """

    def __init__(self, problem: Problem, *, whole: bool = False) -> None:
        """Begin with the roots; `grow` has the rest. whole: also look behind excluded candidates and at every version of the roots' names, as explaining needs."""
        self.problem = problem
        self.whole = whole
        self.nodes: list[Candidate] = [Candidate("", "")]
        self.scopes: list[str] = [""]
        self.needs: list[list[tuple[Requirement, Choice]]] = [[]]
        self.bars: list[Sequence[Bar]] = [()]
        self.named: dict[tuple[str, str], list[int]] = {}
        self.excluded: set[int] = set()
        self._seen: dict[str, dict[Candidate, int]] = {}
        self._choices: dict[str, dict[Requirement, Choice]] = {}
        self._found: dict[Term, Sequence[Candidate]] = {}
        self._names: set[str] | None = None
        self._expanded: set[int] = set()
        self._reached = bytearray(1)
        self._queue: list[int] = []  # what was reached, in the order in which it was
        self.blocks: dict[
            tuple[str, str], Sequence[Candidate]
        ] = {}  # scope and name -> the versions that are neighbours
        roots = sorted(set(problem.roots), key=lambda r: (r.terms, r.scope or "", r.kind, r.mode, r.origin))
        self.needs[ROOT] = [(root, self.choice("", root)) for root in roots]
        if whole:
            for root in roots:
                self._choose(root.scope or "", [Term(root.terms[0].name)])

    @property
    def size(self) -> int:
        """The number of candidates."""
        return len(self.nodes) - 1

    def reached(self, variable: int) -> bool:
        """Whether some requirement leads to a candidate; the others of its name are there for their numbers alone."""
        return bool(self._reached[variable])

    def choice(self, scope: str, wanted: Requirement) -> Choice:
        """What can meet a requirement asked for in a scope."""
        if wanted.scope is not None:
            scope = wanted.scope
        known = self._choices.get(scope)
        if known is None:
            known = self._choices[scope] = {}
        found = known.get(wanted)
        if found is None:
            found = known[wanted] = self._choose(scope, wanted.terms)
        return found

    def meets(self, scope: str, term: Term) -> list[int]:
        """The candidates of the closure that meet a term in a scope."""
        seen = self._seen.get(scope, {})
        if self._names is None:
            answers = self.problem.provider.answers
            self._names = {name for v in self._queue for name in answers(self.nodes[v])}
        if term.name not in self._names:
            return []
        reached = self._reached
        return [v for v in map(seen.get, self.find(term)) if v is not None and reached[v]]

    def find(self, term: Term) -> Sequence[Candidate]:
        """What the provider finds for a term, asked once."""
        found = self._found.get(term)
        if found is None:
            found = self._found[term] = self.problem.provider.find(term)
        return found

    def _choose(self, scope: str, terms: Sequence[Term]) -> Choice:
        seen = self._seen.setdefault(scope, {})
        found = self.find(terms[0]) if len(terms) == 1 else [*chain.from_iterable(map(self.find, terms))]
        if len(terms) == 1 and len(found) > 1:
            near = self._neighbours(scope, seen, found)
            if near is not None:
                return near
        try:
            variables = [seen[candidate] for candidate in found]
        except KeyError:
            variables = [seen.get(c) or self._number(scope, seen, c) for c in found]
        self._reach(variables)
        order = variables if len(terms) == 1 else list(dict.fromkeys(variables))
        barred: tuple[int, ...] = ()
        if self.excluded and not self.excluded.isdisjoint(order):
            barred = tuple(v for v in order if v in self.excluded)
            order = [v for v in order if v not in self.excluded]
        prefer = self.problem.prefer
        if prefer and len(order) > 1:
            order.sort(key=lambda v: prefer.get((scope, self.nodes[v].name)) != self.nodes[v].version)
        left = [self.nodes[v] for v in order] if barred else found
        return Choice(tuple(order), barred, len(set(map(_name, left))) < 2)

    def _neighbours(self, scope: str, seen: dict[Candidate, int], found: Sequence[Candidate]) -> Choice | None:
        """The choice among versions of one name that are neighbours; None where something may not or should not be chosen."""
        place = scope, found[0].name
        low = seen.get(found[0]) or self._number(scope, seen, found[0])
        at = low - self.named[place][0]
        allowed = range(low, low + len(found))
        if self.blocks[place][at : at + len(found)] != list(found) or place in self.problem.prefer:
            return None
        if self.excluded and not self.excluded.isdisjoint(allowed):
            return None
        fresh = self._reached.find(0, allowed.start, allowed.stop)
        while fresh >= 0:
            self._reach((fresh,))
            fresh = self._reached.find(0, fresh + 1, allowed.stop)
        return Choice(allowed, (), True)

    def _reach(self, variables: Iterable[int]) -> None:
        for variable in variables:
            if not self._reached[variable]:
                self._reached[variable] = 1
                self._queue.append(variable)

    def _number(self, scope: str, seen: dict[Candidate, int], candidate: Candidate) -> int:
        """The variable of a candidate that has none; all versions of its name get theirs with it."""
        place = scope, candidate.name
        block = [candidate]
        if place not in self.blocks:
            block = self.blocks[place] = [c for c in self.find(Term(candidate.name)) if c.name == candidate.name]
            if candidate not in block:  # the provider has learnt of more of this name since
                block.append(candidate)
        variables = self.named.setdefault(place, [])
        for one in block:
            variable = seen[one] = len(self.nodes)
            variables.append(variable)
            self.nodes.append(one)
            self.scopes.append(scope)
            self.needs.append([])
            self.bars.append(())
            if one.excluded:
                self.excluded.add(variable)
        self._reached.extend(bytes(len(block)))
        return seen[candidate]

    def grow(self) -> Closure:
        """Expand all that can be reached, what that reaches too; returns itself."""
        for variable in self._queue:
            self.expand(variable)
        return self

    def expand(self, variable: int) -> None:
        """Learn what a candidate needs and bars, once; what may not be chosen needs nothing, except when one has to explain."""
        if variable in self._expanded:
            return
        self._expanded.add(variable)
        candidate, scope = self.nodes[variable], self.scopes[variable]
        if candidate.excluded and not self.whole:
            return
        known, provider, kinds = self._choices.setdefault(scope, {}), self.problem.provider, self.problem.kinds
        needs = self.needs[variable] = []
        for wanted in provider.needs(candidate):
            if wanted.kind in kinds:
                choice = known.get(wanted) if wanted.scope is None else self.choice(scope, wanted)
                if choice is None:
                    choice = known[wanted] = self._choose(scope, wanted.terms)
                needs.append((wanted, choice))
        self.bars[variable] = provider.bars(candidate)

    def barred_by(self, variable: int, bar: Bar) -> list[int]:
        """The candidates of the closure that cannot stand beside one because of a bar it has."""
        return [other for other in self.meets(self.scopes[variable], bar.term) if other != variable]

    def outside(self, variable: int, wanted: Requirement, choice: Choice) -> list[int]:
        """Candidates under the names of a bounding requirement that it does not allow."""
        scope = self.scopes[variable] if wanted.scope is None else wanted.scope
        inside = {*choice.allowed, *choice.barred}
        return [v for term in wanted.terms for v in self.named.get((scope, term.name), ()) if v not in inside]


def asked(closure: Closure, variable: int, mode: str = MUST) -> list[tuple[Requirement, Choice]]:
    """The requirements of one mode of a variable (or of the roots), in an order that does not depend on how they were given."""
    pairs = [pair for pair in closure.needs[variable] if pair[0].mode == mode]
    if len(pairs) > 1:
        pairs.sort(key=_order)
    return pairs


def itself(variable: int, choice: Choice) -> bool:
    """Whether a candidate meets its own requirement."""
    return variable != ROOT and variable in choice.allowed


def _order(pair: tuple[Requirement, Choice]) -> tuple[tuple[Term, ...], str, str]:
    wanted = pair[0]
    return wanted.terms, wanted.scope or "", wanted.kind
