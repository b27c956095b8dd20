"""Which of the versions that a set offers is taken, and what is said when none is."""

import pytest

from git_atom.app.atom.atoms import Offered, choose
from git_atom.core.digest import EMPTY, Oid
from git_atom.core.version import Requirement, Version
from git_atom.errors import AtomError


def offered(version: str, *, retracted: bool = False, young: bool = False) -> Offered:
    return Offered(EMPTY, Oid("0" * 40), "a", Version.parse(version), retracted, young)


def test_versions_that_only_the_users_minimum_age_holds_back_are_named_with_the_setting() -> None:
    rows = [offered("0.9.0", retracted=True), offered("1.0.0", young=True), offered("2.0.0", young=True)]
    with pytest.raises(AtomError) as caught:
        choose(rows, "a", Requirement.parse("^1"), "/there")
    error = caught.value
    assert (error.code, error.exit) == ("ATOM-3017", 2) and error.note == "atom.minimumReleaseAge holds back 1.0.0"
    assert choose(rows, "a", Version.parse("1.0.0"), "/there").young, "what a lock names is taken"
    with pytest.raises(AtomError) as caught:
        choose(rows, "a", Requirement.parse("^3"), "/there")
    assert (caught.value.code, caught.value.exit, caught.value.hint) == ("ATOM-8010", 1, "git atom list /there")


def test_that_a_prerelease_has_to_be_named_is_said_only_where_there_is_one() -> None:
    for version, said in (("1.0.0-rc.1", True), ("1.0.0", False)):
        with pytest.raises(AtomError) as caught:
            choose([offered(version, retracted=version == "1.0.0")], "a", None, "/there")
        assert ("pre-release" in caught.value.hint) is said
