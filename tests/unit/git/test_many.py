"""Many objects at once: read in few questions, written in one pack, and never other than one by one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from git_atom.core.digest import MODE_FILE, MODE_TREE, Oid
from git_atom.errors import CannotError, MalformedError
from git_atom.git import refs, remote, trees
from git_atom.git.objects import Objects
from git_atom.git.refs import Change
from git_atom.git.remote import Update
from git_atom.git.repo import Repo, open_at
from git_atom.git.trees import encode_tree
from git_atom.git.written import one_pack, write_loose


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    env = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    for name in ("here.git", "there.git"):
        subprocess.run(["git", "init", "-q", "--bare", tmp_path / name], env=env, check=True)
    return open_at(str(tmp_path / "here.git"), env)


def grow(repo: Repo, count: int = 40) -> Oid:
    """A tree of `count` directories with a file each, and a file whose name sorts around theirs."""
    entries = []
    for number in range(count):
        blob = write_loose(repo, "blob", b"%d" % number)
        entries.append((MODE_TREE, b"d%d" % number, write_loose(repo, "tree", encode_tree([(MODE_FILE, b"f", blob)]))))
    return write_loose(repo, "tree", encode_tree([*entries, (MODE_FILE, b"d1.x", write_loose(repo, "blob", b"x"))]))


def test_a_pack_holds_what_loose_objects_hold(repo: Repo) -> None:
    with one_pack(repo), Objects(repo) as objects:
        tree = grow(repo)
        assert objects.at(tree, b"d7/f") is not None  # before git can see it
        assert not list(Path(repo.objects, "pack").glob("*.idx"))
    assert len(list(Path(repo.objects, "pack").glob("*.idx"))) == 1
    assert not [p for p in Path(repo.objects).iterdir() if len(p.name) == 2]
    assert grow(repo) == tree
    subprocess.run(["git", "fsck", "--strict"], env=repo.env, check=True, capture_output=True)


def test_an_error_leaves_nothing_and_a_ref_waits_for_the_pack(repo: Repo) -> None:
    with pytest.raises(CannotError), one_pack(repo):
        grow(repo)
        raise CannotError("ATOM-2008", "no")
    assert not list(Path(repo.objects, "pack").iterdir())
    with one_pack(repo):
        refs.update(repo, [Change("refs/atoms/t", grow(repo), None)], "test")  # git refuses a ref to what is not there
    assert refs.get(repo, "refs/atoms/t") == grow(repo)


def test_at_all_and_what_is_kept_answer_as_one_by_one(repo: Repo) -> None:
    tree = grow(repo)
    paths = [b"", b"d0/f", b"d1", b"d1.x", b"d1.x/f", b"d39/f/g", b"nothing", b"d1/nothing"]
    with Objects(repo) as objects, Objects(repo) as plain:
        assert objects.at_all(tree, paths) == [plain.at(tree, path) for path in paths]
        assert objects.at(tree, b"/d7") is None and objects.at_all(tree, [b"/d7"]) == [None]
        objects.warm([(None, tree)])
        absent = "0" * 40
        names = [tree, absent, write_loose(repo, "blob", b"new"), tree]
        assert list(objects.many(names)) == list(plain.many(names))
        objects.cool()
        assert list(objects.many(names)) == list(plain.many(names))


@pytest.mark.parametrize(
    "bad",
    [
        b"100644 a\0" + b"1" * 19,
        b"100644 b\0" + b"1" * 20 + b"100644 a\0" + b"1" * 20,
        b"100644 a\0" + b"1" * 20 + b"40000 a\0" + b"1" * 20,
        b"x" + b"100644 a\0" + b"1" * 20,
        b"100644 \0" + b"1" * 20,
    ],
)
def test_a_tree_that_is_none(bad: bytes) -> None:
    good = b"100644 a\0" + b"\0" * 20 + b"40000 a.b\0" + b"\n" * 20
    assert [name for _, name, _ in trees.decode_tree(good, "0" * 40)] == [b"a", b"a.b"]
    with pytest.raises(MalformedError):
        trees.decode_tree(bad, "0" * 40)


def test_many_refs_in_one_push_and_none_is_forced(repo: Repo, tmp_path: Path) -> None:
    there = str(tmp_path / "there.git")
    oids = [write_loose(repo, "blob", b"%d" % number) for number in range(300)]
    updates = [Update(f"refs/atoms/n{number}/1.0.0", oid, None) for number, oid in enumerate(oids)]
    assert remote.push(repo, there, updates)
    assert remote.present(repo, there, [u.ref for u in updates]) == {u.ref: u.new for u in updates}
    assert remote.present(repo, there, [updates[0].ref, "refs/atoms/none"]) == {updates[0].ref: updates[0].new}
    other = [updates[0]._replace(new=oids[1]), Update("refs/atoms/fresh/1.0.0", oids[2], None)]
    assert not remote.push(repo, there, other)  # taken: all or nothing
    assert remote.present(repo, there, [u.ref for u in other]) == {updates[0].ref: oids[0]}
    assert not list(Path(repo.git_dir, "incoming").iterdir())
