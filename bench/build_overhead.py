"""What hermeticity and observation cost: zlib built by `execute`, against the same build bare in the same root (chroot, no sandbox).

Both build in a tmpfs from the same sources. CPU time is that of the whole process tree, everything of ours included: verification of the
blobs, the supervisor, mounting, marks, collection, hashing of the read set. The two builds of a pair run at the same time, on a processor
each, so that a neighbour on the host slows both alike; the processors are exchanged from pair to pair.
"""

import json
import os
import shutil
import sys

import _ground

from git_atom.core.request import Channel, Input, Policy, Request
from git_atom.execute.run import execute, fresh_work
from git_atom.view import kernel, mount
from git_atom.view.farm import farm
from git_atom.view.layout import EPOCH, Layout

PAIRS = int(os.environ.get("PAIRS", "41"))
LIMIT = 1.05
JOBS = 2
SCRIPT = f"cd src && ./configure --prefix=/usr && make -j{JOBS} && make install DESTDIR=/out"


def hermetic(ground: _ground.Ground) -> None:
    request = Request(
        ground.view, ("/bin/sh", "-c", SCRIPT), f"{os.uname().machine}-linux",
        inputs=(Input("src", ground.source_tree),), policy=Policy(cpus=Channel("pinned", str(JOBS))),
    )  # fmt: skip
    work = fresh_work(ground.blobs.root)
    outcome = execute(
        request, ground.leaves, ground.blobs, work, inputs=[("src", ground.sources)], search=os.environ["PATH"]
    )
    good = outcome.status == 0 and outcome.mechanism == "overlay" and outcome.reads and not outcome.incomplete
    if not good:
        raise SystemExit(f"{outcome.status} {outcome.mechanism} {outcome.incomplete}")
    shutil.rmtree(work)


def bare(root: str, sources: bytes, cache: str) -> None:
    """The same commands in the same files, chrooted: no overlay, no namespaces but for the mounts, no filter, no marks."""
    blobs = os.open(cache, os.O_RDONLY)
    devices = os.open("/dev", os.O_RDONLY)
    mount.enter(os.geteuid() != 0)
    kernel.libc.mount(root.encode(), root.encode(), None, kernel.MS_BIND | kernel.MS_REC, None)
    for name in ("build", "out", "tmp"):
        kernel.mount_tmpfs(f"{root}/{name}", "mode=0755")
    kernel.libc.mount(
        f"/proc/self/fd/{devices}".encode(), f"{root}/dev".encode(), None, kernel.MS_BIND | kernel.MS_REC, None
    )
    os.mkdir(f"{root}/build/src")
    os.chdir(cache)
    mount.write_copies(Layout(sources), f"{root}/build/src", blobs, EPOCH)
    os.umask(0o022)
    pid = os.fork()
    if pid == 0:
        os.chroot(root)
        os.chdir("/build")
        log = os.open("/out/.log", os.O_CREAT | os.O_WRONLY, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        env = {
            "PATH": "/usr/bin:/usr/sbin",
            "HOME": "/build",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "CONFIG_SHELL": "/bin/sh",
        }
        os.execve("/bin/sh", ["sh", "-c", SCRIPT], env)
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("the bare build failed")


def main() -> int:
    """Measure and print one line of JSON."""
    ground = _ground.lay()
    layout = Layout(ground.blobs.layout(ground.view, ground.leaves))
    sources = ground.blobs.layout(ground.source_tree, ground.sources, mount_points=False)
    root = farm(layout, ground.blobs, ground.leaves, None)
    acts = {"hermetic": lambda: hermetic(ground), "bare": lambda: bare(root, sources, ground.blobs.root)}
    cpu: dict[str, list[float]] = {name: [] for name in acts}
    wall: dict[str, list[float]] = {name: [] for name in acts}
    for act in acts.values():
        _ground.cpu_of(act)
    for index in range(PAIRS):
        names = list(acts) if index % 2 else list(reversed(acts))
        for name, (seconds, passed) in zip(names, _ground.side_by_side([acts[n] for n in names]), strict=True):
            cpu[name].append(seconds)
            wall[name].append(passed)
    ratios = [a / b for a, b in zip(cpu["hermetic"], cpu["bare"], strict=True)]
    walls = [a / b for a, b in zip(wall["hermetic"], wall["bare"], strict=True)]
    middle, low, high = _ground.interval(ratios)
    figures = [
        {
            "what": "zlib, hermetic and observed to bare: CPU, upper end of 95 %",
            "value": round(high, 4),
            "unit": "times",
            "limit": LIMIT,
        },
        {
            "what": "zlib, hermetic and observed to bare: CPU, median",
            "value": round(middle, 4),
            "unit": "times",
            "limit": None,
        },
        {
            "what": "zlib, hermetic and observed to bare: wall, median",
            "value": round(_ground.interval(walls)[0], 4),
            "unit": "times",
            "limit": None,
        },
        {"what": "zlib, bare: CPU", "value": round(sorted(cpu["bare"])[PAIRS // 2], 3), "unit": "s", "limit": None},
    ]
    print(
        json.dumps(
            {
                "bench": "build_overhead",
                "figures": figures,
                "pairs": PAIRS,
                "interval": [low, high],
                "root": os.geteuid() == 0,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
