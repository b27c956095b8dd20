"""Why something is in a solution."""

from __future__ import annotations

from git_atom.resolve.paths import every, inverted, shortest, tree
from git_atom.resolve.problem import Candidate, Catalogue, Offer, Problem, Requirement, Term
from git_atom.resolve.solve import solve
from git_atom.resolve.walk import Chosen, Edge, Solution

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
    assert [names(path) for path in shortest(solution(), "d")] == ["abd"]
    assert [names(path) for path in shortest(solution(), "e")] == ["xe"]
    assert shortest(solution(), "e")[0][0].wanted.origin == "atom.toml:2"
    assert shortest(solution(), "nothing") == []


def test_the_shortest_path_to_each_of_one_name() -> None:
    things = [
        Chosen("", Candidate("z", "1"), True),
        Chosen("", Candidate("a", "1"), True),
        Chosen("pin", Candidate("z", "2"), True),
    ]
    links = [(-1, "a", 1), (-1, "z", 2), (1, "z", 0)]
    found = Solution(tuple(things), tuple(Edge(a, Requirement((Term(n),)), b) for a, n, b in links))
    assert [[str(s.chosen.candidate) for s in path] for path in shortest(found, "z")] == [["z 2"], ["a 1", "z 1"]]


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
