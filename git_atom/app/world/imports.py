"""`git compose import debian`, and the toolchains locks name: packages resolved, stored as trees, formed into a composition."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import NamedTuple

from git_atom.app import memo as memos
from git_atom.app.world import world
from git_atom.core import composition
from git_atom.core.composition import LINK, TREE, Attribute, Composition, Entry
from git_atom.core.digest import Digest, Oid, of_bytes
from git_atom.core.host import Host
from git_atom.core.tree import Leaf, decode_listing, encode_listing, tree_digest
from git_atom.errors import AtomError, CannotError, RefusedError, UnavailableError
from git_atom.git.objects import Objects
from git_atom.git.pack import PackWriter
from git_atom.git.repo import Repo, store
from git_atom.ingest import deb as debs
from git_atom.ingest.apt import AptState, Deb

APT, OWN = "apt", "own"  # who solves
LINKS = tuple((name.decode(), f"usr/{name.decode()}") for name in debs.MERGED)
# What update-alternatives would link on an installed system: name, then providers, first found wins.
ALTERNATIVES = (
    ("usr/bin/cc", ("gcc", "clang")), ("usr/bin/c++", ("g++", "clang++")), ("usr/bin/c99", ("c99-gcc",)), ("usr/bin/c89", ("c89-gcc",)),
    ("usr/bin/awk", ("gawk", "mawk", "original-awk")), ("usr/bin/nawk", ("gawk", "mawk")), ("usr/bin/sh", ("dash", "bash")),
    ("usr/bin/which", ("which.debianutils",)), ("usr/bin/pkg-config", ("pkgconf",)), ("usr/bin/yacc", ("bison.yacc", "byacc")),
    ("usr/bin/lex", ("flex",)), ("usr/bin/python3", ("python3.11", "python3.12", "python3.13")),
)  # fmt: skip


class Locked(NamedTuple):
    """A package as an import came to it, and as a lock states it: name, version, architecture, digest of its tree."""

    name: str
    version: str
    architecture: str
    digest: Digest


class Imported(NamedTuple):
    """What an import came to: the composition's name, root and view, its packages, how many were read anew, whether all was known."""

    name: str
    root: Digest
    view: Digest
    packages: tuple[Locked, ...]
    unpacked: int
    cached: bool
    files: int
    bytes: int


def import_debian(
    host: Host, packages: Sequence[str], suite: str = "", name: str = "", *, fresh: bool = False, solver: str = APT
) -> Imported:
    """Import packages and all they depend on as composition `name` ("" for one named by its root). suite "" is the machine's own.

    solver: who decides what they need, `apt` or `own`; the composition is that of the packages, whoever chose them.

    The same packages over the same lists are known at once. Raises what AptState, unpack and world.save raise.
    """
    repo = store(host)
    state = AptState(host, suite)
    if fresh:
        state.refresh()
    asked = sorted(set(packages))
    memo = os.path.join(
        host.cache, "imports", of_bytes(json.dumps([state.suite, asked, state.key(), solver]).encode()).hex
    )
    known = _remembered(host, memo, name)
    if known is not None:
        return known
    chosen = _chosen(state, asked, solver)
    made = _form(host, repo, state, chosen, name, None)
    memo = os.path.join(
        os.path.dirname(memo), of_bytes(json.dumps([state.suite, asked, state.key(), solver]).encode()).hex
    )
    memos.put(memo, json.dumps([made.root, [list(p) for p in made.packages]]).encode())
    return made


def resolve(
    host: Host, packages: Sequence[str], suite: str = "", *, fresh: bool = False, solver: str = APT
) -> list[Deb]:
    """What importing these packages would bring, by name; nothing is stored. The parameters are those of `import_debian`."""
    state = AptState(host, suite)
    if fresh:
        state.refresh()
    return _chosen(state, sorted(set(packages)), solver)


def _chosen(state: AptState, asked: Sequence[str], solver: str) -> list[Deb]:
    if solver == APT:
        return state.closure(asked)
    from git_atom.ingest import debclosure

    return debclosure.closure(state, asked)


def restore(host: Host, suite: str, root: Digest, packages: Sequence[Locked]) -> world.World:
    """The toolchain a lock names: from the store when it is there, else imported anew, each tree's digest checked against the lock.

    Raises RefusedError (ATOM-6020) when the archive serves other content under a locked name and version, UnavailableError (ATOM-5008)
    when it does not have that version any more.
    """
    try:
        return world.open_composition(host, root)
    except AtomError as error:
        if error.code != "ATOM-6003":
            raise
    state = AptState(host, suite)
    wanted = {(p.name, p.version): p.digest for p in packages}
    chosen = [d for d in _locked(state, packages) if (d.name, d.version) in wanted]
    made = _form(host, store(host), state, chosen, "", wanted)
    if made.root != root:
        raise RefusedError("ATOM-6020", "the toolchain comes out other than the lock states", note=f"locked {root}, formed {made.root}",
                           hint="git atom lock  # and look at what changes")  # fmt: skip
    return world.open_composition(host, root)


def _locked(state: AptState, packages: Sequence[Locked]) -> list[Deb]:
    """The packages of a lock as the archive has them; lists that do not have them are fetched anew once.

    Raises UnavailableError (ATOM-5008) when the archive has moved on.
    """
    exact = [f"{p.name}={p.version}" for p in packages]
    try:
        return state.closure(exact)
    except CannotError:
        state.refresh()
    try:
        return state.closure(exact)
    except CannotError as error:
        raise UnavailableError("ATOM-5008", f"the archive of '{state.suite}' does not have the locked toolchain any more", note=error.note or error.what,
                               hint="git atom lock takes the versions there are now") from error  # fmt: skip


def _remembered(host: Host, memo: str, name: str) -> Imported | None:
    """A former import of the same packages from the same lists whose composition is still in the store."""
    try:
        with open(memo, encoding="utf-8") as file:
            root, rows = json.load(file)
        found = world.open_composition(host, name or root)
        if found.root != root:
            return None
    except (OSError, ValueError, AtomError):
        return None
    packages = tuple(Locked(n, v, a, Digest.parse(d)) for n, v, a, d in rows)
    return Imported(
        found.name, found.root, found.view, packages, 0, True, len(found.leaves), sum(x.size for x in found.leaves)
    )


def _form(
    host: Host,
    repo: Repo,
    state: AptState,
    chosen: Sequence[Deb],
    name: str,
    wanted: dict[tuple[str, str], Digest] | None,
) -> Imported:
    """Read what is not known yet, check it against a lock's digests, and save the composition."""
    found = {deb.sha256: _known(host, repo, deb) for deb in chosen}
    missing = [deb for deb in chosen if found[deb.sha256] is None]
    if missing:
        _unpack(host, repo, state, missing, found)
    layers: list[tuple[Entry, Sequence[Leaf]]] = []
    odd: dict[str, Attribute] = {}
    packages = []
    for deb in chosen:
        package = found[deb.sha256]
        if package is None:
            continue
        packages.append(Locked(deb.name, deb.version, deb.architecture, package.digest))
        if wanted is not None and wanted[(deb.name, deb.version)] != package.digest:
            raise RefusedError("ATOM-6020", f"package '{deb.name}' {deb.version} is not the one that was locked",
                               note=f"locked {wanted[(deb.name, deb.version)]}, the archive serves {package.digest}")  # fmt: skip
        origin = f"debian {state.suite} {deb.name} {deb.version} {deb.architecture}"
        layers.append((Entry("", TREE, package.digest, origin=origin), package.leaves))
        for row in package.odd:
            odd[composition.path_text(row.path)] = _attribute(row)
    for entry in _links({leaf.path for _, leaves in layers for leaf in leaves}, state.suite):
        layers.append((entry, ()))
    manifest: Composition = composition.make([entry for entry, _ in layers], odd.values())
    root = composition.root(manifest)
    certificate = {
        "suite": state.suite,
        "debs": [{"name": d.name, "version": d.version, "architecture": d.architecture, "sha256": d.sha256} for d in chosen],
    }  # fmt: skip
    made = world.save(host, name or f"debian-{state.suite}-{root.hex[:12]}", manifest, layers, certificate)
    return Imported(
        made.name,
        made.root,
        made.view,
        tuple(sorted(packages)),
        len(missing),
        False,
        len(made.leaves),
        sum(x.size for x in made.leaves),
    )


def _attribute(row: debs.Odd) -> Attribute:
    kind, _, device = row.device.partition(" ")
    return Attribute(
        composition.path_text(row.path), row.mode, row.uid, row.gid, kind=kind, device=device if kind != "fifo" else ""
    )


def _links(paths: set[bytes], suite: str) -> list[Entry]:
    """usrmerge's top-level links and what update-alternatives would link, each as an explicit entry."""
    tops = {path.split(b"/", 2)[1] for path in paths if path.startswith(b"usr/")}
    out = [Entry(name, LINK, target=target, origin="usrmerge") for name, target in LINKS if name.encode() in tops]
    for name, providers in ALTERNATIVES:
        if name.encode() not in paths:
            chosen = next((p for p in providers if f"usr/bin/{p}".encode() in paths), None)
            if chosen:
                out.append(Entry(name, LINK, target=chosen, origin=f"debian {suite} alternatives"))
    return out


def _unpack(
    host: Host, repo: Repo, state: AptState, missing: Sequence[Deb], found: dict[str, debs.Package | None]
) -> None:
    files = list(zip(state.download(missing), [deb.sha256 for deb in missing], strict=True))
    host.progress.say(f"storing {len(missing)} packages")
    with PackWriter(repo) as writer:
        read = debs.unpack_all(files, writer, host.environ, len(os.sched_getaffinity(0)))
        writer.finish()
    for deb, package in zip(missing, read, strict=True):
        found[deb.sha256] = package
        head = json.dumps([package.tree, package.digest, [[os.fsdecode(o.path), *o[1:]] for o in package.odd]])
        memos.put(os.path.join(host.cache, "debs", deb.sha256), head.encode() + b"\n" + encode_listing(package.leaves))


def _known(host: Host, repo: Repo, deb: Deb) -> debs.Package | None:
    """A package read before whose tree is still in the store; None otherwise, and when the note of it is damaged."""
    try:
        with open(os.path.join(host.cache, "debs", deb.sha256), "rb") as file:
            head, listing = file.read().split(b"\n", 1)
        tree, digest, odd = json.loads(head)
        leaves = tuple(decode_listing(listing))
        rows = tuple(debs.Odd(os.fsencode(path), *rest) for path, *rest in odd)
    except (OSError, ValueError, AtomError):
        return None
    with Objects(repo) as objects:
        if tree_digest(leaves) != digest or objects.get(tree) is None:
            return None
    return debs.Package(leaves, rows, Oid(tree), Digest(digest))
