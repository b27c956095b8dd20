"""What benchmarks of views and builds stand on: a toolchain imported from the distribution, zlib's sources, and clocks.

Kept in `<cache>/git-atom-bench` between runs, so that only the first one downloads.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from git_atom.app.lock import sourcing
from git_atom.app.world import imports, world
from git_atom.core.digest import Digest
from git_atom.core.host import Host, Progress
from git_atom.core.tree import Leaf, tree_digest
from git_atom.git.repo import store
from git_atom.ingest import debsource
from git_atom.ingest.apt import AptState
from git_atom.ingest.unpack import unpack
from git_atom.view.cache import Blobs

PACKAGES = (
    "bash", "coreutils", "dash", "diffutils", "findutils", "gawk", "gcc", "grep", "libc6-dev", "make", "perl-base", "sed", "tar", "xz-utils",
)  # fmt: skip


class Ground(NamedTuple):
    """A world and the sources to build in it, all blobs in the cache; `unpacked` are the sources' contents."""

    blobs: Blobs
    view: Digest
    leaves: list[Leaf]
    sources: list[Leaf]
    source_tree: Digest


def host() -> Host:
    """The user of the benchmark: a directory of its own below the user's cache."""
    home = os.path.expanduser("~")
    place = os.path.join(os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache", "git-atom-bench")
    Path(place).mkdir(parents=True, exist_ok=True)
    env = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": place,
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
    }
    env |= {k: v for k, v in os.environ.items() if k.endswith("_proxy")}
    key = f"{place}/key"
    if not os.path.exists(key):
        os.spawnvpe(os.P_WAIT, "ssh-keygen", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], env)
        Path(place, ".gitconfig").write_text(
            f"[user]\n\tname = Bench\n\temail = bench@example.org\n\tsigningKey = {key}.pub\n[gpg]\n\tformat = ssh\n"
        )
    return Host(place, env, place, f"{place}/cache", f"{place}/data", f"{place}/config", os.getuid(), Progress())


def lay() -> Ground:
    """Import the toolchain and take zlib's sources, or find them where the last run left them; every blob ends up in the cache."""
    user = host()
    made = imports.import_debian(user, PACKAGES, "", "bench-toolchain")
    found = world.open_composition(user, made.name or made.root)
    blobs = Blobs(user.cache)
    blobs.ensure(found.leaves, world.reader(store(user)))
    source = debsource.find("zlib", "", AptState(user, "", "src").run)
    checked = debsource.fetch(source, sourcing.downloads(user.cache), user.environ, user.progress)
    sources: list[Leaf] = []
    for _, file in checked.files:
        sources += unpack(file.path, lambda leaf, data: blobs.put(leaf.digest, data))
    return Ground(blobs, found.view, found.leaves, sources, tree_digest(sources))


class _Running(NamedTuple):
    """An act in a child of its own: its pid, the control group it is counted by ("" where there is none), when it began."""

    pid: int
    group: str
    begun: float


def cpu_of(act: Callable[[], None]) -> tuple[float, float]:
    """(CPU seconds of the whole process tree, wall seconds) of an act run in a child; counted by a control group where root may make one."""
    running = _start(act, 0, os.sched_getaffinity(0))
    _, status, usage = os.wait4(running.pid, 0)
    return _spent(running, status, usage)


def side_by_side(acts: Sequence[Callable[[], None]]) -> list[tuple[float, float]]:
    """As `cpu_of`, of two acts that run at the same time on a processor each: whatever else the host does slows both alike.

    The processor of whichever ends first is kept busy until the other has ended, which would else go on quicker than the first did.
    """
    processors = sorted(os.sched_getaffinity(0))[: len(acts)]
    running = [_start(act, number, {processors[number]}) for number, act in enumerate(acts)]
    spent: dict[int, tuple[float, float]] = {}
    idle: list[int] = []
    while len(spent) < len(acts):
        pid, status, usage = os.wait4(-1, 0)
        number = next(n for n, one in enumerate(running) if one.pid == pid)
        spent[number] = _spent(running[number], status, usage)
        if len(spent) < len(acts):
            idle.append(_spin(processors[number]))
    for pid in idle:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return [spent[number] for number in range(len(acts))]


def _start(act: Callable[[], None], number: int, processors: set[int]) -> _Running:
    group = f"/sys/fs/cgroup/cpuacct/git-atom-bench-{os.getpid()}-{number}"
    if os.geteuid() == 0 and os.path.isdir("/sys/fs/cgroup/cpuacct"):
        os.makedirs(group, exist_ok=True)
        Path(group, "cpuacct.usage").write_text("0")
    else:
        group = ""
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.sched_setaffinity(0, processors)
            if group:
                Path(group, "cgroup.procs").write_text(str(os.getpid()))
            act()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return _Running(pid, group, begun)


def _spent(running: _Running, status: int, usage: resource.struct_rusage) -> tuple[float, float]:
    wall = time.monotonic() - running.begun
    cpu = usage.ru_utime + usage.ru_stime
    if running.group:
        cpu = int(Path(running.group, "cpuacct.usage").read_text()) / 1e9
        os.rmdir(running.group)
    if status:
        raise SystemExit("the measured act failed")
    return cpu, wall


def _spin(processor: int) -> int:
    """A child that does nothing but keep a processor busy."""
    pid = os.fork()
    if pid == 0:
        os.sched_setaffinity(0, {processor})
        while True:
            pass
    return pid


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """(median, lower, upper end of its 95 % interval) of paired ratios, by order statistics.

    It supposes nothing of how they are spread, and a neighbour on the host who slows a few pairs down does not move it.
    """
    ranked, size = sorted(ratios), len(ratios)
    below, rank = 0.0, 0
    while rank < size // 2 and (below := below + math.comb(size, rank) / 2**size) <= 0.025:
        rank += 1
    rank = max(rank - 1, 0)
    return statistics.median(ranked), ranked[rank], ranked[size - 1 - rank]
