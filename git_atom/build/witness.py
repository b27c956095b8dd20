"""Witnesses in the store: one builder's signed record of an action, with outputs, read set and log (gitatom-format-record(5)).

`refs/builds/<action>/<key>` -> signed tag -> parentless commit -> tree of `outputs/out`, `record.json` (DSSE envelope), `readset`, `log`.
A witness is served only when tag and record verify under a key the user accepts, agree with each other and with the ref.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from git_atom.core import canon, refnames
from git_atom.core import record as records
from git_atom.core.digest import MODE_FILE, MODE_TREE, Digest, Oid, of_bytes
from git_atom.core.record import Record
from git_atom.core.text import shell
from git_atom.core.tree import EMPTY_TREE_SHA1, Leaf, tree_digest
from git_atom.errors import AtomError, MalformedError, RefusedError
from git_atom.git import refs
from git_atom.git.objects import Objects
from git_atom.git.refs import Change
from git_atom.git.repo import Repo
from git_atom.git.trees import encode_tree
from git_atom.git.written import write_loose
from git_atom.trust import dsse
from git_atom.trust import objects as signed
from git_atom.trust.keys import Signer
from git_atom.trust.publickey import PublicKey

TYPE = "atom-witness/1"
IDENTITY = b"git-build <> 0 +0000"


class Witness(NamedTuple):
    """A verified witness: its ref, tag, commit, the record, and the ids of outputs' tree, read set and log."""

    ref: str
    tag: Oid
    commit: Oid
    record: Record
    readset: Oid
    log: Oid


def write(repo: Repo, record: Record, readset: bytes, log: bytes, signer: Signer) -> Oid:
    """Write a witness whose output tree is in the store already; one ref moves, last. Returns the tag's id.

    A witness of the same key for the same action is replaced only by way of compare-and-swap; raises ConflictError (ATOM-2010).
    """
    envelope = dsse.envelope(records.PAYLOAD, records.statement(record), signer)
    blobs = {b"log": log, b"readset": readset, b"record.json": envelope}
    outputs = write_loose(repo, "tree", encode_tree([(MODE_TREE, b"out", record.tree)]))
    entries = [(MODE_FILE, name, write_loose(repo, "blob", data)) for name, data in blobs.items()]
    tree = write_loose(repo, "tree", encode_tree([*entries, (MODE_TREE, b"outputs", outputs)]))
    title = f"build {record.name} {record.version}".encode()
    commit = write_loose(
        repo, "commit", b"tree %s\nauthor %s\ncommitter %s\n\n%s\n" % (tree.encode(), IDENTITY, IDENTITY, title)
    )
    payload = canon.encode(_payload(record, envelope))
    raw = b"object %s\ntype commit\ntag %s\ntagger %s\n\n%s\n\n%s\n" % (
        commit.encode(), _tag_name(record.action), IDENTITY, TYPE.encode(), payload,
    )  # fmt: skip
    tag = write_loose(repo, "tag", signed.sign_tag(raw, signer))
    ref = refnames.build(record.action, signer.key.digest)
    refs.update(repo, [Change(ref, tag, refs.get(repo, ref))], "git build")
    return tag


def _tag_name(action: Digest) -> bytes:
    return b"build/" + action.hex.encode()


def _payload(record: Record, envelope: bytes) -> dict[str, str]:
    return {"action": record.action, "output": record.output, "record": of_bytes(envelope), "request": record.request}


def read(objects: Objects, ref: str, tag: Oid, keys: Collection[PublicKey]) -> Witness:
    """Verify one witness. Raises RefusedError (ATOM-3002 to 3008, ATOM-7010) or MalformedError when it does not hold."""
    found, kind, raw = objects.read(tag)
    if kind != "tag":
        raise _not_one(ref, "it points to no tag")
    checked = signed.verify_tag(raw, keys).value
    head, _, body = checked.payload.partition(b"\n\n")
    fields = dict(line.split(b" ", 1) for line in head.split(b"\n"))
    label, _, text = body.partition(b"\n\n")
    if label != TYPE.encode() or fields.get(b"type") != b"commit":
        raise _not_one(ref, "its tag is of another type")
    payload = canon.decode(text.removesuffix(b"\n"))
    commit = Oid.parse(fields[b"object"].decode())
    entries = {name: (mode, oid) for mode, name, oid in objects.tree(objects.commit_tree(commit))}
    if set(entries) != {b"log", b"outputs", b"readset", b"record.json"}:
        raise _not_one(ref, "its commit holds other things than a witness")
    envelope = objects.read(entries[b"record.json"][1])[2]
    record = records.read(dsse.open_envelope(envelope, keys, records.PAYLOAD).value.payload)
    where = refnames.build(record.action, checked.key.digest)
    if payload != _payload(record, envelope) or fields[b"tag"] != _tag_name(record.action) or where != ref:
        raise _not_one(ref, "ref, tag and record do not agree")
    outputs = {name: oid for _, name, oid in objects.tree(entries[b"outputs"][1])}
    if outputs != {b"out": record.tree}:
        raise _not_one(ref, "its outputs are not those of the record")
    return Witness(ref, found, commit, record, entries[b"readset"][1], entries[b"log"][1])


def outputs(objects: Objects, record: Record) -> list[Leaf]:
    """The output's files, digested now; raises MalformedError (ATOM-7011) when they are not what the record says."""
    leaves = objects.listing(record.tree) if record.tree != EMPTY_TREE_SHA1 else []
    if tree_digest(leaves) != record.output:
        raise MalformedError("ATOM-7011", f"the output of '{record.name}' in the store is not what was built", note="the store is damaged",
                             hint=f"git --git-dir={shell(objects.repo.git_dir)} fsck  # building again writes it anew")  # fmt: skip
    return leaves


def texts(objects: Objects, found: Witness) -> tuple[bytes, bytes]:
    """Read set and log of a witness, digested now; raises MalformedError (ATOM-7011) when they are not those of the record."""
    readset, log = objects.read(found.readset)[2], objects.read(found.log)[2]
    if (of_bytes(readset), of_bytes(log)) != (found.record.reads, found.record.log):
        raise MalformedError("ATOM-7011", f"read set or log of '{found.record.name}' in the store is not what was recorded",
                             note="the store is damaged", hint=f"git --git-dir={shell(objects.repo.git_dir)} fsck  # building again writes it anew")  # fmt: skip
    return readset, log


def accepted(
    objects: Objects, rows: Sequence[tuple[str, Oid]], keys: Collection[PublicKey]
) -> tuple[list[Witness], list[str]]:
    """Of witnesses of one action, those that hold, and why the others do not."""
    good, why = [], []
    for ref, tag in rows:
        try:
            good.append(read(objects, ref, tag, keys))
        except AtomError as error:
            why.append(f"{ref}: {error.what}")
    return good, why


def _not_one(ref: str, why: str) -> RefusedError:
    return RefusedError("ATOM-7010", f"'{ref}' is no witness that can be served", note=why)
