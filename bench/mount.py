"""Mounting a view from a warm cache, every blob verified, against `cp -al` of the same tree.

The tree is a toolchain of the distribution, more than 5,000 entries. Measured is what an execution does between being asked and being able
to start a program: load the layout, look at every blob (and at every kept stub), mount. The interpreter's own start, which a
supervisor pays once, is stated apart.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time

import _ground

from git_atom.view import kept, mount
from git_atom.view.farm import farm, remove
from git_atom.view.kernel import mount_tmpfs
from git_atom.view.layout import Layout

PAIRS = int(os.environ.get("PAIRS", "15"))
USER = os.geteuid() != 0
PREFIX = "user" if USER else "trusted"


def overlay(ground: _ground.Ground, *, keep: bool) -> float:
    """Seconds until the view stands in a mount namespace, and the blobs have been looked at meanwhile, as `execute` does it."""
    start = time.perf_counter()
    layout = Layout(ground.blobs.layout(ground.view, ground.leaves))
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        mounted = False
        try:
            mounted = stage(ground, layout, keep)
        finally:
            os.write(writer, b"y" if mounted else b"n")
            os._exit(0)
    ground.blobs.ensure_layout(layout, ground.leaves, None)
    good = os.read(reader, 1) == b"y"
    seconds = time.perf_counter() - start
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)
    if not good:
        raise SystemExit("the view could not be mounted")
    return seconds


def stage(ground: _ground.Ground, layout: Layout, keep: bool) -> bool:
    """The supervisor's half: namespaces, stubs, overlay, and one look at a file through it."""
    room = kept.place()
    mount.enter(USER)
    cache = os.open(ground.blobs.root, os.O_RDONLY)
    mount_tmpfs("/tmp", "mode=0755")
    os.mkdir("/tmp/root")
    if keep:
        stubs = kept.take(room, ground.blobs.root, layout, PREFIX)
        if not stubs:
            return False
    else:
        stubs = "/tmp/meta"
        os.mkdir(stubs)
        mount.write_stubs(layout, stubs, PREFIX, min(4, len(os.sched_getaffinity(0))))
        mount.settle_dirs(layout.dirs, stubs)
    mount.mount_stubs(stubs, "/tmp/root", cache, PREFIX)
    return len(os.listdir("/tmp/root")) > 3


def hard_links(ground: _ground.Ground, *, fresh: bool) -> float:
    """Seconds until the hard-link tree of the view stands and is checked; fresh: made anew, else found and checked."""
    layout = Layout(ground.blobs.layout(ground.view, ground.leaves))
    if fresh:
        remove(f"{ground.blobs.root}/farms/{layout.digest}")
        ground.blobs.ensure(ground.leaves)
        farm(
            layout, ground.blobs, ground.leaves, None
        )  # tokens moved by the removal are noted anew, so the cache is warm
        shutil.rmtree(f"{ground.blobs.root}/farms/{layout.digest}")
        ground.blobs.ensure(ground.leaves)
        type(ground.blobs)(ground.blobs.root, programs=True).ensure([x for x in ground.leaves if x.mode == 0o100755])
    start = time.perf_counter()
    layout = Layout(ground.blobs.layout(ground.view, ground.leaves))
    ground.blobs.ensure_layout(layout, ground.leaves, None)
    farm(layout, ground.blobs, ground.leaves, None)
    return time.perf_counter() - start


def copy(tree: str, place: str) -> float:
    """Seconds of `cp -al`, program start included."""
    start = time.perf_counter()
    subprocess.run(["cp", "-al", tree, place], check=True)
    seconds = time.perf_counter() - start
    shutil.rmtree(place)
    return seconds


def main() -> int:
    """Measure and print one line of JSON."""
    ground = _ground.lay()
    layout = Layout(ground.blobs.layout(ground.view, ground.leaves))
    tree = f"{ground.blobs.root}/bench-tree"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(farm(layout, ground.blobs, ground.leaves, None), tree, symlinks=True)
    kept.take(kept.place(), ground.blobs.root, layout, PREFIX)  # a view is kept from the second time on
    acts = {
        "data-only overlay, stubs kept": (lambda: overlay(ground, keep=True), 0.35),
        "data-only overlay, stubs fresh": (lambda: overlay(ground, keep=False), None),
        "hard-link tree, fresh": (lambda: hard_links(ground, fresh=True), 2.0),
        "hard-link tree, kept": (lambda: hard_links(ground, fresh=False), None),
    }
    times: dict[str, list[float]] = {name: [] for name in acts}
    ratios: dict[str, list[float]] = {name: [] for name in acts}
    for index in range(PAIRS + 1):
        for name, (act, _) in acts.items():
            seconds, base = act(), copy(tree, f"{tree}-copy")
            if index:
                times[name].append(seconds)
                ratios[name].append(seconds / base)
    shutil.rmtree(tree)
    figures = [
        {
            "what": f"{name}: to cp -al",
            "value": round(statistics.median(ratios[name]), 3),
            "unit": "times",
            "limit": limit,
        }
        for name, (_, limit) in acts.items()
    ]
    figures += [
        {"what": f"{name}: median", "value": round(statistics.median(t) * 1000, 1), "unit": "ms", "limit": None}
        for name, t in times.items()
    ]
    entries = len(layout.files) + len(layout.links) + len(layout.dirs)
    print(
        json.dumps(
            {
                "bench": "mount",
                "figures": figures,
                "pairs": PAIRS,
                "entries": entries,
                "files": len(layout.files),
                "root": not USER,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
