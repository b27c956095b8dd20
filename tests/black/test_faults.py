"""Faults at chosen system calls of the commands that write, git's own processes included: killed there, told of no space, or of a bad disk.

strace(1) makes the N-th call that changes the disk, in whichever process gets there, kill its process or fail; and at random moments
the whole process group is killed. N is spread over all there are, and ATOM_TEST_MOMENTS multiplies how many; with ATOM_TEST_EVERY set
every call is struck, and a thousand moments. Afterwards: the old state or the new one, sound either way, and the same command works.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import oracle
import pytest
from conftest import settle, surroundings

pytestmark = pytest.mark.slow
Run = Callable[..., "subprocess.CompletedProcess[str]"]
EVERY = bool(os.environ.get("ATOM_TEST_EVERY"))
FAULTS = {"kill": "signal=KILL", "no-space": "error=ENOSPC", "io-error": "error=EIO"}
CALLS = "write,pwrite64,rename,link,linkat,mkdir,unlink,rmdir,fsync,chmod,utimensat,flock,ftruncate"
# stands before git in PATH, so that the calls of every git are counted apart from ours
SHIM = '#!/bin/sh\nexec strace -f -q -o "$TRACE.$$" $INJECT {git} "$@"\n'
LOG = "refs/atoms-log/head"
MANIFEST = '[atom]\nid = "tiny"\nversion = "1.0.0"\ntype = "package"\n'


class Home(NamedTuple):
    """Someone's whole world, which can be copied: no path in it is absolute."""

    place: Path

    @property
    def project(self) -> Path:
        return self.place / "project"

    @property
    def store(self) -> Path:
        return self.place / ".local/share/git-atom/store.git"

    def run(
        self, *argv: str, cwd: Path | None = None, status: int | None = 0, **env: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(word) for word in argv], cwd=cwd or self.project, env=surroundings(self.place) | env, capture_output=True,
            text=True, errors="backslashreplace", timeout=120,
        )  # fmt: skip
        told = f"{' '.join(map(str, argv))}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr and "ATOM-9004" not in done.stderr, told
        assert status is None or done.returncode == status, told
        return done

    def logged(self, end: str) -> bool:
        """Whether the log has a file whose path ends so."""
        if not self.refs(self.project / ".git", LOG):
            return False
        rows = oracle.git(self.project / ".git", "ls-tree", "-r", "--name-only", LOG).splitlines()
        return any(row.endswith(end) for row in rows)

    def refs(self, repo: Path, *prefixes: str) -> str:
        return oracle.git(repo, "for-each-ref", *prefixes) if repo.exists() else ""


class Deed(NamedTuple):
    """A command to strike. ready: how far its home has come; done: whether it took effect; points: how many calls to strike by default."""

    ready: str
    argv: tuple[str, ...]
    done: Callable[[Home], bool]
    points: dict[tuple[str, str], int]
    below: str = "project"


FEW = {("own", "kill"): 5, ("git's", "kill"): 3, ("own", "no-space"): 3, ("git's", "no-space"): 2}
MANY = {(whose, fault): number for whose, number in (("own", 12), ("git's", 6)) for fault in FAULTS}
DEEDS = {
    "init": Deed("bare", ("init",), lambda home: bool(home.refs(home.project / ".git", LOG)), FEW),
    "publish": Deed("set", ("publish", "tiny"), lambda home: home.logged("/tiny/versions/1.0.0"), MANY),
    "claim": Deed("set", ("claim", "other"), lambda home: home.logged("/other/claims/0/statement"), FEW),
    "rotate": Deed("set", ("charter", "add-owner", "../ann.pub"), lambda home: home.logged("charters/1/statement"), FEW),
    "retract": Deed("published", ("retract", "tiny@=1.0.0", "--reason", "it is bad"),
                    lambda home: home.logged("tiny/retractions/1.0.0/statement"), FEW),
    "fetch": Deed("published", ("fetch", "./server.git::tiny"), lambda home: "/tiny/1.0.0" in home.refs(home.store), FEW, "."),
}  # fmt: skip


def possible() -> bool:
    return subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Home]:
    """A home of someone with a project and no set (`bare`), with a set, and with an atom of it published and served."""
    base = tmp_path_factory.mktemp("homes")
    first = Home(base / "bare")
    first.place.mkdir()
    settle(first.place, first.run)
    first.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ann", "-f", "ann", cwd=first.place)
    first.run("git", "init", "-q", "project", cwd=first.place)
    (first.project / "tiny").mkdir()
    (first.project / "tiny/atom.toml").write_text(MANIFEST)
    (first.project / "tiny/tiny.c").write_text("int main;\n")
    first.run("git", "add", ".")
    first.run("git", "commit", "-qm", "tiny")
    made = {"bare": first, "set": twin(first, base / "set")}
    made["set"].run("git", "atom", "init")
    made["published"] = twin(made["set"], base / "published")
    made["published"].run("git", "atom", "publish", "tiny")
    made["published"].run("git", "clone", "-q", "--mirror", "project", "server.git", cwd=made["published"].place)
    return made


def twin(home: Home, place: Path) -> Home:
    shutil.copytree(home.place, place, symlinks=True)
    return Home(place)


def traced(home: Home, deed: Deed, whose: str, log: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a command with its own calls, or those of each git it starts, traced into files whose names begin as that of `log`."""
    for old in log.parent.glob(log.name + "*"):
        old.unlink()
    words, where = (f"trace={CALLS}", *options), home.place / deed.below
    given = [part for word in words for part in ("-e", word)]
    if whose == "own":
        return home.run("strace", "-q", "-y", "-o", str(log), *given, "git-atom", *deed.argv, cwd=where, status=None)
    shims = home.place.parent / "shims"
    shims.mkdir(exist_ok=True)
    (shims / "git").write_text(SHIM.format(git=shutil.which("git")))
    (shims / "git").chmod(0o755)
    path = f"{shims}:{surroundings(home.place)['PATH']}"
    return home.run(
        "git-atom", *deed.argv, cwd=where, status=None, PATH=path, TRACE=str(log), INJECT=" ".join(["-y", *given])
    )


def texts(log: Path) -> list[str]:
    return [path.read_text() for path in sorted(log.parent.glob(log.name + "*"))]


def points(home: Home, whose: str, deed: Deed, count: int, log: Path) -> list[tuple[str, int]]:
    """Which call of which name to strike, in whichever process makes that many: all that reach the disk, or some spread over them."""
    assert traced(home, deed, whose, log).returncode == 0
    real = set()
    for text in texts(log):
        made: Counter[tuple[str, str]] = Counter()
        for process, name, rest in re.findall(r"^(\d* *)(\w+)\((.*)$", text, re.M):
            made[process, name] += 1
            if not re.match(r"\d+<(?!/(?!dev/))", rest):  # not one to a pipe, a socket or a terminal
                real.add((name, made[process, name]))
    every = sorted(real)
    return every if EVERY else list(dict.fromkeys(every[int(at)] for at in oracle.moments(len(every), count)))


CASES = [(name, whose, fault) for name, deed in DEEDS.items() for whose, fault in deed.points]


@pytest.mark.needs("strace")
@pytest.mark.skipif(bool(shutil.which("strace")) and not possible(), reason="strace cannot trace here")
@pytest.mark.parametrize(("name", "whose", "fault"), CASES, ids=["-".join(case) for case in CASES])
def test_k01_k04_at_a_system_call(name: str, whose: str, fault: str, homes: dict[str, Home], tmp_path: Path) -> None:
    deed, log = DEEDS[name], tmp_path / "trace"
    count, struck = deed.points[whose, fault], 0
    for call, number in points(twin(homes[deed.ready], tmp_path / "counted"), whose, deed, count, log):
        home = twin(homes[deed.ready], tmp_path / f"at-{call}-{number}")
        before = standing(home)
        done = traced(home, deed, whose, log, f"inject={call}:{FAULTS[fault]}:when={number}")
        told = f"{name}: {fault} at {call} {number}: exit {done.returncode}\n{done.stderr}"
        struck += any(re.search(r"\(INJECTED\)|killed by SIGKILL", text) for text in texts(log))
        if fault != "kill":
            assert done.returncode >= 0, told
        if done.returncode > 0 and "error[" in done.stderr:
            oracle.message(done.stderr, re.search(r"ATOM-\d+", done.stderr)[0])  # type: ignore[index]
        after(deed, home, before, done.returncode == 0, told)
        shutil.rmtree(home.place)
    assert struck > count // 3, "the faults did not reach anything"


def test_k01_k02_at_any_moment(homes: dict[str, Home], tmp_path: Path) -> None:
    """The whole process group is killed at random moments of each command in turn."""
    seed = int(os.environ.get("ATOM_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
    chance, whole, hit = random.Random(seed), {}, 0
    for name, deed in DEEDS.items():
        home = twin(homes[deed.ready], tmp_path / name)
        whole[name] = oracle.struck(("git-atom", *deed.argv), None, signal.SIGKILL, cwd=home.place / deed.below,
                                    env=surroundings(home.place)).seconds  # fmt: skip
    for at in range(1000 if EVERY else 2 * len(DEEDS)):
        name = list(DEEDS)[at % len(DEEDS)]
        deed, moment = DEEDS[name], chance.uniform(0.15, 1.0) * whole[name]
        home = twin(homes[deed.ready], tmp_path / f"at-{at}")
        before = standing(home)
        ended = oracle.struck(
            ("git-atom", *deed.argv), moment, signal.SIGKILL, cwd=home.place / deed.below, env=surroundings(home.place)
        )
        hit += ended.status != 0
        told = f"{name} after {moment:.3f} of {whole[name]:.3f} s, ATOM_TEST_SEED={seed}: {ended}"
        assert ended.status in (0, 128 + signal.SIGKILL), told
        after(deed, home, before, ended.status == 0, told)
        shutil.rmtree(home.place)
    assert hit, "no moment was in time"


def test_a_refusal_leaves_every_byte_as_it_was(homes: dict[str, Home], tmp_path: Path) -> None:
    home = twin(homes["published"], tmp_path / "home")
    home.run("git", "atom", "fetch", "./server.git::tiny", cwd=home.place)
    (home.project / "tiny/tiny.c").write_text("int other;\n")
    home.run("git", "commit", "-qam", "other content under the same version")
    (home.project / "copy").mkdir()
    (home.project / "copy/atom.toml").write_text(MANIFEST.replace("tiny", "Tiny"))
    (home.project / "wrong").mkdir()
    (home.project / "wrong/atom.toml").write_text(MANIFEST.replace("version", "verson"))
    home.run("git", "add", ".")
    home.run("git", "commit", "-qm", "a name that looks like another")
    before = oracle.files(home.place, (".cache",))
    for status, *words in (
        (5, "publish", "tiny"), (5, "publish", "copy"), (7, "publish", "wrong"), (128, "publish", "absent"), (7, "publish", "--all"),
        (128, "publish", "tiny", "--rev", "absent"), (5, "claim", "Tiny"), (7, "claim", "a b"), (7, "claim", "--", "-rf"),
        (1, "retract", "tiny@=9.9.9", "--reason", "x"), (7, "retract", "tiny", "--reason", "a\nb"), (1, "retract", "other", "--reason", "x"),
        (128, "charter", "threshold", "5"), (128, "charter", "add-owner", "absent.pub"), (1, "charter", "remove-owner", "../ann.pub"),
        (128, "charter", "remove-owner", "../key.pub"), (7, "fetch", "ext::sh -c id::tiny"), (6, "fetch", "../absent::tiny"),
        (1, "fetch", "../server.git::other"), (128, "get", "tiny", "tiny"), (7, "trust", "add", "x"), (7, "add", "a b"), (129, "nope"),
    ):  # fmt: skip
        done = home.run("git", "atom", *words, status=None)
        assert oracle.files(home.place, (".cache",)) == before, words
        assert (done.returncode, not done.stdout) == (status, True), (
            f"{words}: {done.returncode} {done.stdout} {done.stderr}"
        )


def standing(home: Home) -> tuple[dict[str, str], str]:
    """What no unfinished command may change: files of the work tree, and refs that count for something."""
    return oracle.files(home.project, (".git",)), home.refs(home.project / ".git", "refs/heads", "refs/atoms-log")


def after(deed: Deed, home: Home, before: tuple[dict[str, str], str], said: bool, told: str) -> None:
    """All is sound; it took effect whole, or not at all; what was said to be done is done; and the same command then does it."""
    for repo in (home.project / ".git", home.store):
        assert not repo.exists() or fsck(repo) == "", f"{told}\n{fsck(repo)}"
    done = deed.done(home)
    assert done or not said, f"said to be done, and is not: {told}"
    files, refs = standing(home)
    assert files == before[0], told
    assert done or refs == before[1], told
    if refs != before[1]:
        checked = home.run("git", "atom", "verify", "--all", status=None)
        # what was founded is trusted a moment later: the user is told of it, or runs the same command again
        founded = deed.ready == "bare" and "ATOM-3013" in checked.stderr
        assert checked.returncode == 0 or founded, f"{told}\nand then {checked.stderr}"
    again(deed, home, told)
    assert deed.done(home), told
    assert home.run("git", "atom", "verify", "--all").returncode == 0
    if done and LOG in refs:
        assert standing(home)[1] == refs, f"done twice: {told}"


def fsck(repo: Path) -> str:
    done = subprocess.run(["git", "--git-dir", str(repo), "fsck", "--strict"], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr


def again(deed: Deed, home: Home, told: str) -> None:
    """The same command works; where a killed git left locks, after what the hints say. In the store no lock stays."""
    done = home.run("git", "atom", *deed.argv, cwd=home.place / deed.below, status=None)
    while (lock := oracle.told_lock(done.stderr)) is not None:
        assert lock.is_relative_to(home.project) or lock.name == ".gitconfig.lock", done.stderr
        lock.unlink()
        done = home.run("git", "atom", *deed.argv, cwd=home.place / deed.below, status=None)
    assert done.returncode == 0, f"{told}\nand then {done.stderr}"


def test_nowhere_to_write_to_is_no_fault_of_ours(homes: dict[str, Home], tmp_path: Path) -> None:
    home = twin(homes["published"], tmp_path / "home")
    for command, status in (
        ("atom list >/dev/full", 6),
        ("atom list --json >/dev/full", 6),
        ("atom nope 2>/dev/full", 129),
        ("atom show nope 2>/dev/full", 1),
    ):
        done = home.run("sh", "-c", f"exec git {command}", status=status)
        assert not done.stdout
        if status == 6:
            assert "ATOM-9007" in done.stderr
    home.run("git", "atom", "list")


def test_k06_a_lock_that_was_left_is_told_with_the_way_out(homes: dict[str, Home], tmp_path: Path) -> None:
    home = twin(homes["set"], tmp_path / "home")
    lock = home.project / ".git/refs/atoms-log/head.lock"
    lock.write_text("")
    before = oracle.state(home.project)
    told = home.run("git", "atom", "publish", "tiny", status=128).stderr
    oracle.message(told, "ATOM-2020", f"--> {lock}", f"rm {lock}")
    assert {k: v for k, v in oracle.state(home.project).items() if not k.endswith(" refs")} == {
        k: v for k, v in before.items() if not k.endswith(" refs")
    }
    again(DEEDS["publish"], home, told)
