"""`git build`: walk the graph, serve what has an acceptable witness, run what has none, and keep a signed record of it."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import NamedTuple

from git_atom.app import graph as graphs
from git_atom.app import memo, world
from git_atom.core import canon, refnames
from git_atom.core.digest import Digest, Oid, of_bytes
from git_atom.core.host import Host
from git_atom.core.tree import Leaf, decode_listing, encode_listing, tree_digest
from git_atom.errors import AtomError, CannotError, FailedError, NegativeError, RefusedError
from git_atom.git import refs
from git_atom.git import repo as repos
from git_atom.git.objects import Objects
from git_atom.git.repo import Repo


class Built(NamedTuple):
    """One node of a build as told to the user. how: `cached`, `built`, or `shared` (another action came to the same request)."""

    name: str
    version: str
    action: Digest
    output: Digest
    tree: Oid
    files: int
    bytes: int
    declared: int
    read: int
    how: str
    wall_ms: int
    interface: tuple[str, ...]


def build(host: Host, target: str, *, check: bool = False) -> list[Built]:
    """Build a target and what it needs; dependencies first, the target last. check: build the target again and compare.

    Raises FailedError (ATOM-7020) when a build fails, NegativeError (ATOM-7021) when `check` finds a difference, RefusedError (ATOM-7022)
    when trusted witnesses disagree, and what reading the graph and running raises.
    """
    nodes = graphs.graph(host, target)
    done: dict[Digest, Built] = {}
    for node in nodes:
        last = node is nodes[-1]
        found = find(host, node.action)
        if found is None or (check and last):
            from git_atom.app.executing import run

            outputs = [(name, done[action].output, listing(host, done[action])) for name, action in node.deps]
            made = run(host, node, outputs, keep=not (check and found))
            if found is not None and made.output != found.output:
                raise NegativeError("ATOM-7021", f"'{node.manifest.name}' does not build to the same output again",
                                    note=f"before {found.output}\nnow    {made.output}", hint=f"git build log {node.manifest.name}")  # fmt: skip
            found = made
        done[node.action] = found._replace(name=node.manifest.name, version=str(node.manifest.version))
    return [done[node.action] for node in nodes]


def policy(host: Host) -> str:
    """A short name of whom the user accepts records from; a verdict holds only under the policy it was reached by."""
    keys = sorted(key.digest for key in world.accepted(host))
    return of_bytes("\n".join(keys).encode()).hex[:32]


def find(host: Host, action: Digest) -> Built | None:
    """An acceptable witness of an action, or None. A verdict reached before is remembered under tag and policy.

    Raises RefusedError (ATOM-7022) when accepted witnesses came to different outputs: neither is served.
    """
    repo = repos.store(host)
    rows = refs.listing(repo, refnames.builds_of(action))
    verdicts = [v for v in (_verdict(host, repo, ref, tag) for ref, tag in rows) if v is not None]
    if len({v.output for v in verdicts}) > 1:
        raise RefusedError("ATOM-7022", "trusted builders disagree about this build, so none of them is believed",
                           note="\n".join(f"{v.output}" for v in verdicts), hint="git build --check")  # fmt: skip
    return verdicts[0] if verdicts else None


def _verdict(host: Host, repo: Repo, ref: str, tag: Oid) -> Built | None:
    path = os.path.join(host.cache, "verdicts", f"{tag}-{policy(host)}")
    known = memo.get_sealed(path)
    if known is not None:
        row = canon.decode(known)
        if row is None:
            return None
        made = Built(**row)
        return made._replace(
            action=Digest(made.action), output=Digest(made.output), tree=Oid(made.tree), interface=tuple(made.interface)
        )
    from git_atom.app.records import verdict

    built = verdict(host, repo, ref, tag)
    memo.put_sealed(path, canon.encode(built._asdict() if built else None))
    return built


def listing(host: Host, built: Built) -> list[Leaf]:
    """The files of an output, from a remembered listing (held against the output's digest) or from the store, digested anew."""
    path = os.path.join(host.cache, "outputs", built.output.hex)
    known = memo.get(path)
    if known is not None:
        try:
            leaves = decode_listing(known)
            if tree_digest(leaves) == built.output:
                return leaves
        except (AtomError, ValueError):
            pass
    with Objects(repos.store(host)) as objects:
        leaves = objects.listing(built.tree)
    if tree_digest(leaves) != built.output:
        raise CannotError(
            "ATOM-7011", f"the output of '{built.name}' in the store is not what was built", hint="git build --check"
        )
    memo.put(path, encode_listing(leaves))
    return leaves


def write_out(host: Host, built: Built, folder: str) -> None:
    """Write an output into a directory that is empty or not there: made beside it and renamed, so it is there whole or not at all.

    Raises CannotError (ATOM-7023) when the directory holds something.
    """
    target = os.path.normpath(os.path.join(host.cwd, folder))
    if os.path.lexists(target) and (not os.path.isdir(target) or os.listdir(target)):
        raise CannotError("ATOM-7023", f"'{folder}' is there and not empty", hint="name another directory")
    leaves = listing(host, built)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    made = tempfile.mkdtemp(prefix=".git-build-", dir=os.path.dirname(target))
    try:
        with Objects(repos.store(host)) as objects:
            for leaf in leaves:
                _write_leaf(objects, made, leaf)
        os.chmod(made, 0o755)
        if os.path.isdir(target):
            os.rmdir(target)
        os.rename(made, target)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _write_leaf(objects: Objects, top: str, leaf: Leaf) -> None:
    path = os.path.join(os.fsencode(top), leaf.path)
    if leaf.mode == 0o40000:
        os.makedirs(path, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = objects.read(leaf.oid)[2]
    if of_bytes(data) != leaf.digest:
        raise FailedError(
            "ATOM-7011", f"'{os.fsdecode(leaf.path)}' in the store is not what was built", hint="git build --check"
        )
    if leaf.mode == 0o120000:
        os.symlink(data, path)
        return
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, leaf.mode & 0o777), "wb") as file:
        file.write(data)
