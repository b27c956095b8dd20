"""The whole story by someone with no rights at all comes to the very same digests, whoever told it first."""

from __future__ import annotations

import importlib.metadata as metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Scene, Shared, settle, surroundings, tell

import git_atom

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="not root: the shared story is told by an ordinary user already"),
]
AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")


class Nobody(Scene):
    """A scene whose commands are run by nobody."""

    def run(self, *argv: str | Path, **kwargs: object) -> subprocess.CompletedProcess[str]:
        return super().run(*argv, **{**kwargs, "front": AS_NOBODY})  # type: ignore[arg-type]


def interpreter() -> str:
    """A Python of this version that nobody may run (through env: setpriv itself still has root's reach when it starts a program)."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (os.path.realpath(sys.executable), f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if subprocess.run([*AS_NOBODY, "env", path, "-I", "-c", "import ssl"], capture_output=True).returncode == 0:
            return path
    pytest.skip("no Python of this version that nobody may run")


def install(place: Path, python: str) -> Path:
    """Copy the suite and what it needs to where everybody can read it; returns the directory of its commands."""
    lib, bin_dir = place / "lib", place / "bin"
    shutil.copytree(Path(git_atom.__file__).parent, lib / "git_atom", ignore=shutil.ignore_patterns("__pycache__"))
    wanted, seen = ["git_atom"], set()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        dist = metadata.distribution(name)
        wanted += [re.match(r"[\w.-]+", r)[0] for r in dist.requires or () if ";" not in r]  # type: ignore[index]
        for file in dist.files or () if name != "git_atom" else ():
            source = Path(str(dist.locate_file(file)))
            if ".." not in file.parts and source.suffix != ".pyc" and source.exists():
                (lib / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, lib / file)
    bin_dir.mkdir()
    for tool in ("atom", "build", "compose"):
        script = bin_dir / f"git-{tool}"
        script.write_text(
            f"#!{python} -sE\nimport sys\nsys.path.insert(0, {str(lib)!r})\nfrom git_atom.cli.main import git_{tool}\nsys.exit(git_{tool}())\n"
        )
        script.chmod(0o755)
    return bin_dir


@pytest.fixture
def place() -> Iterator[Path]:
    made = Path(subprocess.check_output(["mktemp", "-d", "/var/tmp/git-atom-test-XXXXXX"], text=True).strip())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_nobody_comes_to_the_same(shared: Shared, place: Path) -> None:
    umask = os.umask(0o022)
    try:
        bin_dir = install(place, interpreter())
    finally:
        os.umask(umask)
    home = place / "home"
    (home / ".cache/git-atom").mkdir(parents=True)
    shutil.copytree(
        shared.home / ".cache/git-atom/apt", home / ".cache/git-atom/apt", symlinks=True
    )  # else fetched again
    subprocess.run(["chown", "-R", "nobody:nogroup", home], check=True)
    scene = Nobody(home, shared)
    scene.env = surroundings(home, f"{bin_dir}:/usr/local/bin:/usr/bin:/bin")
    settle(home, scene.run)
    scene.project.mkdir()
    os.chown(scene.project, home.stat().st_uid, home.stat().st_gid)
    assert scene.run("id", "-un", cwd=home).stdout == "nobody\n"
    told = tell(scene)
    assert told["anchor"] != shared.anchor, "a key of their own founds a set of their own"
    assert told == shared.told | {"anchor": told["anchor"]}
    assert {path.owner() for path in scene.store.rglob("*")} == {"nobody"}
