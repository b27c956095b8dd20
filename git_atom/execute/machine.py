"""What this machine can do, learnt by trying: which bwrap there is, which ways to mount a view have failed since it started."""

from __future__ import annotations

import os

from git_atom.errors import UnavailableError
from git_atom.execute import sandbox

# Best first. overlay: stubs and a data-only overlay; farm: a hard-link tree; farm-disk: the same without namespaces of our own.
MECHANISMS = ("overlay", "farm", "farm-disk")
STAGES = ("/tmp", "/mnt", "/srv", "/run", "/dev")


def bwrap(search: str = "") -> tuple[str, tuple[int, ...]]:
    """Path and version of bubblewrap, looked for in the system's places, then in `search`, a PATH.

    Raises UnavailableError (ATOM-4011) when there is none, or one that is too old.
    """
    path = sandbox.find(search)
    if not path:
        raise UnavailableError(
            "ATOM-4011",
            "bubblewrap ('bwrap') is not installed",
            note="nothing is run outside a sandbox",
            hint="apt-get install bubblewrap",
        )
    version = sandbox.parse_version(_ask(path))
    if version < sandbox.OLDEST:
        raise UnavailableError(
            "ATOM-4011",
            f"bubblewrap {'.'.join(map(str, version))} is too old",
            where=path,
            hint=f"install {'.'.join(map(str, sandbox.OLDEST))} or newer",
        )
    return path, version


def _ask(path: str) -> str:
    import subprocess

    return subprocess.run([path, "--version"], capture_output=True, text=True, env={}, check=False).stdout


def stage(bwrap: str) -> str:
    """Where a supervisor mounts its tmpfs: a directory every machine has, and which does not hide bubblewrap itself."""
    own = (bwrap, os.path.realpath(bwrap))
    return next(p for p in STAGES if os.path.isdir(p) and not any(path.startswith(f"{p}/") for path in own))


def attributes() -> str:
    """Which attributes overlay reads for this user: `trusted` for root of the machine itself, `user` for everyone else."""
    if os.geteuid() != 0:
        return "user"
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return "trusted" if file.read().split() == ["0", "0", "4294967295"] else "user"


def scratch() -> int:
    """Bytes the staging tmpfs may hold: three quarters of the memory and swap that are free now."""
    free = 0
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith(("MemAvailable:", "SwapFree:")):
                free += int(line.split()[1]) * 1024
    return free * 3 // 4


def affinity(count: str) -> list[int]:
    """The processors a program pinned to `count` of them may use; empty when there are no more than that anyway."""
    have = sorted(os.sched_getaffinity(0))
    wanted = int(count) if count.isdigit() else 0
    if not 0 < wanted < len(have):
        return []
    start = os.getpid() % len(have)  # several executions at once spread out
    return sorted((have + have)[start : start + wanted])


def _notes(cache: str) -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return f"{cache}/refused-{file.read(8)}-{os.geteuid()}"


def refused(cache: str, mechanism: str) -> str:
    """Why a mechanism was found not to work since this machine started, or an empty string."""
    try:
        with open(_notes(cache), encoding="utf-8") as file:
            rows = dict(line.rstrip("\n").split("\t", 1) for line in file)
    except (OSError, ValueError):
        return ""
    return rows.get(mechanism, "")


def remember(cache: str, mechanism: str, why: str) -> None:
    """Note that a mechanism does not work here, so that the next execution starts with the next one."""
    with open(_notes(cache), "a", encoding="utf-8") as file:
        file.write(f"{mechanism}\t{why}\n")


def no_view(why: list[str]) -> UnavailableError:
    """The error when every way to mount a view failed."""
    return UnavailableError(
        "ATOM-4012", "no way to mount a view works on this machine", note="\n".join(why), hint="git build doctor"
    )
