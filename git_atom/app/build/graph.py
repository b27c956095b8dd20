"""From a directory or URI to a graph of actions: manifests and locks read, actions named, nothing fetched and nothing run.

Hot: this is most of what `git build` does when everything is built already, so it reads texts and small trees only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from git_atom.app import workdir
from git_atom.app.build import planned
from git_atom.app.build.planned import Planned
from git_atom.atom.agreement import disagreements
from git_atom.build import plan
from git_atom.build.plan import Action, Source
from git_atom.core import choices
from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core.digest import Digest
from git_atom.core.host import Host
from git_atom.core.lock import Edge, Fetch, Lock, LockedAtom, LockedPin, LockedSub, LockedToolchain, parse_edge
from git_atom.core.manifest import ENVIRONMENT, Manifest
from git_atom.core.text import shell
from git_atom.core.tree import Leaf, tree_digest
from git_atom.errors import CannotError, RefusedError, UnavailableError
from git_atom.git import repo as repos
from git_atom.git import worktree
from git_atom.git.objects import Objects
from git_atom.git.repo import Repo
from git_atom.ingest import cargo
from git_atom.view.layout import LAYOUT


class Node(NamedTuple):
    """One atom of the graph. files: its own files its build may see. folder: where they lie on disk, or "" when in the store.

    sources: (place below /build, the lock's row). deps: actions of all atoms whose outputs are in its world, by name.
    """

    manifest: Manifest
    lock: Lock
    files: list[Leaf]
    folder: str
    sources: tuple[tuple[str, Fetch | LockedSub | LockedPin], ...]
    toolchain: LockedToolchain
    deps: tuple[tuple[str, Digest], ...]
    action: Digest
    commands: tuple[str, ...]  # what the sandbox runs: the variants, then the manifest's commands


class _Scope(NamedTuple):
    """A lock as its atoms are found from it: directories of those of the work tree, the set of those that name none."""

    lock: Lock
    local: dict[Edge, str]
    anchor: str


class _As(NamedTuple):
    """How a dependant wants an atom: its row in the dependant's lock."""

    row: LockedAtom
    scope: _Scope

    @property
    def key(self) -> str:
        """What tells apart the nodes that one atom comes to; empty for one without variants."""
        below = {d.edge: d.tree for d in self.scope.lock.atoms} if self.row.build else {}
        return "".join(
            f"\0{text}" for text in (*self.row.variants, *(f"{edge} {below[edge]}" for edge in sorted(below)))
        )


def platform() -> str:
    """The platform builds of this machine are for."""
    return f"{os.uname().machine}-linux"


def graph(host: Host, target: str) -> list[Node]:
    """The nodes a target needs, dependencies first, the target last. target: a directory ("" for the current one) or an atom's URI.

    Raises CannotError ATOM-7002 for a lock that is absent or does not fit, and what reading manifests, locks and the store raises.
    """
    with Objects(repos.store(host)) as objects:
        walk = _Walk(host, objects)
        if "::" in target and not os.path.isdir(os.path.join(host.cwd, target)):
            from git_atom.app.atom.atoms import fetch

            found = fetch(host, target)
            walk.stored(found.tree_oid, found.tree, f"{found.name} {found.version}", found.anchor)
        else:
            folder = os.path.normpath(os.path.join(host.cwd, target))
            walk.directory(folder)
            if len(walk.tops) == 1:
                nodes = [Planned(n.manifest.name, str(n.manifest.version), n.action) for n in walk.nodes.values()]
                planned.remember(host, folder, walk.tops.pop(), walk.paths, nodes)
        return list(walk.nodes.values())


class _Walk:
    """Collects nodes by what they are: an atom of the store by its tree, a directory by its path."""

    def __init__(self, host: Host, objects: Objects) -> None:
        self.host = host
        self.objects = objects
        self.nodes: dict[str, Node] = {}
        self.tops: set[str] = set()  # real paths of the work trees that were read
        self.paths: dict[str, Digest] = {}  # what was read there, below its top: digest of a whole directory or file
        self.trees: dict[str, Digest] = {}  # directory -> digest of all its files

    def directory(self, folder: str, wanted: _As | None = None) -> Node:
        """The node of a directory of the work tree, as it stands. wanted: as a dependant has it, None for as its own lock has it."""
        shown = os.path.relpath(folder, self.host.cwd)
        key = folder + (wanted.key if wanted else "")
        if key in self.nodes:
            return self.nodes[key]
        _, manifest = workdir.manifest_at(folder, os.path.normpath(os.path.join(shown, manifests.FILE)))
        data, lock = workdir.lock_at(folder, os.path.normpath(os.path.join(shown, locks.FILE)))
        _agree(manifest, lock, shown, absent=data is None)
        repo = repos.discover(folder, self.host.environ)
        top = os.path.realpath(repo.work_tree or folder)
        inside = os.path.relpath(os.path.realpath(folder), top)
        files = worktree.leaves(repo, inside)
        self.tops.add(top)
        self.trees[folder] = self.paths[inside] = tree_digest(files)
        self._subs(repo, top, folder, manifest, lock)
        edges = _beside(folder, shown, manifest, lock)
        return self._node(key, manifest, files, folder, _Scope(lock, edges, ""), wanted)

    def _subs(self, repo: Repo, top: str, folder: str, manifest: Manifest, lock: Lock) -> None:
        """See that the paths a build takes in from elsewhere in the work tree are as they were locked."""
        names = {s.name: s.path for s in manifest.srcs if s.path and "build" in s.uses}
        wanted = {
            os.path.relpath(os.path.realpath(os.path.join(folder, names[sub.name])), top): sub
            for sub in lock.subs
            if sub.name in names
        }
        found = worktree.digests(repo, list(wanted)) if wanted else {}
        for path, sub in wanted.items():
            if found.get(path) != sub.tree:
                raise CannotError("ATOM-7002", f"'{path}' has changed since it was locked", hint="git atom lock")
        self.paths |= found

    def stored(self, tree: str, digest: Digest, shown: str, anchor: str, wanted: _As | None = None) -> Node:
        """The node of an atom whose tree is in the store; its files are digested now and must be what was signed or locked."""
        key = tree + (wanted.key if wanted else "")
        if key in self.nodes:
            return self.nodes[key]
        files = self.objects.listing(tree)
        if tree_digest(files) != digest:
            raise RefusedError(
                "ATOM-7001",
                f"the content of '{shown}' in the store is not what was promised",
                note=f"promised {digest}",
            )
        texts = {leaf.path: leaf.oid for leaf in files if leaf.path in (b"atom.toml", b"atom.lock")}
        manifest = manifests.parse(self.objects.read(texts[b"atom.toml"])[2], f"{shown}: atom.toml")
        lock = locks.EMPTY
        if b"atom.lock" in texts:
            lock = locks.parse(self.objects.read(texts[b"atom.lock"])[2], f"{shown}: atom.lock")
        _agree(manifest, lock, shown, absent=b"atom.lock" not in texts)
        return self._node(key, manifest, files, "", _Scope(lock, {}, anchor), wanted)

    def _node(
        self, key: str, manifest: Manifest, leaves: list[Leaf], folder: str, own: _Scope, wanted: _As | None
    ) -> Node:
        lock = own.lock
        toolchain = next((t for t in lock.toolchains if t.platform == platform()), None)
        if toolchain is None:
            raise UnavailableError("ATOM-7004", f"'{manifest.name}' has no toolchain locked for {platform()}",
                                   hint="name one under [toolchain], then git atom lock")  # fmt: skip
        settled = choices.settled(manifest, wanted.row.variants) if wanted else choices.default(manifest, lock.taken)
        deps = sorted({(d.manifest.name, d.action) for d in self._deps(manifest, settled, toolchain, own, wanted)})
        if not manifest.build.commands:
            raise CannotError(
                "ATOM-7003", f"'{manifest.name}' says nothing of how it is built", hint='add [build] with run = ["..."]'
            )
        commands = (*choices.shell(manifest, settled), *manifest.build.commands)
        files = plan.own_files(manifest, leaves)
        sources, kinds = _sources(manifest, lock), {src.name: src.adopt for src in manifest.srcs}
        action = Action(
            commands,
            tree_digest(files),
            tuple(_source(place, row, kinds.get(row.name, "")) for place, row in sources),
            tuple(deps),
            toolchain.root,
            toolchain.platform,
            plan.JOBS,
            LAYOUT,
        )  # fmt: skip
        node = Node(manifest, lock, files, folder, sources, toolchain, tuple(deps), plan.digest(action), commands)
        self.nodes[key] = node
        return node

    def _deps(
        self,
        manifest: Manifest,
        settled: Mapping[str, str],
        toolchain: LockedToolchain,
        own: _Scope,
        wanted: _As | None,
    ) -> list[Node]:
        """The nodes of everything that is put into the world of a build: dependencies for building, and what those need to run.

        They are what the atom's own lock says, unless its dependant has it with variants that this lock did not take. So it is for the
        environment that a toolchain is, which is itself nothing but what it needs.
        """
        keys = choices.active(manifest, settled)
        roots = [d.atom for d in own.lock.deps if "build" in d.uses and d.key in keys]
        world = [parse_edge(toolchain.environment)] if toolchain.environment else []
        if wanted is None or not wanted.row.build:
            left = [d.key for d in own.lock.deps if d.key in keys and not d.uses]
            if any(dep.name in left and "build" in dep.uses for dep in manifest.deps):
                raise CannotError(
                    "ATOM-7002",
                    f"the lock has nothing to build '{manifest.name}' with '{left[0]}' from",
                    hint="git atom lock",
                )
            return self._all([*roots, *world], own)
        below, beside = self._all(wanted.row.build, wanted.scope), self._all(world, own)
        actions = {one.manifest.name: one.action for one in below}
        twice = [one.manifest.name for one in beside if actions.get(one.manifest.name, one.action) != one.action]
        if twice:
            raise CannotError("ATOM-7007", f"'{manifest.name}' cannot be built with {', '.join(wanted.row.variants)}",
                              note=f"its environment has another '{min(twice)}' than the one that is locked here",
                              hint="ask for other variants of it, or let its publisher choose these")  # fmt: skip
        return [*below, *beside]

    def _all(self, edges: Sequence[Edge], scope: _Scope) -> list[Node]:
        """The nodes of atoms of a lock and of what they need to run."""
        todo = list(edges)
        seen: dict[Edge, LockedAtom] = {}
        while todo:
            edge = todo.pop()
            atom = scope.lock.atom(edge)
            if atom is not None and edge not in seen:
                seen[edge] = atom
                todo += atom.run
        found = (self._dep(atom, scope) for _, atom in sorted(seen.items()))
        return [node for node in found if node is not None]

    def _dep(self, atom: LockedAtom, scope: _Scope) -> Node | None:
        """The node of an atom that a lock names; None for an environment, which builds nothing of its own."""
        shown = f"{atom.name} {atom.version}"
        wanted = _As(atom, scope) if atom.variants or atom.build else None
        if atom.edge in scope.local:
            folder = scope.local[atom.edge]
            node = self.directory(folder, wanted)
            if self.trees[folder] != atom.tree:
                raise CannotError("ATOM-7002", f"'{atom.name}' has changed since it was locked", hint="git atom lock")
            return node
        tree = self._tree_of(atom, scope.lock, scope.anchor)
        if tree not in self.nodes and self._kind(tree, shown) == ENVIRONMENT:
            return None
        return self.stored(tree, atom.tree, shown, atom.set or scope.anchor, wanted)

    def _kind(self, tree: str, shown: str) -> str:
        found = self.objects.at(tree, manifests.FILE.encode())
        return manifests.parse(self.objects.read(found[1])[2], f"{shown}: {manifests.FILE}").type if found else ""

    def _tree_of(self, atom: LockedAtom, lock: Lock, anchor: str) -> str:
        """Id of a foreign atom's tree in the store, brought there from the lock's mirrors when it is not."""
        if atom.commit:
            found = self.objects.get(atom.commit)
            if found is not None:
                return self.objects.commit_tree(atom.commit)
        from git_atom.app.atom import sets
        from git_atom.app.atom.atoms import fetch_anywhere, stored_atom

        own = Digest(atom.set or anchor)
        held = stored_atom(self.host, own, atom.name, atom.version)
        if held is not None:
            return held.tree_oid
        mirrors = [m for s in lock.sets if s.anchor == own for m in s.mirrors] or sets.known_mirrors(self.host).get(
            own, []
        )
        if (brought := fetch_anywhere(self.host, own, mirrors, atom.name, atom.version)) is not None:
            return brought.tree_oid
        raise UnavailableError("ATOM-7005", f"'{atom.name} {atom.version}' is not in the store, and no place of its set has it",
                               hint=f"git atom fetch {shell(f'<url>::{atom.name}@={atom.version}')}")  # fmt: skip


def _beside(folder: str, shown: str, manifest: Manifest, lock: Lock) -> dict[Edge, str]:
    """Where the atoms of this repository lie that a lock names: at the paths of the manifest, and at those of what lies there."""
    found: dict[Edge, str] = {}
    wanted = {atom.edge for atom in lock.atoms if not atom.set}
    todo = [(folder, manifest, lock)]
    while todo:
        place, manifest, lock = todo.pop(0)
        paths = {d.name: os.path.normpath(os.path.join(place, d.path)) for d in manifest.deps if d.path}
        fresh = {d.atom: paths[d.key] for d in lock.deps if d.key in paths and d.atom not in found}
        found |= fresh
        for path in fresh.values() if wanted - found.keys() else ():
            named = os.path.normpath(os.path.join(shown, os.path.relpath(path, folder)))
            below = workdir.manifest_at(path, os.path.join(named, manifests.FILE))[1]
            todo.append((path, below, workdir.lock_at(path, os.path.join(named, locks.FILE))[1]))
    return found


def _agree(manifest: Manifest, lock: Lock, shown: str, *, absent: bool) -> None:
    target = "" if shown == "." else f" {shell(shown)}"
    if absent and (manifest.deps or manifest.provide or manifest.pins or manifest.srcs or manifest.toolchain):
        raise CannotError("ATOM-7002", f"'{manifest.name}' has no lock", hint=f"git atom lock{target}")
    wrong = disagreements(manifest, lock)
    if wrong:
        raise CannotError(
            "ATOM-7002",
            f"the lock of '{manifest.name}' does not fit its manifest",
            note="\n".join(wrong[:5]),
            hint=f"git atom lock{target}",
        )


def _sources(manifest: Manifest, lock: Lock) -> tuple[tuple[str, Fetch | LockedSub | LockedPin], ...]:
    """What fills /build beside the atom's own files, pins included; sources that only tests use stay out."""
    names = {s.name for s in manifest.srcs if "build" in s.uses}
    adopted = {s.name for s in manifest.srcs if s.adopt}
    rows: list[tuple[str, Fetch | LockedSub | LockedPin]] = [(pin.name, pin) for pin in lock.pins]
    for fetch in lock.fetches:
        if fetch.name in names:
            inner = _component(fetch.url) if fetch.package else cargo.place(fetch.url) if fetch.name in adopted else ""
            rows.append((f"{fetch.name}/{inner}" if inner else fetch.name, fetch))
    rows += [(sub.name, sub) for sub in lock.subs if sub.name in names]
    return tuple(sorted(rows))


def _source(place: str, row: Fetch | LockedSub | LockedPin, adopt: str) -> Source:
    """A source as the action has it; an adopted lockfile and what it names are laid out otherwise than files and archives are."""
    if isinstance(row, Fetch):
        return Source(place, f"{adopt} fetch" if adopt else "fetch", row.digest)
    return Source(place, f"{adopt} lockfile" if adopt else "tree", row.tree)


def _component(url: str) -> str:
    """The directory a component tarball of a Debian source goes to, `orig-<component>`; "" for the main one."""
    name = url.rpartition("/")[2]
    return name.partition(".orig-")[2].partition(".tar.")[0] if ".orig-" in name else ""
