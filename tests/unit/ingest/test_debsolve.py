"""Debian's relationships as a problem: providers, qualifiers, conflicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_atom.core.debindex import Index
from git_atom.errors import MalformedError
from git_atom.ingest.debsolve import plan
from git_atom.ingest.indexfile import open_index
from git_atom.resolve.explain import explain
from git_atom.resolve.solve import Unsolvable, solve
from git_atom.resolve.walk import Solution


def index(*paragraphs: str) -> Index:
    text = "\n\n".join("\n".join(f.strip() for f in p.split(";")) for p in paragraphs)
    return Index((text + "\n").replace("P: ", "Package: ").replace("V: ", "Version: ").encode())


def chosen(wanted: list[str], *indexes: Index, **more: bool) -> list[str]:
    answer = solve(plan(wanted, list(indexes), **more).problem)  # type: ignore[arg-type]
    assert isinstance(answer, Solution), explain(answer).text()
    return [str(c.candidate) for c in answer.chosen]


def refused(wanted: list[str], *indexes: Index) -> list[str]:
    answer = solve(plan(wanted, list(indexes)).problem)
    assert isinstance(answer, Unsolvable)
    return explain(answer).text()


def test_the_newest_of_several_indexes() -> None:
    assert chosen(["a"], index("P: a; V: 1.9"), index("P: a; V: 1.10"), index("P: a; V: 1.9")) == ["a 1.10"]


def test_real_packages_before_provided_ones_and_those_by_priority() -> None:
    of = index(
        "P: c; V: 1; Provides: v; Priority: optional",
        "P: b; V: 1; Provides: v; Priority: important",
        "P: r; V: 1; Depends: v",
    )
    assert chosen(["r"], of) == ["b 1", "r 1"]
    assert chosen(["r"], of, index("P: v; V: 0")) == ["r 1", "v 0"]


def test_a_provided_name_without_version_meets_no_version() -> None:
    of = index("P: p; V: 5; Provides: v", "P: q; V: 1; Provides: v (= 3)", "P: r; V: 1; Depends: v (>= 2)")
    assert chosen(["r"], of) == ["q 1", "r 1"]
    assert chosen(["v"], of) == ["p 5"]
    assert refused(["v (>= 4)"], of) == ["command line requires v (>= 4), but there is only p 5, q 1"]


def test_conflicts_and_breaks_spare_oneself() -> None:
    of = index(
        "P: exim; V: 4; Provides: mta; Conflicts: mta", "P: postfix; V: 3; Provides: mta; Conflicts: mta", "P: old; V: 1",
        "P: new; V: 2; Breaks: old (<< 2)",
    )  # fmt: skip
    assert chosen(["exim"], of) == ["exim 4"]
    assert refused(["exim", "postfix"], of)[-1].endswith("conflicts with mta, which is exim, postfix") or refused(
        ["exim", "postfix"], of
    )
    assert "  new 2 breaks old (<< 2)" in refused(["new", "old"], of)


def test_qualifiers() -> None:
    of = index(
        "P: python; V: 3; Multi-Arch: allowed", "P: plain; V: 1", "P: a; V: 1; Depends: python:any (>= 3)", "P: b; V: 1; Depends: plain:any",
        "P: c; V: 1; Depends: plain:amd64, python:native", "P: d; V: 1; Depends: plain:i386",
    )  # fmt: skip
    assert chosen(["a"], of) == ["a 1", "python 3"]
    assert chosen(["c"], of) == ["c 1", "plain 1", "python 3"]
    assert refused(["b"], of)[1] == "  b 1 requires plain:any, but there is only plain 1"
    assert refused(["d"], of)[1] == "  d 1 requires plain:i386, but there is only plain 1"


def test_recommends_and_essential_only_when_asked() -> None:
    of = index("P: a; V: 1; Recommends: b | c, gone", "P: b; V: 1", "P: sh; V: 1; Essential: yes")
    assert chosen(["a"], of) == ["a 1"]
    assert chosen(["a"], of, recommends=True) == ["a 1", "b 1"]
    assert chosen(["a"], of, essential=True) == ["a 1", "sh 1"]


def test_a_cycle_and_pre_depends() -> None:
    assert chosen(["a"], index("P: a; V: 1; Pre-Depends: b", "P: b; V: 1; Depends: a (= 1)")) == ["a 1", "b 1"]


def test_malformed_wishes_and_fields() -> None:
    with pytest.raises(MalformedError):
        plan(["a (>= "], [index("P: a; V: 1")])
    with pytest.raises(MalformedError):
        solve(plan(["a"], [index("P: a; V: 1; Depends: b c")]).problem)


def test_an_index_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "Packages"
    file.write_bytes(
        b"Package: a\nVersion: 1\nProvides: \xffv\n\nPackage: a\nVersion: 2\nProvides: v (= 1),\n w , v\n\nPackage: b\nVersion: 1\n"
    )
    with open_index(str(file)) as index:
        assert sorted(p.version for p in index.packages("a")) == ["1", "2"]
        assert [p.version for p in index.providers("w")] == ["2"]
        assert {p.version for p in index.providers("v")} == {"2"}
        assert index.names() == ["a", "b"]
    file.write_bytes(b"")
    with open_index(str(file)) as empty:
        assert empty.names() == []
