"""Atoms from outside: real git, real keys, two users, a server that checks, and everything that can be wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

LOG = "refs/atoms-log/head"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def write_atom(folder: Path, name: str, version: str, content: str = "int main;\n") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "atom.toml").write_text(f'[atom]\nid = "{name}"\nversion = "{version}"\ntype = "package"\n')
    (folder / "main.c").write_text(content)


def commit(run: Run, repo: Path, message: str = "change") -> str:
    run("git", "add", ".", cwd=repo)
    run("git", "commit", "-qm", message, cwd=repo)
    return run("git", "rev-parse", "HEAD", cwd=repo).stdout.strip()


def refs(run: Run, repo: Path) -> str:
    return run("git", "for-each-ref", cwd=repo).stdout


@pytest.fixture
def atom(project: Path, key: Path, run: Run) -> Path:
    """A project with a set and one committed atom, zlib 1.3.1."""
    write_atom(project / "zlib", "zlib", "1.3.1")
    commit(run, project)
    run("git", "atom", "init", cwd=project)
    return project


@pytest.fixture
def server(home: Path, run: Run, atom: Path) -> Path:
    """A bare repository that checks what it receives, as `origin` of the project, with zlib 1.3.1 pushed to it."""
    path = home / "server.git"
    run("git", "init", "-q", "--bare", path)
    run("git", "config", "receive.fsckObjects", "true", cwd=path)
    run("git", "remote", "add", "origin", str(path), cwd=atom)
    run("git", "push", "-q", "origin", "HEAD:refs/heads/main", cwd=atom)
    run("git", "atom", "publish", "zlib", "--push", "origin", cwd=atom)
    return path


@pytest.fixture
def stranger(tmp_path: Path) -> dict[str, str]:
    """The environment of another user, without a key."""
    place = tmp_path / "stranger"
    place.mkdir()
    (place / ".gitconfig").write_text("[user]\n\tname = S\n\temail = s@example.org\n")
    return {
        "HOME": str(place),
        "XDG_CACHE_HOME": str(place / ".cache"),
        "XDG_DATA_HOME": str(place / ".local/share"),
        "XDG_CONFIG_HOME": str(place / ".config"),
        "GIT_CONFIG_GLOBAL": str(place / ".gitconfig"),
    }


def anchor_of(run: Run, repo: Path) -> str:
    return run("git", "atom", "init", "-q", cwd=repo).stdout.strip()


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


def test_dry_run_writes_nothing(atom: Path, run: Run) -> None:
    before = refs(run, atom), run("git", "count-objects", cwd=atom).stdout
    assert "would publish zlib 1.3.1" in run("git", "atom", "publish", "-n", "zlib", cwd=atom).stderr
    assert (refs(run, atom), run("git", "count-objects", cwd=atom).stdout) == before


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
        apart = {".cache", "store.git"}  # an empty store is made, to verify in
        kept = (p for p in there.rglob("*") if p.is_file() and not apart & set(p.parts) and p.suffix != ".lock")
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
    row = run("git", "atom", "fetch", "-n", f"{server}::zlib", cwd=there, **stranger).stdout
    assert run("git", "atom", "get", "-n", f"{server}::zlib", "out", cwd=there, **stranger).stdout == row
    value = json.loads(
        run("git", "atom", "get", "-n", "--json", f"{server}::zlib", "out", cwd=there, **stranger).stdout
    )
    assert value["dry-run"] and value["dir"] == "out" and row == f"zlib 1.3.1 {value['tree']}\n"
    run("git", "atom", "get", "-n", f"{server}::zlib", "work", cwd=there, status=128, **stranger)
    assert state() == before
    assert run("git", "--git-dir", there / ".local/share/git-atom/store.git", "for-each-ref").stdout == ""
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
    assert "ATOM-8002" in run("git", "atom", "publish", "empty", cwd=atom, status=128).stderr
    assert "ATOM-8001" in run("git", "atom", "publish", "/tmp", cwd=atom, status=128).stderr
    assert "ATOM-2016" in run("git", "atom", "publish", "--rev", "nonsense", cwd=atom, status=128).stderr


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
    assert "ATOM-8008" in run("git", "atom", "publish", "--all", cwd=atom, status=7).stderr


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


def test_a_stranger_lists_trusts_fetches_and_verifies_offline(
    server: Path, run: Run, stranger: dict[str, str], atom: Path
) -> None:
    there = Path(stranger["HOME"])
    anchor = anchor_of(run, atom)
    done = run("git", "atom", "list", str(server), cwd=there, **stranger)
    assert done.stdout == "zlib 1.3.1\n" and f"hint: git atom trust add {anchor}" in done.stderr
    done = run("git", "atom", "fetch", f"{server}::zlib@^1", cwd=there, status=2, **stranger)
    assert f"note: anchor {anchor}\n" in done.stderr and "note: owner SHA256:" in done.stderr
    assert f"hint: git atom trust add {anchor}\n" in done.stderr
    store = there / ".local/share/git-atom/store.git"
    assert refs(run, store) == ""
    run("git", "atom", "trust", "add", anchor, cwd=there, **stranger)
    assert run("git", "atom", "trust", "list", cwd=there, **stranger).stdout == anchor + "\n"
    run("git", "atom", "fetch", f"{server}::zlib@^2", cwd=there, status=1, **stranger)
    done = run("git", "atom", "fetch", f"{server}::zlib@^1", cwd=there, **stranger)
    published = run("git", "atom", "publish", "zlib", cwd=atom).stdout
    assert done.stdout == published
    run("git", "fsck", "--strict", cwd=store)
    assert os.listdir(store / "incoming") == []

    server.rename(server.with_name("gone"))
    assert "good zlib 1.3.1" in run("git", "atom", "verify", cwd=there, **stranger).stdout
    assert "mirror" in run("git", "atom", "show", "zlib", cwd=there, **stranger).stdout
    run("git", "atom", "get", f"{server}::zlib", "out", cwd=there, **stranger)
    run("git", "atom", "get", "zlib@=1.3.1", "again", cwd=there, **stranger)
    assert (there / "out/main.c").read_text() == (there / "again/main.c").read_text() == "int main;\n"
    assert "ATOM-2018" in run("git", "atom", "get", "zlib", "out", cwd=there, status=128, **stranger).stderr
    run("git", "atom", "fetch", f"{server}::curl", cwd=there, status=6, **stranger)
    run("git", "atom", "trust", "remove", anchor, cwd=there, **stranger)
    assert "ATOM-3013" in run("git", "atom", "verify", cwd=there, status=2, **stranger).stderr


def test_nothing_in_a_repository_widens_trust(server: Path, run: Run, stranger: dict[str, str], home: Path) -> None:
    """The repository names its own anchor, signing program and signers file; none of it counts."""
    clone = Path(stranger["HOME"]) / "clone"
    run("git", "clone", "-q", str(server), clone, **stranger)
    anchor = run("git", "atom", "list", str(server), "--format", "%(anchor)", **stranger).stdout.strip()
    canary = clone / "canary"
    program = clone / "program"
    program.write_text(f"#!/bin/sh\ntouch {canary}\nexit 0\n")
    program.chmod(0o755)
    for setting, value in (
        ("atom.trustedAnchor", anchor),
        ("gpg.ssh.program", str(program)),
        ("gpg.ssh.allowedSignersFile", str(program)),
        ("gpg.ssh.defaultKeyCommand", str(program)),
    ):
        run("git", "config", setting, value, cwd=clone)
    over = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "atom.trustedAnchor", "GIT_CONFIG_VALUE_0": anchor}
    run("git", "atom", "fetch", f"{server}::zlib", cwd=clone, status=2, **stranger, **over)
    run("git", "fetch", "-q", "origin", "+refs/atoms-log/*:refs/atoms-log/*", cwd=clone)
    run("git", "atom", "verify", cwd=clone, status=2, **stranger, **over)
    assert not canary.exists()


def trusting(run: Run, server: Path, stranger: dict[str, str]) -> Path:
    """The stranger trusts and fetches zlib; returns the store."""
    there = Path(stranger["HOME"])
    anchor = run(
        "git", "atom", "list", "-q", str(server), "--format", "%(anchor)", cwd=there, **stranger
    ).stdout.split()[0]
    run("git", "atom", "trust", "add", anchor, cwd=there, **stranger)
    run("git", "atom", "fetch", f"{server}::zlib", cwd=there, **stranger)
    return there / ".local/share/git-atom/store.git"


def unpack(run: Run, repo: Path) -> None:
    for pack in list((repo / "objects/pack").glob("*.pack")):
        data = pack.read_bytes()
        for part in pack.parent.glob(pack.stem + ".*"):
            part.unlink()
        subprocess.run(["git", "unpack-objects", "-q"], cwd=repo, input=data, check=True)


@pytest.mark.parametrize(
    "what", ["refs/sets/{}/atoms/zlib/1.3.1^{{commit}}:main.c", "refs/sets/{}/log", "refs/sets/{}/log^{{tree}}"]
)
def test_f07_replaced_loose_objects_are_never_used(
    what: str, server: Path, run: Run, stranger: dict[str, str], atom: Path
) -> None:
    """A loose object overwritten with other validly compressed bytes: git reads it without a word, we do not."""
    store = trusting(run, server, stranger)
    unpack(run, store)
    oid = run("git", "rev-parse", what.format(anchor_of(run, atom)[7:]), cwd=store).stdout.strip()
    kind = run("git", "cat-file", "-t", oid, cwd=store).stdout.strip()
    body = {"blob": "evil\n", "tree": ""}.get(kind) or run("git", "cat-file", kind, oid, cwd=store).stdout.replace(
        "a", "b", 1
    )
    bad = run("git", "hash-object", "-w", "-t", kind, "--literally", "--stdin", cwd=store, stdin=body).stdout.strip()
    target = store / "objects" / oid[:2] / oid[2:]
    target.chmod(0o644)
    target.write_bytes((store / "objects" / bad[:2] / bad[2:]).read_bytes())
    there = Path(stranger["HOME"])
    for verb in (["verify"], ["get", "zlib", "out"]):
        done = run("git", "atom", *verb, cwd=there, status=7, **stranger)
        assert "ATOM-2009" in done.stderr
    assert not (there / "out").exists() and not list(there.glob(".out*"))


def test_a_moved_version_ref_is_noticed(atom: Path, run: Run) -> None:
    run("git", "atom", "publish", "zlib", cwd=atom)
    write_atom(atom / "zlib", "zlib", "1.3.2")
    commit(run, atom)
    run("git", "atom", "publish", "zlib", cwd=atom)
    run("git", "update-ref", "refs/atoms/zlib/1.3.2", "refs/atoms/zlib/1.3.1", cwd=atom)
    done = run("git", "atom", "verify", cwd=atom, status=2)
    assert "ATOM-8019" in done.stderr and "refs/atoms/zlib/1.3.2" in done.stderr
    assert run("git", "atom", "verify", "zlib@=1.3.1", cwd=atom).stdout.startswith("good zlib 1.3.1")
    run("git", "atom", "publish", "zlib", cwd=atom)
    run("git", "atom", "verify", cwd=atom)


def test_an_older_log_and_another_log_are_refused(
    server: Path, atom: Path, run: Run, stranger: dict[str, str], home: Path
) -> None:
    old = run("git", "rev-parse", LOG, cwd=server).stdout.strip()
    shutil.copytree(atom, home / "fork")
    write_atom(atom / "zlib", "zlib", "1.3.2")
    commit(run, atom)
    run("git", "atom", "publish", "zlib", "--push", "origin", cwd=atom)
    store = trusting(run, server, stranger)
    there = Path(stranger["HOME"])
    before = refs(run, store)

    new = run("git", "rev-parse", LOG, cwd=server).stdout.strip()
    run("git", "update-ref", LOG, old, cwd=server)
    done = run("git", "atom", "fetch", f"{server}::zlib", cwd=there, status=2, **stranger)
    assert "ATOM-3011" in done.stderr and old in done.stderr and new in done.stderr
    assert refs(run, store) == before

    write_atom(home / "fork/zlib", "zlib", "9.9.9")
    commit(run, home / "fork")
    run("git", "atom", "publish", "zlib", cwd=home / "fork")
    run("git", "push", "-qf", str(server), f"+{LOG}:{LOG}", cwd=home / "fork")
    done = run("git", "atom", "fetch", f"{server}::zlib", cwd=there, status=2, **stranger)
    assert "ATOM-3019" in done.stderr
    evidence = set(refs(run, store).splitlines()) - set(before.splitlines())
    assert len(evidence) == 2 and all("/forks/" in line for line in evidence)

    run("git", "update-ref", LOG, new, cwd=server)
    run("git", "atom", "fetch", f"{server}::zlib@=1.3.1", cwd=there, **stranger)


def test_what_the_log_names_must_be_there(server: Path, run: Run, stranger: dict[str, str]) -> None:
    there = Path(stranger["HOME"])
    run("git", "update-ref", "-d", "refs/atoms/zlib/1.3.1", cwd=server)
    anchor = run(
        "git", "atom", "list", "-q", str(server), "--format", "%(anchor)", cwd=there, **stranger
    ).stdout.strip()
    run("git", "atom", "trust", "add", anchor, cwd=there, **stranger)
    done = run("git", "atom", "fetch", f"{server}::zlib", cwd=there, status=6, **stranger)
    assert "ATOM-8018" in done.stderr
    assert refs(run, there / ".local/share/git-atom/store.git") == ""


def test_urls_that_run_programs_are_refused(home: Path, run: Run) -> None:
    for url in (f"ext::sh -c touch% {home}/canary", "ssh://-oProxyCommand=touch/x", "--upload-pack=touch"):
        assert run("git", "atom", "fetch", f"{url}::zlib", status=None).returncode in (7, 129)
    assert not (home / "canary").exists()


def test_a_second_clone_joins(server: Path, atom: Path, home: Path, run: Run) -> None:
    run("git", "clone", "-q", f"file://{server}", home / "second")
    done = run("git", "atom", "init", cwd=home / "second")
    assert "joined" in done.stderr and done.stdout.strip() == anchor_of(run, atom)
    assert run("git", "atom", "list", cwd=home / "second").stdout == "zlib 1.3.1\n"
    assert "absent" in run("git", "atom", "verify", cwd=home / "second").stdout
    run("git", "atom", "publish", "zlib", "--push", "origin", cwd=home / "second")
    assert "good" in run("git", "atom", "verify", cwd=home / "second").stdout


def test_init_does_not_found_when_the_remote_cannot_be_asked(project: Path, key: Path, run: Run) -> None:
    run("git", "remote", "add", "origin", "/nowhere/at/all.git", cwd=project)
    assert "ATOM-2011" in run("git", "atom", "init", cwd=project, status=6).stderr
    assert LOG not in refs(run, project)


def test_two_publishers_reconcile_on_push(server: Path, atom: Path, home: Path, run: Run) -> None:
    """Both publish offline, the same name too; the second to push puts its entries on top of the first's."""
    second = home / "second"
    run("git", "clone", "-q", str(server), second)
    run("git", "atom", "init", cwd=second)
    for repo, version, other in ((atom, "1.3.2", "one"), (second, "1.4.0", "two")):
        write_atom(repo / "zlib", "zlib", version)
        write_atom(repo / other, other, "1.0.0")
        commit(run, repo)
        run("git", "atom", "publish", "--all", cwd=repo)
    run("git", "atom", "publish", "--all", "--push", "origin", cwd=atom)
    run("git", "atom", "publish", "--all", "--push", "origin", cwd=second)
    run("git", "atom", "publish", "--all", "--push", "origin", cwd=atom)
    names = "one 1.0.0\ntwo 1.0.0\nzlib 1.3.1\nzlib 1.3.2\nzlib 1.4.0\n"
    for repo in (server, atom, second):
        assert run("git", "atom", "list", cwd=repo).stdout == names
    run("git", "fsck", "--strict", cwd=server)
    run("git", "atom", "verify", cwd=second)
    run("git", "atom", "verify", cwd=server)


@pytest.mark.slow
def test_k05_publishers_racing_to_one_server(server: Path, home: Path, run: Run) -> None:
    clones = [home / f"racer{i}" for i in range(4)]
    for i, clone in enumerate(clones):
        run("git", "clone", "-q", str(server), clone)
        run("git", "atom", "init", cwd=clone)
        write_atom(clone / f"p{i}", f"package{i}", "1.0.0")
        write_atom(clone / "same", "same", "1.0.0", f"int x{i};\n")
        commit(run, clone)

    def race(folder: str) -> list[int]:
        started = [
            subprocess.Popen(
                ["git", "atom", "publish", folder.format(i), "--push", "origin"], cwd=clone, stderr=subprocess.PIPE
            )
            for i, clone in enumerate(clones)
        ]
        for process in started:
            _, words = process.communicate()
            assert b"Traceback" not in words, words.decode()
        return sorted(process.returncode for process in started)

    assert race("p{}") == [0, 0, 0, 0]
    assert race("same") == [0, 5, 5, 5]
    assert len(run("git", "atom", "list", cwd=server).stdout.split("\n")) == 7
    run("git", "fsck", "--strict", cwd=server)
    run("git", "atom", "verify", cwd=server)


def test_publishers_racing_in_one_repository(atom: Path, run: Run) -> None:
    for i in range(4):
        write_atom(atom / f"p{i}", f"package{i}", "1.0.0")
    commit(run, atom)
    started = [subprocess.Popen(["git", "atom", "publish", "-q", f"p{i % 4}"], cwd=atom) for i in range(8)]
    assert [p.wait() for p in started] == [0] * 8
    assert run("git", "atom", "list", cwd=atom).stdout.count("\n") == 4
    run("git", "atom", "verify", cwd=atom)


def test_a_server_that_refuses_leaves_nothing_there(server: Path, atom: Path, run: Run) -> None:
    hook = server / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    hook.chmod(0o755)
    write_atom(atom / "zlib", "zlib", "1.3.2")
    commit(run, atom)
    before = refs(run, server)
    assert "ATOM-2012" in run("git", "atom", "publish", "zlib", "--push", "origin", cwd=atom, status=2).stderr
    assert refs(run, server) == before
    hook.unlink()
    run("git", "atom", "publish", "zlib", "--push", "origin", cwd=atom)
    assert run("git", "atom", "list", cwd=server).stdout == "zlib 1.3.1\nzlib 1.3.2\n"


def test_another_key_may_not_publish(server: Path, run: Run, stranger: dict[str, str]) -> None:
    there = Path(stranger["HOME"])
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", there / "key")
    run("git", "config", "--global", "user.signingKey", str(there / "key.pub"), **stranger)
    run("git", "clone", "-q", str(server), there / "clone", **stranger)
    done = run("git", "atom", "init", cwd=there / "clone", **stranger)
    assert "joined" in done.stderr and "trust" not in (there / ".gitconfig").read_text()
    for name, version in (("zlib", "1.3.9"), ("mine", "1.0.0")):
        write_atom(there / "clone" / name, name, version)
    commit(run, there / "clone")
    before = refs(run, there / "clone")
    for name in ("zlib", "mine"):
        done = run("git", "atom", "publish", name, cwd=there / "clone", status=2, **stranger)
        assert "ATOM-8017" in done.stderr
    assert refs(run, there / "clone") == before


def test_sha256_repository_publishes(home: Path, key: Path, run: Run) -> None:
    repo = home / "sha256"
    run("git", "init", "-q", "--object-format=sha256", repo)
    write_atom(repo / "zlib", "zlib", "1.3.1")
    commit(run, repo)
    run("git", "atom", "init", cwd=repo)
    run("git", "atom", "publish", "zlib", cwd=repo)
    assert "good zlib" in run("git", "atom", "verify", "--source", cwd=repo).stdout
    run("git", "fsck", "--strict", cwd=repo)
    run("git", "init", "-q", "--bare", "--object-format=sha256", home / "server.git")
    run("git", "atom", "publish", "zlib", "--push", str(home / "server.git"), cwd=repo)
    done = run("git", "atom", "list", str(home / "server.git"), status=6)
    assert "sha256" in done.stderr


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
