"""The choice without search."""

from __future__ import annotations

from git_atom.core.version import Requirement, Version
from git_atom.resolve.highest import Chosen, clashes, newest

OFFERED = [Version.parse(text) for text in ("1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1", "2.0.0")]


def pick(requirement: str, *first: str) -> str:
    return str(newest(Requirement.parse(requirement), reversed(OFFERED), [Version.parse(text) for text in first]))


def test_newest() -> None:
    assert pick("^1") == "1.10.0" and pick("*") == "2.0.0" and pick("^3") == "None" and pick("=1.2.0") == "1.2.0"


def test_what_is_locked_stays() -> None:
    assert pick("^1", "1.2.0") == "1.2.0"
    assert pick("^1", "2.0.0", "1.0.0") == "1.0.0"
    assert pick("^1", "1.5.0") == "1.10.0"


def test_clashes() -> None:
    def chosen(name: str, version: str, who: str) -> Chosen:
        return Chosen(name, (version,), Version.parse(version), (who,))

    rows = [chosen("z", "1.0.0", "a"), chosen("y", "1.0.0", "a"), chosen("z", "1.0.0", "b"), chosen("z", "2.0.0", "c")]
    (clash,) = clashes(rows)
    assert (clash.one.chain, clash.other.chain) == (("a",), ("c",))
    assert clashes(rows[:3]) == []
