"""The work tree read as leaves is what git itself would commit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK
from git_atom.errors import CannotError
from git_atom.git import worktree
from git_atom.git.repo import discover


@pytest.mark.parametrize("fmt", ["sha1", "sha256"])
def test_is_the_tree_that_git_commits(home: Path, run: object, fmt: str) -> None:
    repo = home / "r"
    run("git", "init", "-q", f"--object-format={fmt}", repo)  # type: ignore[operator]
    (repo / "a/b").mkdir(parents=True)
    (repo / "a/b/x").write_text("x")
    (repo / "a.c").write_text("sorts before a/")
    (repo / "a/größe [1]*").write_text("odd name")
    (repo / "a/tool").write_text("#!/bin/sh\n")
    (repo / "a/tool").chmod(0o755)
    (repo / "a/link").symlink_to("b/x")
    (repo / ".gitignore").write_text("*.o\n")
    (repo / "a/x.o").write_text("ignored")
    (repo / "gone").write_text("")
    run("git", "add", "gone", cwd=repo)  # type: ignore[operator]
    (repo / "gone").unlink()
    here = discover(str(repo), os.environ)
    before = {folder: worktree.tree_id(worktree.leaves(here, folder), fmt) for folder in (".", "a", "a/b")}
    run("git", "add", "-A", cwd=repo)  # type: ignore[operator]
    run("git", "commit", "-qm", "all", cwd=repo)  # type: ignore[operator]
    for folder, oid in before.items():
        spot = "HEAD:" + folder.removeprefix(".")
        assert run("git", "rev-parse", spot, cwd=repo).stdout.strip() == oid  # type: ignore[operator]
    modes = {leaf.path: leaf.mode for leaf in worktree.leaves(here, "a")}
    assert modes == {b"b/x": MODE_FILE, b"link": MODE_LINK, b"tool": MODE_EXEC, "größe [1]*".encode(): MODE_FILE}
    single = worktree.leaf_at(here, "a/tool")
    assert single is not None and single.oid == run("git", "rev-parse", "HEAD:a/tool", cwd=repo).stdout.strip()  # type: ignore[operator]
    assert worktree.leaf_at(here, "a") is None and worktree.leaf_at(here, "nothing") is None


def test_repository_inside(project: Path, run: object) -> None:
    run("git", "init", "-q", project / "inner")  # type: ignore[operator]
    (project / "inner/x").write_text("x")
    with pytest.raises(CannotError) as caught:
        worktree.leaves(discover(str(project), os.environ), ".")
    assert caught.value.code == "ATOM-2051"


def test_bare(home: Path, run: object) -> None:
    run("git", "init", "-q", "--bare", home / "b.git")  # type: ignore[operator]
    with pytest.raises(CannotError) as caught:
        worktree.leaves(discover(str(home / "b.git"), os.environ), ".")
    assert caught.value.code == "ATOM-2050"


def test_what_is_tracked_and_gone_is_not_named(project: Path, run: object) -> None:
    for name in ("a", "b"):
        (project / name).mkdir()
        (project / name / "atom.toml").write_text(name)
    run("git", "add", "-A", cwd=project)  # type: ignore[operator]
    (project / "a/atom.toml").unlink()
    assert worktree.named(discover(str(project), os.environ), "atom.toml") == ["b/atom.toml"]
