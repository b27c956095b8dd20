"""One atom, one output: another directory, home, cache, umask, locale, time zone or hostile environment changes no digest."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import oracle
import pytest
from conftest import Scene, Shared

pytestmark = pytest.mark.slow
HOSTILE = {
    "LD_PRELOAD": "/nonexistent.so",
    "LD_LIBRARY_PATH": "/tmp",
    "CFLAGS": "-O3 -DX",
    "CC": "false",
    "MAKEFLAGS": "-n",
    "MAKELEVEL": "3",
    "CPATH": "/tmp",
    "GCC_EXEC_PREFIX": "/tmp/",
    "SOURCE_DATE_EPOCH": "1",
    "BASH_ENV": "/tmp/x",
    "ENV": "/tmp/x",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "7",
    "GIT_AUTHOR_NAME": "Someone",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "core.autocrlf",
    "GIT_CONFIG_VALUE_0": "true",
    "TMPDIR": "/nonexistent",
    "DESTDIR": "/elsewhere",
}
CASES: dict[str, dict[str, str]] = {
    "umask": {"TZ": "Asia/Kathmandu"},
    "turkish": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "LANGUAGE": "tr"},
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"} | HOSTILE,
    "cache": {},
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_around_a_build_changes_its_output(case: str, shared: Shared, tmp_path: Path) -> None:
    """Each in a directory of another depth and name, with a store in which nothing is built."""
    home = tmp_path / case / "ein Ort mit Lücken" / "h"
    home.parent.mkdir(parents=True)
    scene = Scene(oracle.twin(shared.home, home), shared)
    scene.unbuild()
    env = CASES[case]
    if case == "cache":
        shutil.rmtree(scene.cache / "blobs")
        (tmp_path / "c").mkdir()
        scene.cache.rename(tmp_path / "c/git-atom")
        env = {"XDG_CACHE_HOME": str(tmp_path / "c")}
    front = ("sh", "-c", 'umask 0077; exec "$@"', "sh") if case == "umask" else ()
    built = scene.run("git", "build", "tiny", front=front, **env)
    assert "(built, " in built.stdout
    record = scene.document("git", "build", "show", "tiny", **env)
    assert record["output"] == shared.output
    scene.run("git", "compose", "delete", "app", **env)
    scene.run("git", "compose", "new", "app", "tiny", "toolchain/libc6", front=front, **env)
    assert scene.document("git", "compose", "show", "app", **env)["view"] == shared.view
    out = tmp_path / "out"
    scene.run("git", "build", "tiny", "-o", out, front=front, **env)
    assert os.stat(out / "usr/bin/tiny").st_mode & 0o100


def test_other_sources_do_change_it(scene: Scene) -> None:
    """The positive control of this page: what is compared is able to differ."""
    text = (scene.project / "tiny/tiny.c").read_text()
    (scene.project / "tiny/tiny.c").write_text(text.replace("tiny", "other"))
    scene.run("git", "build", "tiny")
    assert scene.document("git", "build", "show", "tiny")["output"] != scene.shared.output
