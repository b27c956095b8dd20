"""The solution of a problem: complete, because a SAT engine answers; the same everywhere, because our order and not the engine decides.

The order is a walk. The roots' requirements come first, then those of what was chosen, breadth first, those that leave only one name
before those that leave several. A requirement that something chosen already meets decides nothing. Else its candidates are tried
best first (what is locked, then the order of the terms, then the newest) and the first one that some solution of the whole problem
still has is chosen for good. So the result is the lexicographic optimum of that walk, and each choice has a one-line reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from git_atom.resolve.closure import ROOT, Choice, Closure, asked, encode
from git_atom.resolve.problem import MUST, WISH, Candidate, Problem, Requirement
from git_atom.resolve.sat import ENGINES, Sat, smallest


class Chosen(NamedTuple):
    """One candidate of a solution. passed: better ones that no solution has, given what was decided before."""

    scope: str
    candidate: Candidate
    locked: bool
    passed: tuple[Candidate, ...] = ()

    @property
    def reason(self) -> str:
        """Why this one, in a line."""
        if self.locked:
            return "locked"
        if self.passed:
            return (
                f"the best that can be had beside what was chosen before, not {', '.join(map(str, self.passed[:3]))}"
                + (f" and {len(self.passed) - 3} more" if len(self.passed) > 3 else "")
            )
        return "the best that is allowed"


class Edge(NamedTuple):
    """Who asked for what, and what meets it; places are indexes into `Solution.chosen`, `asker` is -1 for a root."""

    asker: int
    wanted: Requirement
    target: int


class Solution(NamedTuple):
    """What was chosen, sorted by scope and name, and why: every requirement with what meets it, sorted by asker."""

    chosen: tuple[Chosen, ...]
    edges: tuple[Edge, ...]


class Unsolvable(NamedTuple):
    """There is no solution; `explain` says why."""

    problem: Problem


def solve(problem: Problem, *, minimise: bool = False, engine: str = ENGINES[0]) -> Solution | Unsolvable:
    """Solve a problem. minimise: among all solutions only those with the fewest candidates are looked at. engine: never changes the answer."""
    closure = Closure(problem)
    encoding = encode(closure)
    if minimise:
        sat = smallest(encoding.clauses, range(1, closure.size + 1))
        if sat is None:
            return Unsolvable(problem)
    else:
        sat = Sat(encoding.clauses, engine)
        sat.phases(encoding.phases)
    with sat:
        return _Walk(closure, sat).run() if sat.solve() else Unsolvable(problem)


class _Walk:
    """The decisions, one after the other. taken: what was chosen, with what was passed over for it. lost: what no solution has any more."""

    def __init__(self, closure: Closure, sat: Sat) -> None:
        self.closure, self.sat = closure, sat
        self.taken: dict[int, tuple[Candidate, ...]] = {}
        self.lost: set[int] = set()
        self.edges: list[tuple[int, Requirement, Choice]] = []
        self._forced: deque[Choice] = deque()
        self._open: deque[Choice] = deque()
        self._wishes: deque[tuple[int, Requirement, Choice]] = deque()

    def run(self) -> Solution:
        """Decide until everything asked for is met, then see which wishes can be had."""
        self._ask(ROOT)
        self._settle()
        while self._wishes:
            asker, wanted, choice = self._wishes.popleft()
            if self._decide(choice):
                self.edges.append((asker, wanted, choice))
                self._settle()
        return self._solution()

    def _ask(self, variable: int) -> None:
        for wanted, choice in asked(self.closure, variable):
            if variable in choice.allowed and variable != ROOT:
                continue
            self.edges.append((variable, wanted, choice))
            (self._forced if choice.forced else self._open).append(choice)
        self._wishes += [(variable, *pair) for pair in asked(self.closure, variable, WISH)]

    def _settle(self) -> None:
        while self._forced or self._open:
            self._decide((self._forced or self._open).popleft())

    def _decide(self, choice: Choice) -> bool:
        """Choose the first candidate that can be had; False when none can, which happens to wishes alone."""
        if any(v in self.taken for v in choice.allowed):
            return True
        passed: list[Candidate] = []
        for variable in choice.allowed:
            if variable not in self.lost and (self.sat.true(variable) or self.sat.solve([variable])):
                self.sat.settle(variable)
                self.taken[variable] = tuple(passed)
                self._ask(variable)
                return True
            self.lost.add(variable)
            self.sat.settle(-variable)
            passed.append(self.closure.nodes[variable])
        return False

    def _solution(self) -> Solution:
        nodes, scopes, prefer = self.closure.nodes, self.closure.scopes, self.closure.problem.prefer
        order = sorted(self.taken, key=lambda v: (scopes[v], nodes[v]))
        place = {variable: i for i, variable in enumerate(order)} | {ROOT: -1}
        chosen = tuple(
            Chosen(scopes[v], nodes[v], prefer.get((scopes[v], nodes[v].name)) == nodes[v].version, self.taken[v])
            for v in order
        )
        edges = [Edge(place[a], wanted, place[v]) for a, wanted, choice in self.edges for v in self._met(choice)]
        return Solution(chosen, tuple(sorted(edges, key=lambda e: (e.asker, e.wanted.terms, e.wanted.kind, e.target))))

    def _met(self, choice: Choice) -> Iterator[int]:
        """The best chosen candidate that meets a choice."""
        for variable in choice.allowed:
            if variable in self.taken:
                yield variable
                return


def unmet(problem: Problem, chosen: tuple[Candidate, ...]) -> list[Requirement]:
    """Requirements that a set of candidates (a lock's, in one scope) leaves unmet: those of the roots and of each candidate."""
    there, out = set(chosen), []
    for wanted in (*problem.roots, *(r for c in chosen for r in problem.provider.needs(c) if r.kind in problem.kinds)):
        if wanted.mode == MUST and not any(c in there for term in wanted.terms for c in problem.provider.find(term)):
            out.append(wanted)
    return out
