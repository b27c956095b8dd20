"""Running other programs. Door: sh (tools that run for seconds); git and short tools go through posix_spawn by subprocess.

No shell is ever involved, arguments are passed as they are, and a child gets exactly the environment it is given.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, NamedTuple

from git_atom.errors import CannotError, UnavailableError

# What `git rev-parse --local-env-vars` lists: cleared before another repository than the user's own is touched (githooks(5)).
LOCAL_ENV = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_OBJECT_DIRECTORY",
    "GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE", "GIT_INDEX_FILE", "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE", "GIT_PREFIX", "GIT_SHALLOW_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_CEILING_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
)  # fmt: skip


class Done(NamedTuple):
    """How a program ended: exit status (negative: the signal), its standard output and error."""

    status: int
    out: bytes
    err: bytes


def run(
    argv: Sequence[str | bytes],
    *,
    env: Mapping[str, str] | None,
    cwd: str | None = None,
    stdin: bytes = b"",
    keep: Sequence[int] = (),
) -> Done:
    """Run a program to its end with its output captured; raises UnavailableError (ATOM-2001) when it is not installed.

    keep: file descriptors that the program inherits.
    """
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, env=env, cwd=cwd, check=False, pass_fds=keep)
    except FileNotFoundError as error:
        raise missing(str(error.filename)) from error
    return Done(done.returncode, done.stdout, done.stderr)


@contextmanager
def started(
    *calls: Sequence[str], envs: Sequence[Mapping[str, str]], cwd: str | None = None, stdin: bytes = b""
) -> Iterator[Callable[[], list[Done]]]:
    """Programs that run while the block does, each fed by the one before it; what is yielded waits for their ends.

    envs: the environment of each; stdin: what the first is fed. A block that ends without waiting ends them. Raises UnavailableError
    (ATOM-2001) when one is not installed.
    """
    with ExitStack() as stack:

        def file(name: str) -> IO[bytes]:
            return stack.enter_context(open(os.memfd_create(name), "w+b"))

        feed, out = file("in"), file("out")
        feed.write(stdin)
        feed.seek(0)
        running: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []

        def ended() -> list[Done]:
            done = [Done(process.wait(), b"", _said(words)) for process, words in running]
            return [*done[:-1], done[-1]._replace(out=_said(out))]

        try:
            for at, (argv, env) in enumerate(zip(calls, envs, strict=True)):
                words = file("words")
                process = begun(argv, feed, out if at + 1 == len(calls) else subprocess.PIPE, words, env=env, cwd=cwd)
                running.append((process, words))
                feed.close()
                feed = process.stdout or feed
            yield ended
        finally:
            for process, _ in running:
                if process.poll() is None:
                    process.terminate()
                    process.wait()


def _said(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def begun(
    argv: Sequence[str],
    stdin: int | IO[bytes],
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    size: int = -1,
) -> subprocess.Popen[bytes]:
    """A program that was just started, for whoever talks to it. size: of the buffers. Raises UnavailableError (ATOM-2001) when it is not installed."""
    try:
        return subprocess.Popen(argv, size, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd)
    except FileNotFoundError as error:
        raise missing(str(error.filename)) from error


def stat_of(pid: int | str) -> list[bytes]:
    """What the kernel says of a process behind its name, from its state on (proc(5), /proc/<pid>/stat). Raises OSError when it is gone."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def missing(program: str) -> UnavailableError:
    """The error for a program that is not installed."""
    return UnavailableError(
        "ATOM-2001",
        f"'{program}' is not installed",
        hint=f"install it, e.g. apt-get install {PACKAGES.get(program, program)}",
    )


PACKAGES = {
    "bwrap": "bubblewrap",
    "ssh-keygen": "openssh-client",
    "gpg": "gnupg",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
    "strace": "strace",
}


def check(
    argv: Sequence[str], *, env: Mapping[str, str] | None, cwd: str | None = None, stdin: bytes = b"", place: str = ""
) -> bytes:
    """Run a program and return its output; a failure raises CannotError (ATOM-2002) with the program's last words as note.

    When the disk of `place`, or else of the environment's repository, is full, that is told instead: UnavailableError (ATOM-2021).
    """
    return checked(argv, run(argv, env=env, cwd=cwd, stdin=stdin), place or (env or {}).get("GIT_DIR", ""))


def checked(argv: Sequence[str], done: Done, place: str) -> bytes:
    """The output of a program that ended. Raises as `check`."""
    if done.status != 0:
        check_room(place, done.err)
        last = done.err.decode(errors="replace").strip().splitlines()[-1:]
        raise CannotError(
            "ATOM-2002", f"'{' '.join(argv[:3])}' failed with status {done.status}", note=last[0] if last else ""
        )
    return done.out


_ROOM = 256 * 1024  # with fewer free bytes than this, a program that fails to write has no room


def check_room(place: str, err: bytes) -> None:
    """After a program failed that writes below `place`: raise UnavailableError (ATOM-2021) when the disk there turns out to be full."""
    if is_full(place):
        last = err.decode(errors="replace").strip().splitlines()[-1:]
        raise UnavailableError(
            "ATOM-2021", f"no space left below '{place}'", note=last[0] if last else "",
            hint="free some space, then run the same command again",
        )  # fmt: skip


def is_full(place: str) -> bool:
    """Whether the disk of a place is full; no when that cannot be seen."""
    try:
        room = os.statvfs(place)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < _ROOM or bool(room.f_files and not room.f_favail)


def clean_env(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without git's repository variables, for work on a repository that is not the user's current one.

    Which configuration files are the user's own (GIT_CONFIG_GLOBAL, GIT_CONFIG_SYSTEM, GIT_CONFIG_NOSYSTEM) stays.
    """
    return {k: v for k, v in environ.items() if k not in LOCAL_ENV and not k.startswith(_LOCAL_PREFIXES)} | {
        "LC_ALL": "C"
    }


_LOCAL_PREFIXES = ("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_")
