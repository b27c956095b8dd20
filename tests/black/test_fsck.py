"""`git atom fsck`: a sound repository has no findings; each damage has one, under its code, and nothing is ever written."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import oracle
import pytest
from forging import OTHER, Forger

Run = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.slow
LOG = "refs/atoms-log/head"


@pytest.fixture
def forger(home: Path, run: Run) -> Forger:
    """A sound repository with a set: two versions of a, one of b."""
    made = Forger(home / "set.git").claim("a", "b")
    rows = [made.add("a", "1.0.0"), made.add("a", "1.1.0", "1.0.0"), made.add("b", "2.0.0")]
    for spec in made.specs(*rows):
        oid, ref = spec.split(":")
        point(run, made, ref, oid)
    return made


def point(run: Run, forger: Forger, ref: str, oid: str) -> None:
    run("git", "update-ref", ref, oid, cwd=forger.path)


def found(run: Run, forger: Forger, status: int) -> list[tuple[str, str, str]]:
    """Kind, code and subject of every finding; and that nothing was changed by looking."""
    before = oracle.state(forger.path)
    done = run("git", "atom", "fsck", "--json", cwd=forger.path, status=status)
    assert oracle.state(forger.path) == before
    document = json.loads(done.stdout)
    assert document["schema"] == "git-atom-fsck/1"
    return [(row["kind"], row["code"], row["subject"]) for row in document["items"]]


def drop(forger: Forger, oid: str) -> None:
    (forger.path / "objects" / oid[:2] / oid[2:]).unlink()


def test_a_sound_set(forger: Forger, run: Run, home: Path) -> None:
    assert found(run, forger, 0) == []
    done = run("git", "atom", "fsck", cwd=forger.path)
    assert done.stdout == "" and "3 versions of 1 sets and 4 refs checked, 0 errors" in done.stderr
    run("git", "pack-refs", "--all", cwd=forger.path)
    run("git", "gc", "-q", cwd=forger.path)
    assert found(run, forger, 0) == []
    run("git", "init", "-q", home / "none")
    assert "error[ATOM-8006]" in run("git", "atom", "fsck", cwd=home / "none", status=128).stderr


def test_refs_that_are_none_of_a_sets(forger: Forger, run: Run) -> None:
    for ref in ("refs/atoms/a/latest", "refs/atoms/a/1.0.0-x/deep", "refs/atoms-log/other", "refs/subs/x"):
        point(run, forger, ref, forger.head)
    rows = found(run, forger, 7)
    assert {(kind, subject) for kind, _, subject in rows} == {
        ("error", "refs/atoms/a/latest"), ("error", "refs/atoms/a/1.0.0-x/deep"), ("error", "refs/atoms-log/other"), ("error", "refs/subs/x"),
    }  # fmt: skip


def test_a_version_that_is_not_in_the_log(forger: Forger, run: Run) -> None:
    oid = run("git", "rev-parse", "refs/atoms/a/1.0.0", cwd=forger.path).stdout.strip()
    point(run, forger, "refs/atoms/a/9.0.0", oid)
    assert found(run, forger, 2) == [("error", "ATOM-8505", "refs/atoms/a/9.0.0")]


def test_a_version_without_its_ref(forger: Forger, run: Run) -> None:
    run("git", "update-ref", "-d", "refs/atoms/a/1.0.0", cwd=forger.path)
    assert found(run, forger, 7) == [("error", "ATOM-8506", "refs/atoms/a/1.0.0")]


def test_a_version_whose_content_was_never_here(forger: Forger, run: Run, home: Path) -> None:
    run("git", "init", "-q", "--bare", home / "joined.git")
    run("git", "fetch", "-q", forger.path, f"+{LOG}:{LOG}", cwd=home / "joined.git")
    done = run("git", "atom", "fsck", cwd=home / "joined.git")
    assert done.stdout.count("note ATOM-8018 refs/atoms/") == 3


def test_a_clone_from_the_same_disk(forger: Forger, run: Run, home: Path) -> None:
    """It has every object, and none of the refs of versions; that is no damage, what is damaged still is."""
    tree = run("git", "rev-parse", "refs/atoms/a/1.0.0^{tree}", cwd=forger.path).stdout.strip()
    head = run("git", "commit-tree", "-m", "x", tree, cwd=forger.path).stdout.strip()
    point(run, forger, "refs/heads/main", head)
    clone = home / "clone"
    run("git", "clone", "-q", "-b", "main", forger.path, clone)
    run("git", "fetch", "-q", "origin", f"{LOG}:{LOG}", cwd=clone)
    done = run("git", "atom", "fsck", cwd=clone)
    assert done.stdout.count("note ATOM-8506 refs/atoms/") == 3 and "0 errors" in done.stderr
    run("git", "fetch", "-q", forger.path, "refs/atoms/a/1.1.0:refs/atoms/a/1.0.0", cwd=clone)
    assert "error ATOM-8019 refs/atoms/a/1.0.0" in run("git", "atom", "fsck", cwd=clone, status=2).stdout
    run("git", "update-ref", "-d", "refs/atoms/a/1.0.0", cwd=clone)
    blob = run("git", "rev-parse", "refs/atoms/b/2.0.0:atom.toml", cwd=forger.path).stdout.strip()
    (clone / ".git/objects" / blob[:2] / blob[2:]).unlink()
    done = run("git", "atom", "fsck", cwd=clone, status=7)
    assert "error ATOM-2008 refs/atoms/b/2.0.0" in done.stdout and done.stdout.count("note ATOM-8506") == 3


def test_another_tag_under_a_versions_ref(forger: Forger, run: Run) -> None:
    other = forger.tag(forger.release("a", "1.0.0"), OTHER)
    from git_atom.git.written import write_loose

    point(run, forger, "refs/atoms/a/1.0.0", write_loose(forger.repo, "tag", other))
    assert found(run, forger, 2) == [("error", "ATOM-8019", "refs/atoms/a/1.0.0")]


def test_a_file_that_is_gone(forger: Forger, run: Run) -> None:
    blob = run("git", "rev-parse", "refs/atoms/b/2.0.0:atom.toml", cwd=forger.path).stdout.strip()
    drop(forger, blob)
    assert found(run, forger, 7) == [("error", "ATOM-2008", "refs/atoms/b/2.0.0")]


def test_a_file_that_is_damaged(forger: Forger, run: Run) -> None:
    blob = run("git", "rev-parse", "refs/atoms/b/2.0.0:atom.toml", cwd=forger.path).stdout.strip()
    path = forger.path / "objects" / blob[:2] / blob[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    assert ("error", "ATOM-2009", "refs/atoms/b/2.0.0") in found(run, forger, 7)


def test_a_ref_that_points_to_nothing(forger: Forger, run: Run) -> None:
    tag = run("git", "rev-parse", "refs/atoms/b/2.0.0", cwd=forger.path).stdout.strip()
    drop(forger, tag)
    assert found(run, forger, 7) == [("error", "ATOM-2008", "refs/atoms/b/2.0.0")]
    (forger.path / "refs/atoms/b/2.0.0").write_text("\n")
    assert ("error", "ATOM-8517", "refs/atoms/b/2.0.0") in found(run, forger, 7)


def test_a_log_that_breaks_its_rules(forger: Forger, run: Run) -> None:
    forger.publish(forger.tag(forger.release("a", "3.0.0", "1.1.0"), OTHER), who=OTHER)
    point(run, forger, LOG, forger.head)
    rows = found(run, forger, 2)
    assert [(kind, subject) for kind, _, subject in rows] == [("error", LOG)]


def test_no_log(forger: Forger, run: Run) -> None:
    run("git", "update-ref", "-d", LOG, cwd=forger.path)
    assert {code for _, code, _ in found(run, forger, 2)} == {"ATOM-8509"}


def test_a_sub_atom_that_nothing_needs(forger: Forger, run: Run) -> None:
    from git_atom.atom.objects import sub_commit

    tree = forger.tree((0o100644, b"x", forger.blob(b"x")))
    point(run, forger, f"refs/subs/{tree}", sub_commit(forger.repo, tree, "tree"))
    assert found(run, forger, 0) == [("note", "ATOM-8028", f"refs/subs/{tree}")]
    point(run, forger, f"refs/subs/{tree}", forger.head)
    assert found(run, forger, 7) == [("error", "ATOM-8005", f"refs/subs/{tree}")]


def test_the_sets_of_a_store(forger: Forger, run: Run, home: Path) -> None:
    anchor = str(forger.draft.anchor)
    run("git", "atom", "trust", "add", anchor, cwd=home)
    run("git", "atom", "fetch", f"{forger.path}::a", cwd=home)
    store = home / ".local/share/git-atom/store.git"
    assert run("git", "atom", "fsck", cwd=store).stdout == ""
    run("git", "update-ref", f"refs/sets/{'0' * 64}/log", forger.head, cwd=store)
    done = run("git", "atom", "fsck", cwd=store, status=2)
    assert done.stdout.startswith(f"error ATOM-3012 refs/sets/{'0' * 64}/log: ")
