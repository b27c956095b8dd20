"""What a build is given: its sources unpacked, its own files, and its world of toolchain and dependencies, as leaves of the blob cache."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple

from git_atom.app import memo
from git_atom.app.build.graph import Node
from git_atom.app.lock.sourcing import downloads
from git_atom.app.world import imports, world
from git_atom.build import plan
from git_atom.core import composition
from git_atom.core.composition import TREE, Attribute, Entry
from git_atom.core.digest import MODE_TREE, Digest
from git_atom.core.host import Host
from git_atom.core.lock import Fetch, LockedPin, LockedSub
from git_atom.core.text import shell
from git_atom.core.tree import Leaf, decode_listing, encode_listing, tree_digest
from git_atom.errors import AtomError, CannotError, UnavailableError
from git_atom.fetch.download import Wanted, download
from git_atom.git import repo as repos
from git_atom.git import worktree
from git_atom.git.objects import Objects
from git_atom.ingest import cargo
from git_atom.view.cache import Blobs

Input = tuple[str, list[Leaf]]


class Ground(NamedTuple):
    """A build's view and what merges into it: leaves, attributes, and digest of the view; the toolchain's own leaves."""

    leaves: list[Leaf]
    attributes: tuple[Attribute, ...]
    view: Digest
    toolchain: world.World


def ground(host: Host, node: Node, outputs: Sequence[tuple[str, Digest, list[Leaf]]]) -> Ground:
    """The world of a build: toolchain merged with the outputs of its dependencies (name, output digest, leaves).

    Raises ConflictError (ATOM-6001) naming both sides where they disagree, RefusedError (ATOM-6020) when the toolchain is not the locked one.
    """
    from git_atom.compose.merge import merge

    locked = node.toolchain
    rows = [imports.Locked(p.name, p.version, p.architecture, p.digest) for p in locked.packages]
    tools = imports.restore(host, locked.suite, locked.root, rows)
    layers: list[tuple[Entry, Sequence[Leaf]]] = [
        (Entry("", TREE, tree_digest(tools.leaves), origin=f"toolchain of {node.manifest.name}"), tools.leaves)
    ]
    layers += [(Entry("", TREE, digest, origin=f"build of {name}"), leaves) for name, digest, leaves in outputs]
    merged = merge(layers) if outputs else tools.leaves
    attributes = tools.composition.attributes
    return Ground(merged, attributes, composition.view(merged, attributes), tools)


def inputs(host: Host, node: Node, blobs: Blobs) -> list[Input]:
    """Trees to write out below /build: the sources at their places, the atom's own files at `atom`. Their blobs are in the cache.

    Raises what fetching and unpacking raise, UnavailableError (ATOM-7006) when a sub-atom is nowhere to be found.
    """
    out: list[Input] = []
    adopted = {src.name for src in node.manifest.srcs if src.adopt}
    for place, row in node.sources:
        if isinstance(row, Fetch):
            out.append((place, _fetched(host, row, blobs, row.name in adopted)))
        else:
            out.append((place, _pin(host, row, blobs) if isinstance(row, LockedPin) else _sub(host, node, row, blobs)))
        if isinstance(row, LockedSub) and row.name in adopted:
            leaf, data = cargo.config(f"/build/{place}")
            blobs.put(leaf.digest, data)
            out.append((place, [leaf]))
    if node.files:
        _keep(host, node.files, node.folder, blobs)
        out.append((plan.OWN, node.files))
    return sorted(_nest(out))


def _nest(trees: list[Input]) -> list[Input]:
    """Component tarballs (`src/lib`) folded into the tree they lie in (`src`)."""
    whole: dict[str, list[Leaf]] = {}
    for place, leaves in trees:
        top, _, inner = place.partition("/")
        moved = [leaf._replace(path=inner.encode() + b"/" + leaf.path) for leaf in leaves] if inner else leaves
        whole.setdefault(top, []).extend(moved)
    return [(place, sorted(leaves)) for place, leaves in whole.items()]


def _fetched(host: Host, row: Fetch, blobs: Blobs, crate: bool) -> list[Leaf]:
    """A fetched archive's files; a listing of what it held before is used when every blob of it is still there.

    crate: it becomes part of a directory source of Cargo.
    """
    from git_atom.ingest.unpack import unpack

    path = os.path.join(host.cache, "crates" if crate else "unpacked", Digest(row.digest).hex)
    known = memo.get(path)
    if known is not None:
        try:
            leaves = decode_listing(known)
        except (AtomError, ValueError):
            leaves = []
        if leaves and not blobs.check(leaf.digest.hex for leaf in leaves if leaf.mode != MODE_TREE):
            return leaves
    file = download(
        Wanted(_address(host, row), digest=row.digest, size=row.size),
        downloads(host.cache),
        host.environ,
        host.progress,
    )
    leaves = unpack(file.path, lambda leaf, data: blobs.put(leaf.digest, data), row.url.rpartition("/")[2])
    if crate:
        with open(file.path, "rb") as archive:
            added, text = cargo.checksums(hashlib.file_digest(archive, "sha256").hexdigest())
        blobs.put(added.digest, text)
        leaves = sorted([*(leaf for leaf in leaves if leaf.path != added.path), added])
    memo.put(path, encode_listing(leaves))
    return leaves


def _address(host: Host, row: Fetch) -> str:
    """Where to fetch from: the URL itself, or the distribution's mirrors of this machine for a `debian:` path."""
    from git_atom.fetch.download import cached
    from git_atom.ingest.debsource import SCHEME

    if not row.url.startswith(SCHEME):
        return row.url
    if cached(Wanted("", digest=row.digest, size=row.size), downloads(host.cache)) is not None:
        return row.url
    from git_atom.ingest.apt import mirror

    return f"{mirror().rstrip('/')}/{row.url.removeprefix(SCHEME)}"


def _sub(host: Host, node: Node, row: LockedSub, blobs: Blobs) -> list[Leaf]:
    """A sub-atom's files: from the work tree next to the manifest, or from the store for a fetched atom."""
    src = next(s for s in node.manifest.srcs if s.name == row.name)
    name = os.fsencode(os.path.basename(os.path.normpath(src.path)))
    if node.folder:
        repo = repos.discover(node.folder, host.environ)
        top = os.path.realpath(repo.work_tree or node.folder)
        whole = os.path.normpath(os.path.join(os.path.realpath(node.folder), src.path))
        inside = os.path.relpath(whole, top)
        single = worktree.leaf_at(repo, inside)
        leaves = [single._replace(path=name)] if single else worktree.leaves(repo, inside)
        if (single.digest if single else tree_digest(leaves)) != row.tree:
            raise CannotError("ATOM-7002", f"'{src.path}' has changed since it was locked", hint="git atom lock")
        _keep(host, leaves, os.path.dirname(whole) if single else whole, blobs)
        return leaves
    with Objects(repos.store(host)) as objects:
        found = objects.get(row.object)
        if found is None:
            raise UnavailableError(
                "ATOM-7006",
                f"source '{row.name}' of '{node.manifest.name}' is not in the store",
                hint=f"git atom fetch {shell(f'<url>::{node.manifest.name}@={node.manifest.version}')}",
            )
        if found[1] != "tree":
            leaves = [Leaf(name, 0o100644, row.tree, len(found[2]), found[0])]
        else:
            leaves = objects.listing(row.object)
            if tree_digest(leaves) != row.tree:
                raise UnavailableError(
                    "ATOM-7006",
                    f"source '{row.name}' in the store is not the locked one",
                    hint=f"git --git-dir={shell(objects.repo.git_dir)} fsck",
                )
        blobs.ensure(leaves, lambda leaf: objects.read(leaf.oid)[2])
    return leaves


def _pin(host: Host, row: LockedPin, blobs: Blobs) -> list[Leaf]:
    """A pin's files, from the store, where they are brought when they are not there."""
    from git_atom.app.lock import pinning

    leaves = pinning.files(host, row)
    _keep(host, leaves, "", blobs)
    return leaves


def _keep(host: Host, leaves: Sequence[Leaf], folder: str, blobs: Blobs) -> None:
    """Let files of a directory, or of the store when there is none, enter the cache."""
    if not folder:
        with Objects(repos.store(host)) as objects:
            blobs.ensure(leaves, lambda leaf: objects.read(leaf.oid)[2])
        return

    def read(leaf: Leaf) -> bytes:
        path = os.path.join(os.fsencode(folder), leaf.path)
        if leaf.mode == 0o120000:
            return os.readlink(path)
        with open(path, "rb") as file:
            return file.read()

    blobs.ensure(leaves, read)
