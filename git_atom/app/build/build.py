"""`git build`: walk the graph, serve what has an acceptable witness, run what has none, and keep a signed record of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from git_atom.app.build import planned
from git_atom.app.build.served import Built, find, find_all, listing
from git_atom.core.digest import Digest
from git_atom.core.host import Host
from git_atom.errors import NegativeError
from git_atom.git import repo as repos
from git_atom.git.objects import Objects

if TYPE_CHECKING:
    from git_atom.app.build.graph import Node


def build(host: Host, target: str, *, check: bool = False) -> list[Built]:
    """Build a target and what it needs; dependencies first, the target last. check: build the target again and compare.

    Raises FailedError (ATOM-7020) when a build fails, NegativeError (ATOM-7021) when `check` finds a difference, RefusedError (ATOM-7022)
    when trusted witnesses disagree, and what reading the graph and running raises.
    """
    known = None if check else _known(host, target)
    if known is not None:
        return known
    from git_atom.app.build import graph as graphs

    nodes = graphs.graph(host, target)
    done: dict[Digest, Built] = {}
    for node in nodes:
        last = node is nodes[-1]
        found = find(host, node.action)
        if found is None or (check and last):
            from git_atom.app.build.executing import run

            outputs = [(name, done[action].output, listing(host, done[action])) for name, action in node.deps]
            made = run(host, node, outputs, keep=not (check and found))
            if found is not None and made.output != found.output:
                raise NegativeError("ATOM-7021", f"'{node.manifest.name}' does not build to the same output again",
                                    note=f"before {found.output}\nnow    {made.output}", hint=f"git build log {node.manifest.name}")  # fmt: skip
            found = made
        done[node.action] = found._replace(name=node.manifest.name, version=str(node.manifest.version))
    return [done[node.action] for node in nodes]


def _known(host: Host, target: str) -> list[Built] | None:
    """All of it, when the directory is as it was when last planned and every node is served; None when there is anything to do."""
    folder = os.path.normpath(os.path.join(host.cwd, target))
    nodes = planned.recall(host, folder) if os.path.isdir(folder) else None
    if nodes is None:
        return None
    found = find_all(host, [node.action for node in nodes])
    if len(found) < len({node.action for node in nodes}):
        return None
    return [found[node.action]._replace(name=node.name, version=node.version) for node in nodes]


def plan(host: Host, target: str) -> list[tuple[Node, Built | None]]:
    """What building a target would come to: each node, dependencies first, with the witness that would be served or None."""
    from git_atom.app.build.graph import graph

    return [(node, find(host, node.action)) for node in graph(host, target)]


def write_out(host: Host, built: Built, folder: str) -> None:
    """Write an output into a directory that is empty or not there, whole or not at all. Raises what git/writeout raises."""
    from git_atom.git.writeout import write_out as put

    with Objects(repos.store(host)) as objects:
        put(objects, listing(host, built), os.path.normpath(os.path.join(host.cwd, folder)))
