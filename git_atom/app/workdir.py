"""The manifest and the lock of a directory of the work tree: read as they stand, and written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence

from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core.lock import Lock
from git_atom.core.manifest import Manifest
from git_atom.core.text import shell
from git_atom.core.toml_place import MAX_BYTES
from git_atom.errors import CannotError
from git_atom.git import leftovers
from git_atom.git.repo import Repo

_PREFIX = ".atom-"  # of what is not yet in its place


def within(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies below it; both are absolute, or relative to the same."""
    return path == folder or path.startswith(folder + os.sep)


def manifest_at(folder: str, shown: str, where: str = "") -> tuple[bytes, Manifest]:
    """Bytes and value of a directory's manifest, called `shown` in messages; raises CannotError ATOM-8040 when there is none.

    Where the current directory lacks one, and a directory above it in its repository has one, it tells of that.
    """
    try:
        with open(os.path.join(folder, manifests.FILE), "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        import shlex

        target = os.path.dirname(shown)
        above = "" if target else _above(folder)
        raise CannotError("ATOM-8040", f"there is no '{shown}'", where=where,
                          note=f"the atom around this directory is at '{above}'" if above else "",
                          hint=f"cd {shell(above)}" if above else f"git atom new {shlex.quote(target or '.')}") from error  # fmt: skip
    return data, manifests.parse(data, shown)


def _above(folder: str) -> str:
    """The nearest directory above a folder of a work tree that has a manifest, as seen from there; empty when none does."""
    place, up = os.path.realpath(folder), ""
    while not os.path.lexists(os.path.join(place, ".git")) and place != os.sep:
        place, up = os.path.dirname(place), os.path.join(up, os.pardir)
        if os.path.lexists(os.path.join(place, manifests.FILE)):
            return up
    return ""


def lock_at(folder: str, shown: str) -> tuple[bytes | None, Lock]:
    """Bytes and value of a directory's lock; (None, the empty lock) when there is none."""
    try:
        with open(os.path.join(folder, locks.FILE), "rb") as file:
            data = file.read(locks.MAX_BYTES + 1)
    except FileNotFoundError:
        return None, locks.EMPTY
    return data, locks.parse(data, shown)


def write(path: str, data: bytes) -> None:
    """Put a file in place whole: written beside, synced, renamed; the permissions of an old one are kept."""
    write_all([(path, data)])


def write_all(files: Sequence[tuple[str, bytes]], repo: Repo | None = None) -> None:
    """Put several files in place, each whole. All are on the disk before the first is renamed, so what can fail fails before.

    Renaming goes on when it is interrupted. Who is killed between two renames leaves the first ones new: give the file that a person
    means (the manifest) first and what follows from it (the lock) after, then the same command, or git atom lock, finishes the work.
    repo: whose work tree they are in; what a kill leaves behind then lies in its git directory, where it is nobody's content.
    """
    aside = repo.git_dir if repo else ""
    ready: list[tuple[str, str]] = []
    try:
        for path, data in files:
            ready.append((_beside(path, data, _aside(aside, path)), path))
        _rename(ready)
    finally:
        for temporary, _ in ready:
            if os.path.lexists(temporary):
                os.unlink(temporary)
    if ready and aside:
        leftovers.sweep(aside, re.escape(_PREFIX) + r"\w+")


def _aside(folder: str, path: str) -> str:
    """A folder from which a file can be renamed to a path: this one, or on another file system the path's own."""
    own = os.path.dirname(path)
    fits = folder and os.access(folder, os.W_OK) and os.stat(folder).st_dev == os.stat(own).st_dev
    return folder if fits else own


def _rename(ready: Sequence[tuple[str, str]]) -> None:
    done = 0
    try:
        for temporary, path in ready:
            _replace(temporary, path)
            done += 1
    except KeyboardInterrupt:
        for temporary, path in ready[done:]:
            if os.path.lexists(temporary):
                _replace(temporary, path)
        raise


def _replace(temporary: str, path: str) -> None:
    try:
        os.replace(temporary, path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with open(temporary, "rb") as file:  # one file system that is mounted in two places
            os.replace(_beside(path, file.read(), os.path.dirname(path)), path)


def _beside(path: str, data: bytes, folder: str) -> str:
    import tempfile

    with tempfile.NamedTemporaryFile(dir=folder, prefix=_PREFIX, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o644)
        except BaseException:
            os.unlink(file.name)
            raise
    return file.name
