"""Why something is in a solution: the shortest path to it from a root, every path, and the whole as a tree, either way up."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from git_atom.resolve.problem import Requirement
from git_atom.resolve.walk import Chosen, Edge, Solution

MAX_PATHS = 100


class Step(NamedTuple):
    """One edge of a path: what is required, and what was chosen for it."""

    wanted: Requirement
    chosen: Chosen


class Branch(NamedTuple):
    """A place in a tree. wanted: the requirement that leads here, None at the top of an inverted tree. again: shown in full elsewhere."""

    depth: int
    wanted: Requirement | None
    chosen: Chosen
    again: bool


def shortest(solution: Solution, name: str) -> list[tuple[Step, ...]]:
    """For each thing of this name a shortest path to it from a root, among equals the first by requirement; shortest first."""
    by, before, queue = _by_asker(solution), dict[int, Edge](), deque([-1])
    while queue:
        for edge in by.get(queue.popleft(), ()):
            if edge.target not in before:
                before[edge.target] = edge
                queue.append(edge.target)
    return [_back(solution, before, at) for at in before if solution.chosen[at].candidate.name == name]


def _back(solution: Solution, before: dict[int, Edge], at: int) -> tuple[Step, ...]:
    steps: list[Step] = []
    while at != -1:
        edge = before[at]
        steps.append(Step(edge.wanted, solution.chosen[at]))
        at = edge.asker
    return tuple(reversed(steps))


def every(solution: Solution, name: str, most: int = MAX_PATHS) -> list[tuple[Step, ...]]:
    """Paths without a repeated place from the roots to something of this name, shortest first, at most so many."""
    by = _by_asker(solution)
    reaches = _ancestors(solution, name)
    out: list[tuple[Step, ...]] = []
    queue: deque[tuple[Edge, ...]] = deque((edge,) for edge in by.get(-1, ()) if edge.target in reaches)
    while queue and len(out) < most:
        path = queue.popleft()
        at = path[-1].target
        if solution.chosen[at].candidate.name == name:
            out.append(tuple(Step(edge.wanted, solution.chosen[edge.target]) for edge in path))
            continue
        seen = {edge.target for edge in path}
        if len(queue) < most * 100:
            queue += [(*path, e) for e in by.get(at, ()) if e.target in reaches and e.target not in seen]
    return out


def _ancestors(solution: Solution, name: str) -> set[int]:
    """What has something of this name, itself included, below it."""
    askers: dict[int, set[int]] = {}
    for edge in solution.edges:
        askers.setdefault(edge.target, set()).add(edge.asker)
    todo = [i for i, chosen in enumerate(solution.chosen) if chosen.candidate.name == name]
    found = set(todo)
    while todo:
        fresh = askers.get(todo.pop(), set()) - found - {-1}
        found |= fresh
        todo += fresh
    return found


def tree(solution: Solution) -> Iterator[Branch]:
    """The solution from its roots down, depth first; what was shown before is not opened again."""
    yield from _open(solution, _by_asker(solution), [(0, e.wanted, e.target) for e in _by_asker(solution).get(-1, ())])


def inverted(solution: Solution, name: str) -> Iterator[Branch]:
    """From something of this name up to all that needs it; the requirement shown is the one of the branch itself."""
    by: dict[int, list[Edge]] = {}
    for edge in solution.edges:
        if edge.asker >= 0:
            by.setdefault(edge.target, []).append(Edge(edge.target, edge.wanted, edge.asker))
    tops = [i for i, chosen in enumerate(solution.chosen) if chosen.candidate.name == name]
    yield from _open(solution, by, [(0, None, i) for i in tops])


def _open(
    solution: Solution, by: dict[int, list[Edge]], stack: list[tuple[int, Requirement | None, int]]
) -> Iterator[Branch]:
    seen: set[int] = set()
    stack.reverse()
    while stack:
        depth, wanted, at = stack.pop()
        below = by.get(at, [])
        yield Branch(depth, wanted, solution.chosen[at], at in seen and bool(below))
        if at not in seen:
            seen.add(at)
            stack += [(depth + 1, e.wanted, e.target) for e in reversed(below)]


def _by_asker(solution: Solution) -> dict[int, list[Edge]]:
    by: dict[int, list[Edge]] = {}
    for edge in solution.edges:
        by.setdefault(edge.asker, []).append(edge)
    return by
