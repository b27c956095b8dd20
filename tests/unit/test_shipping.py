"""What a wheel carries: every manual page, completion and hook of the source tree, where programs look for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    place = tmp_path_factory.mktemp("wheel")
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(place.glob("*.whl")))


def data(wheel: zipfile.ZipFile) -> set[str]:
    return {name.split(".data/data/", 1)[1] for name in wheel.namelist() if ".data/data/" in name}


def test_every_page_is_inside(wheel: zipfile.ZipFile) -> None:
    shipped = data(wheel)
    for page in (ROOT / "man").iterdir():
        assert f"share/man/man{page.suffix[1:]}/{page.name}" in shipped


def test_completions_and_hooks_are_inside(wheel: zipfile.ZipFile) -> None:
    shipped = data(wheel)
    for tool in ("atom", "compose", "build"):
        assert f"share/bash-completion/completions/git-{tool}" in shipped
        assert f"share/zsh/site-functions/_git-{tool}" in shipped
        assert f"share/fish/vendor_completions.d/git-{tool}.fish" in shipped
    for hook in (ROOT / "hooks").glob("[a-z]*"):
        assert f"share/git-atom/hooks/{hook.name}" in shipped


def test_nothing_but_the_package_and_its_data_is_inside(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {t for t in tops if not t.startswith("git_atom")} == set()
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_git_help_finds_the_pages(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """With <prefix>/bin on PATH and no MANPATH, man-db looks in <prefix>/share/man, and so does `git help`."""
    if not shutil.which("man", path="/usr/bin:/bin"):
        pytest.skip("man is not installed, and cannot be had without root: it knows its configuration by one path")
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    for name in (n for n in wheel.namelist() if ".data/data/" in n):
        target = tmp_path / name.split(".data/data/", 1)[1]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(wheel.read(name))
    (bin_dir / "git-atom").write_text("#!/bin/sh\n")
    (bin_dir / "git-atom").chmod(0o755)
    env = {k: v for k, v in os.environ.items() if k not in ("MANPATH", "MANPAGER", "PAGER")}
    env |= {"PATH": f"{bin_dir}:{env['PATH']}", "GIT_PAGER": "cat", "MANPAGER": "cat", "HOME": str(tmp_path)}
    for word, found in (
        ("atom", "GIT-ATOM(1)"),
        ("git-atom-publish", "GIT-ATOM-PUBLISH(1)"),
        ("atom-glossary", "GITATOM-GLOSSARY(7)"),
    ):
        done = subprocess.run(["git", "help", word], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and found in done.stdout, done.stderr
