"""A witness is served only when every part of it agrees and a key the user accepts signed it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_atom.build import witness
from git_atom.core import refnames
from git_atom.core.digest import MODE_EXEC, Digest, Oid, of_bytes
from git_atom.core.host import Host, Progress
from git_atom.core.record import Material, Record
from git_atom.core.tree import Leaf, tree_digest
from git_atom.errors import AtomError
from git_atom.git import refs, repo
from git_atom.git.objects import Objects
from git_atom.git.refs import Change
from git_atom.git.repo import Repo
from git_atom.git.trees import encode_tree
from git_atom.git.written import write_loose, write_tree_of
from git_atom.trust.keys import BuilderKey, builder_key

ONE, TWO = of_bytes(b"1"), of_bytes(b"2")


def user(home: Path, name: str) -> Host:
    (home / name).mkdir(exist_ok=True)
    base = str(home / name)
    return Host(base, os.environ, base, f"{base}/cache", f"{base}/data", f"{base}/config", os.getuid(), Progress())


class Place:
    """A store with one output tree in it, and two builders."""

    def __init__(self, home: Path) -> None:
        host = user(home, "one")
        self.repo: Repo = repo.store(host)
        self.key: BuilderKey = builder_key(host)
        self.other: BuilderKey = builder_key(user(home, "two"))
        self.leaves = [self.leaf("usr/bin/x", b"x")]
        self.tree = write_tree_of(self.repo, self.leaves)

    def leaf(self, path: str, data: bytes) -> Leaf:
        return Leaf(path.encode(), MODE_EXEC, of_bytes(data), len(data), write_loose(self.repo, "blob", data))

    def record(self, action: Digest = ONE, key: BuilderKey | None = None) -> Record:
        return Record(
            "x", "1.0.0", action, TWO, {"run": ["make"]}, (Material("toolchain", TWO),), tree_digest(self.leaves), self.tree, 1, 1,
            of_bytes(b"r\n"), 10, 1, "fanotify", "", of_bytes(b"log"), {}, "farm", (key or self.key).fingerprint, 1, 1,
        )  # fmt: skip

    def write(self, record: Record, key: BuilderKey | None = None) -> tuple[str, Oid]:
        tag = witness.write(self.repo, record, b"r\n", b"log", key or self.key)
        return refnames.build(record.action, (key or self.key).key.digest), tag

    def read(self, ref: str, tag: Oid, *keys: BuilderKey) -> witness.Witness:
        with Objects(self.repo) as objects:
            return witness.read(objects, ref, tag, [k.key for k in keys or (self.key,)])


@pytest.fixture
def place(home: Path) -> Place:
    return Place(home)


def test_what_is_written_is_served(place: Place) -> None:
    ref, tag = place.write(place.record())
    assert refs.get(place.repo, ref) == tag
    found = place.read(ref, tag)
    assert found.record == place.record()
    with Objects(place.repo) as objects:
        assert witness.outputs(objects, found.record) == place.leaves
        assert objects.read(found.log)[2] == b"log" and objects.read(found.readset)[2] == b"r\n"


def test_stock_git_accepts_the_objects(place: Place) -> None:
    place.write(place.record())
    from git_atom.git import proc

    done = proc.run(["git", "fsck", "--strict", "--no-dangling"], env=place.repo.env)
    assert (done.status, done.out) == (0, b"")


def test_the_same_again_writes_the_same(place: Place) -> None:
    assert place.write(place.record()) == place.write(place.record())


def test_a_key_that_is_not_accepted_is_evidence_only(place: Place) -> None:
    ref, tag = place.write(place.record(key=place.other), place.other)
    with pytest.raises(AtomError):
        place.read(ref, tag)
    assert place.read(ref, tag, place.key, place.other).record.builder == place.other.fingerprint


def test_filed_under_another_action_or_key_is_refused(place: Place) -> None:
    _, tag = place.write(place.record())
    for ref in (refnames.build(TWO, place.key.key.digest), refnames.build(ONE, place.other.key.digest)):
        with pytest.raises(AtomError) as caught:
            place.read(ref, tag, place.key, place.other)
        assert caught.value.code == "ATOM-7010"


def test_one_builder_cannot_count_twice(place: Place) -> None:
    """The same record copied under another name is no second witness."""
    ref, tag = place.write(place.record())
    copy = refnames.build(ONE, place.other.key.digest)
    refs.update(place.repo, [Change(copy, tag, None)], "copied")
    with Objects(place.repo) as objects:
        good, why = witness.accepted(objects, [(ref, tag), (copy, tag)], [place.key.key, place.other.key])
    assert len(good) == 1 and len(why) == 1


def test_a_swapped_output_is_refused(place: Place) -> None:
    """The commit is made anew around another tree; even the builder's own key over such a tag does not help."""
    from git_atom.trust.objects import sign_tag, split_tag

    ref, tag = place.write(place.record())
    evil = write_tree_of(place.repo, [place.leaf("usr/bin/x", b"evil")])
    with Objects(place.repo) as objects:
        raw = split_tag(objects.read(tag)[2])[0]
        commit = objects.read(tag + "^{commit}")
        entries = [e for e in objects.tree(objects.commit_tree(commit[0])) if e[1] != b"outputs"]
        outputs = write_loose(place.repo, "tree", encode_tree([(0o40000, b"out", evil)]))
        tree = write_loose(place.repo, "tree", encode_tree([*entries, (0o40000, b"outputs", outputs)]))
        old = objects.commit_tree(commit[0])
        made = write_loose(place.repo, "commit", commit[2].replace(old.encode(), tree.encode()))
    again = sign_tag(raw.replace(commit[0].encode(), made.encode()), place.key)
    with pytest.raises(AtomError) as caught:
        place.read(ref, write_loose(place.repo, "tag", again))
    assert caught.value.code == "ATOM-7010"


def test_an_output_that_is_not_what_was_recorded_is_refused(place: Place) -> None:
    record = place.record()._replace(output=TWO)
    ref, tag = place.write(record)
    with Objects(place.repo) as objects, pytest.raises(AtomError) as caught:
        witness.outputs(objects, witness.read(objects, ref, tag, [place.key.key]).record)
    assert caught.value.exit == 7


def test_every_flipped_byte_of_a_tag_is_refused(place: Place) -> None:
    ref, tag = place.write(place.record())
    with Objects(place.repo) as objects:
        raw = objects.read(tag)[2]
    for at in range(0, len(raw), max(1, len(raw) // 40)):
        broken = raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]
        with pytest.raises(AtomError):
            place.read(ref, write_loose(place.repo, "tag", broken))
