"""Cargo.lock is read whole or refused, whatever stands in it; a crate's URL says where it is laid out."""

from __future__ import annotations

import pytest

from git_atom.errors import AtomError
from git_atom.ingest import cargo
from git_atom.ingest.cargo import Crate


@pytest.mark.parametrize("name", ["dep-0.1.0", "serde_yaml-0.9.34+deprecated", "a-b-1.0.0-rc.1"])
def test_the_place_of_a_crate_is_in_its_url(name: str) -> None:
    crate, version = name[: name.index("-", 2)], name[name.index("-", 2) + 1 :]
    assert cargo.place(Crate(crate, version, "").url) == name


@pytest.mark.parametrize(
    "url",
    ["https://h.example/crates/a/a-1.0.0.crate", cargo.HOST + "a/b-1.0.0.crate", cargo.HOST + "a/a-../x.crate", ""],
)
def test_another_url_has_none(url: str) -> None:
    assert cargo.place(url) == ""


@pytest.mark.parametrize(
    "text",
    [
        "", "version = true", "version = 3\npackage = 1", "version = 3\npackage = [1]", 'version = "3"',
        "version = 3\n[[package]]\nsource = 1", 'version = 3\n[[package]]\nname = 1\nversion = []\nsource = "x"', "[" * 5000, "\udcff",
    ],
)  # fmt: skip
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(AtomError) as caught:
        cargo.parse(text.encode(errors="surrogateescape"), "Cargo.lock")
    assert caught.value.code == "ATOM-5040"


def test_members_of_the_workspace_are_nothing_to_fetch() -> None:
    assert cargo.parse(b'version = 4\n[[package]]\nname = "app"\nversion = "0.1.0"\n', "Cargo.lock") == []
