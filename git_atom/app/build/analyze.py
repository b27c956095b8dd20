"""`git build analyze`: the interface manifest of an output, of a git tree of the store, or of a directory or file of this machine."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from git_atom.app.world.interfaces import kept, reader
from git_atom.core.digest import Oid
from git_atom.core.host import Host
from git_atom.core.tree import Leaf, tree_digest
from git_atom.errors import NegativeError
from git_atom.git import repo as repos
from git_atom.git.objects import Objects
from git_atom.interface import manifest
from git_atom.interface.manifest import ANALYZER, Interface, exports_digest


class Analyzed(NamedTuple):
    """An interface, and what it is of as told to the user."""

    what: str
    interface: Interface

    def value(self) -> dict[str, Any]:
        """All of it as plain values, every symbol included: the document of schema git-build-analyze/1."""
        found = self.interface
        return {
            "what": self.what,
            "tree": found.tree,
            "analyzer": ANALYZER,
            "elf": [{"path": path} | facts._asdict() | {
                "exports": [e._asdict() for e in facts.exports], "exports_digest": exports_digest(facts),
                "wants": [w._asdict() for w in facts.wants], "verneeds": [v._asdict() for v in facts.verneeds],
                "dlopen": [d._asdict() for d in facts.dlopen]} for path, facts in found.elfs],
            "scripts": [s._asdict() for s in found.scripts],
            "pkg_config": [p._asdict() for p in found.packages],
            "problems": [{"path": path, "what": what} for path, what in found.problems],
        }  # fmt: skip


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
        from git_atom.app.build import served
        from git_atom.app.build.records import locate

        built = served.find(host, locate(host, text))
        if built is None:
            raise NegativeError("ATOM-7030", f"nothing that was built is called '{text}'", hint="git build <dir>")
        leaves = served.listing(host, built)
        return Analyzed(f"{built.name} {built.version}", kept(host, leaves, built.output, reader(objects)))


def _folder(place: str) -> Interface:
    from git_atom.ingest.folder import take

    none = Oid("0" * 40)
    leaves = take(place, lambda _: none).leaves

    def read(leaf: Leaf) -> bytes:
        with open(os.path.join(os.fsencode(place), leaf.path), "rb") as file:
            return file.read()

    return manifest.analyze(leaves, read)
