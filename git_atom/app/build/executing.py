"""Running one action: world and sources laid out, the sandbox run, outputs taken into the store, the record signed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from git_atom.app import memo
from git_atom.app.build import supply
from git_atom.app.build.graph import Node, platform
from git_atom.app.build.served import Built, find, open_record, told
from git_atom.app.world import world
from git_atom.build import plan, witness
from git_atom.core import request as requests
from git_atom.core.composition import path_text
from git_atom.core.digest import Digest, of_bytes
from git_atom.core.host import Host
from git_atom.core.lock import Fetch, LockedPin, LockedSub
from git_atom.core.record import ACTION_URI, Material, Record
from git_atom.core.request import Input, Request
from git_atom.core.tree import Leaf, encode_listing, tree_digest
from git_atom.errors import FailedError
from git_atom.execute import collect
from git_atom.execute.run import Outcome, execute, fresh_work
from git_atom.git import repo as repos
from git_atom.git.pack import PackWriter, entry
from git_atom.git.repo import Repo
from git_atom.git.written import tree_of
from git_atom.view.cache import Blobs

LAST_LINES = 12


def run(host: Host, node: Node, outputs: Sequence[tuple[str, Digest, list[Leaf]]], *, keep: bool = True) -> Built:
    """Run a node's action over the outputs of its dependencies and keep the witness (`keep`), or only say what came out.

    Raises FailedError (ATOM-7020) when a command of the build fails; the log stays in the cache, nothing else does.
    """
    repo, blobs = repos.store(host), Blobs(host.cache)
    ground = supply.ground(host, node, outputs)
    given = supply.inputs(host, node, blobs)
    request = Request(
        ground.view,
        ("/bin/sh", "-e", "-x", "-c", "\n".join(node.commands)),
        platform(),
        tuple(Input(place, tree_digest(leaves)) for place, leaves in given),
        plan.environment(),
        plan.directory([place for place, _ in given], [pin.name for pin in node.lock.pins]),
        (plan.OUT,),
    )
    known = _shared(host, requests.digest(request)) if keep else None
    if known is not None:
        return _again(host, node, known, outputs, ground)
    host.progress.say(f"building {node.manifest.name} {node.manifest.version}")
    work = fresh_work(host.cache)
    try:
        outcome = execute(
            request,
            ground.leaves,
            blobs,
            work,
            inputs=given,
            read=world.reader(repo),
            search=host.environ.get("PATH", ""),
        )
        if outcome.status != 0:
            raise _failed(host, node, outcome)
        return _keep(host, repo, node, request, outcome, outputs, ground, given, keep)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _keep(
    host: Host,
    repo: Repo,
    node: Node,
    request: Request,
    outcome: Outcome,
    outputs: Sequence[tuple[str, Digest, list[Leaf]]],
    ground: supply.Ground,
    given: Sequence[supply.Input],
    keep: bool,
) -> Built:
    """Outputs into one pack, then the record, then the ref."""
    from git_atom.trust.keys import builder_key

    with PackWriter(repo) as pack:
        leaves = collect.leaves(
            dict(outcome.outputs)[plan.OUT], lambda data: (of_bytes(data), pack.append(entry("blob", data)))
        )
        tree = tree_of(leaves, lambda data: pack.append(entry("tree", data)))
        if keep:
            pack.finish()
    output, size = tree_digest(leaves), sum(leaf.size for leaf in leaves)
    with open(outcome.log_path, "rb") as file:
        log = file.read()
    reads = given_reads(outcome.reads or (), given)
    readset = "".join(path_text(path) + "\n" for path in reads).encode()
    signer = builder_key(host)
    record = Record(
        node.manifest.name, str(node.manifest.version), node.action, requests.digest(request),
        {"run": list(node.commands), "platform": request.platform, "jobs": plan.JOBS},
        materials(node, outputs, ground), output, tree, len(leaves), size, of_bytes(readset), len(ground.leaves) + sum(len(leaves) for _, leaves in given),
        -1 if outcome.reads is None else len(reads), outcome.instrument, outcome.incomplete, of_bytes(log), outcome.enforced,
        outcome.mechanism, signer.fingerprint, round(outcome.cpu_seconds * 1000), round(outcome.seconds * 1000),
    )  # fmt: skip
    if keep:
        witness.write(repo, record, readset, log, signer)
        memo.put(os.path.join(host.cache, "requests", record.request.hex), node.action.encode())
        memo.put(os.path.join(host.cache, "outputs", output.hex), encode_listing(leaves))
    return told(host, record, leaves, "built", stored=keep)


def given_reads(reads: Sequence[bytes], given: Sequence[supply.Input]) -> list[bytes]:
    """Of the paths a build opened, those it was given: what it wrote below /build itself and read again is no input.

    Such files come and go while the build runs, and which of their names an event still finds is chance.
    """
    known: set[bytes] = set()
    for place, leaves in given:
        top = b"build/" + os.fsencode(place) + b"/"
        known.add(top)
        for leaf in leaves:
            path = top + leaf.path
            known.add(path)
            while (path := path.rpartition(b"/")[0]) + b"/" not in known and path:
                known.add(path + b"/")
    return [path for path in reads if not path.startswith(b"build/") or path in known]


def materials(
    node: Node, outputs: Sequence[tuple[str, Digest, list[Leaf]]], ground: supply.Ground
) -> tuple[Material, ...]:
    """Everything that went in, by name and digest."""
    rows = [Material("toolchain", ground.toolchain.root), Material("view", ground.view)]
    rows += [_material(place, row) for place, row in node.sources]
    rows += [Material("files", tree_digest(node.files))] if node.files else []
    actions = dict(node.deps)
    rows += [Material(f"dependency {name}", digest, ACTION_URI + actions[name].hex) for name, digest, _ in outputs]
    return tuple(sorted(rows))


def _material(place: str, row: Fetch | LockedSub | LockedPin) -> Material:
    if isinstance(row, Fetch):
        return Material(f"source {place}", row.digest, row.url)
    if isinstance(row, LockedPin):
        return Material(f"pin {place}", row.tree, f"git+{row.git}@{row.commit}")
    return Material(f"source {place}", row.tree)


def _shared(host: Host, request: Digest) -> Built | None:
    """A served witness of another action that came to this very request: two intents, one execution."""
    known = memo.get(os.path.join(host.cache, "requests", request.hex))
    return find(host, Digest.parse(known.decode())) if known else None


def _again(
    host: Host, node: Node, known: Built, outputs: Sequence[tuple[str, Digest, list[Leaf]]], ground: supply.Ground
) -> Built:
    """Keep the witness of the same request under this action too, signed anew."""
    from git_atom.git.objects import Objects
    from git_atom.trust.keys import builder_key

    repo = repos.store(host)
    with Objects(repo) as objects:
        found = open_record(host, objects, known.action)
        readset, log = witness.texts(objects, found)
    signer = builder_key(host)
    record = found.record._replace(
        name=node.manifest.name, version=str(node.manifest.version), action=node.action,
        materials=materials(node, outputs, ground), builder=signer.fingerprint,
    )  # fmt: skip
    witness.write(repo, record, readset, log, signer)
    return known._replace(action=node.action, how="shared")


def _failed(host: Host, node: Node, outcome: Outcome) -> FailedError:
    """The error of a failed build; its log is kept where the message says."""
    kept = os.path.join(host.cache, "logs", f"{node.manifest.name}-{node.action.hex[:12]}.log")
    os.makedirs(os.path.dirname(kept), exist_ok=True)
    shutil.copyfile(outcome.log_path, kept)
    with open(kept, "rb") as file:
        lines = file.read().decode(errors="backslashreplace").splitlines()[-LAST_LINES:]
    how = {"exit": f"status {outcome.status}", "timeout": "its time being up", "log": "too much output"}.get(
        outcome.ended, outcome.ended
    )
    return FailedError(
        "ATOM-7020", f"the build of '{node.manifest.name}' failed with {how}", where=kept, note="\n".join(lines)
    )
