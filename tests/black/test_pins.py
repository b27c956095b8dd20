"""Pins: any git repository at a ref, locked to commit and tree digest, over real servers; what it may not hold, and what a build gets of it."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import servers
from conftest import Scene
from projects import Run, commit, rev
from test_build import atom, built
from test_lock import atom as bare_atom

pytestmark = pytest.mark.slow
STORE = ".local/share/git-atom/store.git"


class Upstream:
    """A repository that is no atom, with a branch, an annotated tag and some files; and where it is served."""

    def __init__(self, run: Run, place: Path) -> None:
        self._run, self.work, self.bare = run, place / "up", place / "served/up.git"
        run("git", "init", "-q", "-b", "main", self.work, cwd=place)
        (self.work / "certs/deep").mkdir(parents=True)
        (self.work / "certs/a.pem").write_text("A\n")
        (self.work / "certs/deep/b.pem").write_text("B\n")
        (self.work / "run.sh").write_text("#!/bin/sh\necho hello\n")
        os.chmod(self.work / "run.sh", 0o755)
        os.symlink("run.sh", self.work / "link")
        self.first = self.commit("first")
        run("git", "tag", "-am", "of 2025", "2025", cwd=self.work)
        run("git", "clone", "-q", "--bare", self.work, self.bare, cwd=place)

    def commit(self, text: str) -> str:
        (self.work / "README").write_text(text + "\n")
        return commit(self._run, self.work, text)

    def push(self, *specs: str) -> None:
        self._run("git", "push", "-q", "-f", self.bare, *specs, cwd=self.work)


@pytest.fixture
def up(home: Path, run: Run) -> Upstream:
    return Upstream(run, home)


@pytest.fixture
def url(up: Upstream) -> Iterator[str]:
    with servers.http(up.bare.parent) as base:
        yield f"{base}/up.git"


def pin(url: str | Path, ref: str = "2025", entry: str = "", name: str = "certs") -> str:
    return f'[pins.{name}]\ngit = "{url}"\nref = "{ref}"\n' + (f'entry = "{entry}"\n' if entry else "")


def locked(home: Path) -> dict[str, str]:
    """The fields of the first pin of the lock."""
    text = (home / "a/atom.lock").read_text().split("[[pins]]\n")[1].split("\n\n")[0]
    return {key: value.strip('"') for key, value in (line.split(" = ") for line in text.strip().splitlines())}


# ---- locking ---------------------------------------------------------------------------------------------------------------


def test_a_pin_is_locked_to_commit_and_tree(home: Path, run: Run, up: Upstream, url: str) -> None:
    bare_atom(home / "a", "a", more=pin(url))
    done = run("git", "atom", "lock", "a")
    assert f"+ pin certs {up.first[:12]}" in done.stdout + done.stderr
    first = (home / "a/atom.lock").read_bytes()
    assert locked(home) == {
        "name": "certs", "git": url, "ref": "2025", "commit": up.first, "tree": locked(home)["tree"]
    }  # fmt: skip
    ref = f"refs/pins/{up.first}/{locked(home)['tree'].removeprefix('blake3:')}"
    assert rev(run, home / STORE, f"{ref}^{{tree}}") == rev(run, up.work, f"{up.first}^{{tree}}")
    # nothing but the tree came into the store, and the store is whole
    assert run("git", "cat-file", "-e", up.first, cwd=home / STORE, status=1)
    assert run("git", "rev-list", "--count", ref, cwd=home / STORE).stdout.strip() == "1"
    run("git", "fsck", "--strict", "--no-dangling", cwd=home / STORE)
    # again, and from nothing, the same bytes; what is locked needs no network
    run("git", "atom", "lock", "a", "--locked", "--offline")
    run("git", "atom", "lock", "a", "--frozen")
    (home / "a/atom.lock").unlink()
    shutil.rmtree(home / STORE)
    run("git", "atom", "lock", "a")
    assert (home / "a/atom.lock").read_bytes() == first


@pytest.mark.parametrize("ref", ["2025", "refs/tags/2025", "main", "refs/heads/main", "HEAD", "id"])
def test_forms_of_a_ref(home: Path, run: Run, up: Upstream, url: str, ref: str) -> None:
    bare_atom(home / "a", "a", more=pin(url, up.first if ref == "id" else ref))
    run("git", "atom", "lock", "a")
    assert locked(home)["commit"] == up.first


def test_an_entry_is_a_directory_or_a_file(home: Path, run: Run, up: Upstream, url: str) -> None:
    trees = {}
    for entry in ("", "certs", "./certs/", "certs/deep/b.pem", "run.sh"):
        bare_atom(home / "a", "a", more=pin(url, entry=entry))
        run("git", "atom", "lock", "a")
        trees[entry] = locked(home)["tree"]
        assert locked(home).get("entry", "") == entry
    assert trees["certs"] == trees["./certs/"] and len(set(trees.values())) == 4
    run("git", "fsck", "--strict", "--no-dangling", cwd=home / STORE)
    # another entry of the same commit is another pin
    bare_atom(home / "a", "a", more=pin(url, entry="certs"))
    done = run("git", "atom", "lock", "a", "--frozen", status=1)
    assert "pin 'certs' is of another repository, ref or entry than the locked one" in done.stderr
    for entry in ("nothing", "certs/a.pem/x", "link"):
        bare_atom(home / "a", "a", more=pin(url, entry=entry))
        done = run("git", "atom", "lock", "a", status=7)
        assert "ATOM-8726" in done.stderr and "a/atom.toml:7" in done.stderr


def test_a_branch_and_a_tag_of_one_name(home: Path, run: Run, up: Upstream, url: str) -> None:
    new = up.commit("second")
    up.push("HEAD:refs/heads/2025")
    bare_atom(home / "a", "a", more=pin(url))
    done = run("git", "atom", "lock", "a", status=5)
    assert "ATOM-8722" in done.stderr and new in done.stderr and up.first in done.stderr
    assert "name it wholly, 'refs/tags/2025'" in done.stderr and not (home / "a/atom.lock").exists()
    bare_atom(home / "a", "a", more=pin(url, "refs/heads/2025"))
    run("git", "atom", "lock", "a")
    assert locked(home)["commit"] == new


def test_what_is_not_there(home: Path, run: Run, up: Upstream, url: str) -> None:
    for ref, hint in (
        ("2026", "did you mean '2025'?"),
        ("maim", "did you mean 'main'?"),
        (up.first[:10], "git ls-remote"),
    ):
        bare_atom(home / "a", "a", more=pin(url, ref))
        done = run("git", "atom", "lock", "a", status=3)
        assert "ATOM-8721" in done.stderr and hint in done.stderr and "a/atom.toml:6" in done.stderr
    for git, ref in ((url.replace("up.git", "none.git"), "2025"), (url, "0" * 40)):
        bare_atom(home / "a", "a", more=pin(git, ref))
        assert "ATOM-2011" in run("git", "atom", "lock", "a", status=6).stderr
    blob = run("git", "hash-object", "-w", "README", cwd=up.work).stdout.strip()
    up.push(f"{blob}:refs/tags/blob")
    bare_atom(home / "a", "a", more=pin(url, "blob"))
    assert "ATOM-8723" in run("git", "atom", "lock", "a", status=7).stderr
    bare_atom(home / "a", "a", more=pin(url))
    done = run("git", "atom", "lock", "a", "--offline", status=6)
    assert "ATOM-8720" in done.stderr and not (home / "a/atom.lock").exists()


def test_the_ref_moves_and_the_pin_stays(home: Path, run: Run, up: Upstream, url: str) -> None:
    bare_atom(home / "a", "a", more=pin(url, "main"))
    run("git", "atom", "lock", "a")
    here = home / "a"
    assert run("git", "atom", "outdated", cwd=here).stdout == ""
    new = up.commit("second")
    up.push("main")
    assert not json.loads(run("git", "atom", "lock", "--json", cwd=here).stdout)["changes"]
    done = run("git", "atom", "outdated", cwd=here)
    assert done.stdout.strip() == f"certs {up.first[:12]} -> {new[:12]}, newest {new[:12]}"
    assert run("git", "atom", "outdated", "--offline", cwd=here).stdout == ""
    done = run("git", "atom", "update", "nothing", cwd=here, status=1)
    assert "it has certs" in done.stderr
    done = run("git", "atom", "update", "--offline", "certs", cwd=here, status=6)
    assert "ATOM-8720" in done.stderr and "is not locked" not in done.stderr and "without --offline" in done.stderr
    assert up.first[:12] in run("git", "atom", "update", "-n", "certs", cwd=here).stderr
    assert locked(home)["commit"] == up.first
    done = run("git", "atom", "update", "certs", cwd=here)
    assert f"~ pin certs {up.first[:12]} -> {new[:12]}" in done.stdout + done.stderr and locked(home)["commit"] == new
    run("git", "update-ref", "-d", "refs/heads/main", cwd=up.bare)
    assert "there is no 'main' any more" in run("git", "atom", "outdated", cwd=here).stdout


def test_an_annotated_tag_is_not_outdated_by_itself(home: Path, run: Run, up: Upstream, url: str) -> None:
    bare_atom(home / "a", "a", more=pin(url))
    for git in (url, up.bare, f"file://{up.bare}"):
        bare_atom(home / "a", "a", more=pin(git))
        run("git", "atom", "lock", "a")
        assert run("git", "atom", "outdated", cwd=home / "a").stdout == ""


def test_tree_and_why(home: Path, run: Run, up: Upstream, url: str) -> None:
    bare_atom(home / "a", "a", more=pin(url))
    run("git", "atom", "lock", "a")
    assert run("git", "atom", "tree", cwd=home / "a").stdout.splitlines()[1].rstrip() == f"└── certs {up.first[:12]}"
    (row,) = json.loads(run("git", "atom", "tree", "certs", "--json", cwd=home / "a").stdout)["items"]
    assert row["name"] == "certs"
    done = run("git", "atom", "why", "certs", cwd=home / "a")
    assert done.stdout.strip() == f"a 1.0.0 -> certs {up.first[:12]} (2025)"


# ---- servers ---------------------------------------------------------------------------------------------------------------


def test_over_ssh(home: Path, run: Run, up: Upstream) -> None:
    (home / "sshd").mkdir()
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "sshd/user")
    public = (home / "sshd/user.pub").read_text().strip()
    shutil.rmtree(home / "sshd")
    with servers.ssh(home / "sshd", [public], os.environ["PATH"]) as (port, command):
        user = (home / "sshd/user.pub").read_text().strip()
        (home / "sshd/keys").write_text(user + "\n")
        name = (home / "sshd/passwd").read_text().split(":")[0]
        bare_atom(home / "a", "a", more=pin(f"ssh://{name}@127.0.0.1:{port}{up.bare}"))
        run("git", "atom", "lock", "a", GIT_SSH_COMMAND=command)
    assert locked(home)["commit"] == up.first


def test_a_server_without_smart_http_gives_all_of_it(home: Path, run: Run, up: Upstream) -> None:
    """Plain files (gitprotocol-http(5), dumb): no shallow fetch and no commit by id, yet the same lock, and the same files again."""
    up.commit("second")
    up.push("main")
    run("git", "update-server-info", cwd=up.bare)
    root = str(up.bare.parent)

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=root)  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    bare_atom(home / "a", "a", more=pin(f"http://127.0.0.1:{server.server_address[1]}/up.git"))
    try:
        run("git", "atom", "lock", "a")
    finally:
        server.shutdown()
        server.server_close()
    assert locked(home)["commit"] == up.first
    run("git", "fsck", "--strict", "--no-dangling", cwd=home / STORE)


def test_a_repository_of_another_object_format_is_refused_by_name(home: Path, run: Run) -> None:
    run("git", "init", "-q", "--object-format=sha256", home / "new")
    (home / "new/x").write_text("x")
    commit(run, home / "new")
    bare_atom(home / "a", "a", more=pin(home / "new", "HEAD"))
    done = run("git", "atom", "lock", "a", status=6)
    assert "ATOM-2005" in done.stderr and "is a sha256 repository" in done.stderr


def test_limits_hold_for_pins(home: Path, run: Run, up: Upstream, url: str) -> None:
    (up.work / "large").write_bytes(os.urandom(3 << 20))
    up.commit("large")
    up.push("main")
    run("git", "config", "--global", "atom.maxFetchSize", "1m")
    bare_atom(home / "a", "a", more=pin(url, "main"))
    assert "ATOM-2023" in run("git", "atom", "lock", "a", status=7).stderr
    bare_atom(home / "a", "a", more=pin(url))  # its positive control: the commit before is small
    run("git", "atom", "lock", "a")
    assert not os.listdir(home / STORE / "incoming")


# ---- what a pin may not hold ----------------------------------------------------------------------------------------------


def test_what_no_atom_may_hold_no_pin_may(home: Path, run: Run, up: Upstream, url: str) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
    (up.work / "certs/big.bin").write_text(pointer)
    up.commit("pointer")
    up.push("HEAD:refs/heads/lfs")
    run("git", "update-index", "--add", "--cacheinfo", f"160000,{up.first},sub", cwd=up.work)
    run("git", "rm", "-q", "--cached", "certs/big.bin", cwd=up.work)
    run("git", "commit", "-qm", "submodule", cwd=up.work)
    up.push("HEAD:refs/heads/sub")
    for ref, code, words in (
        ("lfs", "8054", "'certs/big.bin' is a pointer of Git LFS"),
        ("sub", "1004", "path 'sub' is a submodule"),
    ):
        bare_atom(home / "a", "a", more=pin(url, ref))
        done = run("git", "atom", "lock", "a", status=7)
        assert f"ATOM-{code}" in done.stderr and words in done.stderr and not (home / "a/atom.lock").exists()
        bare_atom(home / "a", "a", more=pin(url, ref, "certs/deep"))  # its positive control: what is pinned has none
        run("git", "atom", "lock", "a")
        (home / "a/atom.lock").unlink()


def test_no_transport_that_runs_programs_and_no_credentials(home: Path, run: Run, up: Upstream, url: str) -> None:
    bare_atom(home / "a", "a", more=pin("ext::sh -c true"))
    assert "ATOM-1014" in run("git", "atom", "lock", "a", status=7).stderr
    bare_atom(home / "a", "a", more=pin("http://me:secret@127.0.0.1/x"))
    done = run("git", "atom", "lock", "a", status=7)
    assert "ATOM-1024" in done.stderr and "secret" not in done.stderr


# ---- publishing ------------------------------------------------------------------------------------------------------------


def test_a_pin_of_this_machine_is_not_published(home: Path, run: Run, atom: Path, up: Upstream, url: str) -> None:
    for git, status in ((str(up.bare), 128), (f"file://{up.bare}", 128), (url, 0)):
        bare_atom(atom / "b", "b", more=pin(git))
        run("git", "atom", "lock", "b", cwd=atom)
        commit(run, atom)
        done = run("git", "atom", "publish", "b", cwd=atom, status=status)
        assert ("ATOM-8055" in done.stderr) == bool(status)


# ---- building --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pinning(scene: Scene) -> Iterator[tuple[Scene, Upstream, str]]:
    """A scene with an atom that copies its pins out, and the repository they are of."""
    up = Upstream(scene.run, scene.home)
    with servers.http(up.bare.parent) as base:
        yield scene, up, f"{base}/up.git"


COPY = '\nrun = ["mkdir -p ${out}/etc", "cp -r /build/certs /build/one ${out}/etc/", "pwd >${out}/etc/pwd"]\n'


def test_a_build_is_given_what_is_pinned(pinning: tuple[Scene, Upstream, str]) -> None:
    scene, up, url = pinning
    folder = atom(scene, "user", {"own": ""}, pin(url, entry="certs") + pin(url, entry="run.sh", name="one"), COPY)
    assert "has no lock" in scene.run("git", "build", "user", status=128).stderr
    scene.run("git", "atom", "lock", "user")
    assert built(scene, "user", "-o", scene.home / "out") == {"user": "built"}
    out = scene.home / "out/etc"
    assert (out / "certs/a.pem").read_text() == "A\n" and (out / "certs/deep/b.pem").read_text() == "B\n"
    assert os.access(out / "one/run.sh", os.X_OK) and (out / "pwd").read_text() == "/build/atom\n"
    trees = re.findall(r'^tree = "(.*)"$', (folder / "atom.lock").read_text().partition("[[toolchains]]")[0], re.M)
    materials = scene.document("git", "build", "show", "user")["materials"]
    assert [materials["pin certs"], materials["pin one"]] == trees
    assert built(scene, "user") == {"user": "cached"}
    # the ref moves to a commit that holds the same at the entry: another commit, the same action
    new = up.commit("second")
    scene.run("git", "tag", "-fam", "moved", "2025", cwd=up.work)
    up.push("refs/tags/2025")
    scene.run("git", "atom", "update", "certs", "one", cwd=folder)
    assert new in (folder / "atom.lock").read_text() and built(scene, "user") == {"user": "cached"}
    (up.work / "certs/a.pem").write_text("changed\n")
    up.commit("third")
    scene.run("git", "tag", "-fam", "moved", "2025", cwd=up.work)
    up.push("refs/tags/2025")
    scene.run("git", "atom", "update", "certs", cwd=folder)
    assert built(scene, "user") == {"user": "built"}


def test_a_build_brings_what_the_store_lacks_and_believes_only_the_lock(pinning: tuple[Scene, Upstream, str]) -> None:
    scene, up, url = pinning
    folder = atom(
        scene, "user", {}, pin(url, "main", "certs", "src"), '\nrun = ["mkdir -p ${out}", "cp a.pem ${out}/"]\n'
    )
    scene.run("git", "atom", "lock", "user")
    text = (folder / "atom.lock").read_text()

    def forget() -> None:
        scene.unbuild()
        for ref in scene.run("git", "for-each-ref", "--format=%(refname)", "refs/pins", cwd=scene.store).stdout.split():
            scene.run("git", "update-ref", "-d", ref, cwd=scene.store)

    new = up.commit("second")
    up.push("main")
    forget()
    assert built(scene, "user", "-o", scene.home / "out") == {"user": "built"}  # by its id, the ref being elsewhere now
    assert (scene.home / "out/a.pem").read_text() == "A\n"
    # a lock that names another commit than the one with that tree, or another tree
    (up.work / "certs/a.pem").write_text("changed\n")
    other = up.commit("third")
    up.push("main")
    (folder / "atom.lock").write_text(text.replace(up.first, other))
    scene.unbuild()
    assert "ATOM-8725" in scene.run("git", "build", "user", status=2).stderr
    (folder / "atom.lock").write_text(text.replace(up.first, new))  # its positive control: the same files
    assert built(scene, "user") == {"user": "built"}
    # history rewritten, the commit thrown away
    scene.run("git", "checkout", "-q", "--orphan", "fresh", cwd=up.work)
    up.commit("anew")
    up.push("HEAD:main", ":refs/tags/2025")
    scene.run("git", "reflog", "expire", "--expire=now", "--all", cwd=up.bare)
    scene.run("git", "gc", "-q", "--prune=now", cwd=up.bare)
    (folder / "atom.lock").write_text(text)
    forget()
    done = scene.run("git", "build", "user", status=6)
    assert "ATOM-8724" in done.stderr and "git atom update src" in done.stderr
