"""The one door of python-sat: add clauses, solve under assumptions, ask for the model or the core. Literals are DIMACS integers.

The answer of a resolution never depends on which model or core an engine happens to find; that is the callers' law, and why the
engine can be chosen freely.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

ENGINES = ("cadical153", "glucose4", "minisat22")

Clause = Sequence[int]


class Sat:
    """A formula and one engine over it. `close()` it, or use it as a context."""

    def __init__(self, clauses: Iterable[Clause], engine: str = ENGINES[0]) -> None:
        from pysat.solvers import Solver

        self._solver: Any = Solver(name=engine, bootstrap_with=clauses)
        self._units: list[int] = []
        self._model: list[int] = []

    def __enter__(self) -> Sat:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the engine."""
        self._solver.delete()

    def add(self, clause: Clause) -> None:
        """Add a clause for good."""
        self._solver.add_clause(clause)

    def settle(self, literal: int) -> None:
        """Make a literal true for good; told to the engine when it is next asked to solve."""
        self._units.append(literal)

    def phases(self, literals: Sequence[int]) -> None:
        """The sign to try first for each variable; a hint for speed, without effect on what is true."""
        self._solver.set_phases(literals)

    def solve(self, assume: Sequence[int] = ()) -> bool:
        """Whether there is a model under the assumptions; keeps it for `true`."""
        self._tell()
        if not self._solver.solve(assumptions=assume):
            return False
        self._model = self._solver.get_model() or []
        return True

    def implied(self, assume: Sequence[int]) -> list[int] | None:
        """What follows from the assumptions by unit propagation alone, or None when that already shows that they cannot hold."""
        self._tell()
        holds, literals = self._solver.propagate(assumptions=assume)
        return literals or [] if holds else None

    def _tell(self) -> None:
        for unit in self._units:
            self._solver.add_clause([unit])
        self._units.clear()

    def true(self, variable: int) -> bool:
        """Whether the last model has the variable true; a variable the engine never heard of is false."""
        return variable <= len(self._model) and self._model[variable - 1] > 0

    def core(self) -> list[int]:
        """Of the assumptions of the last failed solve, some that cannot hold together."""
        return self._solver.get_core() or []


def smallest(clauses: Iterable[Clause], variables: Iterable[int], engine: str = "glucose4") -> Sat | None:
    """A formula restricted to the models with the fewest true among the variables, or None when there is no model at all.

    RC2 (Ignatiev, Morgado, Marques-Silva 2019) ends with a formula whose remaining soft literals all hold in exactly the optimal
    models; those literals are made true for good.
    """
    from pysat.examples.rc2 import RC2
    from pysat.formula import WCNF

    formula = WCNF()
    formula.extend([list(c) for c in clauses])
    for variable in variables:
        formula.append([-variable], weight=1)
    rc2 = RC2(formula, solver=engine)
    if rc2.compute() is None:
        rc2.delete()
        return None
    return _Optimal(rc2)


class _Optimal(Sat):
    """RC2's own engine after it has ended."""

    def __init__(self, rc2: Any) -> None:
        self._rc2 = rc2
        self._solver = rc2.oracle
        self._units = [*rc2.sels, *rc2.sums]
        self._model = []

    def close(self) -> None:
        """Free RC2 and its engine."""
        self._rc2.delete()
