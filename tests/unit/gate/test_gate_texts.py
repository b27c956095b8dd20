"""What git hands to a hook is read strictly, ref names are exactly those of the suite, names of files are checked as file systems see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_atom.app.atom.hooking import shim
from git_atom.core import refnames
from git_atom.core.digest import MODE_FILE, MODE_LINK, MODE_TREE, Digest, Oid
from git_atom.core.refnames import Place
from git_atom.errors import AtomError, MalformedError
from git_atom.gate.content import check_name
from git_atom.gate.verdict import Update, parse

A, B, ZERO = "a" * 40, "b" * 40, "0" * 40
ROOT = Path(__file__).parents[3]


def test_lines_of_ours_are_read_and_others_passed_over() -> None:
    data = f"{ZERO} {A} refs/heads/main\n{A} {B} refs/atoms-log/head\n{A} {ZERO} refs/atoms/x/1.0.0\nref:refs/a ref:refs/b HEAD\n"
    assert parse(data.encode()) == [
        Update("refs/atoms-log/head", Oid(A), Oid(B)),
        Update("refs/atoms/x/1.0.0", Oid(A), None),
    ]
    assert parse(b"") == []
    assert parse(f"{ZERO}{'0' * 24} {A}{'a' * 24} refs/subs/x\n".encode())[0].old is None


@pytest.mark.parametrize(
    "data",
    [
        b"x\n", f"{A} {B} refs/atoms/x/1.0.0".encode(), f"{A} {B}\n".encode(), f"{A}  {B} refs/atoms/x/1\n".encode(),
        f"{A[:39]} {B} refs/atoms/x/1\n".encode(), f"{A.upper()} {B} refs/atoms/x/1\n".encode(), b"\n", b"\0\n",
        f"{A} {B * 2}{'b' * 24} refs/atoms/x/1\n".encode(), f"{A} {B}{'b' * 24} refs/atoms/x/1\n".encode(),
        f"{A} ref:refs/heads/x refs/atoms/x/1.0.0\n".encode(), f"{A} {B} refs/subs/a\n".encode() * 2,
        f"{A} {B} refs/atoms/x\0y\n".encode(), b"x" * ((64 << 20) + 1),
    ],
)  # fmt: skip
def test_lines_that_are_none(data: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        parse(data)
    assert caught.value.code == "ATOM-8501"


def test_every_ref_name_we_make_is_read_back() -> None:
    anchor, thing = Digest("blake3:" + "ab" * 32), Oid("c" * 40)
    made = {
        refnames.LOG: Place("", "log"),
        refnames.atom_ref("zlib", "1.0.0-rc.1"): Place("", "atom", "zlib", "1.0.0-rc.1"),
        refnames.atom_ref("ひらがな", "0.1.0"): Place("", "atom", "ひらがな", "0.1.0"),
        refnames.sub_ref(thing): Place("", "sub", thing=thing),
        refnames.set_log(anchor): Place(anchor.hex, "log"),
        refnames.set_atom(anchor, "zlib", "1.0.0"): Place(anchor.hex, "atom", "zlib", "1.0.0"),
        refnames.set_sub(anchor, thing): Place(anchor.hex, "sub", thing=thing),
    }
    for ref, place in made.items():
        assert refnames.guarded(ref) and refnames.read(ref) == place


@pytest.mark.parametrize(
    "ref",
    [
        "refs/atoms", "refs/atoms/", "refs/atoms//1.0.0", "refs/atoms/a/", "refs/atoms/a/1.0.0/", "refs/Atoms/a/1.0.0", "refs/subs",
        f"refs/subs/{'A' * 40}", f"refs/subs/{A}/x", "refs/sets", f"refs/sets/{'a' * 63}/log", f"refs/sets/{'a' * 64}/log/x",
        f"refs/sets/{'a' * 64}/refs/atoms/a/1.0.0", f"refs/sets/{'a' * 64}/atoms-log/head", "refs/atoms-log", "refs/atoms/\udcff/1.0.0",
        "refs/atoms-log/head2", f"refs/sets/{'a' * 64}/head",
    ],
)  # fmt: skip
def test_names_that_only_look_like_ours(ref: str) -> None:
    assert refnames.guarded(ref)
    with pytest.raises(AtomError) as caught:
        refnames.read(ref)
    assert caught.value.exit == 7


@pytest.mark.parametrize(
    "ref",
    ["refs/heads/atoms/a/1.0.0", "refs/atomsx/a", "refs/stash", "HEAD", "refs/subsidy/x", "refs/tags/refs/atoms/a"],
)
def test_other_refs_are_not_ours(ref: str) -> None:
    assert not refnames.guarded(ref)


@pytest.mark.parametrize(
    "name",
    [".git", ".GIT", ".Git.", ".git ", ".git::$INDEX_ALLOCATION", "git~1", "GIT~1", ".g\u200cit", "x\\.git", "..", "."],
)
def test_names_of_gits_own(name: str) -> None:
    for mode in (MODE_FILE, MODE_TREE, MODE_LINK):
        with pytest.raises(MalformedError):
            check_name(name.encode(), mode)


@pytest.mark.parametrize("name", [".gitmodules", ".GITATTRIBUTES", "gitmod~1", ".git\u200cignore", ".mailmap"])
def test_links_in_the_place_of_gits_own_files(name: str) -> None:
    check_name(name.encode(), MODE_FILE)
    with pytest.raises(MalformedError):
        check_name(name.encode(), MODE_LINK)


@pytest.mark.parametrize(
    "name",
    [b".github", b"git", b"a.git", b"git~10x", b"dev-x\\x2dy.mount", b"\xff", "日本".encode(), b"...", b".gitkeep"],
)
def test_names_like_any_other(name: bytes) -> None:
    for mode in (MODE_FILE, MODE_TREE, MODE_LINK):
        check_name(name, mode)


@pytest.mark.parametrize("hook", ["pre-receive", "reference-transaction"])
def test_the_shims_that_are_shipped_are_those_that_are_installed(hook: str) -> None:
    file = ROOT / "hooks" / hook
    assert file.read_text() == shim(hook) and file.stat().st_mode & 0o111
    assert len(file.read_text().splitlines()) <= 5
