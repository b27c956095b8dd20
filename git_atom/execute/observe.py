"""The read set: which files of a tree were opened, learnt from fanotify marks on its directories (fanotify(7)).

Needs no privilege (Linux 5.13) and no daemon: an inode mark on every directory reports each open of a child by directory handle and
name; after a file's first event an ignore mark silences it. Not seen, and so stated in every record: names that were looked up
and not found, stat and access without open, and symlinks passed through. No process is named.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from git_atom.view.kernel import check, libc

INSTRUMENT = "fanotify directory marks"
BLIND = "names not found, stat without open, symlinks passed through, which process"

_CLOEXEC, _NONBLOCK, _UNLIMITED_QUEUE, _UNLIMITED_MARKS = 1, 2, 0x10, 0x20
_REPORT_DFID_NAME = 0xC00
_ADD, _DONT_FOLLOW, _IGNORED_MASK, _IGNORED_SURV_MODIFY = 0x1, 0x4, 0x20, 0x40
_OPEN, _OVERFLOW, _ON_CHILD, _ONDIR = 0x20, 0x4000, 0x08000000, 0x40000000
_MASK = _OPEN | _ON_CHILD | _ONDIR
_INFO_DFID_NAME = 2
_AT_FDCWD = -100
_AT_HANDLE_FID = (
    0x200  # same bit as AT_REMOVEDIR; older kernels refuse it and need none for marks (name_to_handle_at(2))
)
_EVENT = struct.Struct("=IBBHQii")
_MAX_HANDLE = 128
_BUFFER = 1 << 16
_ROOM = struct.pack("=Ii", _MAX_HANDLE, 0)  # struct file_handle before the call: how many bytes it may take
_BUFFER_OF_HANDLE = ctypes.create_string_buffer(8 + _MAX_HANDLE)
_MOUNT = ctypes.byref(ctypes.c_int())


class Watch:
    """Marks on every directory of one tree. `reads` maps what was opened: (index of its directory, name)."""

    def __init__(self, root: str, dirs: list[bytes], *, ignore: bool, program: bool = False) -> None:
        """Mark `root` and the directories below it named by relative paths; ignore: silence each file after its first event.

        program: a program will be run from this tree. Until its file is opened whoever opens `root` itself is bubblewrap (0.12 and
        later), which sets up mounts in a process of its own, and that is no read of the program's.

        Ignore marks sit on inodes, so they are right only where every path has its own. Raises the OSError of fanotify.
        """
        self.root = os.fsencode(root)
        self.ignore = ignore
        self.overflow = False
        self._setting_up = program
        self.seen: set[tuple[int, bytes]] = set()
        self.dirs = [b"", *dirs]
        self.handles: dict[bytes, int] = {}
        self.fd = _open_group()
        try:
            for index, path in enumerate(self.dirs):
                self._mark(index, self.root + b"/" + path)
        except OSError:
            os.close(self.fd)
            raise

    def drain(self) -> None:
        """Take in every event that is waiting; returns when there is none."""
        while True:
            try:
                data = os.read(self.fd, _BUFFER)
            except BlockingIOError:
                return
            except InterruptedError:
                continue
            self._take(data)

    def reads(self) -> list[bytes]:
        """What was opened so far, sorted: paths relative to the tree, a directory that was listed with `/` at its end."""
        out = []
        for index, name in self.seen:
            parent = self.dirs[index]
            if name == b".":
                out.append(parent + b"/")
            else:
                out.append(parent + b"/" + name if parent else name)
        return sorted(out)

    def close(self) -> None:
        """Let go of the marks."""
        os.close(self.fd)

    def _mark(self, index: int, path: bytes) -> None:
        check(libc.fanotify_mark(self.fd, _ADD, ctypes.c_uint64(_MASK), _AT_FDCWD, path), "fanotify_mark")
        self.handles[_handle(path)] = index

    def _take(self, data: bytes) -> None:
        at, end = 0, len(data)
        while at < end:
            length, _, _, header, mask, _, _ = _EVENT.unpack_from(data, at)
            if mask & _OVERFLOW:
                self.overflow = True
            elif mask & _OPEN:
                self._event(data[at + header : at + length], bool(mask & _ONDIR))
            at += length

    def _event(self, info: bytes, directory: bool) -> None:
        # struct fanotify_event_info_fid: type, pad, len, fsid[8], then struct file_handle (bytes, type, handle), then the name
        if len(info) < 20 or info[0] != _INFO_DFID_NAME:
            return
        size = int.from_bytes(info[12:16], "little")
        index = self.handles.get(info[12 : 20 + size])
        if index is None:
            return
        name = info[20 + size :].partition(b"\0")[0]
        if directory and name != b".":
            return  # its own mark reports the directory itself, if it is one of ours
        if directory and self._setting_up and index == 0:
            return
        self._setting_up = self._setting_up and directory
        key = (index, name)
        if key in self.seen:
            return
        self.seen.add(key)
        if self.ignore and not directory:
            path = self.root + b"/" + self.dirs[index] + b"/" + name
            flags = _ADD | _DONT_FOLLOW | _IGNORED_MASK | _IGNORED_SURV_MODIFY
            libc.fanotify_mark(
                self.fd, flags, ctypes.c_uint64(_OPEN), _AT_FDCWD, path
            )  # failing costs events, not truth


def _open_group() -> int:
    base = _CLOEXEC | _NONBLOCK | _REPORT_DFID_NAME
    result = -1
    for flags in (base | _UNLIMITED_QUEUE | _UNLIMITED_MARKS, base):
        result = libc.fanotify_init(flags, os.O_RDONLY | os.O_CLOEXEC)
        if result >= 0 or ctypes.get_errno() not in (errno.EPERM, errno.EINVAL):
            break
    return check(result, "fanotify_init")


def _handle(path: bytes) -> bytes:
    """The file handle of a directory as events spell it: size, type, bytes."""
    for flags in (_AT_HANDLE_FID, 0):
        ctypes.memmove(_BUFFER_OF_HANDLE, _ROOM, len(_ROOM))
        if libc.name_to_handle_at(_AT_FDCWD, path, _BUFFER_OF_HANDLE, _MOUNT, flags) == 0:
            raw = _BUFFER_OF_HANDLE.raw
            return raw[: 8 + int.from_bytes(raw[:4], "little")]
        if ctypes.get_errno() != errno.EINVAL:
            break
    check(-1, "name_to_handle_at")
    return b""
