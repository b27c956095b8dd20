"""Running other programs. Door: sh (tools that run for seconds); git and short tools go through posix_spawn by subprocess.

No shell is ever involved, arguments are passed as they are, and a child gets exactly the environment it is given.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

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
    done = run(argv, env=env, cwd=cwd, stdin=stdin)
    if done.status != 0:
        check_room(place or (env or {}).get("GIT_DIR", ""), done.err)
        last = done.err.decode(errors="replace").strip().splitlines()[-1:]
        raise CannotError(
            "ATOM-2002", f"'{' '.join(argv[:3])}' failed with status {done.status}", note=last[0] if last else ""
        )
    return done.out


_ROOM = 256 * 1024  # with fewer free bytes than this, a program that fails to write has no room


def check_room(place: str, err: bytes) -> None:
    """After a program failed that writes below `place`: raise UnavailableError (ATOM-2021) when the disk there turns out to be full."""
    try:
        room = os.statvfs(place)
    except OSError:
        return
    if room.f_bavail * room.f_frsize < _ROOM or (room.f_files and not room.f_favail):
        last = err.decode(errors="replace").strip().splitlines()[-1:]
        raise UnavailableError(
            "ATOM-2021", f"no space left below '{place}'", note=last[0] if last else "",
            hint="free some space, then run the same command again",
        )  # fmt: skip


def clean_env(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without git's repository variables, for work on a repository that is not the user's current one.

    Which configuration files are the user's own (GIT_CONFIG_GLOBAL, GIT_CONFIG_SYSTEM, GIT_CONFIG_NOSYSTEM) stays.
    """
    return {k: v for k, v in environ.items() if k not in LOCAL_ENV and not k.startswith(_LOCAL_PREFIXES)} | {
        "LC_ALL": "C"
    }


_LOCAL_PREFIXES = ("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_")
