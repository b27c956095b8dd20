"""The clauses of a closure: what it takes for something to be a solution.

The versions of a name are neighbours, best first, and the variable of one says `this one or a better one is chosen`. So at most one of
them is chosen by nature, that a certain one is takes two literals, and so does a range, however many versions lie in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from git_atom.resolve.closure import ROOT, Closure, itself
from git_atom.resolve.problem import BOUND, MUST, is_decision


class Formula:
    """Clauses over the variables of a closure and further ones."""

    def __init__(self, closure: Closure, left_out: Iterable[int] = ()) -> None:
        """Begin with one candidate of a name in a scope; those left out are not chosen."""
        self.top = closure.size
        self.clauses: list[list[int]] = []
        self.last: list[
            int
        ] = []  # variables that are true for each name of which something is chosen; decisions do not count
        self._feet = list(range(closure.size + 1))  # of each variable, the best version's
        self._tails: dict[Sequence[int], list[list[int]]] = {}
        for place, variables in closure.named.items():
            length = len(closure.blocks[place])
            if length > 1:
                self._feet[variables[0] : variables[0] + length] = [variables[0]] * length
                self.clauses += [[-v, v + 1] for v in variables[: length - 1]]
            apart = [variables[length - 1], *variables[length:]]
            self.clauses += [[-a, -b] for i, a in enumerate(apart) for b in apart[:i]]
            self.last += () if is_decision(place[1]) else apart
        self.clauses += map(self.off, left_out)

    def fresh(self) -> int:
        """A new variable."""
        self.top += 1
        return self.top

    def on(self, variable: int) -> tuple[int, ...]:
        """Literals that together say that a candidate is chosen."""
        return (variable,) if self._feet[variable] == variable else (variable, 1 - variable)

    def off(self, variable: int) -> list[int]:
        """A clause that says that a candidate is not chosen."""
        return [-variable] if self._feet[variable] == variable else [-variable, variable - 1]

    def tails(self, members: Sequence[int]) -> list[list[int]]:
        """Clauses that together say that one of the members is chosen."""
        if not members:
            return [[]]
        tails = self._tails.get(members)
        if tails is None:
            tails = self._tails[members] = self._range(members) or self._any(members)
        return tails

    def _range(self, members: Sequence[int]) -> list[list[int]]:
        """The two literals for members that are neighbours; empty when they are not."""
        low, high = (members[0], members[-1]) if isinstance(members, range) else (min(members), max(members))
        if high - low + 1 != len(members) or self._feet[low] != self._feet[high]:
            return []
        return [[high]] if self._feet[low] == low else [[high], [1 - low]]

    def _any(self, members: Sequence[int]) -> list[list[int]]:
        met: list[int] = []
        for variable in members:
            literals = self.on(variable)
            if len(literals) > 1:
                both = self.fresh()
                self.clauses += [[-both, literal] for literal in literals]
                literals = (both,)
            met += literals
        return [met]


def encode(closure: Closure) -> Formula:
    """The clauses of a closure."""
    formula = Formula(closure, sorted(closure.excluded))
    clauses, tails, off = formula.clauses, formula.tails, formula.off
    for variable, needs in enumerate(closure.needs):
        head = [] if variable == ROOT else off(variable)
        for wanted, choice in needs:
            if wanted.mode == BOUND:
                clauses += [head + off(v) for v in closure.outside(variable, wanted, choice)]
            elif wanted.mode == MUST and not itself(variable, choice):
                clauses += [head + tail for tail in tails(choice.allowed)]
    for variable, bars in enumerate(closure.bars):
        for bar in bars:
            clauses += [off(variable) + off(other) for other in closure.barred_by(variable, bar)]
    for index, clause in enumerate(clauses):
        if not clause:  # a root that nothing meets; engines differ in what they make of an empty clause
            clauses[index] = [formula.fresh()]
            clauses.append([-formula.top])
    return formula
