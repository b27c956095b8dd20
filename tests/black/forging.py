"""A set of atoms under construction in a bare repository, with every step open to be done wrongly, and pushed by plain git."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_atom.atom import objects as making
from git_atom.atom.objects import Bench
from git_atom.core import refnames
from git_atom.core.digest import MODE_FILE, MODE_TREE, Digest, Oid, TreeEntry, atom_id, of_bytes, of_tree
from git_atom.core.statements import Charter, Claim, Release, name_folder
from git_atom.git.digests import TreeDigests
from git_atom.git.objects import Objects
from git_atom.git.repo import open_at
from git_atom.git.trees import encode_tree
from git_atom.git.written import write_loose
from git_atom.trust import sshsig
from git_atom.trust.keys import HeldKey
from git_atom.trust.primitives import PrivateKey

PERSON = "A U Thor <author@example.org> 1700000000 +0000"
ROOT = Oid("4abbd2644bc3585e9be95deb277ccf48f6ed26ac")


def key(seed: str) -> HeldKey:
    """A key made from a word, the same in every run."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return HeldKey(PrivateKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())))


OWNER, OTHER = key("owner"), key("other")


class Made(NamedTuple):
    """An atom's tag and its refs."""

    release: Release
    tag: bytes
    oid: Oid


class Forger:
    """A set whose log is `head`; tags of versions are objects of the repository, and no ref names anything."""

    def __init__(self, path: Path, owner: HeldKey = OWNER, nonce: str = "00" * 32) -> None:
        subprocess.run(["git", "init", "-q", "--bare", path], check=True)
        self.path = path
        self.repo = open_at(str(path), os.environ)
        self.objects = Objects(self.repo)
        self.digests = TreeDigests(self.objects, None)
        self.owner = owner
        self.draft = making.found(self.by(owner), Charter(None, nonce, (owner.public,), None, ROOT, 0, 1))

    def by(self, who: HeldKey) -> Bench:
        return Bench(self.repo, self.objects, self.digests, who, PERSON)

    @property
    def head(self) -> Oid:
        assert self.draft.head is not None
        return self.draft.head

    def blob(self, data: bytes) -> Oid:
        return write_loose(self.repo, "blob", data)

    def tree(self, *entries: tuple[int, bytes, Oid]) -> Oid:
        return write_loose(self.repo, "tree", encode_tree(entries))

    def manifest(self, name: str, version: str) -> bytes:
        return f'[atom]\nid = "{name}"\nversion = "{version}"\ntype = "package"\n'.encode()

    def release(
        self,
        name: str,
        version: str,
        previous: str | None = None,
        *,
        more: Sequence[tuple[int, bytes, Oid, Digest]] = (),
        manifest: bytes | None = None,
        **changes: object,
    ) -> Release:
        """A release of a tree with a manifest and `more`; `changes` replace fields of it."""
        text = self.manifest(name, version) if manifest is None else manifest
        rows = [(MODE_FILE, b"atom.toml", self.blob(text), of_bytes(text)), *more]
        tree = self.tree(*((mode, file, oid) for mode, file, oid, _ in rows))
        digest = of_tree(TreeEntry(mode, file, d) for mode, file, _, d in rows)
        identifier = atom_id(ROOT, name)
        commit = write_loose(self.repo, "commit", making.atom_commit(tree, identifier, ROOT, name, name, version))
        made = Release(
            self.draft.anchor, commit, identifier, of_bytes(text), name, ROOT, name, previous,
            "2023-11-14T22:13:20Z", digest, version,
        )  # fmt: skip
        return made._replace(**changes)  # type: ignore[arg-type]

    def tag(self, release: Release, who: HeldKey | None = None) -> bytes:
        return making.release_tag(release, self.by(who or self.owner))

    def claim(self, *names: str, who: HeldKey | None = None) -> Forger:
        self.draft = making.claim(self.by(who or self.owner), self.draft, names)
        return self

    def claim_for(self, name: str, holder: HeldKey) -> Forger:
        """The owner claims a name for somebody else's key."""
        statement = Claim(self.draft.anchor, (holder.public,), name, None, 0, 1).encode()
        folder = f"{name_folder(name)}/claims/0"
        files = {
            f"{folder}/statement": statement,
            f"{folder}/signatures/{self.owner.key_digest.hex}": self.owner.sign(sshsig.CLAIM, statement),
        }
        self.draft = making._append(self.by(self.owner), self.draft, "claim", [(name,)], files)
        return self

    def publish(self, *tags: bytes, at: tuple[str, str] | None = None, who: HeldKey | None = None) -> list[Made]:
        """Enter tags into the log (one of them under another name and version with `at`) and write them as objects."""
        from git_atom.core.statements import read_tag
        from git_atom.trust.objects import split_tag

        releases = [read_tag(split_tag(tag)[0]) for tag in tags]
        by = {at or (r.name, r.version): tag for r, tag in zip(releases, tags, strict=True)}
        self.draft = making.publish(self.by(who or self.owner), self.draft, by)
        return [Made(r, tag, write_loose(self.repo, "tag", tag)) for r, tag in zip(releases, tags, strict=True)]

    def add(self, name: str, version: str, previous: str | None = None, **more: object) -> Made:
        """Publish one good atom."""
        return self.publish(self.tag(self.release(name, version, previous, **more)))[0]  # type: ignore[arg-type]

    def specs(self, *made: Made) -> list[str]:
        """What to push: the log and these versions."""
        return [f"{m.oid}:{refnames.atom_ref(m.release.name, m.release.version)}" for m in made] + [
            f"{self.head}:{refnames.LOG}"
        ]

    def push(self, to: str | Path, *specs: str, options: Sequence[str] = ("--atomic",), env: Mapping[str, str] = {}):  # type: ignore[no-untyped-def]
        """Push by plain git."""
        argv = ["git", "push", *options, str(to), *specs]
        return subprocess.run(argv, cwd=self.path, capture_output=True, text=True, errors="replace",
                              env={**os.environ, **env}, timeout=300, check=False)  # fmt: skip


def bomb(forger: Forger, levels: int, width: int) -> tuple[Oid, Digest]:
    """A tree of width**levels files in a few hundred bytes."""
    oid, digest, mode = forger.blob(b""), of_bytes(b""), MODE_FILE
    for _ in range(levels):
        names = [b"f%03d" % i for i in range(width)]
        digest = of_tree(TreeEntry(mode, name, digest) for name in names)
        oid, mode = forger.tree(*((mode, name, oid) for name in names)), MODE_TREE
    return oid, digest


def accepted(forger: Forger, to: Path, *specs: str) -> None:
    done = forger.push(to, *specs)
    assert done.returncode == 0, done.stderr
