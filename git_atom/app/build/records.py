"""Looking at records: which one is meant, what it says, what was read, and what was declared and never read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_atom.app.build.served import find, listing, open_record
from git_atom.app.world import world
from git_atom.build import witness
from git_atom.build.witness import Witness
from git_atom.core import refnames
from git_atom.core.composition import TREE, path_bytes, path_text
from git_atom.core.digest import MODE_LINK, Digest
from git_atom.core.host import Host
from git_atom.core.record import ACTION_URI, Record
from git_atom.core.text import shell
from git_atom.core.tree import Leaf
from git_atom.errors import NegativeError
from git_atom.git import refs
from git_atom.git import repo as repos
from git_atom.git.objects import Objects
from git_atom.interface.search import Union


def locate(host: Host, text: str) -> Digest:
    """The action that words name: an atom's directory, URI or name, an action or output digest or the beginning of one.

    Raises NegativeError (ATOM-7030) when nothing built answers to it.
    """
    if os.path.isfile(os.path.join(host.cwd, text, "atom.toml")) or "::" in text:
        from git_atom.app.build.graph import graph

        action = graph(host, text)[-1].action
        if find(host, action) is not None:
            return action
        raise NegativeError("ATOM-7030", f"'{text}' is not built as it stands", hint=f"git build {shell(text)}")
    rows = refs.listing(repos.store(host), refnames.BUILDS)
    wanted = text.removeprefix("blake3:")
    actions = sorted({ref.split("/")[2] for ref, _ in rows})
    if len(wanted) >= 6:
        begun = [a for a in actions if a.startswith(wanted)]
        if len(begun) == 1:
            return Digest.parse(f"blake3:{begun[0]}")
    for hexed in reversed(actions):
        built = find(host, Digest.parse(f"blake3:{hexed}"))
        if built is not None and (built.name == text or (len(wanted) >= 6 and built.output.hex.startswith(wanted))):
            return built.action
    raise NegativeError("ATOM-7030", f"nothing that was built is called '{text}'", hint="git build <dir>")


class Seen(NamedTuple):
    """A record with its texts, read back; paths are written as in compositions."""

    witness: Witness
    reads: tuple[str, ...]
    log: bytes


def open_seen(host: Host, text: str) -> Seen:
    """The record that words name, with read set and log."""
    action = locate(host, text)
    with Objects(repos.store(host)) as objects:
        found = open_record(host, objects, action)
        reads, log = witness.texts(objects, found)
        return Seen(found, tuple(reads.decode().split("\n")[:-1]), log)


class Use(NamedTuple):
    """One package (or dependency) of a build's world: files and bytes it declared, and those of them that were opened.

    linked: of a package that was not read, the symlinks that lead to something that was; the instrument cannot see who passed through them.
    """

    package: str
    files: int
    bytes: int
    read_files: int
    read_bytes: int
    reads: tuple[str, ...]
    linked: tuple[str, ...]


def uses(host: Host, text: str) -> tuple[Seen, list[Use], tuple[str, ...]]:
    """Record, packages of its toolchain and its dependencies with what of each was read (most first), and reads that are of none."""
    seen = open_seen(host, text)
    opened = {path_bytes(path) for path in seen.reads}
    rest = set(opened)
    packages = list(_packages(host, seen.witness.record))
    with Objects(repos.store(host)) as objects:
        union = Union([leaves for _, leaves in packages], lambda leaf: objects.read(leaf.oid)[2])
        rows = []
        for name, leaves in packages:
            files = [leaf for leaf in leaves if leaf.mode & 0o170000 == 0o100000]
            hit = [leaf for leaf in files if leaf.path in opened]
            rest -= {leaf.path for leaf in hit}
            linked = () if hit else tuple(_passed(union, leaves, opened))
            rows.append(Use(name, len(files), sum(leaf.size for leaf in files), len(hit), sum(leaf.size for leaf in hit),
                            tuple(path_text(leaf.path) for leaf in hit), linked))  # fmt: skip
    rows.sort(key=lambda u: (-u.read_files, u.package))
    return seen, rows, tuple(sorted(path_text(left) for left in rest))


def _packages(host: Host, record: Record) -> Iterator[tuple[str, list[Leaf]]]:
    """The trees a build's world was merged from: dependencies' outputs, then the toolchain's packages; its own links left out."""
    for material in record.materials:
        kind, _, name = material.name.partition(" ")
        if kind == "dependency":
            built = find(host, Digest.parse("blake3:" + material.uri.removeprefix(ACTION_URI)))
            if built is not None:
                yield name, listing(host, built)
    root = next(m.digest for m in record.materials if m.name == "toolchain")
    for entry, leaves in world.layers_of(host, world.open_composition(host, root))[0]:
        words = entry.origin.split()
        if entry.kind == TREE:
            yield words[2] if len(words) > 2 else entry.origin, list(leaves)


def _passed(union: Union, leaves: Sequence[Leaf], opened: set[bytes]) -> Iterator[str]:
    for leaf in leaves:
        if leaf.mode == MODE_LINK and (found := union.find(leaf.path)) is not None and found.path in opened:
            yield path_text(leaf.path)
