"""Versions in SemVer order, requirements as cargo and npm read them."""

from __future__ import annotations

import pytest

from git_atom.core.version import Requirement, Version
from git_atom.errors import MalformedError

ORDER = ["0.0.0-0", "0.0.1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
         "1.0.0-rc.1", "1.0.0", "1.0.1", "1.10.0", "2.0.0"]  # fmt: skip


def test_order() -> None:
    versions = [Version.parse(text) for text in ORDER]
    assert sorted(reversed(versions)) == versions
    assert [str(v) for v in versions] == ORDER


@pytest.mark.parametrize(
    "text",
    ["01.0.0", "v1.0.0", "1.0", "1.0.0+x", "1.0.0-rc.lock", "1.0.0-rc.LOCK", "1.0.0-01", "1.0.0-", "1.0.0-a..b", "9" * 4301, "1.0.0\n",
     "١.0.0", "", "1.0.0-a_b", "1.0.0-" + "a" * 200, "-1.0.0"],
)  # fmt: skip
def test_refuses(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Version.parse(text)
    assert caught.value.code == "ATOM-1011"


def test_hints() -> None:
    for text, hint in (("v1.0", "write '1.0.0'"), ("1.2.3+b", "write '1.2.3'"), ("01.2", "write '1.2.0'")):
        with pytest.raises(MalformedError) as caught:
            Version.parse(text)
        assert caught.value.hint == hint


# requirement, what it allows, what not
CASES = [
    ("^1.2.3", "1.2.3 1.2.4 1.9.0", "1.2.2 2.0.0 2.0.0-a 1.3.0-a 0.9.9"),
    ("1.2.3", "1.2.3 1.9.0", "2.0.0"),
    ("^0.2.3", "0.2.3 0.2.9", "0.3.0 0.2.2"),
    ("^0.0.3", "0.0.3", "0.0.4 0.0.2"),
    ("^0.0", "0.0.0 0.0.9", "0.1.0"),
    ("^0", "0.0.0 0.9.9", "1.0.0"),
    ("^1.0.0-rc.1", "1.0.0-rc.1 1.0.0-rc.2 1.0.0 1.5.0", "1.0.0-rc.0 1.0.1-rc.1 2.0.0"),
    ("~1.2.3", "1.2.3 1.2.9", "1.3.0 1.2.2"),
    ("~1.2", "1.2.0 1.2.9", "1.3.0"),
    ("~1", "1.0.0 1.9.9", "2.0.0"),
    (">=1.2, <2", "1.2.0 1.9.9", "2.0.0 1.1.9 2.0.0-rc.1"),
    (">=1.2 <2", "1.2.0 1.9.9", "2.0.0"),
    (">1.2", "1.3.0", "1.2.0 1.2.9"),
    (">1.2.3", "1.2.4", "1.2.3"),
    ("<=1.2", "1.2.9 0.0.1", "1.3.0"),
    ("<=1.2.3", "1.2.3", "1.2.4"),
    ("<1.2.3-rc.2", "1.2.2 1.2.3-rc.1", "1.2.3-rc.2 1.2.3 1.2.2-a"),
    ("=1.2.3", "1.2.3", "1.2.4 1.2.3-a"),
    ("=1.2", "1.2.0 1.2.9", "1.3.0"),
    ("1.*", "1.0.0 1.9.0", "2.0.0 0.9.0"),
    ("1.2.*", "1.2.0 1.2.7", "1.3.0"),
    ("*", "0.0.0 9.9.9", "1.0.0-a"),
    ("^1 || ^3", "1.0.0 3.1.0", "2.0.0 4.0.0"),
    (">= 1.2.3", "1.2.3", "1.2.2"),
]


@pytest.mark.parametrize(("text", "yes", "no"), CASES)
def test_allows(text: str, yes: str, no: str) -> None:
    requirement = Requirement.parse(text)
    assert Requirement.parse(str(requirement)) == requirement
    assert [v for v in yes.split() if not requirement.allows(Version.parse(v))] == []
    assert [v for v in no.split() if requirement.allows(Version.parse(v))] == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "||",
        "^1 ||",
        "^1,",
        ",^1",
        "^^1",
        "1.*.3",
        "^*",
        "01",
        "1.2.3+x",
        "a",
        "1 - 2",
        "^1.2.3.4",
        ">=1<2",
        "^1" * 300,
    ],
)
def test_refuses_requirement(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Requirement.parse(text)
    assert caught.value.code == "ATOM-1012"
