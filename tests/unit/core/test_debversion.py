"""Debian versions and relationship fields."""

from __future__ import annotations

import itertools

import pytest

from git_atom.core.debindex import Index, Relation, parse_alternatives, parse_relations, scan
from git_atom.core.debversion import compare, key, satisfies
from git_atom.errors import MalformedError

# in dpkg's order, each row one value
ORDER = [
    ["0~~"], ["0~"], ["0", "0-0", "00"], ["0-1"], ["0a"], ["0+"], ["0.1~rc1-1"], ["0.1-1"], ["0.1-1.1"], ["0.1a"], ["0.9"],
    ["0.10"], ["1.0~alpha~1"], ["1.0~alpha"], ["1.0~beta"], ["1.0", "1.0-0"], ["1.0-0+b1"], ["1.0-1~bpo1"], ["1.0-1"],
    ["1.0-1ubuntu1"], ["1.0-1+b1"], ["1.0-1+deb12u1"], ["1.0-10"], ["1.0a"], ["1.0+dfsg-1"], ["1.0.1"], ["1:0.1"], ["2:0"],
]  # fmt: skip


def test_order() -> None:
    for (i, one), (j, other) in itertools.product(enumerate(ORDER), repeat=2):
        for a, b in itertools.product(one, other):
            assert compare(a, b) == (i > j) - (i < j), (a, b)
            assert (key(a) < key(b)) == (i < j)


@pytest.mark.parametrize("text", ["", "-1", "1-", ":1", "a:1", "1 2", "1/2", "1:", "1_0", "1" * 513, "1\n"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        key(text)
    assert caught.value.code == "ATOM-1051"


def test_satisfies() -> None:
    assert satisfies("1.0-1", "", "")
    assert [satisfies("1.0", op, "1.0-0") for op in ("<<", "<=", "=", ">=", ">>")] == [False, True, True, True, False]
    assert [satisfies("1.0~", op, "1.0") for op in ("<<", "<=", "=", ">=", ">>")] == [True, True, False, False, False]


def test_relations() -> None:
    text = "libc6 (>= 2.34), python3:any | python3-minimal (<< 4) ,perl(=1), a (<1), \n b (> 2), "
    assert parse_relations(text) == (
        (Relation("libc6", "", ">=", "2.34"),),
        (Relation("python3", "any"), Relation("python3-minimal", "", "<<", "4")),
        (Relation("perl", "", "=", "1"),),
        (Relation("a", "", "<=", "1"),),
        (Relation("b", "", ">=", "2"),),
    )
    assert str(parse_relations(text)[1][1]) == "python3-minimal (<< 4)"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a |",
        "(>= 1)",
        "a (>= )",
        "a (1)",
        "a (== 1)",
        "a b",
        "a (>= 1",
        "é",
        "a [amd64]",
        "a <!nocheck>",
        "a (>= 1) (<< 2)",
    ],
)
def test_what_is_no_relationship(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_alternatives(text)
    assert caught.value.code == "ATOM-1050"


INDEX = b"""\
Package: a
Version: 1.0-1
Provides: v (= 2), w,
 x (= 3)
Depends: b (>= 1),
 c
Description: Package: not one
 Provides: nothing

Package: b
Version: 2
Essential: yes

Package: a
Version: 1.1
"""


def test_index() -> None:
    index = Index(INDEX)
    assert sorted(p.version for p in index.packages("a")) == ["1.0-1", "1.1"]
    assert [p.version for p in index.packages("b")] == ["2"]
    assert index.packages("c") == [] == index.providers("a")
    first = index.providers("x")[0]
    assert (first.name, first.version, first.get("Depends"), first.get("Provides")) == (
        "a",
        "1.0-1",
        "b (>= 1), c",
        "v (= 2), w, x (= 3)",
    )
    assert [p.name for p in index.essential()] == ["b"]
    assert index.names() == ["a", "b"]
    assert first.get("Description") == "Package: not one Provides: nothing" and first.get("Filename") == ""


def test_scans_of_odd_indexes() -> None:
    assert scan(b"") == (({}, {}), ({}, {}))
    assert Index(b"Package: a").found.packages.first == {b"a": 0}
    with pytest.raises(MalformedError):
        Index(b"Package: a").packages("a")
    with pytest.raises(MalformedError):
        Index(b"X: 1\n\nPackage: a\nSize: 3\n\nPackage: b\nVersion: 1\n").packages("a")
    assert Index(b"\n\n\nPackage: b\nVersion: \xff1\n").packages("b")[0].version == "\ufffd1"
