"""Programs that speak with another repository, within bounds of space, memory and patience, whatever the transport.

Of git's transports http alone has a least speed (http.lowSpeedLimit); ssh and git:// wait for ever, and a silent ssh outlives the git
that started it. So what counts here is what a whole family of processes reads and writes (proc(5), /proc/<pid>/io); one that computes
(deltas, git's fsck) is at work.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, NamedTuple

from git_atom.errors import AtomError, CannotError
from git_atom.git import config
from git_atom.git.proc import Done, begun, missing, stat_of

STALL = "atom.stallTime"
_STALL = 60  # seconds
_LEAST = 1000  # bytes a second, all processes together
_BUSY = 0.01  # of a processor: less than this computes nothing worth waiting for
_LOOK = 0.25  # seconds between two looks
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


class _Spent(NamedTuple):
    """What a process has done since it began: bytes read and written, seconds of processor."""

    moved: int
    busy: float


class Watch:
    """Watches a program that was just started and all it starts; a context manager. After it `slow` says whether it had to be ended.

    Raises CannotError ATOM-2024 on leaving when the user's setting cannot be read: that is asked only of who takes more than a moment.
    """

    def __init__(self, process: subprocess.Popen[bytes], environ: Mapping[str, str]) -> None:
        self.slow = False
        self.seconds = 0
        self._process = process
        self._environ = environ
        self._failed: AtomError | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._spent: dict[tuple[int, str], _Spent] = {}

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    @property
    def words(self) -> bytes:
        """What is to be said of one that was ended."""
        return f"it sent less than {_LEAST} bytes a second for {self.seconds} seconds ({STALL})".encode()

    def _watch(self) -> None:
        # looks are counted, not the clock: time in which this program was stopped as well (Ctrl-Z) is nobody's fault
        looks, since = 0, _Spent(0, 0.0)
        while not self._over.wait(_LOOK):
            if not self.seconds and not self._ask():
                return self._end()
            looks += 1
            now = self._look()
            if now.moved - since.moved >= _LEAST * self.seconds or now.busy - since.busy >= _BUSY * self.seconds:
                looks, since = 0, now
            elif looks * _LOOK >= self.seconds:
                self.slow = True
                return self._end()

    def _ask(self) -> bool:
        try:
            self.seconds = patience(self._environ)
        except AtomError as error:
            self._failed = error
        return self._failed is None

    def _look(self) -> _Spent:
        """What the family has done by now, those that are gone included."""
        for pid in _family(self._process.pid):
            with suppress(OSError, ValueError, IndexError):
                began, busy = _stat(pid)
                self._spent[pid, began] = _Spent(_moved(pid), busy)
        return _Spent(sum(s.moved for s in self._spent.values()), sum(s.busy for s in self._spent.values()))

    def _end(self) -> None:
        """Kill the family: a silent connection would otherwise live on when the git that started it is gone."""
        self._look()
        for pid, began in list(self._spent):
            _kill(pid, began)


class Within(NamedTuple):
    """How a program ended that ran within bounds. peak: the most memory in bytes that one of its processes took, or 0 when another child
    of ours took more before. late: what is to be said when it was ended for want of progress, else empty."""

    done: Done
    peak: int
    late: bytes


def run_within(
    argv: Sequence[str], *, env: Mapping[str, str], stdin: bytes, size: int, memory: int, cwd: str | None = None
) -> Within:
    """Run a program with no file of it and its children above `size` bytes, no process above `memory` bytes of data, and with a `Watch`.

    Raises UnavailableError ATOM-2001 when it is not installed, CannotError ATOM-2024.
    """
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    try:
        with subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=cwd
        ) as child:
            _limit(child.pid, size, memory)
            with Watch(child, env) as watch:
                out, err = child.communicate(stdin)
    except FileNotFoundError as error:
        raise missing(str(error.filename)) from error
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    peak = after * 1024 if after > before else 0
    return Within(Done(child.returncode, out, err), peak, watch.words if watch.slow else b"")


@contextmanager
def limited(
    argv: Sequence[str], env: Mapping[str, str], err: IO[bytes], *, size: int, memory: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is fed through its stdin while the block lasts, under limits as `run_within`; ended by then, by force on an error."""
    child = begun(argv, subprocess.PIPE, subprocess.DEVNULL, err, env=env)
    try:
        _limit(child.pid, size, memory)
        yield child
    except BaseException:
        child.kill()
        raise
    finally:
        with suppress(BrokenPipeError):  # it did not wait for all that it was given
            if child.stdin is not None:
                child.stdin.close()
        child.wait()


def _limit(pid: int, size: int, memory: int) -> None:
    import resource

    for limit, most in ((resource.RLIMIT_FSIZE, size), (resource.RLIMIT_DATA, memory)):
        try:
            resource.prlimit(pid, limit, (most, most))
        except (ProcessLookupError, ValueError):  # it ended at once; or less is set by the user
            pass


def patience(environ: Mapping[str, str]) -> int:
    """For how many seconds another repository may bring next to nothing, of the user's own configuration. Raises CannotError ATOM-2024."""
    for text in config.user_only(STALL, environ)[-1:]:
        found = re.fullmatch(r"([1-9][0-9]{0,5})([smh]?)", text)
        if found is None:
            raise CannotError(
                "ATOM-2024", f"'{text}' is not a time to wait", where=STALL, hint=f"git config --global {STALL} 60s"
            )
        return int(found[1]) * _UNITS[found[2]]
    return _STALL


def _family(pid: int) -> list[int]:
    """A process and all below it; those whose parent is gone are not found."""
    found, at = [pid], 0
    while at < len(found):
        with suppress(OSError):
            for task in os.listdir(f"/proc/{found[at]}/task"):
                with suppress(OSError), open(f"/proc/{found[at]}/task/{task}/children", encoding="ascii") as file:
                    found += map(int, file.read().split())
        at += 1
    return found


def end_family(process: subprocess.Popen[bytes]) -> None:
    """Kill a program that was not waited for and all below it."""
    for pid in _family(process.pid):
        with suppress(OSError, ValueError, IndexError):
            _kill(pid, _stat(pid)[0])


def _kill(pid: int, began: str) -> None:
    with suppress(OSError, ValueError, IndexError):
        handle = os.pidfd_open(pid)
        try:
            if _stat(pid)[0] == began:  # and not another one that got its number
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def _stat(pid: int) -> tuple[str, float]:
    """When a process began, in the kernel's own words, and the seconds of processor it took (proc(5), /proc/<pid>/stat)."""
    fields = stat_of(pid)
    return fields[19].decode(), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _moved(pid: int) -> int:
    """Bytes that a process has read and written; 0 where the kernel does not say, as of a program with another user's rights."""
    try:
        with open(f"/proc/{pid}/io", "rb") as file:
            lines = file.read().split(b"\n")
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith((b"rchar:", b"wchar:")))
