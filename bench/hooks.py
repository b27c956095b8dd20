"""What a push waits for: the pre-receive hook on one new atom, and on 10,000 of them, in time and memory.

The set is made by the suite's own parts in a bare repository; the hook is called as git calls it, with the pushed objects in a
directory of their own beside those of the server. Judged are a first push into a set that has no versions, one into a set that has
10,000, and 10,000 at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from git_atom.atom import objects as making
from git_atom.atom.objects import Bench
from git_atom.core import refnames
from git_atom.core.digest import MODE_FILE, Oid, TreeEntry, atom_id, of_bytes, of_tree
from git_atom.core.statements import Charter, Release
from git_atom.git.digests import TreeDigests
from git_atom.git.objects import Objects, encode_tree, write_loose
from git_atom.git.repo import open_at
from git_atom.trust.keys import HeldKey
from git_atom.trust.primitives import PrivateKey

MANY = int(os.environ.get("HOOKS_MANY", "10000"))
ROUNDS = 15
ROOT = Oid("4abbd2644bc3585e9be95deb277ccf48f6ed26ac")
ZERO = "0" * 40
PERSON = "A U Thor <author@example.org> 1700000000 +0000"


class Server:
    """A bare repository in which a set grows; every step returns the lines that git would hand to the hook."""

    def __init__(self, place: Path) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self.path = place / "server.git"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(place), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
        subprocess.run(["git", "init", "-q", "--bare", self.path], env=self.env, check=True)
        self.repo = open_at(str(self.path), self.env)
        self.objects = Objects(self.repo)
        key = HeldKey(PrivateKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"bench").digest())))
        self.bench = Bench(self.repo, self.objects, TreeDigests(self.objects, None), key, PERSON)
        self.draft = making.found(self.bench, Charter(None, "00" * 32, (key.public,), None, ROOT, 0, 1))
        self.old = ZERO

    def release(self, name: str, version: str, previous: str | None) -> Release:
        text = f'[atom]\nid = "{name}"\nversion = "{version}"\ntype = "package"\n'.encode()
        code = f"/* {name} {version} */\n".encode()
        rows = [(MODE_FILE, b"atom.toml", text), (MODE_FILE, b"source.c", code)]
        oids = [(mode, file, write_loose(self.repo, "blob", data)) for mode, file, data in rows]
        tree = write_loose(self.repo, "tree", encode_tree(oids))
        digest = of_tree(TreeEntry(mode, file, of_bytes(data)) for mode, file, data in rows)
        identifier = atom_id(ROOT, name)
        commit = write_loose(self.repo, "commit", making.atom_commit(tree, identifier, ROOT, name, name, version))
        return Release(
            self.draft.anchor, commit, identifier, of_bytes(text), name, ROOT, name, previous, "2023-11-14T22:13:20Z", digest, version
        )  # fmt: skip

    def claim(self, names: list[str]) -> None:
        self.draft = making.claim(self.bench, self.draft, names)

    def publish(self, names: list[str], version: str, previous: str | None) -> list[str]:
        """Publish names in one version; the lines of the push."""
        tags = {(n, version): making.release_tag(self.release(n, version, previous), self.bench) for n in names}
        self.draft = making.publish(self.bench, self.draft, tags)
        lines = [
            f"{ZERO} {write_loose(self.repo, 'tag', tag)} {refnames.atom_ref(*pair)}\n" for pair, tag in tags.items()
        ]
        return [*lines, f"{self.old} {self.draft.head} {refnames.LOG}\n"]

    def pack(self) -> None:
        """Objects as a push leaves them: in a pack."""
        names = [p.parent.name + p.name for p in (self.path / "objects").glob("??/*")]
        text = "\n".join(names) + "\n"
        argv = ["git", "pack-objects", "-q", "--window=0", str(self.path / "objects/pack/pack")]
        subprocess.run(argv, env=self.repo.env, input=text, text=True, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["git", "prune-packed", "-q"], env=self.repo.env, check=True)

    def accept(self, lines: list[str]) -> None:
        """Move the refs."""
        text = "".join(f"update {ref} {new} {old}\n" for old, new, ref in (line.split() for line in lines))
        subprocess.run(["git", "update-ref", "--stdin"], env=self.repo.env, input=text, text=True, check=True)
        self.old = str(self.draft.head)

    def hook(self, lines: list[str]) -> tuple[float, int]:
        """Milliseconds and greatest resident memory (KiB, of any one process) of the hook on these lines; it must accept."""
        argv = [sys.executable, "-I", "-m", "git_atom.cli.main", "hooks", "run", "pre-receive"]
        env = self.env | {"GIT_DIR": "."}
        usage = (
            "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
        )
        begin = time.perf_counter()
        subprocess.run(argv, cwd=self.path, env=env, input="".join(lines), text=True, check=True)
        wall = (time.perf_counter() - begin) * 1000
        if len(lines) < 100:
            return wall, 0
        done = subprocess.run(
            [sys.executable, "-I", "-c", usage, *argv], cwd=self.path, env=env, input="".join(lines), text=True, check=True,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        return wall, int(done.stdout)


def main() -> int:
    """Measure and print one line of JSON."""
    figures: list[dict[str, object]] = []

    def tell(what: str, value: float, unit: str, limit: float | None) -> None:
        figures.append({"what": what, "value": round(value, 1), "unit": unit, "limit": limit})

    with tempfile.TemporaryDirectory(prefix="git-atom-bench-") as place:
        server = Server(Path(place))
        server.claim(["first"])
        lines = server.publish(["first"], "1.0.0", None)
        tell("python3 -I -c pass", statistics.median(bare() for _ in range(ROUNDS)), "ms", None)
        tell("founding and 1 atom: median", statistics.median(server.hook(lines)[0] for _ in range(ROUNDS)), "ms", 150)
        server.accept(lines)
        lines = server.publish(["first"], "1.1.0", "1.0.0")
        tell("1 atom, set of 1: median", statistics.median(server.hook(lines)[0] for _ in range(ROUNDS)), "ms", 150)
        server.accept(lines)
        names = [f"package-{i}" for i in range(MANY)]
        server.claim(names)
        lines = server.publish(names, "1.0.0", None)
        server.pack()
        wall, memory = server.hook(lines)
        tell(f"{MANY} atoms, their names claimed in the same push", wall / 1000, "s", 10)
        tell("  memory", memory / 1024, "MiB", 300)
        server.accept(lines)
        lines = server.publish(names, "1.1.0", "1.0.0")
        server.pack()
        wall, memory = server.hook(lines)
        tell(f"{MANY} atoms, names claimed before", wall / 1000, "s", 10)
        tell("  memory", memory / 1024, "MiB", 300)
        server.accept(lines)
        lines = server.publish(["first"], "1.2.0", "1.1.0")
        tell(f"1 atom, set of {2 * MANY}: first", server.hook(lines)[0], "ms", None)
        tell(
            f"1 atom, set of {2 * MANY}: median",
            statistics.median(server.hook(lines)[0] for _ in range(ROUNDS)),
            "ms",
            150,
        )
    print(json.dumps({"bench": "hooks", "figures": figures, "note": f"loose objects for one, a pack for {MANY}"}))
    return 0


def bare() -> float:
    """Milliseconds of the interpreter's own start."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
    return (time.perf_counter() - begin) * 1000


if __name__ == "__main__":
    sys.exit(main())
