"""Looking at records: which one is meant, what it says, what was read, and what was declared and never read."""

from __future__ import annotations

import os
from typing import NamedTuple

from git_atom.app import world
from git_atom.app.served import find, open_record
from git_atom.build.witness import Witness
from git_atom.core import refnames
from git_atom.core.digest import Digest
from git_atom.core.host import Host
from git_atom.errors import NegativeError
from git_atom.git import refs
from git_atom.git import repo as repos
from git_atom.git.objects import Objects


def locate(host: Host, text: str) -> Digest:
    """The action that words name: an atom's directory, URI or name, an action or output digest or the beginning of one.

    Raises NegativeError (ATOM-7030) when nothing built answers to it.
    """
    if os.path.isfile(os.path.join(host.cwd, text, "atom.toml")) or "::" in text:
        from git_atom.app.graph import graph

        action = graph(host, text)[-1].action
        if find(host, action) is not None:
            return action
        raise NegativeError("ATOM-7030", f"'{text}' is not built as it stands", hint=f"git build {text}")
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
    """A record with its texts, read back."""

    witness: Witness
    reads: tuple[str, ...]
    log: bytes


def open_seen(host: Host, text: str) -> Seen:
    """The record that words name, with read set and log."""
    action = locate(host, text)
    with Objects(repos.store(host)) as objects:
        found = open_record(host, objects, action)
        reads = objects.read(found.readset)[2].decode(errors="surrogateescape").splitlines()
        return Seen(found, tuple(reads), objects.read(found.log)[2])


class Use(NamedTuple):
    """One package of a build's world: files and bytes it declared, and those of them that were opened."""

    package: str
    files: int
    bytes: int
    read_files: int
    read_bytes: int
    reads: tuple[str, ...]
    links_only: bool  # it holds symlinks and directories only, which the instrument cannot see being used


def uses(host: Host, text: str) -> tuple[Seen, list[Use], tuple[str, ...]]:
    """Record, packages of its toolchain with what of each was read (most first), and reads that are of no package."""
    seen = open_seen(host, text)
    root = next(m.digest for m in seen.witness.record.materials if m.name == "toolchain")
    opened = {os.fsencode(path) for path in seen.reads}
    rest = set(opened)
    rows = []
    layers, _ = world.layers_of(host, world.open_composition(host, root))
    for entry, leaves in layers:
        if entry.kind != "tree":
            continue
        files = [leaf for leaf in leaves if leaf.mode & 0o170000 == 0o100000]
        hit = [leaf for leaf in files if leaf.path in opened]
        rest -= {leaf.path for leaf in hit}
        words = entry.origin.split()
        rows.append(Use(words[2] if len(words) > 2 else entry.origin, len(files), sum(leaf.size for leaf in files), len(hit), sum(leaf.size for leaf in hit),
                        tuple(os.fsdecode(leaf.path) for leaf in hit), not files))  # fmt: skip
    rows.sort(key=lambda u: (-u.read_files, u.package))
    return seen, rows, tuple(sorted(os.fsdecode(left) for left in rest))
