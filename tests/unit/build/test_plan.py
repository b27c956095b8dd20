"""An action's digest covers every field, and nothing that cannot change a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_atom.build import plan
from git_atom.build.plan import Action, Source
from git_atom.core import manifest as manifests
from git_atom.core.digest import MODE_FILE, Digest, Oid, of_bytes
from git_atom.core.tree import Leaf, tree_digest

ONE, TWO = of_bytes(b"1"), of_bytes(b"2")
ACTION = Action(("make",), ONE, (Source("src", "fetch", ONE),), (("zlib", ONE),), ONE, "x86_64-linux", 8, 1)
OTHER = {
    "run": ("make", "make install"), "files": TWO, "sources": (Source("src", "fetch", TWO),), "deps": (("zlib", TWO),), "toolchain": TWO,
    "platform": "aarch64-linux", "jobs": 9, "layout": 2,
}  # fmt: skip


@pytest.mark.parametrize("field", Action._fields)
def test_every_field_enters_the_digest(field: str) -> None:
    assert plan.digest(ACTION._replace(**{field: OTHER[field]})) != plan.digest(ACTION)


@pytest.mark.parametrize(
    "source", [Source("other", "fetch", ONE), Source("src", "tree", ONE), Source("src", "fetch", TWO)]
)
def test_every_field_of_a_source_enters_the_digest(source: Source) -> None:
    assert plan.digest(ACTION._replace(sources=(source,))) != plan.digest(ACTION)


def test_joining_neighbours_is_another_action() -> None:
    one = plan.digest(ACTION._replace(run=("a", "b")))
    assert len({one, plan.digest(ACTION._replace(run=("a\nb",))), plan.digest(ACTION._replace(run=("ab",)))}) == 3


def test_the_digest_is_pinned() -> None:
    """Changing what an action is changes this on purpose, and costs every user a rebuild."""
    assert plan.digest(ACTION) == Digest("blake3:5c3998b8535028e73c69a35693686383d44e48365e522571d6f02470369552d6")


def leaf(path: str) -> Leaf:
    return Leaf(path.encode(), MODE_FILE, ONE, 1, Oid("0" * 40))


def manifest(*globs: str) -> manifests.Manifest:
    listed = ", ".join(f'"{g}"' for g in globs)
    return manifests.parse(f'[atom]\nid = "a"\nversion = "1.0.0"\n\n[test]\nfiles = [{listed}]\n'.encode(), "atom.toml")


def kept(*globs: str) -> list[str]:
    paths = (
        "Makefile",
        "atom.lock",
        "atom.toml",
        "src/a.c",
        "src/atom.toml",
        "tests/deep/b",
        "tests/x",
        "tests.c",
        "x.test",
    )
    return [one.path.decode() for one in plan.own_files(manifest(*globs), [leaf(p) for p in paths])]


def test_manifest_lock_and_test_files_are_no_part_of_a_build() -> None:
    assert kept() == ["Makefile", "src/a.c", "src/atom.toml", "tests/deep/b", "tests/x", "tests.c", "x.test"]
    assert kept("tests/**") == ["Makefile", "src/a.c", "src/atom.toml", "tests.c", "x.test"]
    assert kept("*.test") == ["Makefile", "src/a.c", "src/atom.toml", "tests/deep/b", "tests/x", "tests.c"]
    assert kept("tests/*") == ["Makefile", "src/a.c", "src/atom.toml", "tests/deep/b", "tests.c", "x.test"]


def test_where_commands_start() -> None:
    assert plan.OWN == manifests.OWN  # nothing else may be laid out there
    assert plan.directory([]) == "/build/atom"
    assert plan.directory(["src", "a"]) == "/build/src"
    assert plan.directory(["data"]) == "/build/data"
    assert (
        plan.directory(["atom", "certs"], ["certs"]) == "/build/atom"
        and plan.directory(["a", "src"], ["src"]) == "/build/src"
    )
    assert plan.directory(["a", "b"], ["a"]) == "/build/b" and plan.directory(["a"], ["a"]) == "/build/a"


def test_editing_tests_leaves_the_action_alone(tmp_path: Path) -> None:
    files = [leaf("a.c"), leaf("tests/x")]
    before = tree_digest(plan.own_files(manifest("tests/**"), files))
    changed = [leaf("a.c"), leaf("tests/x")._replace(digest=TWO)]
    assert tree_digest(plan.own_files(manifest("tests/**"), changed)) == before
