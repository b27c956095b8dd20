"""What locking stands on: the manifest at hand, the lock before, and the atoms of this repository as they stand in the work tree."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from git_atom.app import workdir
from git_atom.atom.agreement import disagreements
from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core.digest import Digest
from git_atom.core.host import Host
from git_atom.core.lock import Lock
from git_atom.core.manifest import Manifest
from git_atom.core.tree import tree_digest
from git_atom.errors import CannotError
from git_atom.git import repo as repos
from git_atom.git import worktree
from git_atom.git.repo import Repo

if TYPE_CHECKING:
    from git_atom.app.atom import sets

TOOLCHAIN = "toolchain"


class Ground(NamedTuple):
    """Host, repository (None outside of one), the manifest's directory, text and value, the lock before, and how to go about it.

    free: names that are chosen anew although they are locked; everything when `anew`. pending: URIs that are about to be added.
    minimise: the fewest atoms come first, then what is locked and what is newest.
    """

    host: Host
    repo: Repo | None
    folder: str  # absolute
    data: bytes
    manifest: Manifest
    old: Lock
    offline: bool = False
    consent: sets.Consent | None = None
    free: frozenset[str] = frozenset()
    anew: bool = False
    pending: tuple[str, ...] = ()
    minimise: bool = False

    def where(self, *path: str) -> str:
        """`file:line` of a key of the manifest, or of the nearest table around it that is there."""
        found = self.name
        while path and found == self.name:
            found = manifests.place(self.data, self.name, path)
            path = path[:-1]
        return found

    @property
    def name(self) -> str:
        """The manifest's path as told to people: relative to where the user stands."""
        return os.path.relpath(os.path.join(self.folder, manifests.FILE), self.host.cwd)

    @property
    def kept(self) -> Lock:
        """The lock before without the sources, pins and toolchains that are to be found anew."""
        if not self.anew and not self.free:
            return self.old
        fetches = () if self.anew else tuple(f for f in self.old.fetches if f.name not in self.free)
        pins = () if self.anew else tuple(p for p in self.old.pins if p.name not in self.free)
        toolchains = () if self.anew or TOOLCHAIN in self.free else self.old.toolchains
        return self.old._replace(fetches=fetches, pins=pins, toolchains=toolchains)


class Here(NamedTuple):
    """An atom of this repository: where it lies (relative to its top), manifest, lock and digest of its files."""

    folder: str
    manifest: Manifest
    lock: Lock
    tree: Digest


def inside(ground: Ground, path: str, where: str) -> tuple[Repo, str]:
    """The repository and a manifest's relative path below its work tree; raises CannotError ATOM-8043 when it leads out of it."""
    repo = ground.repo or repos.discover(ground.folder, ground.host.environ)
    top = os.path.realpath(repo.work_tree or repo.git_dir)
    whole = os.path.realpath(os.path.join(ground.folder, path))
    if whole != top and not whole.startswith(top + os.sep):
        raise CannotError("ATOM-8043", f"'{path}' leads out of this repository", where=where,
                          hint="an atom elsewhere is given by its 'url'")  # fmt: skip
    return repo, os.path.relpath(whole, top)


def here(ground: Ground, path: str, where: str) -> Here:
    """The atom at a path of the manifest at hand; its own lock must fit, and what that names of this repository must be unchanged.

    Raises CannotError ATOM-8040 (no manifest there), 8042 (no lock that fits), 8046 (it depends on itself), 8701 (in a circle).
    """
    repo, folder = inside(ground, path, where)
    own = os.path.relpath(os.path.realpath(ground.folder), os.path.realpath(repo.work_tree or ""))
    return _read(repo, folder, where, (own,))


def _read(repo: Repo, folder: str, where: str, chain: tuple[str, ...]) -> Here:
    """An atom of the work tree with its lock, the lock's own path dependencies held against the work tree as well."""
    top = repo.work_tree or ""
    shown = os.path.join(folder, manifests.FILE)
    if folder == chain[-1]:
        raise CannotError("ATOM-8046", f"'{folder}' depends on itself", where=where, hint="take that dependency out")
    if folder in chain:
        raise circle([*chain[chain.index(folder) :], folder], where)
    manifest = workdir.manifest_at(os.path.join(top, folder), shown, where)[1]
    lock = workdir.lock_at(os.path.join(top, folder), os.path.join(folder, locks.FILE))[1]
    wrong = disagreements(manifest, lock)
    below = {d.name: os.path.normpath(os.path.join(folder, d.path)) for d in manifest.deps if d.path}
    for path in below.values():  # a circle is told as one, whatever its locks say
        if path in (*chain, folder):
            _read(repo, path, shown, (*chain, folder))
    if wrong:
        raise _stale(folder, where, wrong[0])
    for key, path in below.items():
        locked = next(d for d in lock.deps if d.key == key)
        atom = lock.atom(locked.atom)
        if atom is not None and _read(repo, path, shown, (*chain, folder)).tree != atom.tree:
            raise _stale(folder, where, f"'{path}' has changed since")
    return Here(folder, manifest, lock, tree_digest(worktree.leaves(repo, folder)))


def circle(chain: list[str], where: str) -> CannotError:
    """The error for atoms that need each other; the chain begins and ends with the same one."""
    return CannotError("ATOM-8701", f"'{chain[0]}' needs itself by way of others", where=where, note=" -> ".join(chain),
                       hint="take one of these dependencies out, or move what both need into an atom of its own")  # fmt: skip


def _stale(folder: str, where: str, why: str) -> CannotError:
    return CannotError(
        "ATOM-8042",
        f"'{folder}' has no lock that fits",
        where=where,
        note=why,
        hint=f"git atom lock {folder}, then this again",
    )
