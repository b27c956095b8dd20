"""The whole story by someone with no rights at all comes to the very same digests, whoever told it first."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import others
import pytest
from conftest import Scene, Shared, settle, surroundings, tell

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="not root: the shared story is told by an ordinary user already"),
]


class Nobody(Scene):
    """A scene whose commands are run by nobody."""

    def run(self, *argv: str | Path, **kwargs: object) -> subprocess.CompletedProcess[str]:
        return super().run(*argv, **{**kwargs, "front": tuple(others.AS_NOBODY)})  # type: ignore[arg-type]


@pytest.fixture
def place() -> Path:
    return others.directory()


def test_nobody_comes_to_the_same(shared: Shared, place: Path) -> None:
    home = place / "home"
    (home / ".cache/git-atom").mkdir(parents=True)
    shutil.copytree(
        shared.home / ".cache/git-atom/apt", home / ".cache/git-atom/apt", symlinks=True
    )  # else fetched again
    subprocess.run(["chown", "-R", "nobody:nogroup", home], check=True)
    scene = Nobody(home, shared)
    scene.env = surroundings(home, f"{others.commands()}:{others.path()}")
    settle(home, scene.run)
    scene.project.mkdir()
    os.chown(scene.project, home.stat().st_uid, home.stat().st_gid)
    assert scene.run("id", "-un", cwd=home).stdout == "nobody\n"
    told = tell(scene)
    assert told["anchor"] != shared.anchor, "a key of their own founds a set of their own"
    assert told == shared.told | {"anchor": told["anchor"]}
    assert {path.owner() for path in scene.store.rglob("*")} == {"nobody"}
