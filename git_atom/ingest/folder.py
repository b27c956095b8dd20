"""A directory of this machine as a tree: files, links and empty directories as they are, owners and times forgotten.

Set-id and sticky bits go into the attribute table; what is neither file, link nor directory is refused by name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from git_atom.core.composition import Attribute, path_text
from git_atom.core.digest import MODE_LINK, Oid, of_bytes
from git_atom.core.tree import Leaf, check_path, empty_dir, mode_of
from git_atom.errors import CannotError, MalformedError

Put = Callable[[bytes], Oid]  # keeps a blob, returns its id


class Taken(NamedTuple):
    """What a path of the machine came to: leaves sorted by path (one with the empty path for a file), and what git cannot hold."""

    leaves: list[Leaf]
    attributes: list[Attribute]


def take(path: str, put: Put) -> Taken:
    """Read a directory, or one file, giving every content to `put`.

    Raises CannotError (ATOM-5060) when it is not there, MalformedError (ATOM-5061, ATOM-1004) for what cannot be kept.
    """
    taken = Taken([], [])
    try:
        found = os.stat(path)
    except FileNotFoundError as error:
        raise CannotError("ATOM-5060", f"'{path}' is not there") from error
    if not stat.S_ISDIR(found.st_mode):
        taken.leaves.append(_leaf(os.fsencode(os.path.realpath(path)), b"", found, put))
        return taken
    for place, inside, there in _walk(os.fsencode(path), b""):
        check_path(inside)
        if stat.S_ISDIR(there.st_mode):
            taken.leaves.append(empty_dir(inside))
        else:
            taken.leaves.append(_leaf(place, inside, there, put))
        if there.st_mode & 0o7000 and not stat.S_ISLNK(there.st_mode):
            taken.attributes.append(Attribute(path_text(inside), stat.S_IMODE(there.st_mode)))
    taken.leaves.sort()
    return taken


def _walk(folder: bytes, prefix: bytes) -> Iterator[tuple[bytes, bytes, os.stat_result]]:
    """Every file, link and empty directory below a folder: where it is, its path inside, its status."""
    with os.scandir(folder) as names:
        for item in names:
            inside = prefix + item.name
            there = item.stat(follow_symlinks=False)
            if stat.S_ISDIR(there.st_mode):
                below = False
                for row in _walk(item.path, inside + b"/"):
                    below = True
                    yield row
                if not below:
                    yield item.path, inside, there
            else:
                yield item.path, inside, there


def _leaf(place: bytes, inside: bytes, there: os.stat_result, put: Put) -> Leaf:
    if stat.S_ISLNK(there.st_mode):
        mode, data = MODE_LINK, os.readlink(place)
    elif stat.S_ISREG(there.st_mode):
        mode = mode_of(bool(there.st_mode & 0o100))
        with open(place, "rb") as file:
            data = file.read()
    else:
        shown = os.fsdecode(place)
        raise MalformedError("ATOM-5061", f"'{shown}' is neither file, link nor directory", hint="leave it out")
    return Leaf(inside, mode, of_bytes(data), len(data), put(data))
