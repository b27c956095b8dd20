"""The clauses of a closure: what it takes for something to be a solution.

Where a name has more than a few versions they are ordered, and a ladder of variables says `something among the best i is chosen`. It
makes at most one of them choosable, and turns a range of versions into two literals, however many versions lie in it.
"""

from __future__ import annotations

from collections.abc import Iterable

from git_atom.resolve.closure import ROOT, Closure, itself
from git_atom.resolve.problem import BOUND, MUST, Term

FEW = 4  # up to so many versions of a name are told apart pair by pair


class Formula:
    """Clauses over the variables of a closure and further ones. `phases`: the sign to try first for each candidate."""

    def __init__(self, closure: Closure, left_out: Iterable[int] = ()) -> None:
        """Begin with one candidate of a name in a scope; those left out are false and stand in no ladder."""
        self.top = closure.size
        self.clauses: list[list[int]] = [[-v] for v in left_out]
        self._without = set(left_out)
        # candidate -> its variable of the ladder, the ladder's first variable, and the ladder's candidates, best first
        self._place: dict[int, tuple[int, int, tuple[int, ...]]] = {}
        self._tails: dict[tuple[int, ...], list[list[int]]] = {}
        for (scope, name), variables in closure.named.items():
            if len(variables) > FEW:
                best_first = [v for v in closure.meets(scope, Term(name)) if closure.nodes[v].name == name]
                self._ladder(tuple(v for v in dict.fromkeys([*best_first, *variables]) if v not in self._without))
            else:
                self.clauses += [[-a, -b] for i, a in enumerate(variables) for b in variables[:i]]

    def fresh(self) -> int:
        """A new variable."""
        self.top += 1
        return self.top

    def _ladder(self, order: tuple[int, ...]) -> None:
        foot = step = self.top + 1
        self.top += len(order)
        clauses = self.clauses
        for variable in order:
            self._place[variable] = step, foot, order
            clauses.append([-variable, step])
            if step == foot:
                clauses.append([-step, variable])
            else:
                clauses += [[1 - step, step], [1 - step, -variable], [-step, step - 1, variable]]
            step += 1

    def tails(self, members: tuple[int, ...]) -> list[list[int]]:
        """Clauses that together say that one of the members is chosen."""
        if len(members) < 3:
            return [[*members]]
        tails = self._tails.get(members)
        if tails is None:
            tails = self._tails[members] = self._range(members) or self._any(members)
        return tails

    def _range(self, members: tuple[int, ...]) -> list[list[int]]:
        """The two literals for members that are a run of one ladder; empty when they are not."""
        places = self._place
        if members[0] not in places:
            return []
        low, foot, order = places[members[0]]
        if order[low - foot : low - foot + len(members)] != members:
            if not all(map(places.__contains__, members)):
                return []
            members = tuple(sorted(members, key=places.__getitem__))
            low, foot, order = places[members[0]]
            if order[low - foot : low - foot + len(members)] != members:
                return []
        high = low + len(members) - 1
        return [[high]] if low == foot else [[high], [1 - low]]

    def _any(self, members: tuple[int, ...]) -> list[list[int]]:
        met = self.fresh()
        self.clauses.append([-met, *members])
        return [[met]]


def encode(closure: Closure) -> tuple[Formula, list[int]]:
    """The clauses of a closure, and for each candidate the sign to try first."""
    formula = Formula(closure, sorted(closure.excluded))
    clauses, tails = formula.clauses, formula.tails
    first: set[int] = set()
    for variable, needs in enumerate(closure.needs):
        for wanted, choice in needs:
            allowed = choice.allowed
            if allowed:
                first.add(allowed[0])
            if wanted.mode == BOUND:
                clauses += [_if(variable, [-v]) for v in closure.outside(variable, wanted, choice)]
            elif wanted.mode == MUST and not itself(variable, choice):
                for tail in tails(allowed):
                    clauses.append([-variable, *tail] if variable else tail)
    for variable, bars in enumerate(closure.bars):
        for bar in bars:
            clauses += [[-variable, -other] for other in closure.barred_by(variable, bar)]
    for index, clause in enumerate(clauses):
        if not clause:  # a root that nothing meets; engines differ in what they make of an empty clause
            clauses[index] = [formula.fresh()]
            clauses.append([-formula.top])
    return formula, [v if v in first else -v for v in range(1, closure.size + 1)]


def _if(variable: int, then: list[int]) -> list[int]:
    return then if variable == ROOT else [-variable, *then]
