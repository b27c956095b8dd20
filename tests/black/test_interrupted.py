"""Ctrl-C and SIGKILL at any moment: 130, no traceback, nothing half-written, nothing left running, and the same command then works.

The signal goes to the whole process group, as a terminal's does. ATOM_TEST_MOMENTS multiplies the number of moments.
"""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable
from typing import NamedTuple

import oracle
import pytest
from conftest import SMALL, Scene

pytestmark = pytest.mark.slow


class Deed(NamedTuple):
    """A command to strike: what makes it have all its work before it, itself, and what holds once it was done."""

    ready: Callable[[Scene, int], tuple[str, ...]]
    holds: Callable[[Scene, int], None]
    rounds: int


def publish(scene: Scene, at: int) -> tuple[str, ...]:
    text = (scene.project / "tiny/atom.toml").read_text()
    (scene.project / "tiny/atom.toml").write_text(re.sub(r'version = ".*"', f'version = "1.1.{at}"', text, count=1))
    scene.run("git", "commit", "-qam", f"1.1.{at}")
    scene.run("git", "push", "-q", "origin", "HEAD")
    return "git", "atom", "publish", "tiny", "--push", "origin"


def is_published(scene: Scene, at: int) -> None:
    assert f"tiny 1.1.{at}\n" in scene.run("git", "atom", "list", scene.server).stdout
    assert scene.run("git", "atom", "verify", "tiny", "--source").stdout.startswith("good ")
    oracle.git(scene.project / ".git", "fsck", "--strict")


def fetch(scene: Scene, _: int) -> tuple[str, ...]:
    shutil.rmtree(scene.data)
    return "git", "atom", "fetch", f"{scene.server}::tiny"


def is_fetched(scene: Scene, _: int) -> None:
    assert scene.run("git", "atom", "verify", "--all").stdout.startswith("good ")
    oracle.git(scene.store, "fsck", "--strict")


def compose(scene: Scene, at: int) -> tuple[str, ...]:
    return "git", "compose", "new", f"app{at}", "tiny", "toolchain/libc6"


def is_composed(scene: Scene, at: int) -> None:
    assert scene.document("git", "compose", "show", f"app{at}")["view"] == scene.shared.view
    scene.run("git", "compose", "verify", f"app{at}")


def build(scene: Scene, _: int) -> tuple[str, ...]:
    scene.unbuild()
    return "git", "build", "tiny"


def is_built(scene: Scene, _: int) -> None:
    assert scene.document("git", "build", "show", "tiny")["output"] == scene.shared.output
    scene.run("git", "build", "verify", "tiny")


def bring(scene: Scene, _: int) -> tuple[str, ...]:
    shutil.rmtree(scene.data)
    for name in ("imports", "debs", "generations", "listings"):
        shutil.rmtree(scene.cache / name, ignore_errors=True)
    return "git", "compose", "import", "debian", *SMALL, "--as", "small"


def is_brought(scene: Scene, _: int) -> None:
    scene.run("git", "compose", "verify", "small")
    oracle.git(scene.store, "fsck", "--strict")


DEEDS = {
    "publish": Deed(publish, is_published, 4),
    "fetch": Deed(fetch, is_fetched, 4),
    "compose": Deed(compose, is_composed, 4),
    "build": Deed(build, is_built, 4),
    "import": Deed(bring, is_brought, 2),
}
# Python itself, before our first line runs, answers Ctrl-C by a traceback of its own; none of its frames is ours
_STARTING = re.compile(r'File ".*/git_atom/(?!cli/main\.py", line \d+, in <module>)')


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
@pytest.mark.parametrize("name", DEEDS)
def test_at_any_moment(name: str, number: int, scene: Scene, orphans: Callable[[], None]) -> None:
    deed, calm = DEEDS[name], number == signal.SIGINT
    whole = scene.struck(deed.ready(scene, 0), None, number)
    assert whole.status == 0, whole
    deed.holds(scene, 0)
    assert scene.leftovers() == []
    stopped = 0
    for at, after in enumerate(oracle.moments(whole.seconds, deed.rounds), 1):
        argv = deed.ready(scene, at)
        ended = scene.struck(argv, after, number)
        told = f"{name} after {after:.3f} of {whole.seconds:.3f} s: {ended}"
        assert ended.status in (0, 128 + number), told
        assert not _STARTING.search(ended.err), told
        stopped += ended.status != 0
        orphans()
        if calm:
            assert oracle.ours(scene.leftovers()) == [], told
            if ended.err and not ended.out and ended.status and "Traceback" not in ended.err:
                assert ended.err.endswith("\ninterrupted\n"), told
        again = scene.once_more(argv)
        assert again.status == 0, f"{told}\nand then {again}"
        deed.holds(scene, at)
    assert stopped, "no moment was in time"
    assert scene.struck(tuple(oracle.later(deed.ready(scene, 999))), None, number).status == 0
    assert scene.leftovers() == []
