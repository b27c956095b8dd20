"""The walk without a search: every requirement gets the first candidate that nothing chosen before it rules out.

A candidate ruled out by what was chosen before is in no solution that has all of that, so passing over it is what the full walk does.
And when the walk ends with everything met, its end is itself the solution that shows each choice to have been possible. So an answer
from here is the full walk's answer. A dead end says nothing: there is None then, and `solve` has to search. Real dependencies rarely
need that, and so rarely need an engine or a look at what is not chosen.
"""

from __future__ import annotations

from git_atom.resolve.closure import ROOT, Choice, Closure
from git_atom.resolve.problem import BOUND, MUST, Bar, Term
from git_atom.resolve.walk import Solution, Walk


def direct(closure: Closure) -> Solution | None:
    """The solution of a problem that needs no search, or None when it might need one. Expands of the closure what it takes."""
    return _Direct(closure).run()


class _Direct(Walk):
    """The decisions, each for good."""

    def __init__(self, closure: Closure) -> None:
        super().__init__(closure)
        self._there: dict[tuple[str, str], int] = {}  # scope and name -> what was chosen of it
        self._answering: dict[tuple[str, str], list[int]] = {}  # scope and any name it answers to -> what was chosen
        self._barring: dict[
            tuple[str, str], list[tuple[int, Bar]]
        ] = {}  # scope and name -> who bars something under it
        self._bounds: dict[tuple[str, str], list[frozenset[int]]] = {}  # scope and name -> what is allowed under it

    def run(self) -> Solution | None:
        """Decide until everything is met; None at a dead end."""
        self._learn(ROOT)
        forced = free = wish = 0
        while True:
            if forced < len(self._forced):
                choice, forced = self._forced[forced], forced + 1
            elif free < len(self._open):
                choice, free = self._open[free], free + 1
            elif wish < len(self._wishes):
                (asker, wanted, choice), wish = self._wishes[wish], wish + 1
                if self._meet(choice):
                    self.edges.append((asker, wanted, choice))
                continue
            else:
                return self._solution()
            if not self._meet(choice):
                return None

    def _meet(self, choice: Choice) -> bool:
        """Take the first candidate that fits unless one that was taken will do; False when none fits."""
        taken = self.taken
        for variable in choice.allowed:
            if variable in taken:
                return True
        for index, variable in enumerate(choice.allowed):
            if self._fits(variable):
                taken[variable] = tuple(self.closure.nodes[v] for v in choice.allowed[:index])
                self._learn(variable)
                return True
        return False

    def _learn(self, variable: int) -> None:
        """Note what a candidate (or the roots) answers to, bars, bounds and asks for."""
        closure = self.closure
        scope = closure.scopes[variable]
        if variable != ROOT:
            candidate = closure.nodes[variable]
            self._there[scope, candidate.name] = variable
            for name in closure.problem.provider.answers(candidate):
                self._answering.setdefault((scope, name), []).append(variable)
            for bar in closure.bars[variable]:
                self._barring.setdefault((scope, bar.term.name), []).append((variable, bar))
        for place, inside in self._bound(variable):
            self._bounds.setdefault(place, []).append(inside)
        self._ask(variable)

    def _bound(self, variable: int) -> list[tuple[tuple[str, str], frozenset[int]]]:
        """What the bounding requirements of a candidate allow under which names."""
        closure = self.closure
        return [
            ((closure.scopes[variable] if wanted.scope is None else wanted.scope, term.name), frozenset(choice.allowed))
            for wanted, choice in closure.needs[variable]
            if wanted.mode == BOUND
            for term in wanted.terms
        ]

    def _fits(self, variable: int) -> bool:
        """Whether nothing that was chosen rules a candidate out, nor it anything that was chosen."""
        closure = self.closure
        scope, candidate = closure.scopes[variable], closure.nodes[variable]
        here = (scope, candidate.name)
        if here in self._there or any(variable not in inside for inside in self._bounds.get(here, ())):
            return False
        if self._barring:
            for name in closure.problem.provider.answers(candidate):
                for _, bar in self._barring.get((scope, name), ()):
                    if candidate in closure.find(bar.term):
                        return False
        closure.expand(variable)
        for bar in closure.bars[variable]:
            others = self._answering.get((scope, bar.term.name))
            if others and self._hits(bar.term, others):
                return False
        return not self._misses(variable) and all(
            self._there.get(place, variable if place == here else ROOT) in {*inside, ROOT}
            for place, inside in self._bound(variable)
        )

    def _misses(self, variable: int) -> bool:
        """Whether a candidate needs something of a name of which something else was chosen."""
        closure, there, scope = self.closure, self._there, self.closure.scopes[variable]
        for wanted, choice in closure.needs[variable]:
            if choice.forced and choice.allowed and wanted.mode == MUST:
                other = there.get(
                    (scope if wanted.scope is None else wanted.scope, closure.nodes[choice.allowed[0]].name)
                )
                if other is not None and other not in choice.allowed:
                    return True
        return False

    def _hits(self, term: Term, others: list[int]) -> bool:
        found, nodes = self.closure.find(term), self.closure.nodes
        return any(nodes[other] in found for other in others)
