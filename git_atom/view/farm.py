"""The hard-link tree: a view made of links into the blob cache, the floor for machines without a usable overlay.

Kept in `<cache>/farms/<layout digest>`, made beside it and renamed. Paths of equal content share an inode here, so observation uses no
ignore marks. An executable file is a link into a second set of blobs of mode 0555. Whenever a tree is taken out again, every path is
held against the token of its blob.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from itertools import count

from git_atom.core.tree import Leaf
from git_atom.git import leftovers
from git_atom.view.cache import Blobs, Read
from git_atom.view.layout import EPOCH, MODE_DIR, MODE_PROGRAM, Layout

_LEFT = r"[0-9a-f]+\.\d+-\d+\.(new|old)"
_COUNTER = count()  # threads of one process work side by side
_TIMES = (EPOCH * 10**9, EPOCH * 10**9)


def farm(layout: Layout, blobs: Blobs, leaves: Sequence[Leaf], read: Read | None) -> str:
    """Path of the hard-link tree of a layout whose blobs are verified; made, or kept and checked. Raises what `Blobs.ensure` raises."""
    programs = Blobs(blobs.root, programs=True)
    names = {_name(s) for s, m in zip(layout.redirects, layout.modes, strict=True) if m == MODE_PROGRAM}
    missing = set(programs.check(names))
    if missing:
        programs.ensure([leaf for leaf in leaves if leaf.digest[7:] in missing], blobs.read)
    path = f"{blobs.root}/farms/{layout.digest}"
    if os.path.isdir(path):
        if _same(path, layout, blobs, programs):
            return path
        remove(path)
        return farm(layout, blobs, leaves, read)  # unlinking moved the tokens of its blobs
    _make(path, layout, blobs, programs)
    return path


def remove(path: str) -> None:
    """Delete a hard-link tree; its blobs are hashed again when next used."""
    if os.path.isdir(path):
        away = _aside(path, "old")
        os.rename(path, away)
        shutil.rmtree(away)


def _aside(path: str, what: str) -> str:
    return f"{path}.{os.getpid()}-{next(_COUNTER)}.{what}"


def _name(redirect: bytes) -> str:
    return redirect[1:3].decode() + redirect[4:].decode()


def _source(redirect: bytes, mode: int) -> bytes:
    return (b"exec" if mode == MODE_PROGRAM else b"blobs") + redirect


def _make(path: str, layout: Layout, blobs: Blobs, programs: Blobs) -> None:
    temporary = _aside(path, "new")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    leftovers.sweep(os.path.dirname(path), _LEFT)
    os.mkdir(temporary, MODE_DIR)
    root = os.open(blobs.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        write_links(layout, temporary, root)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        os.close(root)
    plain = {_name(s) for s, m in zip(layout.redirects, layout.modes, strict=True) if m != MODE_PROGRAM}
    runnable = {_name(s) for s, m in zip(layout.redirects, layout.modes, strict=True) if m == MODE_PROGRAM}
    blobs.refresh(plain)
    programs.refresh(runnable)
    try:
        os.rename(temporary, path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(temporary)  # another process was first


def write_links(layout: Layout, where: str, root: int) -> None:
    """Write directories, symlinks and hard links of a layout below `where`; `root` is the cache's descriptor."""
    umask = os.umask(0)
    base = os.fsencode(where) + b"/"
    try:
        for path in layout.dirs:
            os.mkdir(base + path, MODE_DIR)
        for path, target in zip(layout.links, layout.targets, strict=True):
            os.symlink(target, base + path)
            os.utime(base + path, ns=_TIMES, follow_symlinks=False)
        for path, source, mode in zip(layout.files, layout.redirects, layout.modes, strict=True):
            try:
                os.link(_source(source, mode), base + path, src_dir_fd=root)
            except OSError as error:
                if error.errno != errno.EMLINK:
                    raise
                _copy(root, _source(source, mode), base + path, mode)
        for path in reversed(layout.dirs):
            os.utime(base + path, ns=_TIMES)
        os.utime(base, ns=_TIMES)
    finally:
        os.umask(umask)


def _copy(root: int, source: bytes, target: bytes, mode: int) -> None:
    """For content with more paths than a file may have links."""
    blob = os.open(source, os.O_RDONLY | os.O_CLOEXEC, dir_fd=root)
    out = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
    try:
        while os.sendfile(out, blob, None, 1 << 30):
            pass
        os.utime(out, ns=_TIMES)
    finally:
        os.close(out)
        os.close(blob)


def _same(path: str, layout: Layout, blobs: Blobs, programs: Blobs) -> bool:
    """Whether a kept tree still is its layout: the same names, every file the very inode of its blob."""
    base = os.fsencode(path)
    expected = {p: _source(s, m) for p, s, m in zip(layout.files, layout.redirects, layout.modes, strict=True)}
    links = dict(zip(layout.links, layout.targets, strict=True))
    inodes = _inodes(blobs.root, set(expected.values()))
    dirs = set(layout.dirs)
    todo, count = [b""], 0
    while todo:
        at = todo.pop()
        with os.scandir(base + b"/" + at) as entries:
            for entry in entries:
                count += 1
                where = at + b"/" + entry.name if at else entry.name
                if entry.is_symlink():
                    if links.get(where) != os.readlink(entry.path):
                        return False
                elif entry.is_dir(follow_symlinks=False):
                    if where not in dirs:
                        return False
                    todo.append(where)
                elif where not in expected or inodes.get(expected[where]) != entry.inode():
                    return False
    del programs
    return count == len(dirs) + len(links) + len(expected)


def _inodes(root: str, sources: set[bytes]) -> dict[bytes, int]:
    """Inode numbers of blobs, read from their directories: no file is looked at singly."""
    out: dict[bytes, int] = {}
    base = os.fsencode(root)
    for directory in {source[: source.rindex(b"/")] for source in sources}:
        with os.scandir(base + b"/" + directory) as entries:
            for entry in entries:
                name = directory + b"/" + entry.name
                if name in sources:
                    out[name] = entry.inode()
    return out


__all__ = ["farm", "remove", "write_links"]
