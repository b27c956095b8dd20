"""The run-time closure of built atoms, as parts of a composition: outputs, what they need of dependencies and toolchains, and why."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from git_atom.app.build import served
from git_atom.app.build.records import locate
from git_atom.app.build.served import Built, open_record
from git_atom.app.world import world
from git_atom.app.world.interfaces import kept, reader
from git_atom.app.world.world import Layer, World
from git_atom.compose.merge import place
from git_atom.core import composition
from git_atom.core.composition import LINK, TREE, Attribute, Entry
from git_atom.core.digest import Digest, Oid
from git_atom.core.host import Host
from git_atom.core.record import ACTION_URI
from git_atom.core.tree import Leaf
from git_atom.git import repo as repos
from git_atom.git.objects import Objects
from git_atom.interface import closure
from git_atom.interface.closure import Closure, Package
from git_atom.interface.manifest import Interface


class Closed(NamedTuple):
    """Layers of the closure (outputs first), attributes of their files, git trees that are in the store, certificate, what is missing."""

    layers: list[Layer]
    attributes: list[tuple[str, Sequence[Attribute]]]
    trees: dict[Digest, Oid]
    certificate: dict[str, Any]
    missing: tuple[str, ...]


class _Candidate(NamedTuple):
    """A package that may be taken: what people call it, its layer, attributes of the composition it is from."""

    name: str
    layer: Layer
    attributes: Sequence[Attribute]


def run_closure(host: Host, names: Sequence[str]) -> Closed:
    """The outputs that words name (directories, URIs, names or digests of built atoms) with only what they need at run time.

    Candidates are the outputs of the dependencies they were built with, then the packages of their toolchains, in locked order.
    Raises NegativeError (ATOM-7030) for what is not built, and what reading records and toolchains raises.
    """
    repo = repos.store(host)
    with Objects(repo) as objects:
        wanted = [_built(host, locate(host, name)) for name in names]
        wanted = list({one.output: one for one in wanted}.values())
        trees: dict[Digest, Oid] = {}
        dependencies, roots = _inputs(host, objects, wanted)
        others = [d for d in dependencies if d.output not in {w.output for w in wanted}]
        chosen = [_output(host, one, trees) for one in wanted]
        rest = [_output(host, one, trees) for one in others]
        for root in roots:
            rest += _packages(host, root, trees)
        rest = list({c.layer[0]: c for c in rest}.values())
        found = _close(host, objects, chosen, rest)
    names_kept = set(found.kept)
    taken = [c for c in (*chosen, *rest) if c.name in names_kept]
    attributes: list[tuple[str, Sequence[Attribute]]] = [(c.name, _own(c)) for c in taken if c.attributes]
    missing = tuple(str(lack) for lack in found.missing)
    return Closed([c.layer for c in taken], attributes, trees, _certificate(found, wanted), missing)


def _built(host: Host, action: Digest) -> Built:
    found = served.find(host, action)
    if found is None:
        return _built(host, locate(host, action))  # says why there is none
    return found


def _inputs(host: Host, objects: Objects, wanted: Sequence[Built]) -> tuple[list[Built], list[Digest]]:
    """Outputs that wanted ones were built with, and the roots of their toolchains, each once, in order."""
    dependencies: dict[Digest, Built] = {}
    roots: dict[Digest, None] = {}
    for one in wanted:
        for material in open_record(host, objects, one.action).record.materials:
            kind, _, name = material.name.partition(" ")
            if kind == "toolchain":
                roots[material.digest] = None
            elif kind == "dependency" and material.digest not in dependencies:
                action = Digest.parse("blake3:" + material.uri.removeprefix(ACTION_URI))
                dependencies[material.digest] = _built(host, action)
    return list(dependencies.values()), list(roots)


def _output(host: Host, built: Built, trees: dict[Digest, Oid]) -> _Candidate:
    trees[built.output] = built.tree
    entry = Entry("", TREE, built.output, origin=f"build {built.name} {built.version}")
    return _Candidate(f"{built.name} {built.version}", (entry, served.listing(host, built)), ())


def _packages(host: Host, root: Digest, trees: dict[Digest, Oid]) -> list[_Candidate]:
    """The entries of a toolchain as candidates, links included."""
    opened: World = world.open_composition(host, root)
    layers, held = world.layers_of(host, opened)
    trees.update(held)
    return [_Candidate(_name(entry), (entry, leaves), opened.composition.attributes) for entry, leaves in layers]


def _name(entry: Entry) -> str:
    """What people call an entry: a package with its version, a link with its target."""
    words = entry.origin.split()
    if entry.kind == LINK:
        return f"/{entry.path} -> {entry.target}"
    return " ".join(words[2:4]) if len(words) > 3 and words[0] == "debian" else entry.origin


def _close(host: Host, objects: Objects, chosen: Sequence[_Candidate], rest: Sequence[_Candidate]) -> Closure:
    targets: Mapping[Digest, bytes] = {
        leaf.digest: composition.path_bytes(entry.target)
        for entry, leaves in (c.layer for c in rest)
        for leaf in leaves
        if entry.kind == LINK
    }
    read = reader(objects)

    def target(leaf: Leaf) -> bytes:
        return targets[leaf.digest] if leaf.digest in targets else read(leaf)

    def package(candidate: _Candidate) -> Package:
        entry, leaves = candidate.layer
        return Package(candidate.name, list(place(entry, leaves)), _interface(host, entry, leaves, read))

    return closure.close([package(c) for c in chosen], [package(c) for c in rest], target)


def _interface(
    host: Host, entry: Entry, leaves: Sequence[Leaf], read: Callable[[Leaf], bytes]
) -> Callable[[], Interface]:
    """The interface of an entry, computed when asked for; its paths are those of the view."""
    if entry.kind == TREE and entry.digest is not None and not entry.path:
        digest = entry.digest
        return lambda: kept(host, leaves, digest, read)
    from git_atom.interface.manifest import analyze

    return lambda: analyze([] if entry.kind == LINK else list(place(entry, leaves)), read)


def _own(candidate: _Candidate) -> list[Attribute]:
    """The attributes that are about a candidate's own files and the directories they lie in."""
    paths = {leaf.path for leaf in place(*candidate.layer)}
    folders = {path[:at] for path in paths for at in range(len(path)) if path[at : at + 1] == b"/"}
    return [a for a in candidate.attributes if composition.path_bytes(a.path) in paths | folders]


def _certificate(found: Closure, wanted: Sequence[Built]) -> dict[str, Any]:
    """Every binding once a pair of packages and name, the choices made, what the host must give, and what nobody gives."""
    rows = sorted(
        {(b.consumer, b.space, b.name, b.provider, b.found) for b in found.bindings if b.consumer != b.provider}
    )
    bindings = [dict(zip(("consumer", "space", "name", "provider", "path"), row, strict=True)) for row in rows]
    asked = [f"{one.name} {one.version} was asked for: {one.output}" for one in wanted]
    chosen = [f"{c.name} of {c.taken}, not of {', '.join(c.others)}" for c in found.choices]
    return {
        "layer": "environment",
        "bindings": bindings,
        "choices": asked + chosen,
        "host": [f"a Linux kernel of {os.uname().machine}"],
        "missing": [str(lack) for lack in found.missing],
        "expected": [str(lack) for lack in found.expected],
    }


__all__ = ["Closed", "run_closure"]
