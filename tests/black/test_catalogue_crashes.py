"""The threat catalogue's cases of crashes and concurrency beyond single faults (K02, K06 to K08, K10), and of a large push (H06)."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import oracle
import pytest
from conftest import surroundings
from forging import Forger
from projects import LOG, Refused, Run, everything, refs, write_atom
from test_faults import Deed, Home, homes, points, standing, traced, twin

__all__ = ["homes"]

pytestmark = pytest.mark.slow
FIVE = tuple(f"p{at}" for at in range(5))


def five(home: Home) -> Home:
    for name in FIVE:
        write_atom(home.project / name, name, "1.0.0", f"{name}\n")
    home.run("git", "add", ".")
    home.run("git", "commit", "-qm", "five")
    return home


@pytest.mark.needs("strace")
@pytest.mark.parametrize(("whose", "count"), [("own", 6), ("git's", 5)], ids=["own", "git's"])
def test_k10_many_are_published_together_or_not_at_all(
    whose: str, count: int, homes: dict[str, Home], tmp_path: Path
) -> None:
    """Killed in the middle of publishing five, git's transaction of their refs included: a consumer sees none of them, or all."""
    deed = Deed("set", ("publish", *FIVE), lambda home: home.logged("/p4/versions/1.0.0"), {})
    ready, log, partly = five(twin(homes["set"], tmp_path / "ready")), tmp_path / "trace", 0
    for call, number in points(twin(ready, tmp_path / "counted"), whose, deed, count, log):
        home = twin(ready, tmp_path / f"at-{call}-{number}")
        before = standing(home)[1]
        traced(home, deed, whose, log, f"inject={call}:signal=KILL:when={number}")
        partly += before != standing(home)[1]
        consumer = Home(tmp_path / f"seen-{call}-{number}")
        (consumer.place / "project").mkdir(parents=True)
        seen = consumer.run("git", "atom", "list", str(home.project / ".git"), status=None, cwd=consumer.place).stdout
        assert len(seen.splitlines()) in (0, 5), (call, number, seen)
        done = home.run("git", "atom", *deed.argv, status=None)
        while (lock := oracle.told_lock(done.stderr)) is not None:
            lock.unlink()
            done = home.run("git", "atom", *deed.argv, status=None)
        assert done.returncode == 0, (call, number, done.stderr)
        assert len(home.run("git", "atom", "list").stdout.splitlines()) == 5
        home.run("git", "atom", "verify", "--all")
        shutil.rmtree(home.place)
    assert partly < count


@pytest.mark.needs("strace")
def test_k08_what_an_acknowledged_publication_needs_is_on_disk_before_it(
    homes: dict[str, Home], tmp_path: Path
) -> None:
    """At the moment the log's new head takes its place, every object and ref file made since was synced under the name it has or had then."""
    home = twin(homes["set"], tmp_path / "home")
    objects = home.project / ".git/objects"
    before = {path for path in objects.rglob("*") if path.is_file()}
    log = tmp_path / "trace"
    argv = [
        "strace",
        "-f",
        "-q",
        "-y",
        "-o",
        str(log),
        "-e",
        "trace=fsync,fdatasync,rename,renameat,renameat2,link,linkat",
    ]
    home.run(*argv, "git-atom", "publish", "tiny")
    synced: set[str] = set()
    head = str(home.project / ".git" / LOG)
    place = str(home.project)
    for line in log.read_text().splitlines():
        if found := re.search(r"f(?:data)?sync\(\d+<([^>]+)>\)\s+= 0", line):
            synced.add(os.path.realpath(found[1].removesuffix(" (deleted)")))
        elif found := re.search(r"(?:rename|link)\w*\((.*)\)\s+= 0", line):
            paths = [os.path.realpath(os.path.join(place, ".git", text)) for text in re.findall(r'"([^"]+)"', found[1])]
            handles = [text.removesuffix(" (deleted)") for text in re.findall(r"<([^>]+)>", found[1])]
            if len(paths) == 2 and (paths[0] in synced or any(handle in synced for handle in handles)):
                synced.add(paths[1])
            if paths[-1] == os.path.realpath(head):
                break
    else:
        pytest.fail("the log's head did not move by a rename")
    assert os.path.realpath(head) in synced, "the head itself was synced before its rename"
    made = {path for path in objects.rglob("*") if path.is_file()} - before
    assert made
    lost = [str(path.relative_to(objects)) for path in made if os.path.realpath(path) not in synced]
    assert not lost, lost


def test_k07_collecting_garbage_all_the_while(homes: dict[str, Home], tmp_path: Path) -> None:
    """gc, repacking and packing of refs in a loop beside every publication: nothing that was published is missing afterwards.

    With git's own time of grace: `--prune=now` beside anybody who writes loses objects, as git-gc(1) says, ours like git's own.
    """
    home = five(twin(homes["set"], tmp_path / "home"))
    loop = "while :; do git gc -q; git repack -q -a -d; git pack-refs --all; done"
    collecting = subprocess.Popen(
        ["sh", "-c", loop],
        cwd=home.project,
        env=surroundings(home.place),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    said = []
    try:
        for name in FIVE:
            for _ in range(20):
                done = home.run("git", "atom", "publish", name, status=None)
                if done.returncode == 0:
                    break
                lock = oracle.told_lock(done.stderr)
                assert done.returncode == 5 or lock is not None, done.stderr  # a ref was being packed
            said.append(name)
            assert done.returncode == 0, done.stderr
    finally:
        os.killpg(collecting.pid, signal.SIGKILL)
        collecting.wait()
    for lock in (home.project / ".git").rglob("*.lock"):
        lock.unlink()
    assert home.run("git", "fsck", "--strict", "--connectivity-only").returncode == 0
    listed = home.run("git", "atom", "list").stdout
    assert listed == "".join(f"{name} 1.0.0\n" for name in said)
    home.run("git", "atom", "verify", "--all")


def test_k06_a_lock_that_somebody_holds_is_never_broken(homes: dict[str, Home], tmp_path: Path) -> None:
    """A live git that is changing a ref is left to finish; then the same command works."""
    home = twin(homes["set"], tmp_path / "home")
    place = home.project / ".git" / LOG
    busy = subprocess.Popen(
        ["git", "update-ref", "--stdin"], cwd=home.project, env=surroundings(home.place), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        old = place.read_text().strip()
        busy.stdin.write(f"start\nupdate {LOG} {old} {old}\nprepare\n")  # type: ignore[union-attr]
        busy.stdin.flush()  # type: ignore[union-attr]
        lock = Path(f"{place}.lock")
        for _ in range(100):
            if lock.exists():
                break
            time.sleep(0.05)
        done = home.run("git", "atom", "publish", "tiny", status=128)
        assert "ATOM-2020" in done.stderr and lock.exists() and place.read_text().strip() == old
    finally:
        busy.communicate("abort\n")
    home.run("git", "atom", "publish", "tiny")


def test_k02_a_push_that_is_killed_while_the_hook_judges(bare: Path, forger: Forger, home: Path, run: Run) -> None:
    """The whole process group of a push, server and hook with it, is killed at moments spread over it: before or after, and again works."""
    took = []
    for version in ("1.0.0", "1.1.0"):  # a first push, which also says how long one takes
        made = forger.add("b" if version == "1.0.0" else "c", "1.0.0")
        began = time.monotonic()
        assert forger.push(bare, *forger.specs(made)).returncode == 0
        took.append(time.monotonic() - began)
    previous, stopped = "1.0.0", 0
    for at, moment in enumerate(oracle.moments(min(took), 8)):
        version = f"2.{at}.0"
        specs = forger.specs(forger.add("a", version, previous))
        before = refs(run, bare)
        ended = oracle.struck(("git", "push", "-q", "--atomic", str(bare), *specs), moment, signal.SIGKILL, cwd=forger.path,
                              env=dict(os.environ))  # fmt: skip
        stopped += ended.status != 0
        now = refs(run, bare)
        assert now == before or (f"refs/atoms/a/{version}" in now and forger.head in now), ended
        run("git", "fsck", "--strict", cwd=bare)
        for lock in bare.rglob("*.lock"):
            lock.unlink()
        done = forger.push(bare, *specs)
        assert done.returncode == 0, done.stderr
        previous = version
    assert stopped
    run("git", "gc", "-q", "--prune=now", cwd=bare)  # takes what a killed git left
    assert not [name for name in os.listdir(bare / "objects") if name.startswith(("incoming", "tmp"))]
    run("git", "atom", "trust", "add", forger.draft.anchor)
    run("git", "atom", "verify", cwd=bare)


def test_h06_many_signed_refs_in_one_push(bare: Path, forger: Forger, refused: Refused, tmp_path: Path) -> None:
    """300 of the catalogue's 10,000, whose time and memory bench/hooks.py measures; with a bad one among them none is in."""
    names = [f"n{at}" for at in range(300)]
    forger.claim(*names)
    forger.push(bare, f"{forger.head}:{LOG}")
    made = forger.publish(*(forger.tag(forger.release(name, "1.0.0")) for name in names))
    refused("ATOM-8505", *forger.specs(*made), f"{made[0].oid}:refs/atoms/n0/1.0.1")
    before = everything(bare)
    done = forger.push(bare, *forger.specs(*made))
    assert done.returncode == 0, done.stderr
    assert everything(bare) != before
