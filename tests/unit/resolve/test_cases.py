"""The cases of tests/cases/resolve: a small index of SemVer names, what is asked for, and the answer or the explanation, word for word.

In a case `a ^1 | b` are alternatives, `?a` is a wish, `!a <2` bounds, `a @tools` is met in the scope `tools`, `test: a` is a test edge.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from git_atom.core.version import Requirement as Range
from git_atom.core.version import Version
from git_atom.resolve.explain import explain
from git_atom.resolve.problem import BOUND, MUST, WISH, Bar, Candidate, Problem, Requirement, Term
from git_atom.resolve.sat import ENGINES
from git_atom.resolve.solve import Unsolvable, solve
from git_atom.resolve.walk import Solution

CASES = sorted((Path(__file__).resolve().parents[2] / "cases/resolve").glob("*.json"))


class SemVer:
    """A provider over an index as the cases write it."""

    def __init__(self, index: dict[str, dict[str, dict[str, Any]]]) -> None:
        self._index = index

    def find(self, term: Term) -> list[Candidate]:
        known = sorted(map(Version.parse, self._index.get(term.name, {})), reverse=True)
        allowed = [v for v in known if not term.spec or Range.parse(term.spec).allows(v)]
        return [Candidate(term.name, str(v), self._index[term.name][str(v)].get("excluded", "")) for v in allowed]

    def needs(self, candidate: Candidate) -> list[Requirement]:
        return [requirement(text) for text in self._index[candidate.name][candidate.version].get("needs", ())]

    def bars(self, candidate: Candidate) -> list[Bar]:
        return [Bar(term(text)) for text in self._index[candidate.name][candidate.version].get("bars", ())]

    def answers(self, candidate: Candidate) -> tuple[str]:
        return (candidate.name,)

    def near(self, name: str) -> list[str]:
        return sorted(n for n in self._index if n[:2] == name[:2])


def term(text: str) -> Term:
    name, _, spec = text.strip().partition(" ")
    return Term(name, spec)


def requirement(text: str, origin: str = "") -> Requirement:
    kind, colon, rest = text.partition(": ")
    kind, rest = (kind, rest) if colon else ("run", text)
    mode = {"?": WISH, "!": BOUND}.get(rest[0], MUST)
    rest, at, scope = rest.lstrip("?!").partition(" @")
    return Requirement(tuple(term(t) for t in rest.split(" | ")), origin, kind, mode, scope if at else None)


def problem(case: dict[str, Any]) -> Problem:
    roots = tuple(requirement(text, f"atom.toml:{i}") for i, text in enumerate(case["roots"], 1))
    prefer = {("", name): version for name, version in case.get("locked", {}).items()}
    return Problem(roots, SemVer(case["index"]), prefer)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_case(path: Path, engine: str) -> None:
    case = json.loads(path.read_text())
    answer = solve(problem(case), minimise=case.get("minimise", False), engine=engine)
    if "answer" in case:
        assert isinstance(answer, Solution)
        told = [f"{c.candidate} @{c.scope}" if c.scope else str(c.candidate) for c in answer.chosen]
        assert told == case["answer"]
        for name, reason in case.get("reasons", {}).items():
            assert {c.candidate.name: c.reason for c in answer.chosen}[name] == reason
    else:
        assert isinstance(answer, Unsolvable)
        why = explain(answer, engine=engine)
        assert why.text() == case["lines"]
        assert [[str(change) for change in way] for way in why.ways] == case["ways"]
        assert [[name, *near] for name, near in why.unknown] == case.get("unknown", [])


def test_there_are_cases() -> None:
    assert len(CASES) >= 15
