"""What tests of trouble judge by: the state of repositories, the grammar of messages, leftovers, and processes that outlive their command."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ENDED = -signal.SIGINT  # how git itself ends on Ctrl-C, which a shell shows as 130
_ERROR = re.compile(r"error\[(ATOM-\d{4})\]: (.+)")
_PART = re.compile(r"(  --> |note: |hint: ).+")
# names that only temporaries have
_TEMPORARY = re.compile(
    r"tmp_.*|\.part-.*|build-.*|\.new-.*|\.store-.*|stubs-.*|doctor-.*|.*\.lock|.*\.(new|old)|[0-9a-f][0-9a-f_-]{9,}\.\d+|\.?.*-?\d+-\d{9,}"
)
_KEPT_LOCKS = {"atoms-publish.lock", "atom.lock"}


class Ended(NamedTuple):
    """How a command ended: exit code as a shell shows it, standard output and error, seconds."""

    status: int
    out: str
    err: str
    seconds: float


def message(text: str, code: str, *words: str) -> None:
    """Hold standard error against the grammar: talk, then errors of one what and its parts, each on a line; `code` is among them."""
    lines = text.splitlines()
    starts = [at for at, line in enumerate(lines) if line.startswith("error[")]
    assert starts, f"no error in {text!r}"
    found = []
    for line in lines[starts[0] :]:
        match = _ERROR.fullmatch(line)
        if match:
            found.append(match[1])
            assert not match[2].endswith("."), f"a full stop in {line!r}"
            assert match[2][0] in "'\"[0123456789" or match[2][0].islower(), f"upper case in {line!r}"
        else:
            assert _PART.fullmatch(line), f"{line!r} is no part of a message in {text!r}"
    assert code in found, f"{code} is not in {text!r}"
    assert "Traceback" not in text and 'File "' not in text
    for word in words:
        assert word in text, f"{word!r} is not in {text!r}"


def git(git_dir: Path, *argv: str, env: Mapping[str, str] | None = None) -> str:
    clean = {k: v for k, v in (env or os.environ).items() if not k.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "--git-dir", str(git_dir), *argv], capture_output=True, text=True, env=clean
    )
    assert done.returncode == 0, f"git {argv}: {done.stderr}"
    return done.stdout


def files(top: Path, skip: Sequence[str] = ()) -> dict[str, str]:
    """Every path below a directory with type, mode and content; directories named in `skip` are left out."""
    out = {}
    for folder, dirs, names in os.walk(top):
        dirs[:] = [d for d in dirs if d not in skip]
        for name in dirs + names:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path):
                content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            else:
                content = ""
            out[os.path.relpath(path, top)] = f"{mode:o} {content}"
    return out


def state(*places: Path) -> dict[str, str]:
    """The state of repositories (work tree and all, or bare) and of plain directories: refs, HEAD, configuration, files; not their objects.

    A place that is not there is part of the state, too.
    """
    out: dict[str, str] = {}
    for place in places:
        repo = place / ".git" if (place / ".git").is_dir() else place
        if not place.exists():
            out[str(place)] = "absent"
            continue
        if (repo / "HEAD").exists():
            refs = "%(objectname) %(refname) %(symref)"
            out[f"{place} refs"] = git(repo, "for-each-ref", f"--format={refs}")
            out[f"{place} HEAD"] = (repo / "HEAD").read_text()
            out[f"{place} config"] = (repo / "config").read_text()
        if repo != place or not (repo / "HEAD").exists():
            out |= {f"{place}/{name}": kept for name, kept in files(place, (".git",)).items()}
    return out


def leftovers(*places: Path) -> list[str]:
    """Temporaries below directories."""
    out = []
    for place in places:
        for folder, dirs, names in os.walk(place):
            for name in [*dirs, *names]:
                if _TEMPORARY.fullmatch(name) and name not in _KEPT_LOCKS and "/apt/" not in folder + "/":
                    out.append(os.path.join(folder, name))
                elif os.path.basename(folder) in ("incoming", "work", "partial") or folder.endswith("git-atom/tmp"):
                    out.append(os.path.join(folder, name))
    return out


def adopt() -> None:
    """Make this process the one that orphans below it come to, so that they can be found (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0


def children() -> set[int]:
    """Processes below this one, all the way down, zombies left out and reaped."""
    try:
        while True:
            if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                break
            # only orphans are ours to reap here: the tests wait for what they start themselves
            os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        pass
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                words = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if words[0] != "Z":
                parents.setdefault(int(words[1]), []).append(int(entry))
    out: set[int] = set()
    todo = [os.getpid()]
    while todo:
        found = parents.get(todo.pop(), [])
        out.update(found)
        todo += found
    return out


def none_left(before: set[int], seconds: float = 15) -> None:
    """See that what a command started is gone soon after it."""
    until = time.monotonic() + seconds
    while extra := children() - before:
        if time.monotonic() > until:
            told = [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")[:200] for pid in extra]
            for pid in extra:
                os.kill(pid, signal.SIGKILL)
            if all(words.startswith(b"bwrap --unshare-user") for words in told):
                return  # struck between its start and its own request to die with its parent (docs/adr/0041)
            raise AssertionError(f"still running: {told}")
        time.sleep(0.05)


def struck(argv: Sequence[str | Path], after: float | None, number: int, *, cwd: Path, env: Mapping[str, str]) -> Ended:
    """Run a command in a process group of its own and send the group a signal after some seconds (None: never)."""
    begun = time.monotonic()
    child = subprocess.Popen(
        [str(a) for a in argv], cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, errors="backslashreplace", process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background ignores it
    )  # fmt: skip
    try:
        out, err = child.communicate(timeout=after if after is not None else 300)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, number if after is not None else signal.SIGKILL)
        out, err = child.communicate(timeout=120)
    status = child.returncode if child.returncode >= 0 else 128 - child.returncode
    return Ended(status, out, err, time.monotonic() - begun)


def told_lock(err: str) -> Path | None:
    """The lock that a message says to remove when no git is running (ATOM-2020), or None."""
    found = re.search(r"^hint: .*, rm (\S+)$", err, re.M) if "ATOM-2020" in err else None
    return Path(found[1]) if found else None


def moments(total: float, count: int) -> list[float]:
    """Moments spread over a run of `total` seconds; ATOM_TEST_MOMENTS multiplies how many."""
    count *= int(os.environ.get("ATOM_TEST_MOMENTS", "1"))
    return [total * (at + 0.5) / count for at in range(count)]


def twin(source: Path, target: Path) -> Path:
    """A copy of a directory in which large files, none of which is ever written in place, share their bytes with the source."""
    for folder, _, names in os.walk(source):
        place = target / os.path.relpath(folder, source)
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            path = Path(folder) / name
            if not path.is_symlink() and path.stat().st_size > 1 << 15 and not name.startswith("tokens"):
                os.link(path, place / name)
            else:
                shutil.copy2(path, place / name, follow_symlinks=False)
    return target


def ours(paths: Iterable[str]) -> list[str]:
    """Those of the temporaries that are not git's: an interrupted git leaves packs behind, which a later run of ours sweeps up."""
    return [
        path for path in paths if not re.fullmatch(r"tmp_(pack|idx|rev|obj)_[A-Za-z0-9]{6}", os.path.basename(path))
    ]


def later(argv: Sequence[str]) -> list[str]:
    """A command of ours as it would run when everything there is has grown old."""
    code = (
        "import sys; from git_atom.git import leftovers; leftovers.sweep.__defaults__ = ('.*', -1.0);"
        "from git_atom.cli.main import main; sys.exit(main(sys.argv[1], sys.argv[2:]))"
    )
    return [sys.executable, "-c", code, *argv[1:]]
