"""The threat catalogue's cases of names, publishing, signatures, fetching and output, named by their ids, from outside.

Each refusal stands beside a control that differs only in the attack, and leaves refs, configuration and work tree as they were.
What lower rooms can hold stands there under the same ids: tests/unit/trust/test_owning.py and test_log.py, tests/black/test_ownership.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from test_ownership import LOG, commit, write_atom

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def state(run: Run, home: Path, *repos: Path) -> str:
    """Refs, status and configuration of repositories, and the user's own configuration."""
    told = [(home / ".gitconfig").read_text()]
    for repo in repos:
        told += [run("git", "for-each-ref", cwd=repo).stdout, (repo / ".git/config").read_text()]
        told += [run("git", "status", "--porcelain", cwd=repo).stdout]
    return "\n".join(told)


@pytest.fixture
def atom(atom: Path, run: Run) -> Path:
    """The project with its set, and zlib 1.3.1 published in it."""
    run("git", "atom", "publish", "zlib", cwd=atom)
    return atom


def refused(done: subprocess.CompletedProcess[str], *codes: int) -> None:
    assert done.returncode in codes, (done.returncode, done.stderr)
    assert "error[ATOM-" in done.stderr and "fault in this program" not in done.stderr, done.stderr
    assert not any(ord(c) < 32 and c != "\n" or ord(c) in (0x202E, 0x200B, 0x9B) for c in done.stderr), repr(
        done.stderr
    )


# names that mean something else to a shell, to git or to a file system
BAD_NAMES = ["-rf", "--upload-pack=x", "..", "a/../b", ".git", "x.lock", "@", "HEAD", "CON", "", "x" * 300]
# what normalises to another text, cannot be seen, or is no text, with the code points to be told
UNSEEN = {
    "cafe\u0301": "U+0301",
    "ｚlib": "U+FF5A",
    "z\u200blib": "U+200B",
    "\ufeffzlib": "U+FEFF",
    "zl\u202eib": "U+202E",
}
TWIN = "p\u0430ypal"


def _named(atom: Path, run: Run, name: str) -> None:
    (atom / "bad").mkdir(exist_ok=True)
    (atom / "bad/atom.toml").write_text(f'[atom]\nid = "{name}"\nversion = "1.0.0"\ntype = "package"\n')
    commit(run, atom)


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_n01_names_that_are_more_than_names(atom: Path, home: Path, run: Run, name: str) -> None:
    _named(atom, run, name)
    before = state(run, home, atom)
    refused(run("git", "atom", "publish", "bad", cwd=atom, status=None), 7)
    refused(run("git", "atom", "claim", "--", name, cwd=atom, status=None), 7)
    assert state(run, home, atom) == before
    _named(atom, run, "good")
    run("git", "atom", "publish", "bad", cwd=atom)


@pytest.mark.parametrize(("name", "point"), UNSEEN.items(), ids=ascii)
def test_n02_names_that_look_like_others_or_like_nothing(
    atom: Path, home: Path, run: Run, name: str, point: str
) -> None:
    _named(atom, run, name)
    before = state(run, home, atom)
    done = run("git", "atom", "publish", "bad", cwd=atom, status=None)
    refused(done, 7)
    assert point in done.stderr
    assert state(run, home, atom) == before
    _named(atom, run, "café")  # the control: the one normal form
    run("git", "atom", "publish", "bad", cwd=atom)
    assert run("git", "atom", "list", cwd=atom).stdout.startswith("café 1.0.0\n")


def test_n02_bytes_that_are_no_text(atom: Path, home: Path, run: Run) -> None:
    _named(atom, run, "good")
    (atom / "bad/atom.toml").write_bytes(b'[atom]\nid = "caf\xff"\nversion = "1.0.0"\ntype = "package"\n')
    commit(run, atom)
    before = state(run, home, atom)
    refused(run("git", "atom", "publish", "bad", cwd=atom, status=None), 7)
    done = run("git", "atom", "claim", "caf\udcff", cwd=atom, status=None)
    refused(done, 7)
    assert state(run, home, atom) == before


def test_n03_a_look_alike_in_every_place_a_name_stands(atom: Path, home: Path, run: Run) -> None:
    """Manifest, dependency, lock, URI, claim and what trust is asked about; there are no patterns of names."""
    _named(atom, run, TWIN)
    app = home / "app"
    app.mkdir()
    run("git", "init", "-q", app)
    manifest = f'[atom]\nid = "app"\nversion = "1.0.0"\ntype = "package"\n[deps.zlib]\nurl = "{atom}"\nversion = "^1"\n'
    (app / "atom.toml").write_text(manifest)
    run("git", "atom", "lock", cwd=app)
    lock = (app / "atom.lock").read_text()
    before = state(run, home, atom, app)

    def turned_down(*words: str | Path, cwd: Path = atom) -> None:
        done = run("git", "atom", *words, cwd=cwd, status=None)
        refused(done, 7)
        assert "ATOM-1010" in done.stderr and "U+0430" in done.stderr, done.stderr

    turned_down("publish", "bad")
    turned_down("claim", TWIN)
    turned_down("fetch", f"{atom}::{TWIN}", cwd=home)
    turned_down("add", f"{atom}::{TWIN}", cwd=app)
    turned_down("trust", "explain", TWIN)
    (app / "atom.toml").write_text(manifest.replace("deps.zlib", f'deps."{TWIN}"'))
    turned_down("lock", cwd=app)
    (app / "atom.toml").write_text(manifest)
    (app / "atom.lock").write_text(lock.replace('"zlib"', f'"{TWIN}"'))
    done = run("git", "atom", "lock", "--locked", cwd=app, status=None)
    assert done.returncode != 0 and "error[ATOM-" in done.stderr and "U+0430" in done.stderr, done.stderr
    (app / "atom.lock").write_text(lock)
    assert state(run, home, atom, app) == before
    run("git", "atom", "lock", "--locked", cwd=app)


@pytest.mark.parametrize("version", ["01.0", "v1.0.0", "1.0.0+x", "1.0", "1" * 4301 + ".0.0", "1.0.0-rc.lock"])
def test_n05_versions_have_one_spelling(atom: Path, home: Path, run: Run, version: str) -> None:
    write_atom(atom / "other", "other", version)
    commit(run, atom)
    before = state(run, home, atom)
    refused(run("git", "atom", "publish", "other", cwd=atom, status=None), 7)
    assert state(run, home, atom) == before
    write_atom(atom / "other", "other", "1.0.0")
    commit(run, atom)
    run("git", "atom", "publish", "other", cwd=atom)


@pytest.mark.parametrize("form", ["loose", "packed"])
def test_n06_no_ref_is_another_ones_directory(atom: Path, home: Path, run: Run, form: str) -> None:
    """A name below a name and a version below a version are none; a foreign ref in the way is a conflict before anything is written."""
    if form == "packed":
        run("git", "pack-refs", "--all", cwd=atom)
    for name, version in (("zlib/x", "1.0.0"), ("other", "1.0.0/x")):
        write_atom(atom / "other", name, version)
        commit(run, atom)
        before = state(run, home, atom)
        refused(run("git", "atom", "publish", "other", cwd=atom, status=None), 7)
        assert state(run, home, atom) == before
    refused(run("git", "atom", "claim", "zlib/x", cwd=atom, status=None), 7)
    assert state(run, home, atom) == before
    write_atom(atom / "other", "other", "1.0.0")
    commit(run, atom)
    run("git", "update-ref", "refs/atoms/other/1.0.0/x", "HEAD", cwd=atom)
    if form == "packed":
        run("git", "pack-refs", "--all", cwd=atom)
    before = state(run, home, atom)
    done = run("git", "atom", "publish", "other", cwd=atom, status=5)
    assert "ATOM-2025" in done.stderr and "refs/atoms/other/1.0.0/x" in done.stderr
    assert state(run, home, atom) == before
    run("git", "update-ref", "-d", "refs/atoms/other/1.0.0/x", cwd=atom)
    run("git", "atom", "publish", "other", cwd=atom)


def test_p05_a_name_nobody_claimed_and_a_claim_that_was_deleted(atom: Path, home: Path, run: Run) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "other")
    write_atom(atom / "new", "new", "1.0.0")
    commit(run, atom)
    before = state(run, home, atom)
    foreign = ("git", "-c", f"user.signingKey={home}/other.pub", "atom", "publish", "new")
    refused(run(*foreign, cwd=atom, status=None), 2)
    assert state(run, home, atom) == before
    server = home / "server.git"
    run("git", "clone", "-q", "--mirror", str(atom), server)
    old = run("git", "rev-parse", LOG, cwd=server).stdout.strip()
    run("git", "atom", "publish", "new", "--push", server, cwd=atom)
    new = run("git", "rev-parse", LOG, cwd=server).stdout.strip()
    run("git", "atom", "fetch", f"{server}::new", cwd=home)
    store = home / ".local/share/git-atom/store.git"
    kept = run("git", "for-each-ref", cwd=store).stdout
    run("git", "update-ref", LOG, old, cwd=server)  # the claim is gone there; whoever saw it is not told so
    write_atom(atom / "new", "new", "1.1.0")
    commit(run, atom)
    assert "ATOM-3011" in run("git", "atom", "fetch", f"{server}::new", cwd=home, status=2).stderr
    refused(run(*foreign, "--push", server, cwd=atom, status=None), 2)
    assert run("git", "for-each-ref", cwd=store).stdout == kept
    run("git", "update-ref", LOG, new, cwd=server)
    run("git", "atom", "publish", "new", "--push", server, cwd=atom)
    assert run("git", "atom", "fetch", f"{server}::new", cwd=home).stdout.startswith("new 1.1.0")


def test_p06_what_is_committed_is_what_is_published(atom: Path, home: Path, run: Run) -> None:
    write_atom(atom / "zlib", "zlib", "1.4.0", "committed\n")
    commit(run, atom)
    run("git", "update-index", "--assume-unchanged", "zlib/main.c", cwd=atom)
    (atom / "zlib/main.c").write_text("work tree\n")
    run("git", "atom", "publish", "zlib", cwd=atom)
    assert run("git", "cat-file", "blob", "refs/atoms/zlib/1.4.0:main.c", cwd=atom).stdout == "committed\n"
    run("git", "update-index", "--no-assume-unchanged", "zlib/main.c", cwd=atom)
    head = run("git", "rev-parse", "HEAD", cwd=atom).stdout.strip()
    write_atom(atom / "zlib", "zlib", "1.5.0")
    run("git", "add", ".", cwd=atom)
    run("git", "update-index", "--add", "--cacheinfo", f"160000,{head},zlib/sub", cwd=atom)
    run("git", "commit", "-qm", "submodule", cwd=atom)
    before = run("git", "for-each-ref", cwd=atom).stdout
    refused(run("git", "atom", "publish", "zlib", cwd=atom, status=None), 7)
    assert run("git", "for-each-ref", cwd=atom).stdout == before


def test_p07_all_or_none(atom: Path, home: Path, run: Run) -> None:
    for i in range(5):
        write_atom(atom / f"p{i}", f"package{i}", "1.0.0")
    write_atom(atom / "p3", "package3", "not a version")
    commit(run, atom)
    before = state(run, home, atom)
    refused(run("git", "atom", "publish", *(f"p{i}" for i in range(5)), cwd=atom, status=None), 7)
    assert state(run, home, atom) == before
    write_atom(atom / "p3", "package3", "1.0.0")
    commit(run, atom)
    run("git", "atom", "publish", *(f"p{i}" for i in range(5)), cwd=atom)
    assert run("git", "rev-list", "--count", LOG, cwd=atom).stdout == "5\n", (
        "one claim entry and one publication for all"
    )


@pytest.mark.parametrize("name", [".git", ".GIT", "git~1", ".g\u200cit", ".git.", ".git::$INDEX_ALLOCATION"], ids=ascii)
def test_p11_names_that_git_does_not_check_out(atom: Path, home: Path, run: Run, name: str) -> None:
    blob = run("git", "hash-object", "-w", "--stdin", cwd=atom, stdin="x").stdout.strip()
    manifest = run("git", "rev-parse", "HEAD:zlib/atom.toml", cwd=atom).stdout.strip()
    text = (atom / "zlib/atom.toml").read_text().replace("1.3.1", "1.9.0")
    manifest = run("git", "hash-object", "-w", "--stdin", cwd=atom, stdin=text).stdout.strip()

    def published(entry: str) -> subprocess.CompletedProcess[str]:
        lines = f"100644 blob {manifest}\tatom.toml\n100644 blob {blob}\t{entry}\n"
        made = subprocess.run(["git", "mktree"], input=lines.encode(), cwd=atom, capture_output=True, check=True)
        top = f"040000 tree {made.stdout.decode().strip()}\tzlib\n"
        tree = run("git", "mktree", cwd=atom, stdin=top).stdout.strip()
        rev = run("git", "commit-tree", "-p", "HEAD", "-m", "x", tree, cwd=atom).stdout.strip()
        return run("git", "atom", "publish", "zlib", "--rev", rev, cwd=atom, status=None)

    before = state(run, home, atom)
    refused(published(name), 7)
    assert state(run, home, atom) == before
    assert published("git1").returncode == 0


def test_s04_a_version_ref_that_points_to_another_tag(atom: Path, run: Run) -> None:
    write_atom(atom / "zlib", "zlib", "1.3.2")
    commit(run, atom)
    run("git", "atom", "publish", "zlib", cwd=atom)
    run("git", "atom", "verify", cwd=atom)
    run("git", "update-ref", "refs/atoms/zlib/1.3.2", "refs/atoms/zlib/1.3.1", cwd=atom)
    done = run("git", "atom", "verify", cwd=atom, status=2)
    assert "ATOM-8019" in done.stderr
    run("git", "atom", "publish", "zlib", cwd=atom)
    run("git", "atom", "verify", cwd=atom)


def test_s11_what_a_repository_says_changes_no_verdict(atom: Path, home: Path, run: Run) -> None:
    canary = home / "canary"
    program = home / "program"
    program.write_text(f"#!/bin/sh\ntouch {canary}\n")
    program.chmod(0o755)
    good = run("git", "atom", "verify", cwd=atom).stdout
    for setting in (
        "gpg.ssh.program",
        "gpg.ssh.allowedSignersFile",
        "gpg.ssh.revocationFile",
        "core.fsmonitor",
        "gpg.program",
    ):
        run("git", "config", setting, program, cwd=atom)
    assert run("git", "atom", "verify", cwd=atom).stdout == good
    assert run("git", "atom", "trust", "explain", "zlib", cwd=atom).stdout.startswith("accepted")
    anchor = run("git", "atom", "trust", "list").stdout.strip()
    run("git", "atom", "trust", "remove", anchor)
    run("git", "config", "atom.trustedAnchor", anchor, cwd=atom)
    refused(run("git", "atom", "verify", cwd=atom, status=None), 2)
    assert not canary.exists()


def test_f05_a_sequence_number_beyond_all_others(atom: Path, home: Path, run: Run) -> None:
    """A mirror shows an entry of a huge number on top of the log; nothing of it is kept, and the good log goes on."""
    message = run("git", "log", "-1", "--format=%B", LOG, cwd=atom).stdout.strip() + "\n"
    huge = json.dumps(9223372036854775808)
    seq = message.split('"seq":')[1].split(",")[0]
    forged = message.replace(f'"seq":{seq}', f'"seq":{huge}')
    copy = home / "mirror.git"
    run("git", "clone", "-q", "--mirror", str(atom), copy)
    head = run("git", "commit-tree", "-S", "-p", LOG, "-m", forged, f"{LOG}^{{tree}}", cwd=copy).stdout.strip()
    good = run("git", "rev-parse", LOG, cwd=copy).stdout.strip()
    run("git", "update-ref", LOG, head, cwd=copy)
    refused(run("git", "atom", "fetch", f"{copy}::zlib", cwd=home, status=None), 2, 7)
    run("git", "update-ref", LOG, good, cwd=copy)
    run("git", "atom", "fetch", f"{copy}::zlib", cwd=home)


def test_f06_a_mirror_that_serves_another_atoms_objects(atom: Path, home: Path, run: Run) -> None:
    write_atom(atom / "curl", "curl", "8.0.0", "other\n")
    commit(run, atom)
    run("git", "atom", "publish", "curl", cwd=atom)
    copy = home / "mirror.git"
    run("git", "clone", "-q", "--mirror", str(atom), copy)
    run("git", "update-ref", "refs/atoms/zlib/1.3.1", "refs/atoms/curl/8.0.0", cwd=copy)
    refused(run("git", "atom", "fetch", f"{copy}::zlib", cwd=home, status=None), 2)
    run("git", "atom", "fetch", f"{copy}::curl", cwd=home)
    assert run("git", "atom", "fetch", f"{atom}::zlib", cwd=home).stdout.startswith("zlib 1.3.1")


@pytest.mark.parametrize(
    "source",
    [
        "ext::sh -c touch% CANARY",
        "ssh://-oProxyCommand=touch%20CANARY/x",
        "--upload-pack=touch CANARY",
        "-oProxyCommand=x",
    ],
)
def test_f10_sources_that_would_run_programs(atom: Path, home: Path, run: Run, source: str) -> None:
    text = source.replace("CANARY", str(home / "canary"))
    for words in (("fetch", f"{text}::zlib"), ("list", "--", text), ("publish", "zlib", "--push", text)):
        done = run("git", "atom", *words, cwd=atom, status=None)
        assert done.returncode in (1, 6, 7, 128, 129), done.stderr
    assert not (home / "canary").exists()


def test_f15_a_repository_of_another_user(atom: Path, home: Path, run: Run) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    run("git", "atom", "list", cwd=atom)
    shutil.chown(atom / ".git", 12345)
    shutil.chown(atom, 12345)
    refused(run("git", "atom", "verify", cwd=atom, status=None), 2, 128)
    refused(run("git", "atom", "publish", "zlib", cwd=atom, status=None), 2, 128)


def test_o01_escapes_in_paths_and_messages(atom: Path, home: Path, run: Run) -> None:
    folder = atom / "evil\x1b]52;c;x\x07"
    write_atom(folder, "evil", "not\x1b[31m")
    (folder / "atom.toml").write_text('[atom]\nid = "evil"\nversion = "1\\u001b[31m"\ntype = "package"\n')
    commit(run, atom)
    done = run("git", "atom", "publish", "--all", cwd=atom, status=None)
    refused(done, 7)
    run("git", "atom", "retract", "zlib", "--reason", "a\u202eb", cwd=atom)
    for words in (("show", "zlib"), ("trust", "explain", "zlib")):
        shown = run("git", "atom", *words, cwd=atom).stdout
        assert "\u202e" not in shown and "\\u{202e}" in shown


def test_o02_one_record_each(atom: Path, run: Run) -> None:
    assert run("git", "atom", "list", "-z", cwd=atom).stdout == "zlib 1.3.1\0"
    assert json.loads(run("git", "atom", "list", "--json", cwd=atom).stdout)["items"][0]["name"] == "zlib"


def test_o03_credentials_are_not_shown(atom: Path, home: Path, run: Run) -> None:
    url = "https://someone:hunter2@127.0.0.1:9/x"
    for words in (("fetch", f"{url}::zlib"), ("list", url), ("publish", "zlib", "--push", url)):
        done = run("git", "atom", *words, cwd=atom, status=None)
        assert done.returncode != 0 and "hunter2" not in done.stderr + done.stdout


def test_an_atom_is_derived_again_from_its_origin_without_its_files(atom: Path, home: Path, run: Run) -> None:
    """The store has the atom and not the project; commit and trees of the origin come from where the set was fetched."""
    server = home / "server.git"
    run("git", "init", "-q", "--bare", server)
    run("git", "config", "uploadpack.allowFilter", "true", cwd=server)
    write_atom(atom / "zlib", "zlib", "1.4.0", "x\n" * 1000)
    (atom / "large").write_text("not needed\n" * 10000)
    commit(run, atom)
    run("git", "push", "-q", server, "HEAD:refs/heads/main", cwd=atom)
    run("git", "atom", "publish", "zlib", "--push", server, cwd=atom)
    run("git", "atom", "fetch", f"file://{server}::zlib", cwd=home)
    store = home / ".local/share/git-atom/store.git"
    before = run("git", "count-objects", "-v", cwd=store).stdout
    assert run("git", "atom", "verify", "zlib", "--source", cwd=home).stdout.startswith("good zlib 1.4.0")
    assert run("git", "count-objects", "-v", cwd=store).stdout == before and os.listdir(store / "incoming") == []
    server.rename(home / "gone")
    assert "ATOM-8014" in run("git", "atom", "verify", "zlib", "--source", cwd=home, status=128).stderr
    run("git", "atom", "verify", "zlib", cwd=home)
    (home / "gone").rename(server)
    copy = home / "treeless"
    run("git", "clone", "-q", "--filter=tree:0", "--no-checkout", f"file://{server}", copy)
    run("git", "fetch", "-q", "origin", "+refs/atoms*:refs/atoms*", cwd=copy)
    assert "good zlib 1.4.0" in run("git", "atom", "verify", "zlib@=1.4.0", "--source", cwd=copy).stdout
