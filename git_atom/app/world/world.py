"""Opening and saving compositions: from a name or digest to leaves that can be mounted, and back to a signed generation.

What was verified once is remembered in the user's cache, by commit and by the keys the user accepts; the cache may be deleted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from git_atom.app import memo
from git_atom.core import canon, composition
from git_atom.core.composition import Composition, Entry
from git_atom.core.digest import Digest, Oid, of_bytes
from git_atom.core.host import Host
from git_atom.core.tree import Leaf, decode_listing, encode_listing, tree_digest
from git_atom.errors import AtomError, MalformedError
from git_atom.git import config
from git_atom.git.objects import Objects
from git_atom.git.repo import Repo, store

if TYPE_CHECKING:
    from git_atom.trust.publickey import PublicKey

ACCEPTED = "atom.builder"  # public keys of other builders whose records and compositions the user accepts

Layer = tuple[Entry, Sequence[Leaf]]


class World(NamedTuple):
    """A composition ready for use: its generation's commit, and the leaves of the view sorted by path."""

    name: str
    root: Digest
    view: Digest
    leaves: list[Leaf]
    composition: Composition
    certificate: dict[str, Any]
    commit: Oid


def accepted(host: Host) -> tuple[PublicKey, ...]:
    """The keys whose generations the user accepts: this machine's builder key, and those of `atom.builder` in their own configuration."""
    from git_atom.trust.keys import builder_public
    from git_atom.trust.publickey import parse

    others = (parse(line, ACCEPTED) for line in config.user_only(ACCEPTED, host.environ, cwd=host.cwd))
    return tuple(dict.fromkeys((builder_public(host), *others)))


def open_composition(host: Host, spec: str) -> World:
    """The world that `name`, `name@{n}` or a root digest names, verified.

    Raises NegativeError (ATOM-6003) when there is none, RefusedError (ATOM-3004, ATOM-3008) when nobody accepted signed it, MalformedError
    (ATOM-6004, ATOM-1040 to 1042, ATOM-2009) when it is damaged.
    """
    from git_atom.compose.generation import resolve

    repo, keys = store(host), accepted(host)
    commit = resolve(repo, spec)
    place = _place(host, commit, keys)
    known = _recall(place)
    if known is not None:
        leaves = _listing(host, known.root, known.listing)
        if leaves is not None:
            return known.world(commit, leaves)
    return _open(host, repo, commit, keys, place)


def _open(host: Host, repo: Repo, commit: Oid, keys: Sequence[PublicKey], place: str) -> World:
    """As open_composition, from the store itself: every byte of the view is read and digested unless a listing of it is at hand."""
    from git_atom.compose import generation
    from git_atom.compose.head import broken

    with Objects(repo) as objects:
        found = generation.read(objects, commit, keys)
        head = found.head
        leaves = _listing(host, head.root)
        if leaves is None or composition.view(leaves, found.composition.attributes) != head.view:
            leaves = sorted(objects.listing(found.merged))
            if composition.view(leaves, found.composition.attributes) != head.view:
                raise broken("the files are not those of the view that was signed")
    world = World(head.name, head.root, head.view, leaves, found.composition, found.certificate, commit)
    _remember(host, world, place)
    return world


def save(
    host: Host,
    name: str,
    whole: Composition,
    layers: Sequence[Layer],
    certificate: Mapping[str, Any],
    trees: Mapping[Digest, Oid] | None = None,
) -> World:
    """Merge the layers and write them as the next generation of `name`; the same again writes nothing.

    The layers' entries are those of `whole`, their blobs are in the store (a symlink's needs no leaves here). certificate: parts as in
    compose/generation.certify. trees: git trees of entries that are in the store already. Raises ConflictError (ATOM-6001) when
    entries disagree, (ATOM-2010) on a race.
    """
    from git_atom.compose import generation
    from git_atom.trust.keys import builder_key

    made = form(host, name, whole, layers, certificate, trees)
    draft = generation.Draft(name, made.composition, made.certificate, _filled(layers), made.leaves, trees or {})
    commit, _ = generation.write(store(host), draft, builder_key(host), _now(host))
    made = made._replace(commit=commit)
    _remember(host, made, _place(host, commit, accepted(host)))
    return made


def form(
    host: Host,
    name: str,
    whole: Composition,
    layers: Sequence[Layer],
    certificate: Mapping[str, Any],
    trees: Mapping[Digest, Oid] | None = None,
) -> World:
    """What `save` would make; nothing is written, and its commit is empty."""
    from git_atom.compose import generation
    from git_atom.compose.merge import merge

    whole, layers = composition.make(*whole), _filled(layers)
    if set(whole.entries) != {entry for entry, _ in layers}:
        raise MalformedError("ATOM-6004", "the layers given are not the entries of the composition")
    for entry, leaves in layers:
        if entry.digest not in (trees or {}):
            check_layer(entry, leaves)
    merged = merge(layers)
    root, view = composition.root(whole), composition.view(merged, whole.attributes)
    return World(name, root, view, merged, whole, generation.certify(certificate, root, view), Oid(""))


def _filled(layers: Sequence[Layer]) -> list[Layer]:
    """The layers with the leaves of symlinks, which follow from their entries."""
    from git_atom.compose.generation import link_leaf

    return [(e, [link_leaf(e)] if e.kind == composition.LINK else leaves) for e, leaves in layers]


def check_layer(entry: Entry, leaves: Sequence[Leaf]) -> None:
    """Refuse leaves that are not what their entry says. Raises MalformedError (ATOM-6006)."""
    if entry.kind == composition.LINK:
        found: object = leaves[0].digest if len(leaves) == 1 else ""
        wanted: object = of_bytes(composition.path_bytes(entry.target))
    else:
        alone = len(leaves) == 1 and not leaves[0].path
        found = leaves[0].digest if alone and entry.kind == composition.PLAIN else tree_digest(leaves)
        wanted = entry.digest
    if found != wanted:
        raise MalformedError("ATOM-6006", f"entry '/{entry.path}' ({entry.origin}) is not what its digest says",
                             note=f"it says {wanted}, it is {found}")  # fmt: skip


def reader(repo: Repo) -> Callable[[Leaf], bytes]:
    """Reads a leaf's bytes from the store, for the cache of blobs; whoever keeps the bytes checks their digest."""
    objects = Objects(repo)
    return lambda leaf: objects.read(leaf.oid)[2]


def layers_of(host: Host, world: World) -> tuple[list[Layer], dict[Digest, Oid]]:
    """The entries of an opened composition with their leaves, and the git trees of those that are trees, from its generation."""
    from git_atom.compose import generation

    known = {leaf.oid: leaf for leaf in world.leaves}
    with Objects(store(host)) as objects:
        found = generation.read(objects, world.commit, accepted(host))
        layers: list[Layer] = [(e, generation.leaves_of(objects, found, e, known)) for e in world.composition.entries]
    return layers, found.trees


def rename(host: Host, world: World, name: str) -> World:
    """The same composition as the next generation of another name; the old name stays."""
    layers, trees = layers_of(host, world)
    return save(host, name, world.composition, layers, world.certificate, trees)


def _now(host: Host) -> int:
    """Seconds since the epoch; SOURCE_DATE_EPOCH pins it."""
    stated = host.environ.get("SOURCE_DATE_EPOCH", "")
    return int(stated) if stated.isascii() and stated.isdigit() else int(time.time())


# ---- memory ----------------------------------------------------------------------------------------------------------


class _Known(NamedTuple):
    """What the cache remembers of a verified generation: all but the leaves, whose listing it names by digest."""

    name: str
    root: Digest
    view: Digest
    listing: Digest
    manifest: str
    certificate: dict[str, Any]

    def world(self, commit: Oid, leaves: list[Leaf]) -> World:
        parsed = composition.parse(self.manifest.encode())
        return World(self.name, self.root, self.view, leaves, parsed, self.certificate, commit)


def _place(host: Host, commit: Oid, keys: Iterable[PublicKey]) -> str:
    policy = of_bytes("\n".join(sorted(key.digest for key in keys)).encode())
    return os.path.join(host.cache, "generations", f"{commit}-{policy.hex[:32]}")


def _recall(place: str) -> _Known | None:
    data = memo.get_sealed(place)
    if data is None:
        return None
    try:
        row = canon.decode(data)
        root, view, listing = (Digest.parse(row[key]) for key in ("root", "view", "listing"))
        return _Known(row["name"], root, view, listing, row["manifest"], row["certificate"])
    except (AtomError, KeyError, TypeError):
        return None  # another version's


def _remember(host: Host, world: World, place: str) -> None:
    listing = encode_listing(world.leaves)
    manifest = composition.format(world.composition).decode()
    known = _Known(world.name, world.root, world.view, of_bytes(listing), manifest, world.certificate)
    memo.put(_listing_path(host, world.root), listing)
    memo.put_sealed(place, canon.encode(known._asdict()))


def _listing_path(host: Host, root: Digest) -> str:
    return os.path.join(host.cache, "listings", root.hex)


def _listing(host: Host, root: Digest, digest: Digest | None = None) -> list[Leaf] | None:
    """The remembered listing of a root; with `digest`, only when its bytes have that digest."""
    data = memo.get(_listing_path(host, root))
    if data is None or (digest is not None and of_bytes(data) != digest):
        return None
    try:
        return decode_listing(data)
    except (AtomError, ValueError):
        return None
