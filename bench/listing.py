"""What it costs to ask a remote set of 100,000 versions for one name, over smart HTTP, against git's own `ls-remote`.

The set is made by the suite's own parts and served by `git http-backend` on the loopback, which counts the bytes both ways. Measured
are the list by prefix (unverified), the verified one from a log seen 100 publications ago, and the first verified one.
`LISTING_KEEP` names a directory to keep the made repository in between runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple, cast

from git_atom.atom import objects as making
from git_atom.atom.objects import Bench
from git_atom.core import refnames
from git_atom.core.digest import MODE_FILE, Oid, TreeEntry, atom_id, of_bytes, of_tree
from git_atom.core.statements import Charter, Release
from git_atom.git import written
from git_atom.git.digests import TreeDigests
from git_atom.git.objects import Objects
from git_atom.git.pack import PackWriter
from git_atom.git.repo import Repo, open_at
from git_atom.git.trees import encode_tree
from git_atom.git.written import oid_of
from git_atom.trust import log as logs
from git_atom.trust.keys import HeldKey
from git_atom.trust.primitives import PrivateKey

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/black"))

import servers

NAMES = int(os.environ.get("LISTING_NAMES", "1998"))
EACH, LATER = 50, 100  # versions of each name; publications of one version each, after those
ROUNDS = 9
ROOT = Oid("4abbd2644bc3585e9be95deb277ccf48f6ed26ac")
PERSON = "A U Thor <author@example.org> 1700000000 +0000"


class Held(Objects):
    """Objects of a repository that is being made: in memory until the pack is written."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(repo)
        self.held: dict[str, tuple[str, bytes]] = {}

    def put(self, _: Repo, kind: str, data: bytes) -> Oid:
        oid = oid_of(kind, data)
        self.held[oid] = (kind, data)
        return oid

    def many(self, names: Sequence[str]) -> Iterator[tuple[Oid, str, bytes] | None]:
        for name in names:
            yield (Oid(name), *self.held[name]) if name in self.held else None


def make(path: Path) -> None:
    """The repository: its log, the tag of every version and the atom it names; `early` is the log's head before the later publications."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    subprocess.run(["git", "init", "-q", "--bare", path], check=True)
    repo = open_at(str(path), os.environ)
    objects = Held(repo)
    making.write_loose = written.write_loose = objects.put
    key = HeldKey(PrivateKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"bench").digest())))
    bench = Bench(repo, objects, TreeDigests(objects, None), key, PERSON)
    draft = making.found(bench, Charter(None, "00" * 32, (key.public,), None, ROOT, 0, 1))
    names = [f"package-{i}" for i in range(NAMES)]
    draft = making.claim(bench, draft, names)
    rows: list[tuple[str, Oid, Oid]] = []

    def tag(name: str, minor: int) -> tuple[tuple[str, str], bytes]:
        version, before = f"1.{minor}.0", f"1.{minor - 1}.0" if minor else None
        text = f'[atom]\nid = "{name}"\nversion = "{version}"\ntype = "package"\n'.encode()
        blob = objects.put(repo, "blob", text)
        tree = objects.put(repo, "tree", encode_tree([(MODE_FILE, b"atom.toml", blob)]))
        digest = of_tree([TreeEntry(MODE_FILE, b"atom.toml", of_bytes(text))])
        identifier = atom_id(ROOT, name)
        commit = objects.put(repo, "commit", making.atom_commit(tree, identifier, ROOT, name, name, version))
        release = Release(
            draft.anchor, commit, identifier, of_bytes(text), name, ROOT, name, before, "2023-11-14T22:13:20Z", digest, version
        )  # fmt: skip
        data = making.release_tag(release, bench)
        rows.append((refnames.atom_ref(name, version), objects.put(repo, "tag", data), commit))
        return (name, version), data

    for minor in range(EACH):
        draft = making.publish(bench, draft, dict(tag(name, minor) for name in names))
    early = draft.head
    for name in names[:LATER]:
        draft = making.publish(bench, draft, dict([tag(name, EACH)]))
    with PackWriter(repo) as pack:
        for kind, data in objects.held.values():
            pack.add(kind, data)
        pack.finish()
    # what came in by pushes has deltas, and git looks for none among objects of one pack: as after a server's own maintenance
    subprocess.run(["git", "repack", "-q", "-a", "-d", "-f"], cwd=path, check=True)
    packed = "".join(f"{oid} {ref}\n^{peeled}\n" for ref, oid, peeled in sorted(rows))
    head = f"{early} refs/atoms-log/early\n{draft.head} {refnames.LOG}\n"
    (path / "packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted \n" + head + packed)


class Counted(servers.Backend):
    """The backend with the bytes of all requests and answers counted, heads included."""

    bytes = 0

    def setup(self) -> None:
        super().setup()
        self._taken, self._given = self.rfile, self.wfile
        self.rfile, self.wfile = cast("BufferedIOBase", self), cast("BufferedIOBase", self)

    def __getattr__(self, name: str) -> object:
        return getattr(self._taken, name)

    def read(self, size: int) -> bytes:
        return self._count(self._taken.read(size))

    def readline(self, size: int = -1) -> bytes:
        return self._count(self._taken.readline(size))

    def write(self, data: bytes) -> int:
        return self._given.write(self._count(data))

    def flush(self) -> None:
        self._given.flush()

    @staticmethod
    def _count(data: bytes) -> bytes:
        Counted.bytes += len(data)
        return data


class Cost(NamedTuple):
    """What one call took: milliseconds, bytes on the wire, and what it printed."""

    wall: float
    bytes: int
    out: str


def cost(argv: Sequence[str], home: Path) -> Cost:
    """Run a command as the user who lives in `home`."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
    Counted.bytes = 0
    begin = time.perf_counter()
    done = subprocess.run(argv, env=env, cwd=home, check=True, capture_output=True, text=True)
    return Cost((time.perf_counter() - begin) * 1000, Counted.bytes, done.stdout)


def measure(place: Path, tell: Callable[[str, float, str, float | None], None]) -> None:
    """Every figure, each way in turn so that the machine's moods meet all alike."""
    home, base = place / "home", place / "base"
    home.mkdir()
    with servers.http(place, Counted) as url:
        whole, name = f"{url}/now.git", f"package-{NAMES // 2}"
        (place / "now.git").symlink_to("early.git")
        with Objects(open_at(str(place / "early.git"), os.environ)) as objects:
            anchor = logs.claimed_anchor(objects, objects.read(refnames.LOG)[0])
        cost(["git", "atom", "trust", "add", anchor], home)
        first = cost(["git", "atom", "list", whole, name], home)
        (place / "now.git").unlink()
        (place / "now.git").symlink_to("set.git")
        shutil.copytree(home, base, copy_function=os.link)
        rows: dict[str, list[Cost]] = {"git": [], "prefix": [], "verified": []}
        bare = []
        for _ in range(ROUNDS):
            shutil.rmtree(home)
            shutil.copytree(base, home, copy_function=os.link)
            rows["git"].append(cost(["git", "ls-remote", whole, f"refs/atoms/{name}/*"], home))
            rows["prefix"].append(cost(["git", "atom", "list", "--unverified", whole, name], home))
            rows["verified"].append(cost(["git", "atom", "list", whole, name], home))
            bare.append(cost([sys.executable, "-I", "-c", "pass"], home).wall)
    printed = {key: found[0].out.splitlines() for key, found in rows.items()}
    assert [line.split()[:2] for line in printed["prefix"]] == [line.split()[:2] for line in printed["verified"]]
    assert len(printed["git"]) == 2 * len(printed["verified"])  # ls-remote shows what each tag names, too
    start = statistics.median(bare)
    wall = {key: statistics.median(one.wall for one in found) for key, found in rows.items()}
    sent = {key: statistics.median(one.bytes for one in found) for key, found in rows.items()}
    tell("git ls-remote: median", wall["git"], "ms", None)
    tell("git ls-remote: bytes", sent["git"] / 1024, "KiB", None)
    tell("python3 -I -c pass: median", start, "ms", None)
    tell("by prefix: median", wall["prefix"], "ms", None)
    tell("by prefix: of git's time", wall["prefix"] / wall["git"], "", 0.7)
    tell("by prefix: the same without Python's start", (wall["prefix"] - start) / wall["git"], "", 0.2)
    tell("by prefix: of git's bytes", 100 * sent["prefix"] / sent["git"], "%", 1)
    tell(f"verified, {LATER} publications on: median", wall["verified"], "ms", None)
    tell(f"verified, {LATER} publications on: of git's time", wall["verified"] / wall["git"], "", 1.0)
    tell(f"verified, {LATER} publications on: of git's bytes", 100 * sent["verified"] / sent["git"], "%", 5)
    tell("first verified: bytes a version", first.bytes / (NAMES * EACH), "B", None)
    tell("first verified: time", first.wall / 1000, "s", None)


def main() -> int:
    """Measure and print one line of JSON."""
    figures: list[dict[str, object]] = []

    def tell(what: str, value: float, unit: str, limit: float | None) -> None:
        figures.append({"what": what, "value": round(value, 3), "unit": unit, "limit": limit})

    with tempfile.TemporaryDirectory(prefix="git-atom-bench-") as folder:
        place = Path(folder)
        kept = Path(os.environ.get("LISTING_KEEP") or place / "set.git")
        if not kept.exists():
            make(kept)
        if kept != place / "set.git":
            (place / "set.git").symlink_to(kept)
        _turned_back(kept, place / "early.git")
        measure(place, tell)
    note = f"{NAMES * EACH + LATER} versions in {EACH + LATER} publications, {NAMES} names"
    print(json.dumps({"bench": "listing", "figures": figures, "note": note}))
    return 0


def _turned_back(whole: Path, early: Path) -> None:
    """A repository of the same objects whose log stands where it stood before the later publications."""
    subprocess.run(["git", "init", "-q", "--bare", early], check=True)
    (early / "objects/info/alternates").write_text(f"{whole}/objects\n")
    oid = subprocess.run(
        ["git", "rev-parse", "refs/atoms-log/early"], cwd=whole, check=True, capture_output=True
    ).stdout
    subprocess.run(["git", "update-ref", refnames.LOG, oid.decode().strip()], cwd=early, check=True)


if __name__ == "__main__":
    sys.exit(main())
