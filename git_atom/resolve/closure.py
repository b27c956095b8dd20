"""Everything that can be reached from the roots, as numbered variables, and the clauses that say what a solution is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from git_atom.resolve.problem import BOUND, MUST, Bar, Candidate, Problem, Requirement, Term

ROOT = 0  # stands where a variable would for what the roots themselves ask


class Choice(NamedTuple):
    """What can meet a requirement in a scope, best first, as variables. barred: would do, but may not be chosen. forced: one name only."""

    allowed: tuple[int, ...]
    barred: tuple[int, ...]
    forced: bool


class Closure:
    """The reachable part of a problem. Variables are 1 to `size`; `nodes[v]` and `scopes[v]` say what each stands for."""

    def __init__(self, problem: Problem, *, whole: bool = False) -> None:
        """Walk the problem. whole: also look behind excluded candidates and at every version of the roots' names, as explaining needs."""
        self.problem = problem
        self.whole = whole
        self.nodes: list[Candidate] = [Candidate("", "")]
        self.scopes: list[str] = [""]
        self.needs: list[list[tuple[Requirement, Choice]]] = [[]]
        self.bars: list[Sequence[Bar]] = [()]
        self.named: dict[tuple[str, str], list[int]] = {}
        self._seen: dict[str, dict[Candidate, int]] = {}
        self._choices: dict[str, dict[Requirement, Choice]] = {}
        self._found: dict[Term, Sequence[Candidate]] = {}
        self._names: set[str] | None = None
        self._grow()

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

    def _choose(self, scope: str, terms: Iterable[Term]) -> Choice:
        seen = self._seen.setdefault(scope, {})
        allowed: dict[int, None] = {}
        barred: list[int] = []
        for term in terms:
            for candidate in self.find(term):
                variable = seen.get(candidate)
                if variable is None:
                    variable = self._number(scope, seen, candidate)
                if candidate.excluded:
                    barred.append(variable)
                else:
                    allowed[variable] = None
        order, prefer = list(allowed), self.problem.prefer
        if prefer and len(order) > 1:
            order.sort(key=lambda v: prefer.get((scope, self.nodes[v].name)) != self.nodes[v].version)
        forced = len({self.nodes[v].name for v in order}) < 2
        return Choice(tuple(order), tuple(barred), forced)

    def _number(self, scope: str, seen: dict[Candidate, int], candidate: Candidate) -> int:
        variable = seen[candidate] = len(self.nodes)
        self.nodes.append(candidate)
        self.scopes.append(scope)
        self.needs.append([])
        self.bars.append(())
        self.named.setdefault((scope, candidate.name), []).append(variable)
        return variable

    def _grow(self) -> None:
        """Number what the roots and then each candidate reach; the list of nodes is the queue."""
        problem, provider = self.problem, self.problem.provider
        roots = sorted(set(problem.roots), key=lambda r: (r.terms, r.scope or "", r.kind, r.mode, r.origin))
        self.needs[ROOT] = [(root, self.choice("", root)) for root in roots]
        if self.whole:
            for root in roots:
                self._choose(root.scope or "", [Term(root.terms[0].name)])
        at, kinds = 1, problem.kinds
        while at < len(self.nodes):
            candidate = self.nodes[at]
            if self.whole or not candidate.excluded:
                scope = self.scopes[at]
                known = self._choices.setdefault(scope, {})
                self.needs[at] = [
                    (wanted, (known.get(wanted) if wanted.scope is None else None) or self.choice(scope, wanted))
                    for wanted in provider.needs(candidate)
                    if wanted.kind in kinds
                ]
                self.bars[at] = provider.bars(candidate)
            at += 1

    def barred_by(self, variable: int, bar: Bar) -> list[int]:
        """The candidates of the closure that cannot stand beside one because of a bar it has."""
        return [other for other in self.meets(self.scopes[variable], bar.term) if other != variable]

    def outside(self, variable: int, wanted: Requirement, choice: Choice) -> list[int]:
        """Candidates under the names of a bounding requirement that it does not allow."""
        scope = self.scopes[variable] if wanted.scope is None else wanted.scope
        inside = {*choice.allowed, *choice.barred}
        return [v for term in wanted.terms for v in self.named.get((scope, term.name), ()) if v not in inside]


class Encoding(NamedTuple):
    """Clauses, the number of variables they use, and the sign to try first for each variable."""

    clauses: list[list[int]]
    top: int
    phases: list[int]


def encode(closure: Closure) -> Encoding:
    """The clauses of a closure: met roots, met requirements, bars, exclusions, one candidate of a name in a scope."""
    clauses: list[list[int]] = []
    top = closure.size
    alias: dict[tuple[int, ...], int] = {}  # a choice asked for by many -> the variable that says it is met
    first: set[int] = set()
    for variable, needs in enumerate(closure.needs):
        for wanted, choice in needs:
            if wanted.mode == BOUND:
                clauses += [_if(variable, [-v]) for v in closure.outside(variable, wanted, choice)]
                continue
            allowed = choice.allowed
            if allowed:
                first.add(allowed[0])
            if wanted.mode != MUST or variable in allowed:
                continue
            if not allowed and variable == ROOT:
                top += 1
                clauses += [[top], [-top]]
            elif len(allowed) > 2 and variable != ROOT:
                met = alias.get(allowed)
                if met is None:
                    top += 1
                    met = alias[allowed] = top
                    clauses.append([-met, *allowed])
                clauses.append([-variable, met])
            else:
                clauses.append(_if(variable, allowed))
    for variable, bars in enumerate(closure.bars):
        for bar in bars:
            clauses += [[-variable, -other] for other in closure.barred_by(variable, bar)]
    clauses += [[-v] for v, node in enumerate(closure.nodes) if node.excluded]
    for variables in closure.named.values():
        if len(variables) > 1:
            top = at_most_one(variables, top, clauses)
    return Encoding(clauses, top, [v if v in first else -v for v in range(1, closure.size + 1)])


def _if(variable: int, then: Iterable[int]) -> list[int]:
    return [*then] if variable == ROOT else [-variable, *then]


def at_most_one(variables: Sequence[int], top: int, clauses: list[list[int]]) -> int:
    """Add clauses that at most one of the variables is true, by pairs when few, by Sinz's counter else; returns the last variable used."""
    if len(variables) <= 4:
        clauses += [[-a, -b] for i, a in enumerate(variables) for b in variables[:i]]
        return top
    count = top
    for place, variable in enumerate(variables):
        if place:
            clauses.append([-count, -variable])
        if place < len(variables) - 1:
            clauses.append([-variable, count + 1])
            if place:
                clauses.append([-count, count + 1])
            count += 1
    return count


def asked(closure: Closure, variable: int, mode: str = MUST) -> Iterator[tuple[Requirement, Choice]]:
    """The requirements of one mode of a variable (or of the roots), in an order that does not depend on how they were given."""
    return iter(sorted((pair for pair in closure.needs[variable] if pair[0].mode == mode), key=_order))


def _order(pair: tuple[Requirement, Choice]) -> tuple[tuple[Term, ...], str, str]:
    wanted = pair[0]
    return wanted.terms, wanted.scope or "", wanted.kind
