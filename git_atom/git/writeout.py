"""Writing a tree's files into a directory of the user: whole or not at all, every byte digested once more on its way out."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Sequence

from git_atom.core.digest import MODE_EXEC, MODE_LINK, MODE_TREE, of_bytes
from git_atom.core.text import shell
from git_atom.core.tree import Leaf, check_path
from git_atom.errors import CannotError, MalformedError
from git_atom.git import leftovers
from git_atom.git.objects import Objects


def write_out(objects: Objects, leaves: Sequence[Leaf], target: str) -> None:
    """Write files, links and directories below `target` (absolute), which must not exist or be empty.

    Made beside its place and renamed into it. Raises CannotError ATOM-2018 when the place is taken, MalformedError ATOM-2009 when
    bytes are not those the leaf names.
    """
    check_free(target)
    parent = os.path.dirname(target)
    os.makedirs(parent, exist_ok=True)
    beside = f".{os.path.basename(target)}-"
    leftovers.sweep(parent, re.escape(beside) + r"\d+-\d+")
    made = os.path.join(parent, f"{beside}{os.getpid()}-{time.monotonic_ns()}")
    try:
        os.mkdir(made, 0o700)
        _fill(objects, leaves, os.fsencode(made))
        os.chmod(made, 0o755)
        os.rename(made, target)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def check_free(target: str) -> None:
    """Raise CannotError ATOM-2018 unless `target` does not exist or is an empty directory."""
    if os.path.lexists(target) and (os.path.islink(target) or not os.path.isdir(target) or os.listdir(target)):
        raise CannotError("ATOM-2018", f"'{target}' is there and not empty", hint="name another directory")


def _fill(objects: Objects, leaves: Sequence[Leaf], top: bytes) -> None:
    made: set[bytes] = {top}
    contents = objects.many([leaf.oid for leaf in leaves if leaf.mode != MODE_TREE])
    for leaf in leaves:
        check_path(leaf.path)
        path = os.path.join(top, leaf.path)
        folder = path if leaf.mode == MODE_TREE else os.path.dirname(path)
        if folder not in made:
            os.makedirs(folder, exist_ok=True)
            made.add(folder)
        if leaf.mode == MODE_TREE:
            continue
        found = next(contents)
        if found is None or of_bytes(found[2]) != leaf.digest:
            raise MalformedError(
                "ATOM-2009",
                f"object '{leaf.oid}' in '{objects.repo.git_dir}' is damaged",
                note=f"it should be '{leaf.path.decode(errors='backslashreplace')}'",
                hint=f"git --git-dir={shell(objects.repo.git_dir)} fsck  # then fetch it again",
            )
        if leaf.mode == MODE_LINK:
            os.symlink(found[2], path)
            continue
        handle = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o755 if leaf.mode == MODE_EXEC else 0o644
        )
        with os.fdopen(handle, "wb") as file:
            file.write(found[2])
