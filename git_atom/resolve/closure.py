"""Everything that can be reached from the roots, as numbered variables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from git_atom.resolve.problem import MUST, Bar, Candidate, Problem, Requirement, Term

_name = itemgetter(0)  # of a candidate

ROOT = 0  # stands where a variable would for what the roots themselves ask


class Choice(NamedTuple):
    """What can meet a requirement in a scope, best first, as variables. barred: would do, but may not be chosen. forced: all have one name."""

    allowed: tuple[int, ...]
    barred: tuple[int, ...]
    forced: bool


class Closure:
    """The reachable part of a problem. Variables are 1 to `size`; `nodes[v]` and `scopes[v]` say what each stands for."""

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
        roots = sorted(set(problem.roots), key=lambda r: (r.terms, r.scope or "", r.kind, r.mode, r.origin))
        self.needs[ROOT] = [(root, self.choice("", root)) for root in roots]
        if whole:
            for root in roots:
                self._choose(root.scope or "", [Term(root.terms[0].name)])

    @property
    def size(self) -> int:
        """The number of candidates."""
        return len(self.nodes) - 1

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
            self._names = {name for node in self.nodes[1:] for name in self.problem.provider.answers(node)}
        return [seen[c] for c in self.find(term) if c in seen] if term.name in self._names else []

    def find(self, term: Term) -> Sequence[Candidate]:
        """What the provider finds for a term, asked once."""
        found = self._found.get(term)
        if found is None:
            found = self._found[term] = self.problem.provider.find(term)
        return found

    def _choose(self, scope: str, terms: Sequence[Term]) -> Choice:
        seen = self._seen.setdefault(scope, {})
        found = self.find(terms[0]) if len(terms) == 1 else [*chain.from_iterable(map(self.find, terms))]
        try:
            variables = [seen[candidate] for candidate in found]
        except KeyError:
            variables = [seen.get(c) or self._number(scope, seen, c) for c in found]
        order = variables if len(terms) == 1 else list(dict.fromkeys(variables))
        barred: tuple[int, ...] = ()
        if self.excluded and not self.excluded.isdisjoint(order):
            barred = tuple(v for v in order if v in self.excluded)
            order = [v for v in order if v not in self.excluded]
        prefer = self.problem.prefer
        if prefer and len(order) > 1:
            order.sort(key=lambda v: prefer.get((scope, self.nodes[v].name)) != self.nodes[v].version)
        return Choice(tuple(order), barred, len(set(map(_name, found))) < 2)

    def _number(self, scope: str, seen: dict[Candidate, int], candidate: Candidate) -> int:
        variable = seen[candidate] = len(self.nodes)
        self.nodes.append(candidate)
        self.scopes.append(scope)
        self.needs.append([])
        self.bars.append(())
        self.named.setdefault((scope, candidate.name), []).append(variable)
        if candidate.excluded:
            self.excluded.add(variable)
        return variable

    def grow(self) -> Closure:
        """Expand all that can be reached, the list of nodes being the queue; returns itself."""
        at = 1
        while at < len(self.nodes):
            self.expand(at)
            at += 1
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
