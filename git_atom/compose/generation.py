"""Generations: one signed commit per state of a composition, on `refs/compositions/<name>` of the store.

The commit's tree holds `manifest.toml`, `certificate.json`, `entries/<digest>` (the tree of each entry), `files/<digest>` (the blob of
each file entry, when there are any) and `merged`, the tree of the whole view. Since the signature of a commit covers git's tree id
alone, the message carries the BLAKE3 digests of manifest, certificate and merged tree (gitatom-format-composition(5)).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from git_atom.compose.head import Head, broken
from git_atom.core import canon, composition, refnames
from git_atom.core.composition import Composition, Entry
from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, Digest, Oid, of_bytes
from git_atom.core.name import check_name
from git_atom.core.text import shell
from git_atom.core.tree import Leaf, empty_dir, tree_digest
from git_atom.errors import MalformedError, NegativeError, RefusedError
from git_atom.git import proc, refs
from git_atom.git.objects import Objects
from git_atom.git.pack import PackWriter
from git_atom.git.repo import Repo
from git_atom.git.trees import encode_tree
from git_atom.git.written import oid_of, tree_of
from git_atom.trust.keys import Signer
from git_atom.trust.objects import sign_commit, verify_commit
from git_atom.trust.publickey import PublicKey

CERTIFICATE = "atom-certificate/1"
IDENTITY = "git-compose <compose@atom.invalid>"
_PARTS = ("bindings", "choices", "host", "missing")
_SPEC = re.compile(r"(?P<name>[^@:]+)(?:@\{(?P<back>[0-9]{1,6})\})?")


class Generation(NamedTuple):
    """A generation as read: signature, message, manifest and certificate checked against each other; trees not yet."""

    commit: Oid
    head: Head
    composition: Composition
    certificate: dict[str, Any]
    trees: dict[Digest, Oid]  # of entries of kind tree
    files: dict[Digest, Oid]
    merged: Oid
    signer: PublicKey
    when: int  # seconds since the epoch, as the signer said


def certify(parts: Mapping[str, Any], root: Digest, view: Digest) -> dict[str, Any]:
    """The certificate of a composition: who needs what and who gives it, the choices made, what the host must give, what is missing."""
    whole: dict[str, Any] = {"type": CERTIFICATE, "layer": "packages"} | {key: [] for key in _PARTS}
    return whole | dict(parts) | {"root": root, "view": view}


# ---- writing ---------------------------------------------------------------------------------------------------------


class Draft(NamedTuple):
    """What a generation is made from. trees: entries whose git tree is in the store already, by digest."""

    name: str
    composition: Composition
    certificate: Mapping[str, Any]
    layers: Sequence[tuple[Entry, Sequence[Leaf]]]
    merged: Sequence[Leaf]
    trees: Mapping[Digest, Oid] = {}


def write(repo: Repo, draft: Draft, signer: Signer, when: int) -> tuple[Oid, Head]:
    """Write a generation, objects first and the ref last; nothing is written when the newest one says the same.

    `when`: seconds since the epoch. The blobs of all leaves are in the store. Raises ConflictError (ATOM-2010) when the ref moved.
    """
    check_name(draft.name, exact=True)
    manifest, certificate = composition.format(draft.composition), canon.encode(dict(draft.certificate))
    tree = tree_digest(draft.merged)
    view = composition.view_of(tree, draft.composition.attributes)
    ref = refnames.composition(draft.name)
    parent = refs.get(repo, ref)
    head = Head(draft.name, 0, of_bytes(manifest), view, tree, of_bytes(certificate))
    if parent is not None:
        with Objects(repo) as objects:
            before = _said(objects, parent, signer.key)
        if before is not None and before._replace(sequence=0) == head:
            return parent, before
        head = head._replace(sequence=before.sequence + 1 if before else _length(repo, parent))
    with PackWriter(repo) as pack:
        top = _write_tree(pack, draft, manifest, certificate)
        lines = [f"tree {top}", *([f"parent {parent}"] if parent else [])]
        lines += [f"author {IDENTITY} {when} +0000", f"committer {IDENTITY} {when} +0000"]
        raw = "\n".join(lines).encode() + b"\n\n" + head.encode()
        commit = pack.add("commit", sign_commit(raw, signer, repo.object_format))
        pack.finish()
    refs.update(repo, [refs.Change(ref, commit, parent)], f"compose: {draft.name}")
    return commit, head


def _said(objects: Objects, commit: Oid, key: PublicKey) -> Head | None:
    """What the newest generation says, when this very key signed it."""
    try:
        return Head.decode(_message(verify_commit(objects.read(commit)[2], [key]).value.payload))
    except (RefusedError, MalformedError):
        return None


def _length(repo: Repo, commit: Oid) -> int:
    return int(proc.check(["git", "rev-list", "--count", "--first-parent", commit], env=repo.env))


def _write_tree(pack: PackWriter, draft: Draft, manifest: bytes, certificate: bytes) -> Oid:
    def put(data: bytes) -> Oid:
        return pack.add("tree", data)

    trees: dict[Digest, Oid] = {}
    files: dict[Digest, Oid] = {}
    for entry, leaves in draft.layers:
        if entry.kind == composition.TREE and entry.digest is not None:
            trees[entry.digest] = draft.trees.get(entry.digest) or tree_of(leaves, put)
        elif entry.kind == composition.PLAIN and entry.digest is not None:
            files[entry.digest] = leaves[0].oid
        else:
            pack.add("blob", composition.path_bytes(entry.target))
    top = [
        (MODE_FILE, b"manifest.toml", pack.add("blob", manifest)),
        (MODE_FILE, b"certificate.json", pack.add("blob", certificate)),
        (MODE_TREE, b"entries", put(encode_tree((MODE_TREE, d.hex.encode(), oid) for d, oid in trees.items()))),
        (MODE_TREE, b"merged", tree_of(draft.merged, put)),
    ]
    if files:
        top.append((MODE_TREE, b"files", put(encode_tree((MODE_FILE, d.hex.encode(), o) for d, o in files.items()))))
    return put(encode_tree(top))


def delete(repo: Repo, name: str) -> Oid:
    """Remove a composition's ref, with it its history; returns the commit it was at. Raises NegativeError (ATOM-6003)."""
    ref = refnames.composition(check_name(name, exact=True))
    head = refs.get(repo, ref)
    if head is None:
        raise _unknown(name)
    refs.update(repo, [refs.Change(ref, None, head)], f"compose: delete {name}")
    return head


# ---- reading ---------------------------------------------------------------------------------------------------------


def resolve(repo: Repo, spec: str) -> Oid:
    """The commit that `name`, `name@{n}` (n generations before the newest) or a root digest names. Raises NegativeError (ATOM-6003)."""
    if spec.startswith("blake3:"):
        root = Digest.parse(spec)
        argv = ["git", "rev-list", "--max-count=1", "--fixed-strings", f'--grep="root":"{root}"', f"--glob={refnames.COMPOSITIONS}*"]  # fmt: skip
        words = proc.run(argv, env=repo.env).out.decode().split()
        if not words:
            raise _unknown(spec)
        return Oid.parse(words[0])
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise NegativeError("ATOM-6003", f"'{spec}' does not name a composition", note="<name>, <name>@{n} or a root digest")  # fmt: skip
    ref = refnames.composition(check_name(match["name"])) + f"~{match['back'] or 0}"
    found = refs.get(repo, ref)
    if found is None and not match["back"] and refs.get(repo, ref.partition("~")[0]) is not None:
        raise MalformedError(
            "ATOM-6004",
            f"composition '{spec}' is damaged: its newest generation is not in the store",
            where=repo.git_dir,
            hint=f"git --git-dir={shell(repo.git_dir)} fsck  # then import or form it again",
        )
    if found is None:
        raise _unknown(spec)
    return found


def _unknown(spec: str) -> NegativeError:
    return NegativeError("ATOM-6003", f"there is no composition '{spec}'", hint="git compose list")


def history(repo: Repo, spec: str) -> list[Oid]:
    """The commits of a composition, newest first, from what `spec` names on."""
    out = proc.check(["git", "rev-list", "--first-parent", resolve(repo, spec)], env=repo.env)
    return [Oid(line) for line in out.decode().split()]


def read(objects: Objects, commit: Oid, keys: Collection[PublicKey]) -> Generation:
    """Read one generation: signed by one of `keys`, all its parts what the message says, in canonical form.

    Raises RefusedError (ATOM-3004, ATOM-3008) for the signature, MalformedError (ATOM-6004, ATOM-1040 to 1042) for the rest.
    """
    signed = verify_commit(objects.read(commit)[2], keys).value
    head = Head.decode(_message(signed.payload))
    fields = signed.payload.split(b"\n\n", 1)[0].split(b"\n")
    top = {name: (mode, oid) for mode, name, oid in objects.tree(fields[0].decode().removeprefix("tree "))}
    if set(top) - {b"files"} != {b"manifest.toml", b"certificate.json", b"entries", b"merged"}:
        raise broken("its tree has other parts than it should")
    manifest = objects.read(top[b"manifest.toml"][1])[2]
    certificate = objects.read(top[b"certificate.json"][1])[2]
    if of_bytes(manifest) != head.root or of_bytes(certificate) != head.certificate:
        raise broken("manifest or certificate is not the one that was signed")
    value = canon.decode(certificate)
    if not isinstance(value, dict) or (value.get("type"), value.get("root"), value.get("view")) != (
        CERTIFICATE,
        head.root,
        head.view,
    ):
        raise broken("the certificate is for something else")
    return Generation(
        commit, head, composition.parse(manifest), value, _named(objects, top[b"entries"][1]),
        _named(objects, top[b"files"][1]) if b"files" in top else {}, top[b"merged"][1], signed.key, _when(fields),
    )  # fmt: skip


def _named(objects: Objects, tree: Oid) -> dict[Digest, Oid]:
    return {Digest.parse("blake3:" + name.decode(errors="replace")): oid for _, name, oid in objects.tree(tree)}


def _message(payload: bytes) -> bytes:
    return payload.partition(b"\n\n")[2]


def _when(fields: Sequence[bytes]) -> int:
    words = next((line for line in fields if line.startswith(b"committer ")), b"").split()
    return int(words[-2]) if len(words) > 2 and words[-2].isdigit() else 0


def leaves_of(objects: Objects, generation: Generation, entry: Entry, known: Mapping[Oid, Leaf]) -> list[Leaf]:
    """The leaves of one entry, relative to it. known: leaves of the merged tree by object id, from which digests and sizes are taken.

    Raises MalformedError (ATOM-6004) when the generation does not hold the entry's tree.
    """
    if entry.kind == composition.LINK:
        return [link_leaf(entry)]
    held = (generation.files if entry.kind == composition.PLAIN else generation.trees).get(entry.digest or Digest())
    if held is None:
        raise broken(f"it does not hold entry {entry.digest}")
    if entry.kind == composition.PLAIN:
        return [_leaf(objects, b"", MODE_EXEC if entry.executable else MODE_FILE, held, known)]
    return [_leaf(objects, path, mode, oid, known) for path, mode, oid in objects.walk(held)]


def link_leaf(entry: Entry) -> Leaf:
    """The one leaf of a symlink entry, relative to it."""
    data = composition.path_bytes(entry.target)
    return Leaf(b"", MODE_LINK, of_bytes(data), len(data), oid_of("blob", data))


def _leaf(objects: Objects, path: bytes, mode: int, oid: Oid, known: Mapping[Oid, Leaf]) -> Leaf:
    if mode == MODE_TREE:
        return empty_dir(path)
    if oid in known:
        return known[oid]._replace(path=path, mode=mode)
    data = objects.read(oid)[2]
    return Leaf(path, mode, of_bytes(data), len(data), oid)
