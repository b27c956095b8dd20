"""Outputs leave the sandbox here: `harvest` copies them into new files once every process is dead, `leaves` makes a listing of them.

The copy knows files, symlinks and directories only. Set-id bits, owners, times, attributes and hard links do not survive it; sockets,
fifos and devices are refused by name. `harvest` runs in the supervisor.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from git_atom.core.digest import Digest, Oid
from git_atom.core.tree import Leaf

# Takes a file's (or a link's target's) bytes, keeps them, and says what they are called.
Sink = Callable[[bytes], tuple[Digest, Oid]]

DROPPED, REFUSED = "dropped", "refused"
MAX_DEPTH = 256


def harvest(source: str | bytes, target: str | bytes) -> list[tuple[str, bytes, str]]:
    """Copy a finished tree (or a single file) into new files below the existing directory `target`; sorted, nothing followed.

    Returns findings (kind, path relative to the tree, what): `dropped` where something was normalised, `refused` where it was left out.
    """
    findings: list[tuple[str, bytes, str]] = []
    _copy_dir(os.fsencode(source), os.fsencode(target), b"", findings, 0)
    return findings


def _copy_dir(source: bytes, target: bytes, at: bytes, findings: list[tuple[str, bytes, str]], depth: int) -> None:
    if depth > MAX_DEPTH:
        findings.append((REFUSED, at, f"directories nested deeper than {MAX_DEPTH}"))
        return
    for name in sorted(os.listdir(source)):
        here, there, path = source + b"/" + name, target + b"/" + name, at + b"/" + name if at else name
        found = os.lstat(here)
        if name.lower() == b".git":
            findings.append((REFUSED, path, "a git tree cannot hold this name"))
        elif stat.S_ISDIR(found.st_mode):
            if found.st_mode & 0o500 != 0o500:
                os.chmod(here, 0o700)  # what the build locked itself out of is still its output
            if found.st_mode & (stat.S_ISUID | stat.S_ISGID):
                findings.append((DROPPED, path, "set-id bits"))
            os.mkdir(there, 0o755)
            _copy_dir(here, there, path, findings, depth + 1)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(here), there)
        elif stat.S_ISREG(found.st_mode):
            if found.st_mode & (stat.S_ISUID | stat.S_ISGID):
                findings.append((DROPPED, path, "set-id bits"))
            _copy_file(here, there, found)
        else:
            findings.append((REFUSED, path, _kind(found.st_mode)))


def _copy_file(source: bytes, target: bytes, found: os.stat_result) -> None:
    if not found.st_mode & stat.S_IRUSR:
        os.chmod(source, 0o600)
    mode = 0o755 if found.st_mode & 0o111 else 0o644
    fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        out = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
        try:
            while os.sendfile(out, fd, None, 1 << 30):
                pass
        finally:
            os.close(out)
    finally:
        os.close(fd)


def _kind(mode: int) -> str:
    for test, word in ((stat.S_ISFIFO, "a fifo"), (stat.S_ISSOCK, "a socket"), (stat.S_ISBLK, "a block device")):
        if test(mode):
            return word
    return "a character device"


def leaves(directory: str, sink: Sink) -> list[Leaf]:
    """The listing of a harvested tree, sorted by path; `sink` is given each content once a path and keeps it.

    Raises MalformedError (ATOM-1004) for a path git cannot hold.
    """
    from git_atom.core.tree import MODE_LINK, Leaf, check_path, empty_dir, mode_of

    out: list[Leaf] = []
    todo = [b""]
    base = os.fsencode(directory)
    while todo:
        at = todo.pop()
        entries = list(os.scandir(base + b"/" + at))
        if not entries and at:
            out.append(empty_dir(at))
        for entry in entries:
            path = at + b"/" + entry.name if at else entry.name
            check_path(path)
            if entry.is_dir(follow_symlinks=False):
                todo.append(path)
                continue
            if entry.is_symlink():
                data, mode = os.readlink(entry.path), MODE_LINK
            else:
                with open(entry.path, "rb") as file:
                    data = file.read()
                mode = mode_of(bool(entry.stat(follow_symlinks=False).st_mode & 0o100))
            digest, oid = sink(data)
            out.append(Leaf(path, mode, digest, len(data), oid))
    return sorted(out)
