"""The git objects a publication is made of: orphan commits that are the same on every machine, and entries added to a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from git_atom.core.digest import MODE_FILE, MODE_TREE, Digest, Oid, atom_id, of_bytes
from git_atom.core.statements import Charter, Claim, Entry, Release, name_folder, tag_head
from git_atom.errors import MalformedError
from git_atom.git.digests import TreeDigests
from git_atom.git.objects import Objects, graft
from git_atom.git.repo import Repo
from git_atom.git.trees import encode_tree
from git_atom.git.written import oid_of, write_loose
from git_atom.trust import sshsig
from git_atom.trust.keys import Signer
from git_atom.trust.objects import sign_commit, sign_tag

IDENTITY = "git-atom <atom@atom.invalid> 0 +0000"
_FIELDS = ("tree", "author", "committer", "atom-format", "atom-id", "origin", "path")


class Bench(NamedTuple):
    """What making log entries needs: where to write, whom to sign as."""

    repo: Repo
    objects: Objects
    digests: TreeDigests
    signer: Signer
    person: str  # `Name <email> seconds zone`


class Draft(NamedTuple):
    """A log with entries that are written and not verified yet; trust/ must verify the head before a ref names it."""

    anchor: Digest
    head: Oid | None
    tree: Oid | None
    seq: int  # of the head; -1 before the founding
    message: Digest | None


def atom_commit(tree: Oid, identifier: str, origin: Oid, path: str, name: str, version: str) -> bytes:
    """The orphan commit of an atom: equal arguments give equal bytes, so equal ids, everywhere."""
    return (
        f"tree {tree}\nauthor {IDENTITY}\ncommitter {IDENTITY}\natom-format 1\natom-id {identifier}\n"
        f"origin {origin}\npath {path}\n\n{name} {version}\n"
    ).encode()


def check_commit(raw: bytes, release: Release) -> Oid:
    """An atom commit must be the one its release makes, byte for byte; returns its tree. Raises MalformedError ATOM-8005."""
    first = raw.split(b"\n", 1)[0].decode(errors="replace")
    tree = first.removeprefix("tree ")
    made = atom_commit(Oid(tree), release.id, release.origin, release.path, release.name, release.version)
    if made != raw:
        raise MalformedError(
            "ATOM-8005",
            f"commit {release.commit} is not the atom commit of '{release.name} {release.version}'",
            note=f"an atom commit has exactly the fields {', '.join(_FIELDS)} and no parent",
        )
    return Oid.parse(tree)


def sub_commit(repo: Repo, thing: Oid, kind: str) -> Oid:
    """Write the orphan commit of a sub-atom: over its tree, or for a single file over a tree that holds it as `file`."""
    if kind != "tree":
        write_loose(repo, "tree", encode_tree([(MODE_FILE, b"file", thing)]))
    return write_loose(repo, "commit", sub_commit_bytes(thing, kind, repo.object_format))


def sub_commit_bytes(thing: Oid, kind: str, fmt: str) -> bytes:
    """The orphan commit of a sub-atom in a repository of this object format: the same on every machine."""
    tree = thing if kind == "tree" else oid_of("tree", encode_tree([(MODE_FILE, b"file", thing)]), fmt)
    return f"tree {tree}\nauthor {IDENTITY}\ncommitter {IDENTITY}\natom-format 1\n\nsub-atom {thing}\n".encode()


def sub_content(objects: Objects, commit: Oid, thing: Oid) -> tuple[str, Oid]:
    """Kind (`tree` or `blob`) and id of what a sub-atom's commit holds; raises MalformedError ATOM-8005 when it is not `thing`."""
    tree = objects.commit_tree(commit)
    if tree == thing:
        return "tree", tree
    found = objects.at(tree, b"file")
    if found is None or found[1] != thing or found[0] == MODE_TREE:
        raise MalformedError("ATOM-8005", f"commit {commit} is not the sub-atom {thing}")
    return "blob", thing


def release_tag(release: Release, bench: Bench) -> bytes:
    """The signed tag object of a release."""
    return sign_tag(tag_head(release, bench.person), bench.signer)


def found(bench: Bench, charter: Charter) -> Draft:
    """The founding entry of a new set, signed by its one owner."""
    statement = charter.encode()
    files = {
        "charters/0/statement": statement,
        f"charters/0/signatures/{bench.signer.key_digest.hex}": bench.signer.sign(sshsig.CHARTER, statement),
    }
    empty = Draft(of_bytes(statement), None, None, -1, None)
    return _append(bench, empty, "found", (), files)


def claim(bench: Bench, log: Draft, names: Sequence[str]) -> Draft:
    """An entry that claims names for the signer's own key."""
    files: dict[str, bytes] = {}
    for name in names:
        statement = Claim(log.anchor, (bench.signer.public,), name, None, 0, 1).encode()
        folder = f"{name_folder(name)}/claims/0"
        files[f"{folder}/statement"] = statement
        files[f"{folder}/signatures/{bench.signer.key_digest.hex}"] = bench.signer.sign(sshsig.CLAIM, statement)
    return _append(bench, log, "claim", [(name,) for name in names], files)


def publish(bench: Bench, log: Draft, tags: Mapping[tuple[str, str], bytes]) -> Draft:
    """An entry that publishes versions, by the bytes of their signed tags."""
    files = {f"{name_folder(name)}/versions/{version}": tag for (name, version), tag in tags.items()}
    return _append(bench, log, "publish", list(tags), files)


def bring(
    bench: Bench,
    log: Draft,
    kind: str,
    item: tuple[str, ...],
    folder: str,
    statement: bytes,
    signatures: Mapping[str, bytes],
) -> Draft:
    """An entry with one statement (charter, claim, retraction, revocation) and its signatures by hex digest of their keys."""
    files = {f"{folder}/statement": statement} | {f"{folder}/signatures/{k}": v for k, v in signatures.items()}
    return _append(bench, log, kind, [item], files)


def carry(bench: Bench, log: Draft, entry: Entry, files: Mapping[str, bytes]) -> Draft:
    """An entry of another line of the log once more, with the same files, on top of this one."""
    return _append(bench, log, entry.kind, entry.items, files)


def _append(bench: Bench, log: Draft, kind: str, items: Sequence[tuple[str, ...]], files: Mapping[str, bytes]) -> Draft:
    blobs = {path: write_loose(bench.repo, "blob", data) for path, data in files.items()}
    tree = graft(bench.repo, bench.objects, log.tree, blobs)
    entry = Entry(log.anchor, tuple(sorted(items)), kind, log.message, log.seq + 1, bench.digests.of(tree))
    message = entry.encode()
    parent = f"parent {log.head}\n" if log.head else ""
    raw = f"tree {tree}\n{parent}author {bench.person}\ncommitter {bench.person}\n\n".encode() + message
    head = write_loose(bench.repo, "commit", sign_commit(raw, bench.signer, bench.repo.object_format))
    return Draft(log.anchor, head, tree, entry.seq, of_bytes(message))


def identifier(charter: Charter, name: str) -> str:
    """Atom id of a name in a set."""
    return atom_id(charter.root, name)
