"""What benchmarks of sets stand on: a repository in which a set grows, made by the suite's own parts, and clocks for commands in it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_atom.atom import objects as making
from git_atom.atom.objects import Bench, Draft
from git_atom.core import refnames
from git_atom.core.digest import MODE_FILE, Oid, TreeEntry, atom_id, of_bytes, of_tree
from git_atom.core.statements import Charter, Release
from git_atom.git.digests import TreeDigests
from git_atom.git.objects import Objects
from git_atom.git.repo import open_at
from git_atom.git.trees import encode_tree
from git_atom.git.written import write_loose
from git_atom.trust import log as logs
from git_atom.trust.keys import HeldKey
from git_atom.trust.primitives import PrivateKey

ROOT = Oid("4abbd2644bc3585e9be95deb277ccf48f6ed26ac")
ZERO = "0" * 40
PERSON = "A U Thor <author@example.org> 1700000000 +0000"
TIME = "2023-11-14T22:13:20Z"


def private_key() -> PrivateKey:
    """The key of every benchmark's user."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return PrivateKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"bench").digest()))


def user(place: Path) -> dict[str, str]:
    """The environment of a user who lives in this directory and signs with a key file there."""
    private = private_key()
    (place / "key").write_bytes(private.file_bytes())
    (place / "key").chmod(0o600)
    (place / "key.pub").write_text(private.public.line + "\n")
    (place / "allowed").write_text(f"author@example.org {private.public.line}\n")
    (place / ".gitconfig").write_text(
        "[user]\n\tname = A U Thor\n\temail = author@example.org\n"
        f'\tsigningKey = {place}/key.pub\n[gpg]\n\tformat = ssh\n[gpg "ssh"]\n\tallowedSignersFile = {place}/allowed\n'
    )
    return {"PATH": os.environ["PATH"], "HOME": str(place), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}


class Grown:
    """A bare repository in which a set grows, with the home of the user who owns it.

    Everything is written as the suite writes it, except that whoever wants many steps in one pack says so (`git.written.one_pack`).
    """

    def __init__(self, place: Path, root: Oid = ROOT) -> None:
        self.path = place / "server.git"
        self.env = user(place)
        subprocess.run(["git", "init", "-q", "--bare", self.path], env=self.env, check=True)
        self.repo = open_at(str(self.path), self.env)
        self.objects = Objects(self.repo)
        key = HeldKey(private_key())
        self.bench = Bench(self.repo, self.objects, TreeDigests(self.objects, None), key, PERSON)
        self.root = root
        self.draft = making.found(self.bench, Charter(None, "00" * 32, (key.public,), None, root, 0, 1))
        self.old = ZERO

    def trust(self) -> None:
        """Have the user trust the set."""
        subprocess.run(["git", "config", "--global", "atom.trustedAnchor", self.draft.anchor], env=self.env, check=True)

    def release(self, name: str, version: str, previous: str | None) -> Release:
        """An atom of two files, written, and its release."""
        text = f'[atom]\nid = "{name}"\nversion = "{version}"\ntype = "package"\n'.encode()
        code = f"/* {name} {version} */\n".encode()
        rows = [(MODE_FILE, b"atom.toml", text), (MODE_FILE, b"source.c", code)]
        oids = [(mode, file, write_loose(self.repo, "blob", data)) for mode, file, data in rows]
        tree = write_loose(self.repo, "tree", encode_tree(oids))
        digest = of_tree(TreeEntry(mode, file, of_bytes(data)) for mode, file, data in rows)
        identifier = atom_id(self.root, name)
        commit = write_loose(self.repo, "commit", making.atom_commit(tree, identifier, self.root, name, name, version))
        return Release(
            self.draft.anchor, commit, identifier, of_bytes(text), name, self.root, name, previous, TIME, digest, version
        )  # fmt: skip

    def claim(self, names: Sequence[str]) -> None:
        """One entry that claims names."""
        self.draft = making.claim(self.bench, self.draft, names)

    def publish(self, releases: Iterable[tuple[str, str, str | None]]) -> list[str]:
        """One entry that publishes (name, version, previous); the lines of the push."""
        tags = {
            (n, version): making.release_tag(self.release(n, version, before), self.bench)
            for n, version, before in releases
        }
        self.draft = making.publish(self.bench, self.draft, tags)
        lines = [
            f"{ZERO} {write_loose(self.repo, 'tag', tag)} {refnames.atom_ref(*pair)}\n" for pair, tag in tags.items()
        ]
        return [*lines, f"{self.old} {self.draft.head} {refnames.LOG}\n"]

    def resume(self) -> None:
        """Go on from where a command left the log."""
        ref = subprocess.run(
            ["git", "rev-parse", refnames.LOG], cwd=self.path, env=self.env, capture_output=True, check=True
        )
        log = logs.remembered(self.objects, Oid.parse(ref.stdout.decode().strip())).value
        self.draft, self.old = Draft(log.anchor, log.head, log.tree, log.seq, log.message), str(log.head)

    def accept(self, lines: Sequence[str]) -> None:
        """Move the refs, and pack them."""
        text = "".join(f"update {ref} {new} {old}\n" for old, new, ref in (line.split() for line in lines))
        subprocess.run(["git", "update-ref", "--stdin"], env=self.repo.env, input=text, text=True, check=True)
        if len(lines) > 100:
            subprocess.run(["git", "pack-refs", "--all"], env=self.repo.env, check=True)
        self.old = str(self.draft.head)


class Cost(NamedTuple):
    """What a command took: seconds, CPU seconds of it and all below it, greatest resident memory in MiB of any one process, its output."""

    wall: float
    cpu: float
    memory: float
    out: bytes


_WATCH = """
import resource, subprocess, sys, time
begin = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)
wall = time.perf_counter() - begin
use = resource.getrusage(resource.RUSAGE_CHILDREN)
print(wall, use.ru_utime + use.ru_stime, use.ru_maxrss / 1024, file=sys.stderr)
sys.stdout.buffer.write(done.stdout)
sys.exit(done.returncode)
"""


def cost(argv: Sequence[str], env: Mapping[str, str], cwd: Path, text: str = "") -> Cost:
    """Run a command that must succeed, from a small process, so that what it takes is its own."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", _WATCH, *argv], cwd=cwd, env=dict(env), input=text.encode(), capture_output=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(argv[:8])} failed\n{done.stderr.decode(errors='replace')[-2000:]}")
    wall, cpu, memory = done.stderr.decode().splitlines()[-1].split()
    return Cost(float(wall), float(cpu), float(memory), done.stdout)


def atom(*words: str) -> list[str]:
    """The argument vector of `git atom`, by the interpreter at hand."""
    return [sys.executable, "-I", "-m", "git_atom.cli.main", *words]


def bare() -> float:
    """Milliseconds of the interpreter's own start."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
    return (time.perf_counter() - begin) * 1000
