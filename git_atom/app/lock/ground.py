"""What locking stands on: the manifest at hand, the lock before, and the atoms of this repository as they stand in the work tree."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from git_atom.app import workdir
from git_atom.atom.agreement import disagreements
from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core.digest import Digest, of_bytes
from git_atom.core.host import Host
from git_atom.core.lock import Edge, Lock
from git_atom.core.manifest import Dep, Manifest
from git_atom.core.tree import Leaf, tree_digest
from git_atom.core.version import Version
from git_atom.errors import CannotError, ConflictError
from git_atom.git import repo as repos
from git_atom.git import worktree
from git_atom.git.repo import Repo

if TYPE_CHECKING:
    from git_atom.app.atom import sets
    from git_atom.app.lock.stock import Stock

TOOLCHAIN = "toolchain"
ONLINE = "run the same command once without --offline"  # which may be lock, update or add


class Ground(NamedTuple):
    """Host, repository (None outside of one), the manifest's directory, text and value, the lock before, and how to go about it.

    free: names that are chosen anew although they are locked; everything when `anew`. pending: URIs that are about to be added,
    options: what is said of all of them, as `git atom add` takes it.
    minimise: the fewest atoms come first, then what is locked and what is newest. work and stock: what other atoms of the same run have
    read of the work tree and of sets. chosen: what was chosen for several atoms together, nothing else is looked at.
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
    options: tuple[tuple[str, str], ...] = ()
    minimise: bool = False
    work: Work | None = None
    stock: Stock | None = None
    chosen: Chosen | None = None

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
    def lock(self) -> str:
        """The lock's path, told likewise."""
        return os.path.relpath(os.path.join(self.folder, locks.FILE), self.host.cwd)

    @property
    def place(self) -> str:
        """The atom's directory with links resolved, to compare it with others."""
        return os.path.realpath(self.folder)

    def path_of(self, dep: Dep) -> str:
        """The directory of a dependency that is given by path, as in `place`; empty for others."""
        return os.path.realpath(os.path.join(self.folder, dep.path)) if dep.path else ""

    @property
    def wants(self) -> tuple[Want, ...]:
        """The atoms that the manifest asks for: its dependencies in order, and the environment it is built in."""
        environment = self.manifest.toolchain.atom if self.manifest.toolchain else None
        deps = (*sorted(self.manifest.deps), *([environment] if environment else ()))
        return tuple(Want(self, dep) for dep in deps)

    @property
    def kept(self) -> Lock:
        """The lock before without the sources, pins and toolchains that are to be found anew."""
        if not self.anew and not self.free:
            return self.old
        fetches = () if self.anew else tuple(f for f in self.old.fetches if f.name not in self.free)
        pins = () if self.anew else tuple(p for p in self.old.pins if p.name not in self.free)
        toolchains = () if self.anew or TOOLCHAIN in self.free else self.old.toolchains
        return self.old._replace(fetches=fetches, pins=pins, toolchains=toolchains)


class Chosen(NamedTuple):
    """What several atoms come to together: versions of other sets, and what took the variants of [provide], by atom and variant."""

    versions: Mapping[Edge, Version]
    words: Mapping[tuple[Edge, str], str]


class Want(NamedTuple):
    """An atom that a manifest asks for, with what it stands on."""

    ground: Ground
    dep: Dep

    @property
    def is_dependency(self) -> bool:
        """Whether it stands in [deps]; an environment stands in [toolchain]."""
        return self.dep in self.ground.manifest.deps

    def where(self, *keys: str) -> str:
        """Where in the manifest it is written."""
        if self.is_dependency:
            return self.ground.where("deps", self.dep.name, *keys)
        return self.ground.where("toolchain", *(keys or ("environment",)))


class Here(NamedTuple):
    """An atom of this repository: where it lies (relative to its top), manifest, lock and digest of its files."""

    folder: str
    manifest: Manifest
    lock: Lock
    tree: Digest


class Work:
    """A work tree during one run: what is on the disk, and in place of some locks those that the run is about to write.

    whole: many atoms will be read, so git is asked once for all files. What was read of an atom is kept; a lock has to be put before
    any atom is read that it is part of. cwd: where the user stands, for paths that are told.
    """

    def __init__(self, repo: Repo, cwd: str, *, whole: bool = False) -> None:
        self.repo = repo
        self._cwd = os.path.realpath(cwd)
        self.top = os.path.realpath(repo.work_tree or repo.git_dir)
        self._listed = worktree.listing(repo) if whole else None
        self._told: dict[str, tuple[Manifest, Lock]] = {}  # manifests and locks that are known, by the atom's folder
        self._texts: dict[str, bytes] = {}  # locks about to be written, by path
        self._instead: dict[bytes, bytes] = {}  # those of them that git does not ignore
        self._read: dict[str, Here] = {}
        self._trees: dict[str, Digest] = {}
        self._states: dict[str, str] = {}
        self._links: dict[str, bool] = {}

    def inside(self, place: str) -> str | None:
        """An absolute path relative to the top of the work tree; None when it is elsewhere."""
        whole = os.path.realpath(place)
        return os.path.relpath(whole, self.top) if workdir.within(whole, self.top) else None

    def shown(self, path: str) -> str:
        """A path of the work tree as it is told: from where the user stands."""
        return os.path.relpath(os.path.join(self.top, path), self._cwd)

    def tell(self, folder: str, manifest: Manifest, lock: Lock) -> None:
        """The manifest and lock of the atom in this folder (absolute), so that they are not read again."""
        inside = self.inside(folder)
        if inside is not None:
            self._told[inside] = (manifest, lock)

    def put(self, folder: str, manifest: Manifest, text: bytes) -> None:
        """From now on the atom in this folder (absolute) has this lock."""
        inside = self.inside(folder)
        if inside is not None:
            path = os.path.normpath(os.path.join(inside, locks.FILE))
            self._told[inside] = (manifest, locks.parse(text, path))
            self._texts[path] = text
            if not worktree.is_ignored(self.repo, path):
                self._instead[os.fsencode(path)] = text
            for known in (self._trees, self._states):
                for above in [".", *_upwards(path)]:
                    known.pop(above, None)

    def leaves(self, folder: str) -> list[Leaf]:
        """The files of a folder."""
        return worktree.leaves(self.repo, folder, self._instead, self._listed)

    def leaf_at(self, path: str) -> Leaf | None:
        """The file at a path."""
        return worktree.leaf_at(self.repo, path, self._instead)

    def tree(self, folder: str) -> Digest:
        """The digest of a folder's files."""
        if folder not in self._trees:
            self._trees[folder] = tree_digest(self.leaves(folder))
        return self._trees[folder]

    def state(self, paths: Sequence[str]) -> str:
        """One digest over what stands at some paths: of a file its content, of a folder its files, and its lock even where git ignores it."""
        for path in paths:
            if path not in self._states:
                self._states[path] = self._state(path)
        return of_bytes("\n".join(self._states[path] for path in paths).encode()).hex

    def _state(self, path: str) -> str:
        leaf = self.leaf_at(path)
        if leaf is not None:
            return f"{leaf.mode:o} {leaf.digest}"
        lock = os.path.normpath(os.path.join(path, locks.FILE))
        text = self._texts.get(lock)
        if text is None:
            held = self.leaf_at(lock)
            return f"{self.tree(path)} {held.digest if held else ''}"
        return f"{self.tree(path)} {of_bytes(text)}"

    def below(self, folder: str, manifest: Manifest) -> list[str] | None:
        """The paths of all that the lock of an atom follows from in the work tree, once it was worked out; None when that is not so plain."""
        found = {os.path.normpath(os.path.join(folder, src.path)) for src in manifest.srcs if src.path}
        todo = [os.path.normpath(os.path.join(folder, dep.path)) for dep in manifest.deps if dep.path]
        while todo:
            path = todo.pop()
            if path not in self._read:
                return None
            if path not in found:
                found.add(path)
                deps = self._read[path].manifest.deps
                todo += [os.path.normpath(os.path.join(path, dep.path)) for dep in deps if dep.path]
        return sorted(found) if all(map(self._plain, found)) else None

    def _plain(self, path: str) -> bool:
        """Whether no link is on the way to a path."""
        if path not in self._links:
            self._links[path] = self.inside(os.path.join(self.top, path)) != path
        return not self._links[path]

    def read(self, folder: str, where: str, chain: tuple[str, ...]) -> Here:
        """An atom with its lock, the lock's own path dependencies held against the work tree as well. chain: who asked, first to last."""
        if folder == chain[-1]:
            raise CannotError(
                "ATOM-8046", f"'{folder}' depends on itself", where=where, hint="take that dependency out"
            )
        if folder in chain:
            raise circle([*chain[chain.index(folder) :], folder], where)
        if folder not in self._read:  # what was read whole before leads back to nobody
            self._read[folder] = self._fresh(folder, where, chain)
        return self._read[folder]

    def _fresh(self, folder: str, where: str, chain: tuple[str, ...]) -> Here:
        shown = self.shown(os.path.join(folder, manifests.FILE))
        told = self._told.get(folder)
        if told is None:
            place = os.path.join(self.top, folder)
            manifest = workdir.manifest_at(place, shown, where)[1]
            told = (manifest, workdir.lock_at(place, self.shown(os.path.join(folder, locks.FILE)))[1])
        manifest, lock = told
        wrong = disagreements(manifest, lock)
        below = {d.name: os.path.normpath(os.path.join(folder, d.path)) for d in manifest.deps if d.path}
        for path in below.values():  # a circle is told as one, whatever its locks say
            if path in (*chain, folder):
                self.read(path, shown, (*chain, folder))
        if wrong:
            raise _stale(self.shown(folder), where, wrong[0])
        for key, path in below.items():
            row = next(d for d in lock.deps if d.key == key)
            atom, now = lock.atom(row.atom), self.read(path, shown, (*chain, folder))
            taken = atom is None or now.tree == atom.tree
            if not taken or (not row.uses and now.manifest.version != row.version):  # no variant took it
                raise _stale(self.shown(folder), where, f"'{self.shown(path)}' has changed since")
        return Here(folder, manifest, lock, self.tree(folder))


def _upwards(path: str) -> list[str]:
    """A relative path and all folders above it."""
    out = []
    while path:
        out.append(path)
        path = os.path.dirname(path)
    return out


def inside(ground: Ground, path: str, where: str) -> tuple[Work, str]:
    """The work tree and a manifest's relative path below it; raises CannotError ATOM-8043 when it leads out of it."""
    work = ground.work or Work(ground.repo or repos.discover(ground.folder, ground.host.environ), ground.host.cwd)
    found = work.inside(os.path.join(ground.folder, path))
    if found is None:
        raise CannotError("ATOM-8043", f"'{path}' leads out of this repository", where=where,
                          hint="an atom elsewhere is given by its 'url'")  # fmt: skip
    return work, found


def holds(work: Work, ground: Ground, path: str) -> bool:
    """Whether a path of the work tree holds the atom at hand, or is it."""
    own = work.inside(ground.folder) or ""
    return path == "." or workdir.within(own, path)


def here(ground: Ground, path: str, where: str) -> Here:
    """The atom at a path of the manifest at hand; its own lock must fit, and what that names of this repository must be unchanged.

    Raises CannotError ATOM-8040 (no manifest there), 8042 (no lock that fits), 8046 (it depends on itself), 8051 (it holds this one), 8701
    (in a circle).
    """
    work, folder = inside(ground, path, where)
    own = work.inside(ground.folder) or ""
    if folder != own and holds(work, ground, folder):
        raise within_itself(path, where)
    return work.read(folder, where, (own,))


def within_itself(path: str, where: str) -> CannotError:
    """The error for a path whose content would have to hold the digest of itself."""
    return CannotError("ATOM-8051", f"'{path}' holds this atom itself", where=where,
                       note="its lock would have to name its own digest")  # fmt: skip


def circle(chain: list[str], where: str) -> CannotError:
    """The error for atoms that need each other; the chain begins and ends with the same one."""
    return CannotError("ATOM-8701", f"'{chain[0]}' needs itself by way of others", where=where, note=" -> ".join(chain),
                       hint="take one of these dependencies out, or move what both need into an atom of its own")  # fmt: skip


def ambiguous(name: str, ground: Ground, places: tuple[str, str]) -> ConflictError:
    """The error for two atoms of this repository that have one name where the name has to tell them apart."""
    return ConflictError("ATOM-8710", f"'{name}' is the name of several atoms of this repository", where=ground.name,
                         note="\n".join(places), hint="give one of them another id in its atom.toml")  # fmt: skip


def _stale(folder: str, where: str, why: str) -> CannotError:
    import shlex

    return CannotError("ATOM-8042", f"'{folder}' has no lock that fits", where=where, note=why,
                       hint=f"git atom lock {shlex.quote(folder)}")  # fmt: skip
