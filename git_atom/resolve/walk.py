"""The walk over what was chosen: which requirements come up, in which order, and what a finished walk says.

The roots' requirements come first, then those of what was chosen, breadth first, those that leave only one name before those that leave
several. How a requirement gets its candidate is told in `direct` (quickly, where nothing has to be searched) and `solve` (always).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_atom.resolve.closure import ROOT, Choice, Closure, asked, itself
from git_atom.resolve.problem import WISH, Candidate, Requirement, is_decision


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
            told = ", ".join(map(str, self.passed[:3]))
            return f"the best that fits with the rest, not {told}" + (
                f" and {len(self.passed) - 3} more" if len(self.passed) > 3 else ""
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

    @property
    def versions(self) -> tuple[Chosen, ...]:
        """What is to be had, without the decisions about it."""
        return tuple(one for one in self.chosen if not is_decision(one.candidate.name))


class Walk:
    """What has been decided and what is still to be met: three lists, each worked off in order."""

    def __init__(self, closure: Closure) -> None:
        self.closure = closure
        self.taken: dict[int, tuple[Candidate, ...]] = {}  # what was chosen, with what was passed over for it
        self.edges: list[tuple[int, Requirement, Choice]] = []
        self._forced: list[Choice] = []
        self._open: list[Choice] = []
        self._wishes: list[tuple[int, Requirement, Choice]] = []
        self._at = (0, 0, 0)  # how far each of the three lists has been worked off

    def _ask(self, variable: int) -> None:
        for wanted, choice in asked(self.closure, variable):
            if itself(variable, choice):
                continue
            self.edges.append((variable, wanted, choice))
            (self._forced if choice.forced else self._open).append(choice)
        self._wishes += [(variable, *pair) for pair in asked(self.closure, variable, WISH)]

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
