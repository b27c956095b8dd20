"""System calls Python does not wrap: namespaces, the new mount API, process controls. Door to libc: ctypes.

Every function raises the OSError the kernel gave, its errno kept; whoever calls decides what it means for the user.
Numbers are those of `asm-generic/unistd.h`; from 424 on they are the same on every architecture.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

libc: Any = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
_TMPFS = 0x01021994  # statfs(2)

_MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT = 429, 430, 431, 432
_SET_FLAG, _SET_STRING, _CREATE = 0, 1, 6
_CLOEXEC = 1
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_MOVE_F_EMPTY_PATH = 4
_AT_FDCWD = -100
_PDEATHSIG, _SUBREAPER, _NO_NEW_PRIVS = 1, 36, 38
_ADDR_NO_RANDOMIZE = 0x0040000


def check(result: int, what: str) -> int:
    """The result of a libc call, or the OSError that errno names."""
    if result < 0:
        fail(ctypes.get_errno(), what)
    return result


def fail(number: int, what: str) -> None:
    """Raise the OSError an errno names."""
    raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    """New namespaces for this process (unshare(2)); a user namespace needs a single-threaded process."""
    check(libc.unshare(flags), "unshare")


def own_user_namespace(uid: int, gid: int) -> None:
    """Become root of a new user and mount namespace that maps this user alone (user_namespaces(7))."""
    unshare(CLONE_NEWUSER | CLONE_NEWNS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)


def private_mounts() -> None:
    """Let no mount of this namespace travel out of it."""
    check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate /")


def mount_tmpfs(target: str, options: str, flags: int = MS_NOSUID | MS_NODEV) -> None:
    """Mount an empty tmpfs; options as in tmpfs(5), at most one page of them."""
    check(libc.mount(b"tmpfs", os.fsencode(target), b"tmpfs", flags, options.encode()), f"mount tmpfs on {target}")


def is_tmpfs(path: str) -> bool:
    """Whether a path lies on a tmpfs (statfs(2)); its f_type is the structure's first word on every architecture."""
    found = (ctypes.c_long * 32)()
    check(libc.statfs(os.fsencode(path), found), f"statfs {path}")
    return bool(found[0] == _TMPFS)


def unmount(target: str) -> None:
    """Detach what is mounted on target, even when busy."""
    check(libc.umount2(os.fsencode(target), MNT_DETACH), f"unmount {target}")


def mount_overlay(target: str, strings: list[tuple[str, str]], flags: list[str]) -> None:
    """Mount a read-only overlay through fsconfig(2): mount(2) cuts option strings at a page without saying so.

    Paths in `strings` may be relative to the working directory; they then show like that in mountinfo.
    """
    context = check(libc.syscall(_FSOPEN, b"overlay", _CLOEXEC), "fsopen overlay")
    try:
        for key, value in [("source", "view"), *strings]:
            check(libc.syscall(_FSCONFIG, context, _SET_STRING, key.encode(), os.fsencode(value), 0), f"overlay {key}")
        for flag in flags:
            check(libc.syscall(_FSCONFIG, context, _SET_FLAG, flag.encode(), None, 0), f"overlay {flag}")
        check(libc.syscall(_FSCONFIG, context, _CREATE, None, None, 0), "overlay create")
        mount = check(
            libc.syscall(_FSMOUNT, context, _CLOEXEC, _ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV), "fsmount overlay"
        )
    finally:
        os.close(context)
    try:
        check(
            libc.syscall(_MOVE_MOUNT, mount, b"", _AT_FDCWD, os.fsencode(target), _MOVE_F_EMPTY_PATH),
            f"move_mount to {target}",
        )
    finally:
        os.close(mount)


def die_with_parent(signal: int) -> None:
    """Ask for a signal when the parent dies (PR_SET_PDEATHSIG)."""
    check(libc.prctl(_PDEATHSIG, signal, 0, 0, 0), "prctl PR_SET_PDEATHSIG")


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants, so that they can be waited for and their CPU time counted."""
    check(libc.prctl(_SUBREAPER, 1, 0, 0, 0), "prctl PR_SET_CHILD_SUBREAPER")


def no_new_privileges() -> None:
    """No set-id program gains anything from here on; a seccomp filter needs this."""
    check(libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl PR_SET_NO_NEW_PRIVS")


def fix_addresses() -> bool:
    """Switch address-space randomisation off for what is executed from here (personality(2)); False when not allowed."""
    return bool(libc.personality(_ADDR_NO_RANDOMIZE) >= 0)
