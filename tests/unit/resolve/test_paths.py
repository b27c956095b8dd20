"""Why something is in a solution."""

from __future__ import annotations

from git_atom.resolve.paths import every, inverted, shortest, tree
from git_atom.resolve.problem import Candidate, Catalogue, Offer, Problem, Requirement, Term
from git_atom.resolve.solve import solve
from git_atom.resolve.walk import Solution

NEEDS = {"a": "bc", "b": "d", "c": "bd", "d": "ea", "e": "", "x": "e"}


def solution() -> Solution:
    offers = [
        Offer(Candidate(n, "1"), 1, frozenset(), tuple(Requirement((Term(m),)) for m in needs))
        for n, needs in NEEDS.items()
    ]
    answer = solve(
        Problem((Requirement((Term("a"),), "atom.toml:1"), Requirement((Term("x"),), "atom.toml:2")), Catalogue(offers))
    )
    assert isinstance(answer, Solution)
    return answer


def names(path: object) -> str:
    return "".join(step.chosen.candidate.name for step in path)  # type: ignore[attr-defined]


def test_the_shortest_path() -> None:
    assert names(shortest(solution(), "d")) == "abd"
    assert names(shortest(solution(), "e")) == "xe"
    assert shortest(solution(), "e")[0].wanted.origin == "atom.toml:2"
    assert shortest(solution(), "nothing") == ()


def test_every_path_shortest_first_and_bounded() -> None:
    assert [names(p) for p in every(solution(), "e")] == ["xe", "abde", "acde", "acbde"]
    assert len(every(solution(), "e", most=2)) == 2
    assert every(solution(), "nothing") == []


def test_the_tree_opens_nothing_twice() -> None:
    told = ["  " * b.depth + b.chosen.candidate.name + (" again" if b.again else "") for b in tree(solution())]
    assert told == ["a", "  b", "    d", "      a again", "      e", "  c", "    b again", "    d again", "x", "  e"]


def test_the_inverted_tree() -> None:
    told = ["  " * b.depth + b.chosen.candidate.name + (" again" if b.again else "") for b in inverted(solution(), "e")]
    assert told[0] == "e" and set(told[1:]) >= {"  d", "  x"}
