"""`git compose new`, `show`, `log`, `diff`, `delete` and `verify`: forming compositions and looking at them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from git_atom.app.world import world
from git_atom.app.world.compositions import Row, listing
from git_atom.app.world.world import Layer, World
from git_atom.compose import generation
from git_atom.compose.head import broken
from git_atom.compose.merge import merge_attributes, place
from git_atom.core import composition, refnames
from git_atom.core.composition import PLAIN, TREE, Attribute, Entry
from git_atom.core.digest import MODE_EXEC, MODE_LINK, MODE_TREE, Digest, Oid
from git_atom.core.host import Host
from git_atom.core.name import check_name
from git_atom.core.text import shell
from git_atom.core.tree import Leaf, tree_digest
from git_atom.errors import AtomError, ConflictError, MalformedError, NegativeError, UsageError
from git_atom.git import refs
from git_atom.git.objects import Objects
from git_atom.git.repo import store
from git_atom.git.written import oid_of


class Part(NamedTuple):
    """What one word of `git compose new` came to: layers, attributes with their owner's name, git trees that are in the store."""

    layers: list[Layer]
    attributes: list[tuple[str, Sequence[Attribute]]]
    trees: Mapping[Digest, Oid] = {}
    certificate: Mapping[str, Any] = {}


class Formed(NamedTuple):
    """What `new` made, or would make. changed: whether the newest generation of that name said something else, or there was none."""

    world: World
    missing: tuple[str, ...]
    changed: bool


# ---- new -------------------------------------------------------------------------------------------------------------


def new(host: Host, name: str, whats: Sequence[str], *, dry_run: bool = False) -> Formed:
    """Form a composition of `[<path>=]<what>` words and save it as the next generation of `name`.

    what: `dir:<path>`, a composition, `<composition>/<package>`, or else atoms that are built (all of them together with what they need
    at run time). Raises ConflictError (ATOM-6001, ATOM-6002) when parts disagree, CannotError (ATOM-5060) for a directory that is not there,
    NegativeError (ATOM-6008, ATOM-7030).
    """
    name = check_name(name, exact=True)
    parts: list[Part] = []
    atoms: list[str] = []
    for word in whats:
        path, what = split(word)
        part = _part(host, what, dry_run)
        if part is None:
            if path:
                raise UsageError("ATOM-9001", f"'{word}' puts an atom below a path", hint="atoms stand at the root of a composition")  # fmt: skip
            atoms.append(what)
        else:
            parts.append(_below(path, part) if path else _rooted(what, part))
    if atoms:
        parts.append(_atoms(host, atoms))
    layers = list({entry: (entry, leaves) for part in parts for entry, leaves in part.layers}.values())
    attributes = merge_attributes([rows for part in parts for rows in part.attributes])
    whole = composition.make([entry for entry, _ in layers], attributes)
    trees = {digest: oid for part in parts for digest, oid in part.trees.items()}
    certificate = dict(parts[-1].certificate) if atoms else {}
    if atoms and len(parts) == 1 and not certificate.get("missing"):
        certificate["layer"] = "environment"
    before = refs.get(store(host), refnames.composition(name))
    form = world.form if dry_run else world.save
    made = form(host, name, whole, layers, certificate, trees)
    return Formed(made, tuple(str(item) for item in made.certificate.get("missing", ())), made.commit != before)


def split(word: str) -> tuple[str, str]:
    """`<path>=<what>` taken apart; the path is "" when there is none. Raises UsageError (ATOM-9001)."""
    path, equals, what = word.partition("=")
    if not equals or "@" in path or ":" in path:  # a directory's own name, or an atom's requirement
        return "", word
    path = path.strip("/")
    if not what or not path:
        raise UsageError("ATOM-9001", f"'{word}' is not <path>=<what>", hint="opt/tools=dir:./tools")
    return composition.path_text(os.fsencode(path)), what


def _part(host: Host, what: str, dry_run: bool) -> Part | None:
    """What a word names: a directory, a composition or one entry of one; None for what can only be an atom."""
    if what.startswith("dir:"):
        return _folder(host, what.removeprefix("dir:"), dry_run)
    outer, slash, package = what.partition("/")
    found = _composition(host, what)
    if found is not None:
        layers, trees = world.layers_of(host, found)
        return Part(layers, [(what, found.composition.attributes)], trees)
    found = _composition(host, outer) if slash and outer and package else None
    return _package(host, found, outer, package) if found is not None else None


def _composition(host: Host, spec: str) -> World | None:
    if "/" in spec:
        return None
    try:
        return world.open_composition(host, spec)
    except AtomError as error:
        if error.code in ("ATOM-6003", "ATOM-1010"):
            return None
        raise


def _folder(host: Host, path: str, dry_run: bool) -> Part:
    from git_atom.git.pack import PackWriter
    from git_atom.ingest.folder import take

    whole = os.path.normpath(os.path.join(host.cwd, path))
    if dry_run:
        taken = take(whole, lambda data: oid_of("blob", data))
    else:
        with PackWriter(store(host)) as pack:
            taken = take(whole, lambda data: pack.add("blob", data))
            pack.finish()
    origin = f"dir {os.path.basename(whole) or '/'}"
    if len(taken.leaves) == 1 and not taken.leaves[0].path:
        leaf = taken.leaves[0]
        entry = Entry(
            "", PLAIN, leaf.digest, origin=origin.replace("dir", "file", 1), executable=leaf.mode == MODE_EXEC
        )
    else:
        entry = Entry("", TREE, tree_digest(taken.leaves), origin=origin)
    return Part([(entry, taken.leaves)], [(origin, taken.attributes)])


def _package(host: Host, found: World, outer: str, package: str) -> Part:
    """The entries of a composition whose origin has `package` among its words."""
    layers, trees = world.layers_of(host, found)
    chosen = [(entry, leaves) for entry, leaves in layers if package in entry.origin.split()]
    if not chosen:
        raise NegativeError("ATOM-6008", f"composition '{outer}' has no entry '{package}'", hint=f"git compose show {shell(outer)}")  # fmt: skip
    paths = {leaf.path for entry, leaves in chosen for leaf in place(entry, leaves)}
    folders = {path[:i] for path in paths for i in range(len(path)) if path[i : i + 1] == b"/"}
    kept = [a for a in found.composition.attributes if composition.path_bytes(a.path) in paths | folders]
    return Part(chosen, [(package, kept)], trees)


def _below(path: str, part: Part) -> Part:
    layers: list[Layer] = [
        (e._replace(path=f"{path}/{e.path}" if e.path else path), leaves) for e, leaves in part.layers
    ]
    attributes = [(who, [a._replace(path=f"{path}/{a.path}") for a in rows]) for who, rows in part.attributes]
    return Part(layers, list(attributes), part.trees)


def _rooted(what: str, part: Part) -> Part:
    if any(entry.kind != TREE and not entry.path for entry, _ in part.layers):
        raise UsageError("ATOM-9001", f"'{what}' is a file and needs a path", hint=shell(f"usr/bin/{os.path.basename(what)}={what}"))  # fmt: skip
    return part


def _atoms(host: Host, names: Sequence[str]) -> Part:
    """What atoms were built to, with what that needs at run time."""
    from git_atom.app.compose.closure import run_closure

    try:
        closed = run_closure(host, names)
    except NegativeError as error:
        if error.code == "ATOM-7030":
            error.note = error.note or "it is no composition either; a directory is written dir:<path>"
        raise
    return Part(closed.layers, closed.attributes, closed.trees, closed.certificate)


# ---- looking ---------------------------------------------------------------------------------------------------------


class EntryShown(NamedTuple):
    """An entry with how many files it brings and their bytes."""

    path: str
    kind: str
    digest: str
    target: str
    origin: str
    constraint: str
    files: int
    bytes: int


class Shown(NamedTuple):
    """A composition as `show` tells it; files and bytes are those of the merged tree."""

    name: str
    root: Digest
    view: Digest
    commit: Oid
    signer: str
    when: int
    files: int
    bytes: int
    attributes: int
    entries: tuple[EntryShown, ...]
    certificate: dict[str, Any]


def show(host: Host, spec: str) -> Shown:
    """One composition with its entries. Raises as open_composition."""
    found = world.open_composition(host, spec)
    layers, _ = world.layers_of(host, found)
    with Objects(store(host)) as objects:
        made = generation.read(objects, found.commit, world.accepted(host))
    entries = tuple(
        EntryShown(e.path, e.kind, e.digest or "", e.target, e.origin, e.constraint, *_count(leaves))
        for e, leaves in layers
    )
    return Shown(found.name, found.root, found.view, found.commit, made.signer.fingerprint, made.when, *_count(found.leaves),
                 len(found.composition.attributes), entries, found.certificate)  # fmt: skip


def _count(leaves: Sequence[Leaf]) -> tuple[int, int]:
    files = [leaf for leaf in leaves if leaf.mode != MODE_TREE]
    return len(files), sum(leaf.size for leaf in files if leaf.mode != MODE_LINK)


class Step(NamedTuple):
    """One generation in a history: how to name it, its digests, when it was made, how many entries came and went."""

    spec: str
    commit: Oid
    root: Digest
    view: Digest
    when: int
    added: int
    removed: int


def history(host: Host, spec: str) -> list[Step]:
    """The generations of a composition, newest first, from the one `spec` names on. Raises as open_composition."""
    repo, keys = store(host), world.accepted(host)
    with Objects(repo) as objects:
        found = [generation.read(objects, commit, keys) for commit in generation.history(repo, spec)]
    newest = refs.get(repo, refnames.composition(found[0].head.name))
    chain = generation.history(repo, found[0].head.name) if newest else []
    steps = []
    for at, one in enumerate(found):
        now = set(one.composition.entries)
        before = set(found[at + 1].composition.entries) if at + 1 < len(found) else set()
        back = chain.index(one.commit) if one.commit in chain else at
        steps.append(Step(f"{one.head.name}@{{{back}}}", one.commit, one.head.root, one.head.view, one.when,
                          len(now - before), len(before - now)))  # fmt: skip
    return steps


class Difference(NamedTuple):
    """What differs between two compositions: entries only one has, paths that came, went or changed."""

    old: World
    new: World
    removed: tuple[Entry, ...]
    added: tuple[Entry, ...]
    paths: tuple[tuple[str, str], ...]  # (A, D or M; path)


def diff(host: Host, old: str, new: str) -> Difference:
    """Compare two compositions by entries and by paths. Raises as open_composition."""
    one, other = world.open_composition(host, old), world.open_composition(host, new)
    before = {leaf.path: (leaf.mode, leaf.digest) for leaf in one.leaves}
    after = {leaf.path: (leaf.mode, leaf.digest) for leaf in other.leaves}
    paths = [
        ("D" if path not in after else "A" if path not in before else "M", composition.path_text(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]
    gone, come = set(one.composition.entries), set(other.composition.entries)
    return Difference(
        one, other, tuple(sorted(gone - come, key=str)), tuple(sorted(come - gone, key=str)), tuple(paths)
    )


def delete(host: Host, name: str, *, dry_run: bool = False) -> Row:
    """Remove a composition and its history from the store's refs. Raises NegativeError (ATOM-6003)."""
    row = next((row for row in listing(host) if row.name == name), None)
    if row is None:
        raise NegativeError("ATOM-6003", f"there is no composition '{name}'", hint="git compose list")
    if not dry_run:
        generation.delete(store(host), name)
    return row


# ---- verify ----------------------------------------------------------------------------------------------------------


class Checked(NamedTuple):
    """What `verify` went through: all of it held."""

    name: str
    root: Digest
    view: Digest
    signer: str
    entries: int
    files: int
    bytes: int


def verify(host: Host, spec: str) -> Checked:
    """Check a generation over its bytes, nothing remembered: signature, manifest, certificate, each entry's tree, the merge, the view.

    Raises RefusedError (ATOM-3004, ATOM-3008), MalformedError (ATOM-6004, ATOM-6006, ATOM-1040 to 1042, ATOM-2009), ConflictError (ATOM-6001).
    """
    from git_atom.compose.merge import merge

    repo = store(host)
    commit = generation.resolve(repo, spec)
    with Objects(repo) as objects:
        made = generation.read(objects, commit, world.accepted(host))
        leaves = sorted(objects.listing(made.merged))
        known = {leaf.oid: leaf for leaf in leaves}
        layers: list[Layer] = [(e, generation.leaves_of(objects, made, e, known)) for e in made.composition.entries]
    for entry, inside in layers:
        world.check_layer(entry, inside)
    stated = {kind: {e.digest for e in made.composition.entries if e.kind == kind} for kind in (TREE, PLAIN)}
    if set(made.trees) != stated[TREE] or set(made.files) != stated[PLAIN]:
        raise broken("it holds trees that are no entries")
    try:
        merged = merge(layers)
    except ConflictError as error:
        raise broken(error.what) from error
    if merged != leaves or tree_digest(leaves) != made.head.tree:
        raise broken("the merged tree is not what its entries merge to")
    if composition.view_of(made.head.tree, made.composition.attributes) != made.head.view:
        raise MalformedError("ATOM-6004", "the generation does not hold together: the view is another one")
    head = made.head
    return Checked(head.name, head.root, head.view, made.signer.fingerprint, len(layers), *_count(leaves))
