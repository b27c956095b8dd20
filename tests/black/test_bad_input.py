"""What can be wrong around a command: the exit code and the message of the contract, nothing half-written, and the same command works once the cause is gone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import oracle
import pytest
from conftest import SMALL, Scene, isolated
from oracle import message
from projects import Run, commit

pytestmark = pytest.mark.slow
HERE = Path(__file__).resolve().parent
MANIFEST = '[atom]\nid = "tiny"\nversion = "1.0.0"\ntype = "package"\n'


def possible(*flags: str) -> bool:
    return subprocess.run([*isolated(*flags), "true"], capture_output=True).returncode == 0


@pytest.fixture
def simple(project: Path, key: Path, run: Run) -> Path:
    """A project with a set and one committed atom without a toolchain."""
    (project / "tiny").mkdir()
    (project / "tiny/atom.toml").write_text(MANIFEST)
    commit(run, project)
    run("git", "atom", "init", cwd=project)
    return project


# ---- the repository --------------------------------------------------------------------------------------------------


def test_not_a_repository(tmp_path: Path, run: Run, key: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    for argv in (["init"], ["publish"], ["list"]):
        message(run("git", "atom", *argv, cwd=place, status=128).stderr, "ATOM-2003", "hint: git init")
    assert os.listdir(place) == []
    run("git", "init", "-q", place)
    (place / "x").write_text("x")
    commit(run, place)
    run("git", "atom", "init", cwd=place)


def test_no_commits(home: Path, run: Run, key: Path) -> None:
    place = home / "new"
    run("git", "init", "-q", place)
    before = oracle.state(place)
    for argv in (["init"], ["publish"]):
        message(run("git", "atom", *argv, cwd=place, status=128).stderr, "ATOM-2006", "hint: git add . && git commit")
    assert oracle.state(place) == before
    commit(run, place)
    run("git", "atom", "init", cwd=place)


def test_shallow_clone(project: Path, home: Path, run: Run, key: Path) -> None:
    commit(run, project)
    place = home / "shallow"
    run("git", "clone", "-q", "--depth=1", f"file://{project}", place)
    before = oracle.state(place, home / ".gitconfig")
    message(run("git", "atom", "init", cwd=place, status=128).stderr, "ATOM-2007", "hint: git fetch --unshallow")
    assert oracle.state(place, home / ".gitconfig") == before
    run("git", "fetch", "-q", "--unshallow", cwd=place)
    run("git", "atom", "init", cwd=place)


def test_dirty_tree_publishes_what_is_committed_and_says_so(simple: Path, run: Run) -> None:
    (simple / "tiny/atom.toml").write_text(MANIFEST.replace("1.0.0", "9.9.9"))
    (simple / "tiny/new.c").write_text("x")
    status = run("git", "status", "--porcelain", cwd=simple).stdout
    done = run("git", "atom", "publish", "tiny", cwd=simple)
    assert "note: there are uncommitted changes" in done.stderr and done.stdout.startswith("tiny 1.0.0 ")
    assert run("git", "status", "--porcelain", cwd=simple).stdout == status
    assert run("git", "ls-tree", "--name-only", "refs/atoms/tiny/1.0.0", cwd=simple).stdout == "atom.toml\n"


def test_no_signing_key(project: Path, home: Path, run: Run) -> None:
    before = oracle.state(project, home / ".gitconfig")
    told = run("git", "atom", "init", cwd=project, status=128).stderr
    message(told, "ATOM-3005", "hint: ssh-keygen -t ed25519", "hint: git config --global user.signingKey")
    assert oracle.state(project, home / ".gitconfig") == before
    (home / ".ssh").mkdir(mode=0o700)  # ssh-keygen makes the one of the account, not that of HOME
    for line in told.splitlines():  # the hints are the way out, as they stand
        if line.startswith("hint: ssh-keygen"):
            run("sh", "-c", line.removeprefix("hint: ") + " -N '' -q")
        elif line.startswith("hint: git "):
            run("sh", "-c", line.removeprefix("hint: "))
    run("git", "atom", "init", cwd=project)


def test_no_signing_key_any_more(simple: Path, home: Path, run: Run) -> None:
    (home / ".ssh").rename(home / "away")
    before = oracle.state(simple)
    told = run("git", "atom", "publish", "tiny", cwd=simple, status=128).stderr
    message(told, re.search(r"ATOM-\d+", told)[0], "hint: ")  # type: ignore[index]
    assert oracle.state(simple) == before
    (home / "away").rename(home / ".ssh")
    run("git", "atom", "publish", "tiny", cwd=simple)


# ---- the manifest ----------------------------------------------------------------------------------------------------


def test_malformed_manifest_tells_all_at_once(simple: Path, run: Run) -> None:
    (simple / "tiny/atom.toml").write_text(
        '[atom]\nid = "A B"\nversion = "1"\ntyp = "package"\n[deps.zlib]\nurl = "ext::sh"\nverson = "^1"\n[biuld]\nrun = 3\n'
    )
    commit(run, simple)
    before = oracle.state(simple)
    for argv in (["publish", "tiny"], ["lock", "tiny"]):
        told = run("git", "atom", *argv, cwd=simple, status=7).stderr
        for code, word in (
            ("ATOM-1010", "tiny/atom.toml:2:1"), ("ATOM-1011", "tiny/atom.toml:3:1"), ("ATOM-1021", "did you mean 'type'?"),
            ("ATOM-1021", "did you mean 'version'?"), ("ATOM-1021", "did you mean 'build'?"),
        ):  # fmt: skip
            message(told, code, word)
    message(run("git", "build", "tiny", cwd=simple, status=7).stderr, "ATOM-1021")
    assert oracle.state(simple) == before
    (simple / "tiny/atom.toml").write_text(MANIFEST)
    commit(run, simple)
    run("git", "atom", "publish", "tiny", cwd=simple)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xff\xfe[atom]", "ATOM-1020"), (b"[atom\n", "ATOM-1025"), (b"a = " + b"[" * 5000, "ATOM-1020"), (b"", "ATOM-1022"),
        (b"[atom]\n" + b"#" * (9 << 20), "ATOM-1020"), (b'[atom]\nid = "x"\nid = "y"\n', "ATOM-1025"), (b"[atom]\nid = 1e999\n", "ATOM-1023"),
    ],
    ids=["bytes", "syntax", "deep", "empty", "large", "twice", "type"],
)  # fmt: skip
def test_manifests_that_are_none(simple: Path, run: Run, content: bytes, code: str) -> None:
    (simple / "tiny/atom.toml").write_bytes(content)
    commit(run, simple)
    before = oracle.state(simple)
    message(run("git", "atom", "publish", "tiny", cwd=simple, status=7).stderr, code, "tiny/atom.toml")
    assert oracle.state(simple) == before


@pytest.mark.parametrize(
    ("name", "version", "code"),
    [
        ("-x", "1.0.0", "ATOM-1010"), ("a..b", "1.0.0", "ATOM-1010"), ("a/b", "1.0.0", "ATOM-1010"), ("x.lock", "1.0.0", "ATOM-1010"),
        ("a\\u0000b", "1.0.0", "ATOM-1010"), ("a" * 129, "1.0.0", "ATOM-1010"), ("HEAD~1", "1.0.0", "ATOM-1010"),
        ("tiny", "1.0.0-rc.lock", "ATOM-1011"), ("tiny", "1.0.0+build", "ATOM-1011"), ("tiny", "01.0.0", "ATOM-1011"), ("tiny", "v1.0.0", "ATOM-1011"),
        ("tiny", "1.0.0-", "ATOM-1011"), ("tiny", "../1.0.0", "ATOM-1011"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_ref(simple: Path, run: Run, name: str, version: str, code: str) -> None:
    (simple / "tiny/atom.toml").write_text(f'[atom]\nid = "{name}"\nversion = "{version}"\ntype = "package"\n')
    commit(run, simple)
    before = oracle.state(simple)
    message(run("git", "atom", "publish", "tiny", cwd=simple, status=7).stderr, code, "tiny/atom.toml:")
    assert oracle.state(simple) == before


# ---- a cache that lies -----------------------------------------------------------------------------------------------


def blob(scene: Scene, path: str, composition: str) -> Path:
    """The cached blob of a path of a composition, an inode of its own."""
    oid = oracle.git(scene.store, "rev-parse", f"refs/compositions/{composition}:merged/{path}").strip()
    found = subprocess.run(
        ["git", "--git-dir", scene.store, "cat-file", "blob", oid], capture_output=True, check=True
    ).stdout
    from git_atom.core.digest import of_bytes

    digest = of_bytes(found).hex
    return scene.cache / "blobs" / digest[:2] / digest[2:]


@pytest.mark.parametrize("how", ["overwritten", "cut", "gone", "dangling"])
def test_f07_corrupt_blob_is_never_used(scene: Scene, how: str) -> None:
    good = scene.run("git", "compose", "run", "app", "--", "tiny").stdout
    victim = blob(scene, "usr/bin/tiny", "app")
    data = victim.read_bytes()
    victim.unlink()
    if how == "overwritten":
        victim.write_bytes(data)
        victim.chmod(0o444)
        scene.run("git", "compose", "run", "app", "--", "tiny")
        stamp = victim.stat()
        victim.chmod(0o644)
        with open(victim, "r+b") as file:
            file.write(data.replace(b"tiny\0", b"evil\0"))
        victim.chmod(0o444)
        os.utime(victim, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        assert b"evil" in victim.read_bytes()
    elif how == "cut":
        victim.write_bytes(data[: len(data) // 2])
    elif how == "dangling":
        victim.symlink_to("/nowhere")
    assert scene.run("git", "compose", "run", "app", "--", "tiny").stdout == good == "tiny\n"
    assert victim.read_bytes() == data


def test_f07_corrupt_blob_never_reaches_a_build(scene: Scene) -> None:
    scene.unbuild()
    victim = blob(scene, "usr/include/stdio.h", "toolchain")
    data = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(data + b"#error corrupt\n")
    scene.run("git", "build", "tiny")
    assert scene.document("git", "build", "show", "tiny")["output"] == scene.shared.output
    assert victim.read_bytes() == data


def test_what_store_and_cache_both_lost_is_refused(scene: Scene) -> None:
    blob(scene, "usr/bin/tiny", "app").unlink()
    oid = oracle.git(scene.store, "rev-parse", "refs/compositions/app:merged/usr/bin/tiny").strip()
    objects = oracle.git(scene.store, "rev-list", "--objects", "--no-object-names", "refs/compositions/app").replace(
        oid + "\n", ""
    )
    packs, kept = scene.store / "objects/pack", scene.home / "packs"
    kept.mkdir()
    subprocess.run(
        ["git", "--git-dir", scene.store, "pack-objects", "-q", "--window=0", kept / "pack"],
        input=objects,
        text=True,
        check=True,
    )
    packs.rename(scene.home / "whole")
    kept.rename(packs)
    told = scene.run("git", "compose", "run", "app", "--", "tiny", status=128)
    message(told.stderr, "ATOM-2008", "hint: ")
    assert not told.stdout
    shutil.rmtree(packs)
    (scene.home / "whole").rename(packs)
    assert scene.run("git", "compose", "run", "app", "--", "tiny").stdout == "tiny\n"


# ---- a machine that lacks something ------------------------------------------------------------------------------------


def within(scene: Scene, script: str, *argv: str, status: int | None, flags: str = "-m") -> str:
    """Run a command after a script in namespaces of its own, and give what it said."""
    front = (*isolated(flags), "sh", "-ec", f'{script}\nexec "$@"', "sh")
    return scene.run(*argv, front=front, status=status).stderr


@pytest.mark.skipif(not possible("-m"), reason="no mount namespaces")
@pytest.mark.parametrize("what", ["missing", "old", "failing"])
def test_no_usable_bubblewrap(scene: Scene, what: str, tmp_path: Path) -> None:
    scene.unbuild()
    before = scene.state()
    fake = tmp_path / "bwrap"
    version = {"missing": "", "old": "0.1.8", "failing": "0.8.0"}[what]
    fake.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && {{ echo "bubblewrap {version}"; exit 0; }}\necho "bwrap: no" >&2; exit 1\n'
    )
    fake.chmod(0o644 if what == "missing" else 0o755)
    places = {f"{place}/bwrap" for place in (*os.environ["PATH"].split(":"), "/usr/local/bin", "/usr/bin")}
    hide = "\n".join(f"mount --bind {fake} $(readlink -f {place})" for place in places if os.path.exists(place))
    code = "ATOM-4012" if what == "failing" else "ATOM-4011"
    for argv in (("git", "build", "tiny"), ("git", "compose", "run", "app", "--", "tiny")):
        message(within(scene, hide, *argv, status=6), code, "hint: ")
    assert scene.state() == before
    assert within(scene, hide, "git", "build", "doctor", status=6) is not None
    scene.run("git", "build", "tiny")


@pytest.mark.skipif(
    subprocess.run(["unshare", "-r", "true"], capture_output=True).returncode != 0, reason="no user namespaces"
)
def test_no_namespaces_to_be_had(scene: Scene) -> None:
    """The kernel's own limit, set in a user namespace that may have none below it."""
    scene.unbuild()
    before = scene.state()
    none = "".join(
        f"echo 0 > /proc/sys/user/max_{name}_namespaces\n" for name in ("user", "mnt", "pid", "net", "ipc", "uts")
    )
    told = scene.run(
        "git", "build", "tiny", front=("unshare", "-r", "sh", "-ec", f'{none}exec "$@"', "sh"), status=6
    ).stderr
    message(told, "ATOM-4012", "hint: git build doctor")
    assert scene.state() == before
    scene.run("git", "build", "tiny")


# ---- no network ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not possible("-n"), reason="no network namespaces")
def test_no_network(scene: Scene) -> None:
    away = isolated("-n")
    scene.run(
        "git", "compose", "import", "debian", *SMALL, "--as", "small", front=away
    )  # lists and archives are cached
    scene.run("git", "atom", "lock", "tiny", "--locked", front=away)
    shutil.rmtree(scene.cache / "apt")
    shutil.rmtree(scene.cache / "imports")
    before = scene.state()
    told = scene.run("git", "compose", "import", "debian", "file", "--as", "more", front=away, status=6).stderr
    message(told, "ATOM-5002", "hint: check the network")
    (scene.project / "tiny/atom.toml").write_text(
        (scene.project / "tiny/atom.toml").read_text() + '[srcs.src]\nurl = "http://192.0.2.1/tiny-${version}.tar.gz"\n'
    )
    message(scene.run("git", "atom", "lock", "tiny", front=away, status=6).stderr, "ATOM-5026", "hint: ")
    scene.run("git", "checkout", "-q", "tiny/atom.toml")
    for url in ("http://192.0.2.1/x", "git://192.0.2.1/x", "ssh://192.0.2.1/x"):
        message(
            scene.run("git", "atom", "fetch", f"{url}::tiny", front=away, status=6).stderr,
            "ATOM-2011",
            "hint: check the address and the network",
        )
        message(scene.run("git", "atom", "list", url, front=away, status=6).stderr, "ATOM-2011")
    scene.run("git", "remote", "set-url", "origin", "http://192.0.2.1/x")
    told = scene.run("git", "atom", "publish", "tiny", "--push", "origin", front=away, status=6).stderr
    message(told, "ATOM-2011")
    scene.run("git", "remote", "set-url", "origin", scene.server)
    assert scene.state() == before
    for argv in (
        ("atom", "verify", "--all"),
        ("build", "tiny"),
        ("compose", "run", "app", "--", "tiny"),
        ("atom", "list"),
    ):
        scene.run("git", *argv, front=away)
    scene.run("git", "atom", "publish", "tiny", "--push", "origin", front=away)


# ---- a full disk -----------------------------------------------------------------------------------------------------

FULL = {
    "publish": (("git", "atom", "publish", "tiny"), "project .local/share/git-atom/store.git", (0, 8, 24)),
    "init": (("git", "atom", "init"), "project .local/share/git-atom/store.git", (0, 16)),
    "import": (
        ("git", "compose", "import", "debian", *SMALL, "--as", "small"),
        ".local/share/git-atom/store.git",
        (0, 2048),
    ),
    "build": (("git", "build", "tiny"), ".local/share/git-atom/store.git project", (0, 48)),
    "compose": (
        ("git", "compose", "new", "again", "tiny", "toolchain/dash"),
        ".local/share/git-atom/store.git",
        (0, 32),
    ),
    "fetch": (("git", "atom", "fetch", "server.git::tiny"), ".local/share/git-atom/store.git", (0, 16)),
}


@pytest.mark.skipif(not possible("-m"), reason="no mount namespaces")
@pytest.mark.parametrize("name", FULL)
def test_full_disk(name: str, scene: Scene) -> None:
    """Home, store and cache on one small disk, with more and more room: exit 6, or done; never anything between."""
    argv, repos, rooms = FULL[name]
    if name == "build":
        scene.unbuild()
    project = scene.project / ".git"
    if name in ("publish", "init"):
        oracle.git(project, "update-ref", "-d", "refs/atoms/tiny/1.0.0")
        oracle.git(project, "update-ref", "-d", "refs/atoms-log/head")
        scene.run("git", "remote", "remove", "origin")
        if name == "publish":
            scene.run("git", "atom", "init")
    if name in ("import", "fetch"):
        shutil.rmtree(scene.data)
    shutil.rmtree(scene.cache / "imports", ignore_errors=True)
    shutil.rmtree(scene.cache / "debs", ignore_errors=True)
    if name not in ("build",):
        shutil.rmtree(scene.cache / "blobs")
    refused = 0
    for room in rooms:
        cwd = scene.home if name == "fetch" else scene.project
        program = (
            *isolated("-m"),
            sys.executable,
            str(HERE / "crowded.py"),
            str(scene.home),
            str(room << 10),
            str(cwd),
            *argv,
        )
        done = subprocess.run(program, env=scene.env | {"CROWDED": repos}, cwd="/", capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        home, aside = scene.home, scene.home.with_name(scene.home.name + ".aside")
        home.rmdir()
        aside.rename(home)
        told = json.loads(done.stdout)
        first, second = told["first"], told["second"]
        shown = f"{name} with {room} KiB: {first}\nthen {second}"
        if first["status"] != 0:
            refused += 1
            assert first["status"] == 6, shown
            message(first["err"], re.search(r"ATOM-\d+", first["err"])[0], "hint: ")  # type: ignore[index]
            assert {k: v for k, v in told["after"].items() if told["before"].get(k, v) != v} == {}, shown
        assert second["status"] == 0, shown
    assert refused


# ---- a home that cannot be written ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not possible("-m"), reason="no mount namespaces")
def test_read_only_home(scene: Scene) -> None:
    """What is there can be looked at; what writes says what it cannot write."""
    lock = f"mount --bind {scene.home} {scene.home}\nmount -o remount,bind,ro,nosuid,nodev {scene.home}"
    before = scene.state()
    for argv in (("atom", "list"), ("atom", "show", "tiny"), ("atom", "verify"), ("build", "tiny"), ("compose", "list"), ("compose", "show", "app"),
                 ("build", "show", "tiny")):  # fmt: skip
        within(scene, f"{lock}\ncd {scene.project}", "git", *argv, status=0)
    for argv in (
        ("atom", "publish", "tiny"),
        ("compose", "new", "x", "tiny"),
        ("atom", "trust", "remove", scene.shared.anchor),
    ):
        told = within(scene, f"{lock}\ncd {scene.project}", "git", *argv, status=None)
        message(told, re.search(r"ATOM-\d+", told)[0])  # type: ignore[index]
        assert "ATOM-9004" not in told, told
    assert scene.state() == before
    scene.run("git", "compose", "new", "x", "tiny")
