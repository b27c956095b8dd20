"""Faults at chosen system calls of `git atom publish`, git's own processes included: killed there, or told there is no space.

strace(1) makes the N-th call that writes, in whichever process gets there, kill its process or fail. N is spread over all there are;
ATOM_TEST_MOMENTS multiplies how many. Afterwards: the old state or the new one, sound either way, and the same command works.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import oracle
import pytest

pytestmark = pytest.mark.slow
Run = Callable[..., "subprocess.CompletedProcess[str]"]
POINTS = {"own": 12, "git's": 6}
FAULTS = {"kill": "signal=KILL", "no-space": "error=ENOSPC", "io-error": "error=EIO"}
# git's own processes write to pipes most of the time, which would take up nearly all of the points
CALLS = {
    "own": "write,rename,link,linkat,mkdir,unlink,fsync,chmod,utimensat,flock,ftruncate",
    "git's": "pwrite64,rename,link,linkat,mkdir,unlink,fsync,chmod,ftruncate",
}
LOG = "refs/atoms-log/head"


def traced(log: Path, whose: str, *options: str) -> list[str]:
    follow = ["-f"] if whose == "git's" else []
    return ["strace", *follow, "-q", "-o", str(log), *options, "git-atom", "publish", "tiny"]


def possible() -> bool:
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


@pytest.fixture
def origin(project: Path, key: Path, run: Run) -> Path:
    """A project with a set and one atom that is not published."""
    (project / "tiny").mkdir()
    (project / "tiny/atom.toml").write_text('[atom]\nid = "tiny"\nversion = "1.0.0"\ntype = "package"\n')
    (project / "tiny/tiny.c").write_text("int main;\n")
    run("git", "add", ".", cwd=project)
    run("git", "commit", "-qm", "tiny", cwd=project)
    run("git", "atom", "init", cwd=project)
    return project


def points(project: Path, whose: str, run: Run, log: Path) -> list[tuple[str, int]]:
    """Which call of which name to strike: spread over all, up to as many of each name as the process with the most of them makes."""
    run(*traced(log, whose, "-e", f"trace={CALLS[whose]}"), cwd=project)
    counted = Counter(re.findall(r"^(\d* *)(\w+)\(", log.read_text(), re.M))
    most: Counter[str] = Counter()
    for (_, name), times in counted.items():
        most[name] = max(most[name], times)
    every = [(name, number) for name in sorted(most) for number in range(1, most[name] + 1)]
    return list(dict.fromkeys(every[int(at)] for at in oracle.moments(len(every), POINTS[whose])))


@pytest.mark.skipif(not possible(), reason="strace cannot trace here")
@pytest.mark.parametrize("whose", POINTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_publish(fault: str, whose: str, origin: Path, home: Path, run: Run) -> None:
    calls, log = CALLS[whose], home / "trace"
    struck = 0
    shutil.copytree(origin, home / "counted", symlinks=True)
    for name, number in points(home / "counted", whose, run, log):
        place = home / f"at-{name}-{number}"
        shutil.copytree(origin, place, symlinks=True)
        old = oracle.git(place / ".git", "rev-parse", LOG)
        before = oracle.files(place, (".git",))
        done = subprocess.run(
            traced(log, whose, "-e", f"trace={calls}", "-e", f"inject={name}:{FAULTS[fault]}:when={number}"), cwd=place, capture_output=True, text=True,
            errors="backslashreplace", timeout=120,
        )  # fmt: skip
        hit = re.search(r"\(INJECTED\)|killed by SIGKILL", log.read_text())
        told = f"{fault} at {name} {number}: exit {done.returncode}\n{done.stderr}"
        struck += hit is not None
        assert "Traceback" not in done.stderr and "ATOM-9004" not in done.stderr, told
        if fault != "kill":
            assert done.returncode >= 0, told
        if done.returncode > 0 and "error[" in done.stderr:
            oracle.message(done.stderr, re.search(r"ATOM-\d+", done.stderr)[0])  # type: ignore[index]
        check(place, old, done.returncode == 0, run, told)
        assert oracle.files(place, (".git",)) == before, told
        again(place, run, told)
        shutil.rmtree(place)
    assert struck > POINTS[whose] // 3, "the faults did not reach anything"


def check(place: Path, old: str, done: bool, run: Run, told: str) -> None:
    """The set is sound; it holds the atom whole, or nothing of it; what was said to be done is done."""
    assert subprocess.run(["git", "fsck", "--strict"], cwd=place, capture_output=True).returncode == 0, told
    new = oracle.git(place / ".git", "rev-parse", LOG)
    listed = run("git", "atom", "list", cwd=place).stdout
    assert listed == ("" if new == old else "tiny 1.0.0\n"), told
    assert new != old or not done, f"said to be done, and is not: {told}"
    if new != old:
        assert run("git", "atom", "verify", "tiny", cwd=place).stdout.startswith("good tiny 1.0.0 "), told


def again(place: Path, run: Run, told: str) -> None:
    """The same command works; where a killed git left a lock, after what the hint says."""
    done = run("git", "atom", "publish", "tiny", cwd=place, status=None)
    if "ATOM-2020" in done.stderr:
        lock = re.search(r"hint: .*, (rm \S+)\n", done.stderr)
        assert lock is not None, done.stderr
        run("sh", "-c", lock[1])
        done = run("git", "atom", "publish", "tiny", cwd=place, status=None)
    assert done.returncode == 0, f"{told}\nand then {done.stderr}"
    assert run("git", "atom", "verify", "--source", cwd=place).stdout.startswith("good tiny 1.0.0 "), told


def test_nowhere_to_write_to_is_no_fault_of_ours(origin: Path, run: Run) -> None:
    run("git", "atom", "publish", "tiny", cwd=origin)
    for command, status in (
        ("atom list >/dev/full", 6),
        ("atom list --json >/dev/full", 6),
        ("atom nope 2>/dev/full", 129),
        ("atom show nope 2>/dev/full", 1),
    ):
        done = run("sh", "-c", f"exec git {command}", cwd=origin, status=status)
        assert not done.stdout
        if status == 6:
            assert "ATOM-9007" in done.stderr
    run("git", "atom", "list", cwd=origin)


def test_a_lock_that_was_left_is_told_with_the_way_out(origin: Path, run: Run) -> None:
    lock = origin / ".git/refs/atoms-log/head.lock"
    lock.write_text("")
    before = oracle.state(origin)
    told = run("git", "atom", "publish", "tiny", cwd=origin, status=128).stderr
    oracle.message(told, "ATOM-2020", f"--> {lock}", f"rm {lock}")
    assert {k: v for k, v in oracle.state(origin).items() if not k.endswith(" refs")} == {
        k: v for k, v in before.items() if not k.endswith(" refs")
    }
    again(origin, run, told)
