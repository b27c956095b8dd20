"""Atoms from outside: publishing from a project, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from projects import LOG, Run, commit, everything, refs, trusting, write_atom


def test_publish_in_gits_own_forms(atom: Path, home: Path, key: Path, run: Run) -> None:
    done = run("git", "atom", "publish", "zlib", cwd=atom)
    assert done.stdout.startswith("zlib 1.3.1 blake3:")
    (home / "allowed").write_text(f"test@example.org {key.with_suffix('.pub').read_text()}")
    run("git", "config", "--global", "gpg.ssh.allowedSignersFile", str(home / "allowed"))
    run("git", "verify-tag", "refs/atoms/zlib/1.3.1", cwd=atom)
    for line in run("git", "rev-list", LOG, cwd=atom).stdout.split():
        run("git", "verify-commit", line, cwd=atom)
    run("git", "fsck", "--strict", cwd=atom)
    tree = run("git", "rev-parse", "refs/atoms/zlib/1.3.1^{tree}", "HEAD:zlib", cwd=atom).stdout.split()
    assert tree[0] == tree[1]
    run("git", "archive", "refs/atoms/zlib/1.3.1", cwd=atom)
    subjects = run("git", "log", "--format=%s", LOG, cwd=atom).stdout.splitlines()
    assert subjects == ["atom-log/1 publish zlib 1.3.1", "atom-log/1 claim zlib", "atom-log/1 found"]
    assert run("git", "atom", "list", cwd=atom).stdout == "zlib 1.3.1\n"
    assert run("git", "atom", "verify", "--source", cwd=atom).stdout.startswith("good zlib 1.3.1 blake3:")
    run("git", "gc", "-q", "--prune=now", cwd=atom)
    run("git", "atom", "verify", "--source", cwd=atom)


def test_init_founds_once(atom: Path, home: Path, run: Run) -> None:
    before = refs(run, atom), (home / ".gitconfig").read_text()
    assert "already" in run("git", "atom", "init", cwd=atom).stderr
    assert (refs(run, atom), (home / ".gitconfig").read_text()) == before


def test_p01_same_content_again_is_a_no_op(atom: Path, run: Run) -> None:
    first = run("git", "atom", "publish", "zlib", cwd=atom).stdout
    before = refs(run, atom)
    (atom / "README").write_text("newer\n")
    commit(run, atom)
    done = run("git", "atom", "publish", "zlib", "--json", cwd=atom)
    assert json.loads(done.stdout)["atoms"][0]["how"] == "unchanged"
    assert run("git", "atom", "publish", "zlib", cwd=atom).stdout == first
    assert refs(run, atom).replace(run("git", "rev-parse", "HEAD", cwd=atom).stdout.strip(), "") == before.replace(
        run("git", "rev-parse", "HEAD~1", cwd=atom).stdout.strip(), ""
    )
    run("git", "update-ref", "-d", "refs/atoms/zlib/1.3.1", cwd=atom)  # a lost ref is put back from the log
    run("git", "atom", "publish", "zlib", cwd=atom)
    assert "refs/atoms/zlib/1.3.1" in refs(run, atom)
    run("git", "atom", "verify", cwd=atom)


def test_p02_other_content_under_a_published_version_is_refused(atom: Path, run: Run) -> None:
    run("git", "atom", "publish", "zlib", cwd=atom)
    write_atom(atom / "zlib", "zlib", "1.3.1", "int other;\n")
    write_atom(atom / "other", "other", "1.0.0")
    commit(run, atom)
    before = refs(run, atom)
    done = run("git", "atom", "publish", "--all", cwd=atom, status=5)
    assert "error[ATOM-8007]: 'zlib 1.3.1' is published with other content" in done.stderr
    assert refs(run, atom) == before, "all or none"


def test_dry_run_writes_nothing(atom: Path, home: Path, run: Run) -> None:
    (atom / ".git/atoms-publish.lock").unlink()
    cache = home / ".cache/git-atom/heads"
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("")  # a cache that cannot be written is no error
    before = everything(atom)
    assert "would publish zlib 1.3.1" in run("git", "atom", "publish", "-n", "zlib", cwd=atom).stderr
    run("git", "atom", "claim", "-n", "other", cwd=atom)
    run("git", "atom", "charter", "threshold", "-n", "1", cwd=atom)
    run("git", "atom", "init", "-n", cwd=atom)
    assert everything(atom) == before


def test_every_dry_run_leaves_repository_store_and_configuration_alone(
    server: Path, project: Path, key: Path, run: Run, stranger: dict[str, str]
) -> None:
    there = Path(stranger["HOME"])
    work = there / "work"
    run("git", "init", "-q", work)
    run("git", "-C", work, "commit", "-q", "--allow-empty", "-m", "x", **stranger)
    run("git", "atom", "init", "-n", cwd=work, status=128, **stranger)  # no key to sign with
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", there / "own")
    run("git", "config", "--global", "user.signingKey", there / "own.pub", **stranger)

    def state() -> dict[str, bytes]:
        kept = (p for p in there.rglob("*") if p.is_file() and ".cache" not in p.parts)
        return {str(p): p.read_bytes() for p in kept}

    before = state()
    told = run("git", "atom", "init", "-n", cwd=work, **stranger)
    assert told.stdout == "" and "would found a set of atoms\n  owner  SHA256:" in told.stderr
    run("git", "-C", work, "remote", "add", "origin", server)
    before = state()
    anchor = run("git", "atom", "init", "-n", cwd=work, **stranger).stdout.strip()
    assert anchor.startswith("blake3:")
    run("git", "atom", "fetch", "-n", f"{server}::zlib", cwd=there, status=2, **stranger)
    assert state() == before
    run("git", "atom", "trust", "add", anchor, cwd=there, **stranger)
    before = state()
    done = run("git", "atom", "fetch", "-n", f"{server}::zlib", cwd=there, **stranger)
    row = done.stdout
    assert "would fetch zlib 1.3.1 from" in done.stderr and "fetching" not in done.stderr
    assert run("git", "atom", "get", "-n", f"{server}::zlib", "out", cwd=there, **stranger).stdout == row
    value = json.loads(
        run("git", "atom", "get", "-n", "--json", f"{server}::zlib", "out", cwd=there, **stranger).stdout
    )
    assert value["dry-run"] and value["dir"] == "out" and row == f"zlib 1.3.1 {value['tree']}\n"
    run("git", "atom", "get", "-n", f"{server}::zlib", "work", cwd=there, status=128, **stranger)
    assert state() == before
    assert not (there / ".local/share/git-atom").exists(), "no store is made either"
    assert run("git", "atom", "get", f"{server}::zlib", "out", cwd=there, **stranger).stdout == row


def test_atom_commits_are_the_same_on_every_machine(atom: Path, home: Path, run: Run, stranger: dict[str, str]) -> None:
    run("git", "atom", "publish", "zlib", cwd=atom)
    run("git", "clone", "-q", str(atom), str(home / "copy"))
    run("git", "fetch", "-q", "origin", "+refs/atoms-log/*:refs/atoms-log/*", cwd=home / "copy")
    run("git", "atom", "publish", "zlib", cwd=home / "copy", TZ="Asia/Tokyo", LANG="tr_TR.UTF-8")
    ids = {run("git", "rev-parse", "refs/atoms/zlib/1.3.1^{commit}", cwd=p).stdout for p in (atom, home / "copy")}
    assert len(ids) == 1


def test_only_what_is_committed_is_published(atom: Path, run: Run) -> None:
    write_atom(atom / "zlib", "zlib", "1.3.1", "dirty\n")
    write_atom(atom / "new", "new", "1.0.0")
    done = run("git", "atom", "publish", "zlib", cwd=atom)
    assert "uncommitted changes" in done.stderr
    assert run("git", "cat-file", "blob", "refs/atoms/zlib/1.3.1:main.c", cwd=atom).stdout == "int main;\n"
    done = run("git", "atom", "publish", "new", cwd=atom, status=128)
    assert "ATOM-8001" in done.stderr and "git add new" in done.stderr
    (atom / "empty").mkdir()
    (atom / "empty/file").write_text("x")
    commit(run, atom)
    done = run("git", "atom", "publish", "empty", cwd=atom, status=128)
    assert "ATOM-8002" in done.stderr and "hint: git atom new empty" in done.stderr
    done = run("git", "atom", "publish", cwd=atom, status=128)
    assert "ATOM-8002" in done.stderr and "hint: git atom publish new\nhint: git atom publish --all\n" in done.stderr
    assert "ATOM-8001" in run("git", "atom", "publish", "/tmp", cwd=atom, status=128).stderr
    assert "ATOM-2016" in run("git", "atom", "publish", "--rev", "nonsense", cwd=atom, status=128).stderr


def test_hints_work_where_the_user_stands(atom: Path, run: Run) -> None:
    """Each hint is pasted as it stands, from a directory below the root, and is a way out or what a way out begins with."""
    (atom / "below").mkdir()
    (atom / "my libs/q").mkdir(parents=True)
    below = atom / "below"

    def hints(*argv: str, status: int) -> list[str]:
        err = run("git", "atom", *argv, cwd=below, status=status).stderr
        return [line.removeprefix("hint: ") for line in err.splitlines() if line.startswith("hint: ")]

    write_atom(atom / "my libs/q", "q", "1.0.0")
    (hint,) = hints("publish", "../my libs/q", status=128)
    assert hint == "git add '../my libs/q' && git commit"
    run("sh", "-c", f"{hint} -qm one", cwd=below)
    assert hints("publish", "../zlub", status=128)[0] == "git atom publish ../zlib"
    assert hints("publish", "../zlib/atom.toml", status=128)[0] == "git atom publish ../zlib"
    assert hints("publish", "nothing-like-it", status=128) == ["git atom new nothing-like-it"]
    with open(atom / "my libs/q/atom.toml", "a") as file:
        file.write('[deps]\nzlib = { path = "../../zlib", version = "*" }\n')
    run("git", "commit", "-qam", "two", cwd=atom)
    (atom / "below/atom.toml").write_text(
        '[atom]\nid = "below"\nversion = "1.0.0"\ntype = "package"\n[deps]\nq = { path = "../my libs/q" }\n'
    )
    assert hints("lock", status=128) == ["git atom lock '../my libs/q'"]
    (atom / "below/atom.toml").unlink()
    (hint,) = hints("publish", "../my libs/q", status=128)
    assert hint.startswith("git atom lock '../my libs/q' && git add '../my libs/q' && git commit")
    run("sh", "-c", f"{hint} -qm three", cwd=below)
    run("sh", "-c", hints("publish", "../my libs/q", status=128)[0], cwd=below)  # zlib is to be published, too
    run("git", "atom", "publish", "../my libs/q", cwd=below)


def test_which_atom_cannot_be_published_is_said(atom: Path, run: Run) -> None:
    for name in ("one", "two"):
        write_atom(atom / name, name, "1.0.0")
    run("git", "update-index", "--add", "--cacheinfo", f"160000,{commit(run, atom)},two/sub", cwd=atom)
    run("git", "commit", "-qm", "submodule", cwd=atom)
    done = run("git", "atom", "publish", "--all", cwd=atom, status=7)
    assert "ATOM-1004" in done.stderr and "'sub' is a submodule" in done.stderr and "--> two\n" in done.stderr
    run("git", "rm", "-q", "--cached", "two/sub", cwd=atom)
    (atom / "two/atom.toml").unlink()
    (atom / "two/atom.toml").symlink_to("../one/atom.toml")
    commit(run, atom)
    done = run("git", "atom", "publish", "--all", cwd=atom, status=7)
    assert "ATOM-8004" in done.stderr and "'two/atom.toml' is a link" in done.stderr


def test_what_a_user_typed_is_quoted_in_hints(atom: Path, run: Run) -> None:
    done = run("git", "atom", "show", "../x::x@>=3, <4", cwd=atom, status=1)
    assert "hint: git atom fetch '../x::x@>=3, <4'\n" in done.stderr
    done = run("git", "atom", "publish", "\x1b[31mX", cwd=atom, status=128)
    assert "ATOM-8001" in done.stderr and "\\x1b[31mX" in done.stderr
    assert "hint: git atom list\n" in run("git", "atom", "show", "x@>=3, <4", cwd=atom, status=1).stderr
    done = run("git", "atom", "log", "../none", cwd=atom, status=1)
    assert "no set of '../none' is in the store" in done.stderr and "hint: git atom list ../none\n" in done.stderr


def test_all_atoms_of_an_older_revision(atom: Path, run: Run) -> None:
    write_atom(atom / "libs/ひらがな", "ひらがな", "0.1.0-rc.1")
    old = commit(run, atom)
    write_atom(atom / "late", "late", "1.0.0")
    commit(run, atom)
    run("git", "atom", "publish", "--all", "--rev", old, cwd=atom / "libs")
    assert run("git", "atom", "list", "--format", "%(name)=%(version)", cwd=atom).stdout.split() == [
        "zlib=1.3.1",
        "ひらがな=0.1.0-rc.1",
    ]
    assert run("git", "atom", "list", "zlib", "-z", cwd=atom).stdout == "zlib 1.3.1\0"
    run("git", "atom", "list", "none", cwd=atom, status=1)
    write_atom(atom / "twin", "LATE", "2.0.0")
    commit(run, atom)
    for words in (["--all"], ["twin"], ["late"], ["--changed-since", old]):
        assert "ATOM-8008" in run("git", "atom", "publish", *words, cwd=atom, status=7).stderr
    run("git", "atom", "publish", "zlib", cwd=atom)  # published, and there once


def test_a_name_that_looks_like_another_is_not_claimed(atom: Path, run: Run) -> None:
    run("git", "atom", "publish", "zlib", cwd=atom)
    shutil.rmtree(atom / "zlib")
    write_atom(atom / "z", "ZLib", "1.0.0")
    commit(run, atom)
    before = refs(run, atom)
    assert "ATOM-8021" in run("git", "atom", "publish", "z", cwd=atom, status=5).stderr
    assert "looks like 'zlib'" in run("git", "atom", "claim", "zL1b", cwd=atom, status=5).stderr
    assert refs(run, atom) == before


def test_bad_surroundings_have_errors_of_their_own(home: Path, project: Path, run: Run, tmp_path: Path) -> None:
    for verb in (["init"], ["publish"], ["list"]):
        assert "error[ATOM-2003]" in run("git", "atom", *verb, cwd=tmp_path, status=128).stderr
    run("git", "init", "-q", home / "empty")
    assert "error[ATOM-2006]" in run("git", "atom", "init", cwd=home / "empty", status=128).stderr
    done = run("git", "atom", "init", cwd=project, status=128)
    assert "error[ATOM-3005]: there is no signing key" in done.stderr
    assert "hint: ssh-keygen -t ed25519 -f ~/.ssh/id_ed25519\n" in done.stderr
    assert "hint: git config --global user.signingKey ~/.ssh/id_ed25519.pub\n" in done.stderr
    assert refs(run, project).count("\n") == 1
    assert "error[ATOM-8006]" in run("git", "atom", "list", cwd=project, status=128).stderr
    assert "error[ATOM-8006]" in run("git", "atom", "publish", cwd=project, status=128).stderr


def test_the_log_of_no_repository(home: Path, run: Run) -> None:
    assert "error[ATOM-2003]" in run("git", "atom", "log", cwd=home, status=128).stderr


def test_shallow_clone(project: Path, key: Path, home: Path, run: Run) -> None:
    (project / "README").write_text("2\n")
    commit(run, project)
    run("git", "clone", "-q", "--depth=1", f"file://{project}", home / "shallow")
    run("git", "remote", "remove", "origin", cwd=home / "shallow")
    done = run("git", "atom", "init", cwd=home / "shallow", status=128)
    assert "error[ATOM-2007]" in done.stderr and "git fetch --unshallow" in done.stderr


def test_no_identity(project: Path, key: Path, home: Path, run: Run) -> None:
    run("git", "config", "--global", "--unset", "user.name")
    run("git", "config", "--global", "user.useConfigOnly", "true")
    done = run("git", "atom", "init", cwd=project, status=128)
    assert "error[ATOM-2014]" in done.stderr


def test_malformed_manifest_writes_nothing(atom: Path, run: Run) -> None:
    (atom / "zlib/atom.toml").write_text('[atom]\nid = "zlib"\nversion = "1.0"\ntype = "package"\nxyz = 1\n')
    commit(run, atom)
    before = refs(run, atom)
    done = run("git", "atom", "publish", "zlib", cwd=atom, status=7)
    assert "zlib/atom.toml:3" in done.stderr and "zlib/atom.toml:5" in done.stderr
    assert refs(run, atom) == before


def test_sha256_repository_publishes(home: Path, key: Path, run: Run) -> None:
    repo = home / "sha256"
    run("git", "init", "-q", "--object-format=sha256", repo)
    write_atom(repo / "zlib", "zlib", "1.3.1")
    commit(run, repo)
    assert "stores of users are sha1" in run("git", "atom", "init", cwd=repo).stderr
    run("git", "atom", "publish", "zlib", cwd=repo)
    assert "good zlib" in run("git", "atom", "verify", "--source", cwd=repo).stdout
    run("git", "fsck", "--strict", cwd=repo)
    run("git", "init", "-q", "--bare", "--object-format=sha256", home / "server.git")
    run("git", "atom", "publish", "zlib", "--push", str(home / "server.git"), cwd=repo)
    for words in (("list", str(home / "server.git")), ("fetch", f"{home / 'server.git'}::zlib")):
        done = run("git", "atom", *words, status=6)
        assert "ATOM-2005" in done.stderr and "is a sha256 repository" in done.stderr and "network" not in done.stderr


def test_what_an_atom_needs_of_its_own_repository(server: Path, atom: Path, run: Run, stranger: dict[str, str]) -> None:
    """A path dependency must be published as locked; a path source travels as a sub-atom."""
    (atom / "shared").mkdir()
    (atom / "shared/data").write_text("data\n")
    (atom / "one.txt").write_text("one\n")
    write_atom(atom / "lib", "lib", "1.0.0")
    write_atom(atom / "app", "app", "1.0.0")
    (atom / "app/atom.toml").write_text(
        '[atom]\nid = "app"\nversion = "1.0.0"\ntype = "package"\n[deps.lib]\npath = "../lib"\n'
        '[srcs.data]\npath = "../shared"\n[srcs.one]\npath = "../one.txt"\n'
    )
    commit(run, atom)
    assert "ATOM-8003" in run("git", "atom", "publish", "app", cwd=atom, status=128).stderr
    run("git", "atom", "lock", cwd=atom / "app")
    commit(run, atom)
    before = refs(run, atom)
    done = run("git", "atom", "publish", "app", cwd=atom, status=128)
    assert "ATOM-8009" in done.stderr and "'lib 1.0.0'" in done.stderr
    assert refs(run, atom) == before
    run("git", "atom", "publish", "app", "lib", "--push", "origin", cwd=atom)
    tree = run("git", "rev-parse", "HEAD:shared", cwd=atom).stdout.strip()
    blob = run("git", "rev-parse", "HEAD:one.txt", cwd=atom).stdout.strip()
    assert run("git", "rev-parse", f"refs/subs/{tree}^{{tree}}", cwd=server).stdout.strip() == tree
    assert run("git", "rev-parse", f"refs/subs/{blob}:file", cwd=server).stdout.strip() == blob
    run("git", "fsck", "--strict", cwd=server)
    store = trusting(run, server, stranger)
    run("git", "atom", "fetch", f"{server}::app", cwd=Path(stranger["HOME"]), **stranger)
    assert f"/subs/{tree}" in refs(run, store) and f"/subs/{blob}" in refs(run, store)
    run("git", "atom", "verify", cwd=Path(stranger["HOME"]), **stranger)
    shown = run("git", "atom", "show", "app", cwd=atom).stdout
    assert f"sub       data {tree} blake3:" in shown and f"sub       one {blob} blake3:" in shown
    run("git", "update-ref", "-d", f"refs/subs/{tree}", cwd=atom)
    assert "sub-atom data" in run("git", "atom", "verify", "app", cwd=atom, status=6).stderr
    run("git", "fetch", "-q", "origin", "refs/subs/*:refs/subs/*", cwd=atom)
    run("git", "atom", "verify", "app", cwd=atom)

    write_atom(atom / "lib", "lib", "1.0.0", "changed\n")
    (atom / "app/atom.toml").write_text((atom / "app/atom.toml").read_text().replace('"1.0.0"', '"1.1.0"'))
    run("git", "atom", "lock", cwd=atom / "app")
    commit(run, atom)
    assert "ATOM-8016" in run("git", "atom", "publish", "app", cwd=atom, status=5).stderr


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"


def test_a_clone_from_the_same_disk_is_sound(atom: Path, home: Path, run: Run) -> None:
    """It has every object of every version, and none of their refs, nor those of sub-atoms."""
    (atom / "shared").mkdir()
    (atom / "shared/data").write_text("data\n")
    write_atom(atom / "app", "app", "1.0.0")
    with open(atom / "app/atom.toml", "a") as manifest:
        manifest.write('[srcs.data]\npath = "../shared"\n')
    run("git", "atom", "lock", cwd=atom / "app")
    commit(run, atom)
    run("git", "atom", "publish", "--all", cwd=atom)
    run("git", "clone", "-q", atom, home / "clone")
    assert "ATOM-8006" in run("git", "atom", "verify", cwd=home / "clone", status=128).stderr
    run("git", "atom", "init", cwd=home / "clone")
    assert run("git", "atom", "fsck", cwd=home / "clone").stdout.count("note ATOM-8506 ") == 2
    told = run("git", "atom", "verify", cwd=home / "clone").stdout.splitlines()
    assert [line.split()[:2] for line in told] == [["absent", "app"], ["good", "zlib"]]


def test_what_becomes_a_sub_atom_is_what_the_revision_holds(server: Path, atom: Path, run: Run) -> None:
    (atom / "shared").mkdir()
    (atom / "shared/data").write_text("data\n")
    write_atom(atom / "app", "app", "1.0.0")
    manifest = '[atom]\nid = "app"\nversion = "1.0.0"\ntype = "package"\n[srcs.data]\npath = "../shared"\n'
    (atom / "app/atom.toml").write_text(manifest)
    commit(run, atom)

    def refused(code: str, status: int, word: str) -> None:
        before = refs(run, atom)
        told = run("git", "atom", "publish", "app", cwd=atom, status=status).stderr
        assert code in told and word in told
        assert refs(run, atom) == before

    run("git", "atom", "lock", cwd=atom / "app")
    (atom / "shared/data").write_text("other\n")
    commit(run, atom)
    refused("ATOM-8053", 5, "'shared'")
    (atom / "shared/data").write_text("changed and not committed\n")
    run("git", "atom", "lock", cwd=atom / "app")
    run("git", "commit", "-qm", "lock", "app", cwd=atom)
    refused("ATOM-8053", 5, "'shared'")
    (atom / "shared/data").write_text(POINTER)
    run("git", "atom", "lock", cwd=atom / "app")
    commit(run, atom)
    refused("ATOM-8054", 7, "'shared/data'")
    (atom / "shared/data").write_text("data\n")
    run("git", "atom", "lock", cwd=atom / "app")
    commit(run, atom)
    head = run("git", "rev-parse", "HEAD", cwd=atom).stdout.strip()
    run("git", "update-index", "--add", "--cacheinfo", f"160000,{head},shared/sub", cwd=atom)
    run("git", "commit", "-qm", "submodule", cwd=atom)
    refused("ATOM-1004", 7, "'sub' is a submodule")
    run("git", "rm", "-q", "--cached", "shared/sub", cwd=atom)
    run("git", "commit", "-qm", "no submodule", cwd=atom)
    (atom / "app/big").write_text(POINTER)
    commit(run, atom)
    refused("ATOM-8054", 7, "'app/big'")
    (atom / "app/big").write_text(POINTER.replace("size", "length"))
    commit(run, atom)
    run("git", "atom", "publish", "app", cwd=atom)
    # a directory that moved is the same atom still
    run("git", "mv", "app", "moved", cwd=atom)
    manifest = (atom / "moved/atom.toml").read_text().replace('"1.0.0"', '"1.1.0"')
    (atom / "moved/atom.toml").write_text(manifest)
    run("git", "atom", "lock", cwd=atom / "moved")
    commit(run, atom)
    run("git", "atom", "publish", "moved", cwd=atom)
    assert run("git", "atom", "list", ".", "app", cwd=atom).stdout == "app 1.0.0\napp 1.1.0\n"
    shutil.copytree(atom / "moved", atom / "twice")
    commit(run, atom)
    assert "ATOM-8008" in run("git", "atom", "publish", "--all", cwd=atom, status=7).stderr
    manifest = (atom / "twice/atom.toml").read_text().replace('"1.1.0"', '"1.2.0"')
    (atom / "twice/atom.toml").write_text(manifest)
    run("git", "atom", "lock", cwd=atom / "twice")
    commit(run, atom)
    before = refs(run, atom)
    assert "'twice' and 'moved'" in run("git", "atom", "publish", "twice", cwd=atom, status=7).stderr
    assert refs(run, atom) == before


@pytest.mark.parametrize("answer", ["y", "n"])
def test_on_a_terminal_an_unknown_set_is_shown_and_asked_about(
    server: Path, run: Run, stranger: dict[str, str], answer: str
) -> None:
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["git", "atom", "fetch", f"{server}::zlib"], stdin=theirs, stderr=theirs, stdout=subprocess.PIPE,
        env=os.environ | stranger, cwd=stranger["HOME"],
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    while b"[y/N] " not in seen:
        seen += os.read(ours, 1000)
    assert b"anchor blake3:" in seen and b"owner  SHA256:" in seen
    os.write(ours, answer.encode() + b"\n")
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert (process.returncode, b"zlib 1.3.1" in out) == ((0, True) if answer == "y" else (2, False))
    assert ("trustedAnchor" in (Path(stranger["HOME"]) / ".gitconfig").read_text()) == (answer == "y")
