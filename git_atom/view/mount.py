"""Mounting a layout over the blob cache: a tmpfs of stubs whose bytes a data-only overlay takes from the cache.

Each file is a sparse stub of the right size and mode that carries `overlay.metacopy` and `overlay.redirect`
(Documentation/filesystems/overlayfs.rst, "Data-only lower layers"), so every path has an inode of its own and no byte is copied.
Root uses `trusted.*` attributes (Linux 6.5), everyone else `user.*` in a user namespace (Linux 6.16). All of it lives in the
caller's own mount namespace and ends with it.
"""

from __future__ import annotations

import errno
import os
from array import array

from git_atom.view import kernel
from git_atom.view.layout import EPOCH, MODE_DIR, Layout

_TIMES = (EPOCH * 10**9, EPOCH * 10**9)


def enter(user_namespace: bool) -> None:
    """Give this single-threaded process a mount namespace of its own, inside a user namespace of its own unless it is root."""
    if user_namespace:
        kernel.own_user_namespace(os.getuid(), os.getgid())
    else:
        kernel.unshare(kernel.CLONE_NEWNS)
    kernel.private_mounts()


def write_stubs(layout: Layout, where: str, prefix: str, workers: int = 1) -> None:
    """Write the metadata of a layout under the directory `where` of a tmpfs; prefix is `user` or `trusted`.

    The work is the kernel's (create, truncate, two attributes), so several processes share it; a directory's files are made by one of
    them, in order, because tmpfs lists in order of creation. Raises the OSError of the first that fails.
    """
    os.umask(0)
    base = os.fsencode(where) + b"/"
    for path in layout.dirs:
        os.mkdir(base + path, MODE_DIR)
    for path, target in zip(layout.links, layout.targets, strict=True):
        os.symlink(target, base + path)
        os.utime(base + path, ns=_TIMES, follow_symlinks=False)
    cuts = _cuts(layout.files, workers)
    children = []
    for start, end in zip(cuts[1:-1], cuts[2:], strict=True):
        pid = os.fork()
        if pid == 0:
            try:
                _write_range(layout, base, prefix, start, end)
                os._exit(0)
            except OSError as error:
                os._exit(error.errno or 255)
            finally:
                os._exit(255)
        children.append(pid)
    _write_range(layout, base, prefix, cuts[0], cuts[1])
    for pid in children:
        _, status = os.waitpid(pid, 0)
        if status:
            number = os.waitstatus_to_exitcode(status)
            kernel.fail(number if 0 < number < 255 else errno.ECHILD, "stub")


def _cuts(files: list[bytes], workers: int) -> list[int]:
    """Where to cut the sorted files into about equal ranges, never inside a directory."""
    size = len(files)
    cuts = [0]
    for index in range(1, workers if size > 512 else 1):
        at = max(size * index // workers, cuts[-1])
        parent = files[at][: files[at].rfind(b"/") + 1]
        while at < size and files[at].startswith(parent):
            at += 1
        cuts.append(at)
    return [*cuts, size]


def _write_range(layout: Layout, base: bytes, prefix: str, start: int, end: int) -> None:
    metacopy, redirect = f"{prefix}.overlay.metacopy".encode(), f"{prefix}.overlay.redirect".encode()
    create, truncate, setxattr, utime, close = os.open, os.ftruncate, os.setxattr, os.utime, os.close
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    columns = (layout.files, layout.redirects, layout.sizes, layout.modes)
    for path, source, size, mode in zip(*(column[start:end] for column in columns), strict=True):
        fd = create(base + path, flags, mode)
        truncate(fd, size)
        setxattr(fd, metacopy, b"")
        setxattr(fd, redirect, source)
        utime(fd, ns=_TIMES)
        close(fd)


def tokens(layout: Layout, where: str) -> bytes:
    """Inode and ctime of `where` and of every path of a layout below it; whatever is changed, added or taken away shows in them."""
    base = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        look, numbers = os.stat, array("Q")
        add = numbers.append
        for path in (*layout.files, *layout.links, *layout.dirs, b"."):
            found = look(path, dir_fd=base, follow_symlinks=False)
            add(found.st_ino)
            add(found.st_ctime_ns)
        return numbers.tobytes()
    finally:
        os.close(base)


def settle_dirs(dirs: list[bytes], where: str) -> None:
    """Give the directories of a layout, and `where` itself, their fixed time; nothing may be added below them later."""
    base = os.fsencode(where) + b"/"
    for path in reversed(dirs):
        os.utime(base + path, ns=_TIMES)
    os.utime(base, ns=_TIMES)


def mount_stubs(stubs: str, target: str, cache: int, prefix: str) -> None:
    """Mount stubs over the blobs below the directory descriptor `cache`, read-only; mountinfo shows constant names only."""
    here = os.open(".", os.O_PATH | os.O_CLOEXEC)
    try:
        os.fchdir(cache)
        flags = ["userxattr"] if prefix == "user" else []
        strings = [("lowerdir+", stubs), ("datadir+", "blobs")]
        if prefix != "user":
            strings += [("metacopy", "on"), ("redirect_dir", "on")]
        kernel.mount_overlay(target, strings, flags)
    finally:
        os.fchdir(here)
        os.close(here)


def write_copies(layout: Layout, where: str, cache: int, mtime: int) -> None:
    """Write a layout's files out as writable copies (0644, 0755) below the existing directory `where`, in fixed order and with a fixed time.

    Bytes come from the blobs below the directory descriptor `cache`.
    """
    os.umask(0)
    base = os.fsencode(where) + b"/"
    times = (mtime * 10**9, mtime * 10**9)
    for path in layout.dirs:
        os.mkdir(base + path, MODE_DIR)
    for path, target in zip(layout.links, layout.targets, strict=True):
        os.symlink(target, base + path)
        os.utime(base + path, ns=times, follow_symlinks=False)
    for path, source, size, mode in zip(layout.files, layout.redirects, layout.sizes, layout.modes, strict=True):
        out = os.open(base + path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode | 0o200 | (mode & 0o111))
        blob = os.open(b"blobs" + source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=cache)
        try:
            while size > 0 and (sent := os.sendfile(out, blob, None, size)):
                size -= sent
            os.utime(out, ns=times)
        finally:
            os.close(out)
            os.close(blob)
    for path in reversed(layout.dirs):
        os.utime(base + path, ns=times)
    os.utime(base, ns=times)
