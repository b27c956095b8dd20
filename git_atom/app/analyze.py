"""`git build analyze`: the interface manifest of an output, of a git tree of the store, or of a directory or file of this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from git_atom.app import memo
from git_atom.core.digest import Digest, Oid, of_bytes
from git_atom.core.host import Host
from git_atom.core.tree import Leaf, tree_digest
from git_atom.errors import AtomError, MalformedError, NegativeError
from git_atom.git import repo as repos
from git_atom.git.objects import Objects
from git_atom.interface import manifest
from git_atom.interface.manifest import Interface, Read


class Analyzed(NamedTuple):
    """An interface, and what it is of as told to the user."""

    what: str
    interface: Interface


def kept(host: Host, leaves: Sequence[Leaf], tree: Digest, read: Read) -> Interface:
    """The interface of a tree, remembered in the cache under analyzer version and tree digest."""
    path = os.path.join(host.cache, "interfaces", manifest.ANALYZER.replace("/", "-"), tree.hex)
    known = memo.get_sealed(path)
    if known is not None:
        try:
            return manifest.decode(known)
        except AtomError:
            pass
    found = manifest.analyze(leaves, read, tree)
    memo.put_sealed(path, manifest.encode(found))
    return found


def analyze(host: Host, text: str) -> Analyzed:
    """Analyze what words name: a file or directory (one with a manifest means its build's output), a git tree id, or a record.

    Raises NegativeError (ATOM-7030) when it is none of these, and what reading a directory raises.
    """
    place = os.path.join(host.cwd, text)
    if os.path.isfile(place):
        with open(place, "rb") as file:
            return Analyzed(text, manifest.of_bytes_at(os.path.basename(text), file.read(), os.access(place, os.X_OK)))
    if os.path.isdir(place) and not os.path.isfile(os.path.join(place, "atom.toml")):
        return Analyzed(text, _folder(place))
    with Objects(repos.store(host)) as objects:
        if len(text) in (40, 64) and (found := objects.get(text)) is not None and found[1] == "tree":
            leaves = objects.listing(text)
            return Analyzed(f"tree {text}", kept(host, leaves, tree_digest(leaves), reader(objects)))
        from git_atom.app import served
        from git_atom.app.records import locate

        built = served.find(host, locate(host, text))
        if built is None:
            raise NegativeError("ATOM-7030", f"nothing that was built is called '{text}'", hint="git build <dir>")
        leaves = served.listing(host, built)
        return Analyzed(f"{built.name} {built.version}", kept(host, leaves, built.output, reader(objects)))


def reader(objects: Objects) -> Read:
    """Reads leaves from the store, each held against its digest; raises MalformedError ATOM-2009 for a damaged object."""

    def read(leaf: Leaf) -> bytes:
        data = objects.read(leaf.oid)[2]
        if of_bytes(data) != leaf.digest:
            raise MalformedError(
                "ATOM-2009", f"object '{leaf.oid}' in the store is damaged", hint="git fsck, then fetch it again"
            )
        return data

    return read


def _folder(place: str) -> Interface:
    from git_atom.ingest.folder import take

    none = Oid("0" * 40)
    leaves = take(place, lambda _: none).leaves

    def read(leaf: Leaf) -> bytes:
        with open(os.path.join(os.fsencode(place), leaf.path), "rb") as file:
            return file.read()

    return manifest.analyze(leaves, read)
