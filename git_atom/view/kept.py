"""Stubs kept on disk between runs, so that mounting a view again costs a look at each path and nothing else.

`<cache>/stubs/<layout digest>-<attribute prefix>` is what `mount.write_stubs` would write to a tmpfs; beside it `….tokens` notes inode and ctime
of every path, and its own BLAKE3. A disk lists directories in an order of its own, so actions are given fresh stubs on a tmpfs instead.
"""

from __future__ import annotations

import os
import shutil
from itertools import count

from git_atom.core.digest import of_bytes
from git_atom.view import mount
from git_atom.view.layout import Layout

_COUNTER = count()  # threads of one process work side by side


def kept(root: str, layout: Layout, prefix: str) -> tuple[str, bytes]:
    """(path below the cache `root`, tokens) of a layout's kept stubs; empty the first time a layout is seen, and when the disk cannot hold them.

    A disk takes longer to make them than a tmpfs, so they are made for layouts that come again.
    """
    name = f"stubs/{layout.digest}-{prefix}"
    try:
        with open(f"{root}/{name}.tokens", "rb") as file:
            data = file.read()
        if of_bytes(data[:-32]).raw == data[-32:]:
            return name, data[:-32]
    except OSError:
        pass  # not made yet
    if not _again(f"{root}/{name}.seen"):
        return "", b""
    return _make(root, name, layout, prefix)


def _again(mark: str) -> bool:
    if os.path.exists(mark):
        return True
    try:
        os.makedirs(os.path.dirname(mark), mode=0o700, exist_ok=True)
        os.close(os.open(mark, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError:
        pass  # no room for a mark: a tmpfs will do
    return False


def forget(root: str, name: str) -> None:
    """Take kept stubs away that are no longer what they were."""
    away = f"{root}/tmp/stubs-{os.getpid()}-{next(_COUNTER)}"
    for path in (f"{root}/{name}.tokens", f"{root}/{name}"):
        try:
            os.rename(path, away)
        except OSError:
            continue  # another process was first
        if os.path.isdir(away):
            shutil.rmtree(away, ignore_errors=True)
        else:
            os.unlink(away)


def _make(root: str, name: str, layout: Layout, prefix: str) -> tuple[str, bytes]:
    forget(root, name)
    temporary = f"{root}/tmp/stubs-{os.getpid()}-{next(_COUNTER)}"
    umask = os.umask(0)
    try:
        os.makedirs(f"{root}/stubs", mode=0o700, exist_ok=True)
        os.mkdir(temporary, 0o755)
        mount.write_stubs(layout, temporary, prefix)
        mount.settle_dirs(layout.dirs, temporary)
        tokens = mount.tokens(layout, temporary)
        os.rename(temporary, f"{root}/{name}")
        with open(f"{temporary}.tokens", "wb") as file:
            file.write(tokens + of_bytes(tokens).raw)
        os.rename(f"{temporary}.tokens", f"{root}/{name}.tokens")
    except OSError:
        return "", b""  # no room, or no such attributes on this disk: a tmpfs will do
    finally:
        os.umask(umask)
        shutil.rmtree(temporary, ignore_errors=True)
    return name, tokens
