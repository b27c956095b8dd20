"""Sweeping up after processes that were killed: a later run removes the temporaries that nobody has touched for a day.

Whoever makes a temporary removes it, also on Ctrl-C; only a kill, a power cut or a git that was interrupted leaves one behind. Age is
what decides, and not a process id: another container that shares the directory has process ids of its own.
"""

from __future__ import annotations

import os
import time

STALE = 24 * 3600
# git's own names and ours: objects and packs being written
OBJECTS = r"tmp_(obj|pack|idx|rev|bitmap)_\w+(\.idx)?"
WRITTEN = r".+\.\d+"  # `<name>.<process id>`, beside what it becomes
_OWN: set[str] = set()


def sweep(folder: str, pattern: str = ".*", seconds: float = STALE) -> None:
    """Remove files and directories of a folder whose whole name matches a regular expression and that are older than `seconds`.

    What cannot be removed stays; a folder that is not there is no error.
    """
    import re

    limit = time.time() - seconds
    try:
        with os.scandir(folder) as entries:
            old = [e for e in entries if re.fullmatch(pattern, e.name) and _touched(e) < limit]
    except OSError:
        return
    for entry in old:
        remove(entry.path)


def own(path: str) -> str:
    """Note, before it is made, a directory that ends with this process, and return it; `remove_own` is for when a Ctrl-C came between.

    Python may raise KeyboardInterrupt on entering the very method that would clean up, where no handler reaches.
    """
    _OWN.add(path)
    return path


def remove_own() -> None:
    """Remove what `own` noted and is still there."""
    for path in _OWN:
        remove_patiently(path)


def remove_patiently(path: str) -> None:
    """Remove a directory in which, after a Ctrl-C, a git below ours may still be writing for a moment."""
    for _attempt in range(40):
        remove(path)
        if not os.path.lexists(path):
            break
        time.sleep(0.05)


def remove(path: str) -> None:
    """Remove a file or a directory with all below it, as far as that can be done."""
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            import shutil

            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    except OSError:
        pass  # gone already, or not ours


def _touched(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat(follow_symlinks=False).st_ctime  # mtime is content for some: blobs and views have a fixed one
    except OSError:
        return float("inf")
