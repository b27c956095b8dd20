"""The solution of a problem: complete, because a SAT engine answers; the same everywhere, because our order and not the engine decides.

The order is a walk. The roots' requirements come first, then those of what was chosen, breadth first, those that leave only one name
before those that leave several. A requirement that something chosen already meets decides nothing. Else its candidates are tried
best first (what is locked, then the order of the terms, then the newest) and the first one that some solution of the whole problem
still has is chosen for good. So the result is the lexicographic optimum of that walk, and each choice has a one-line reason.
"""

from __future__ import annotations

from typing import NamedTuple

from git_atom.core.collector import paused
from git_atom.resolve.closure import ROOT, Choice, Closure
from git_atom.resolve.direct import direct
from git_atom.resolve.formula import Formula, encode
from git_atom.resolve.problem import MUST, Candidate, Problem, Requirement
from git_atom.resolve.sat import ENGINES, Sat, smallest
from git_atom.resolve.walk import Solution, Walk

MOST_GUESSES = 64


class Unsolvable(NamedTuple):
    """There is no solution; `explain` says why."""

    problem: Problem


def solve(problem: Problem, *, minimise: bool = False, engine: str = ENGINES[0]) -> Solution | Unsolvable:
    """Solve a problem. minimise: among all solutions only those with the fewest candidates are looked at. engine: never changes the answer."""
    with paused():
        closure = Closure(problem)
        found = None if minimise else direct(closure)
        return found or search(closure, minimise=minimise, engine=engine)


def search(closure: Closure, *, minimise: bool = False, engine: str = ENGINES[0]) -> Solution | Unsolvable:
    """The answer of `solve` by the complete way alone."""
    formula = encode(closure.grow())
    sat = smallest(formula.clauses, formula.last) if minimise else Sat(formula.clauses, engine)
    if sat is None:
        return Unsolvable(closure.problem)
    with sat:
        return _Search(closure, formula, sat).run() if sat.solve() else Unsolvable(closure.problem)


class Mark(NamedTuple):
    """Where a walk stood before a guess."""

    at: tuple[int, int, int]
    forced: int
    open: int
    wishes: int
    edges: int


class _Search(Walk):
    """The decisions, one after the other.

    Asking the engine for a model at every decision would make the cost of a walk quadratic. So decisions are guessed, with unit
    propagation as the only check, and a run of them is confirmed by one model; when it has none, the first guess too many is found
    by halving, the guesses before it are kept, and the walk goes on from there knowing better. The result is that of asking each time.
    """

    def __init__(self, closure: Closure, formula: Formula, sat: Sat) -> None:
        super().__init__(closure)
        self.sat, self.formula = sat, formula
        self.lost: set[int] = set()  # what no solution has any more, given what is confirmed
        self._guesses: list[tuple[int, Mark]] = []
        self._assumed: list[int] = []  # what says that the guesses are chosen
        self._run = 1  # how many guesses are made before they are confirmed
        self._agrees = True  # whether the engine's last model has all the guesses
        self._known: set[int] = set()  # literals that follow from what is confirmed
        self._implied: set[int] = set()  # literals that follow from the guesses as well

    def run(self) -> Solution:
        """Decide until everything asked for is met, then see which wishes can be had."""
        self._ask(ROOT)
        while True:
            if self._at[0] < len(self._forced):
                self._meet(0, self._forced[self._at[0]])
            elif self._at[1] < len(self._open):
                self._meet(1, self._open[self._at[1]])
            elif self._guesses:
                self._confirm()
            elif self._at[2] < len(self._wishes):
                self._wish(*self._wishes[self._at[2]])
            else:
                return self._solution()
            if len(self._guesses) >= self._run:
                self._confirm()

    def _meet(self, queue: int, choice: Choice) -> None:
        """Guess the first candidate that unit propagation does not rule out."""
        taken, known, implied = self.taken, self._known, self._implied
        mark = self._mark()
        forced, free, wishes = self._at
        self._at = (forced + (queue == 0), free + (queue == 1), wishes)
        if not taken.keys().isdisjoint(choice.allowed):
            return
        passed: list[Candidate] = []
        for variable in choice.allowed:
            literals = self.formula.on(variable)
            if variable not in self.lost and not any(-x in known or -x in implied for x in literals):
                if self._agrees and self._true(variable):  # the last model has it and all the guesses
                    self._take(variable, passed, mark)
                    return
                follows = self.sat.implied([*self._assumed, *literals])
                if follows is not None:
                    self._implied = set(follows)
                    self._take(variable, passed, mark)
                    return
            passed.append(self.closure.nodes[variable])
        self._confirm()  # the guesses leave nothing: one of them is wrong

    def _mark(self) -> Mark:
        return Mark(self._at, len(self._forced), len(self._open), len(self._wishes), len(self.edges))

    def _true(self, variable: int) -> bool:
        """Whether the last model has a candidate chosen."""
        true = self.sat.true
        return true(variable) and (len(self.formula.on(variable)) == 1 or not true(variable - 1))

    def _take(self, variable: int, passed: list[Candidate], mark: Mark) -> None:
        self._agrees = self._agrees and self._true(variable)
        self._guesses.append((variable, mark))
        self._assumed += self.formula.on(variable)
        self.taken[variable] = tuple(passed)
        self._ask(variable)

    def _confirm(self) -> None:
        """Make the guesses final, or those before the first one that is wrong."""
        guesses = [v for v, _ in self._guesses]
        right = len(guesses)
        if not self._agrees:
            right = self._right(guesses)
        for variable in guesses[:right]:
            for literal in self.formula.on(variable):
                self.sat.settle(literal)
        if right < len(guesses):
            self._back(guesses, right)
            self._run = max(1, self._run // 2)
        else:
            self._known |= self._implied
            self._run = min(MOST_GUESSES, self._run * 2)
        self._guesses.clear()
        self._assumed.clear()
        self._implied = set()
        self._agrees = True

    def _right(self, guesses: list[int]) -> int:
        """How many of the guesses have a model together; leaves the model of just these with the engine."""
        right, wrong = 0, len(guesses) + 1
        middle = len(guesses)
        while wrong - right > 1:
            if self.sat.solve([x for v in guesses[:middle] for x in self.formula.on(v)]):
                right = middle
            else:
                core = set(self.sat.core())
                places = (i + 1 for i, v in enumerate(guesses[:middle]) if not core.isdisjoint(self.formula.on(v)))
                wrong = max(places, default=middle)
            middle = (right + wrong) // 2
        return right

    def _back(self, guesses: list[int], right: int) -> None:
        """Return to where the first wrong guess was made."""
        for variable in guesses[right:]:
            del self.taken[variable]
        mark = self._guesses[right][1]
        self._at = mark.at
        del self._forced[mark.forced :], self._open[mark.open :], self._wishes[mark.wishes :], self.edges[mark.edges :]
        self.lost.add(guesses[right])
        self.sat.add(self.formula.off(guesses[right]))

    def _wish(self, asker: int, wanted: Requirement, choice: Choice) -> None:
        """Have something for a wish if there is a solution with it, all before it being final."""
        self._at = (*self._at[:2], self._at[2] + 1)
        mark = self._mark()
        if not any(v in self.taken for v in choice.allowed):
            passed: list[Candidate] = []
            for variable in choice.allowed:
                if variable not in self.lost and (self._true(variable) or self.sat.solve(self.formula.on(variable))):
                    self._take(variable, passed, mark)
                    self._confirm()
                    break
                self.lost.add(variable)
                passed.append(self.closure.nodes[variable])
            else:
                return
        self.edges.append((asker, wanted, choice))


def unmet(problem: Problem, chosen: tuple[Candidate, ...]) -> list[Requirement]:
    """Requirements that a set of candidates (a lock's, in one scope) leaves unmet: those of the roots and of each candidate."""
    there, out = set(chosen), []
    for wanted in (*problem.roots, *(r for c in chosen for r in problem.provider.needs(c) if r.kind in problem.kinds)):
        if wanted.mode == MUST and not any(c in there for term in wanted.terms for c in problem.provider.find(term)):
            out.append(wanted)
    return out
