"""Interfaces of trees, computed once: kept in the user's cache under the analyzer's version and the tree's digest."""

from __future__ import annotations

import os
from collections.abc import Sequence

from git_atom.app import memo
from git_atom.core.digest import Digest, of_bytes
from git_atom.core.host import Host
from git_atom.core.text import shell
from git_atom.core.tree import Leaf
from git_atom.errors import AtomError, MalformedError
from git_atom.git.objects import Objects
from git_atom.interface import manifest
from git_atom.interface.manifest import Interface, Read


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


def reader(objects: Objects) -> Read:
    """Reads leaves from the store, each held against its digest; raises MalformedError ATOM-2009 for a damaged object."""

    def read(leaf: Leaf) -> bytes:
        data = objects.read(leaf.oid)[2]
        if of_bytes(data) != leaf.digest:
            raise MalformedError(
                "ATOM-2009",
                f"object '{leaf.oid}' in the store is damaged",
                hint=f"git --git-dir={shell(objects.repo.git_dir)} fsck  # then fetch it again",
            )
        return data

    return read
