"""Stubs kept in memory between runs, so that mounting a view again costs a look at each path and nothing else.

`/dev/shm/git-atom-<user id>/<layout digest>-<attribute prefix>/` holds `tree`, which is what `mount.write_stubs` would write to a tmpfs of the
run's own, and `tokens`: inode and ctime of every path in it, and their BLAKE3. It has to be a tmpfs, because a disk lists directories in an
order of its own. Only a view that comes again is kept, the last few of them, until the machine stops; who mounts one holds a shared lock on
its directory meanwhile, and who removes one needs an exclusive lock (flock(2)).
"""

from __future__ import annotations

import fcntl
import os
import stat
from itertools import count

from git_atom.core.digest import of_bytes
from git_atom.git import leftovers
from git_atom.view import kernel, mount
from git_atom.view.layout import Layout

MEMORY = "/dev/shm"
MANY = 4  # views whose stubs are kept; the metadata of a toolchain takes some megabytes
_COUNTER = count()  # threads of one process work side by side
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def place() -> str:
    """Where this user's stubs are kept; asked for outside of any user namespace of ours, in which the user is another."""
    return f"{MEMORY}/git-atom-{os.geteuid()}"


def take(room: str, cache: str, layout: Layout, prefix: str) -> str:
    """The path of a layout's kept stubs, which are what they were; empty the first time the user of `cache` mounts it, or when none can be kept.

    room is what `place` says, prefix `user` or `trusted` as in `mount.write_stubs`. They stay there for as long as this process lives:
    it is to be a supervisor, and single-threaded.
    """
    name = f"{layout.digest}-{prefix}"
    if not _again(f"{cache}/seen/{name}") or not _usable(room):
        return ""
    if (fd := _open(f"{room}/{name}")) >= 0:
        if _intact(fd, layout):
            return f"/proc/self/fd/{fd}/tree"
        os.close(fd)
        _away(room, name)
    fd = _make(room, name, layout, prefix)
    return f"/proc/self/fd/{fd}/tree" if fd >= 0 else ""


def _usable(room: str) -> bool:
    """Whether a directory is on a tmpfs and nobody else's; makes it."""
    try:
        os.makedirs(room, mode=0o700, exist_ok=True)
        found = os.lstat(room)
        good = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
        return good and kernel.is_tmpfs(room)
    except OSError:
        return False


def _again(mark: str) -> bool:
    if os.path.exists(mark):
        return True
    try:
        os.makedirs(os.path.dirname(mark), mode=0o700, exist_ok=True)
        os.close(os.open(mark, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError:
        pass  # no room for a mark: stubs of the run's own will do
    return False


def _open(path: str) -> int:
    """Open and lock what stands at a path, -1 when nothing does, or somebody is making or removing it."""
    try:
        fd = os.open(path, _FOLDER)
    except OSError:
        return -1
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), os.lstat(path)):
            os.utime(fd)  # so that those used longest ago go first
            return fd
    except OSError:
        pass  # as if it were not there
    os.close(fd)
    return -1


def _intact(fd: int, layout: Layout) -> bool:
    here = f"/proc/self/fd/{fd}"
    try:
        with open(f"{here}/tokens", "rb") as file:
            data = file.read()
        return data == _signed(mount.tokens(layout, f"{here}/tree"))
    except OSError:
        return False


def _signed(tokens: bytes) -> bytes:
    """Tokens as they are noted, with their digest, so that a note cut short is none."""
    return tokens + of_bytes(tokens).raw


def _make(room: str, name: str, layout: Layout, prefix: str) -> int:
    """Make the stubs of a layout; their directory, open and locked, or -1 when there is no room, no such attribute, or another was first."""
    temporary = f"{room}/.new-{os.getpid()}-{next(_COUNTER)}"
    fd = -1
    try:
        os.mkdir(temporary, 0o700)
        fd = os.open(temporary, _FOLDER)
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.mkdir(f"{temporary}/tree", 0o755)
        mount.write_stubs(layout, f"{temporary}/tree", prefix)
        mount.settle_dirs(layout.dirs, f"{temporary}/tree")
        with open(f"{temporary}/tokens", "wb") as file:
            file.write(_signed(mount.tokens(layout, f"{temporary}/tree")))
        os.rename(temporary, f"{room}/{name}")
    except OSError:
        if fd >= 0:
            os.close(fd)
        leftovers.remove(temporary)
        return -1
    _thin_out(room)
    return fd


def _thin_out(room: str) -> None:
    """Remove what dead processes left half made or half removed, and all but the views used last; nothing that is in use."""
    try:
        with os.scandir(room) as entries:
            found = sorted(((e.stat(follow_symlinks=False).st_mtime_ns, e.name) for e in entries), reverse=True)
    except OSError:
        return  # another process is thinning out
    keep = [name for _, name in found if not name.startswith(".")][:MANY]
    for _, name in found:
        if name not in keep:
            _away(room, name)


def _away(room: str, name: str) -> None:
    """Remove a directory of the room unless it is in use; what is has its name taken, so that nobody finds it any more, and goes later."""
    try:
        fd = os.open(f"{room}/{name}", _FOLDER)
    except OSError:
        return
    try:
        gone = name if name.startswith(".") else f".old-{os.getpid()}-{next(_COUNTER)}"
        if gone != name:
            os.rename(f"{room}/{name}", f"{room}/{gone}")
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        leftovers.remove(f"{room}/{gone}")
    except OSError:
        pass  # in use, or another process was first
    finally:
        os.close(fd)
