"""Compiling leaves to a layout, and telling whether kept bytes still are one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, of_bytes
from git_atom.core.tree import Leaf, check_path
from git_atom.errors import MalformedError
from git_atom.view.layout import HEADER, MOUNT_POINTS


def compile_layout(leaves: Iterable[Leaf], target: Callable[[Leaf], bytes], mount_points: bool = True) -> bytes:
    """Compile leaves to a layout; `target` reads a symlink's target. With `mount_points` the sandbox's own directories are added.

    Raises MalformedError (ATOM-1004) for a path git cannot hold or one that runs through a file, (ATOM-4006) for two leaves at one path.
    """
    dirs: set[bytes] = set()
    links: list[tuple[bytes, bytes]] = []
    files: list[tuple[bytes, bytes, bytes, bytes]] = []
    for leaf in leaves:
        check_path(leaf.path)
        _add_parents(dirs, leaf.path)
        if leaf.mode == MODE_TREE:
            dirs.add(leaf.path)
        elif leaf.mode == MODE_LINK:
            links.append((leaf.path, target(leaf)))
        elif leaf.mode in (MODE_FILE, MODE_EXEC):
            hexed = leaf.digest.hex
            mode = b"x" if leaf.mode == MODE_EXEC else b"-"
            files.append((leaf.path, f"/{hexed[:2]}/{hexed[2:]}".encode(), b"%d" % leaf.size, mode))
        else:
            raise _bad(leaf.path, f"mode {leaf.mode:o} is no file, link or directory")
    _check_names(dirs, links, files)
    if mount_points:
        dirs.update(MOUNT_POINTS)
        for path, *_rest in (*links, *files):
            if path in MOUNT_POINTS:
                raise _bad(path, "the sandbox mounts a directory of its own there")
    return _encode(sorted(dirs), sorted(links), sorted(files))


def _add_parents(dirs: set[bytes], path: bytes) -> None:
    while (cut := path.rfind(b"/")) > 0:
        path = path[:cut]
        if path in dirs:
            return
        dirs.add(path)


def _check_names(
    dirs: set[bytes], links: list[tuple[bytes, bytes]], files: list[tuple[bytes, bytes, bytes, bytes]]
) -> None:
    seen: set[bytes] = set()
    for path, *_rest in (*links, *files):
        if path in seen or path in dirs:
            raise _bad(path, "two things are to stand at one path")
        seen.add(path)


def _bad(path: bytes, why: str) -> MalformedError:
    return MalformedError(
        "ATOM-4006", f"the view cannot hold path '{path.decode(errors='backslashreplace')}'", note=why
    )


def _encode(
    dirs: list[bytes], links: list[tuple[bytes, bytes]], files: list[tuple[bytes, bytes, bytes, bytes]]
) -> bytes:
    columns = [dirs, [x[0] for x in links], [x[1] for x in links], *([x[i] for x in files] for i in range(4))]
    head = b"%s%d %d %d\n" % (HEADER, len(dirs), len(links), len(files))
    body = head + b"".join(field + b"\0" for column in columns for field in column)
    return body + of_bytes(body).raw


def intact(data: bytes) -> bool:
    """Whether bytes read from the cache are a whole layout."""
    return data.startswith(HEADER) and len(data) > 32 and of_bytes(memoryview(data)[:-32]).raw == data[-32:]
