"""The hooks in place: publishing through them, over ssh, http and gitolite, the client's own, and putting them in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from forging import OTHER, Forger, accepted
from projects import LOG, Run, commit, everything, refs, rev, write_atom
from servers import Gitolite, http, ssh

pytestmark = pytest.mark.slow


# --- through the commands ---------------------------------------------------------------------------------------------


@pytest.fixture
def atom(atom: Path, run: Run) -> Path:
    """The project with its set, and zlib 1.3.1 published in it."""
    run("git", "atom", "publish", "zlib", cwd=atom)
    return atom


@pytest.fixture
def server(home: Path, run: Run, atom: Path) -> Path:
    """A bare repository with the hook; the project's set is on it."""
    path = home / "server.git"
    run("git", "init", "-q", "--bare", path)
    run("git", "atom", "hooks", "install", "--server", cwd=path)
    run("git", "remote", "add", "origin", str(path), cwd=atom)
    run("git", "push", "-q", "origin", "HEAD:refs/heads/main", cwd=atom)
    run("git", "atom", "publish", "zlib", "--push", "origin", cwd=atom)
    return path


def test_p07_a_server_that_refuses_one_of_five_has_none(server: Path, atom: Path, run: Run) -> None:
    picky = server / "hooks/pre-receive.before-git-atom"
    picky.write_text("#!/bin/sh\n! grep -q refs/atoms/p3/\n")
    picky.chmod(0o755)
    for i in range(5):
        write_atom(atom / f"p{i}", f"p{i}", "1.0.0")
    commit(run, atom)
    before = everything(server)
    argv = ["git", "atom", "publish", "--push", "origin", *(f"p{i}" for i in range(5))]
    done = run(*argv, cwd=atom, status=2)
    assert "ATOM-2012" in done.stderr and everything(server) == before
    picky.unlink()
    run(*argv, cwd=atom)
    assert run("git", "atom", "list", cwd=server).stdout.count("\n") == 6


def test_p08_a_server_that_says_yes_and_does_not_keep_it(server: Path, atom: Path, run: Run) -> None:
    liar = server / "hooks/post-receive"
    liar.write_text("#!/bin/sh\ngit update-ref -d refs/atoms/zlib/1.3.2\n")
    liar.chmod(0o755)
    write_atom(atom / "zlib", "zlib", "1.3.2")
    commit(run, atom)
    done = run("git", "atom", "publish", "zlib", "--push", "origin", cwd=atom, status=6)
    assert "ATOM-2017" in done.stderr and "not published" in done.stderr


def test_the_reason_reaches_who_publishes(server: Path, atom: Path, run: Run, home: Path) -> None:
    run("git", "config", "--global", "atom.receiveAnchor", "blake3:" + "0" * 64)
    run("git", "init", "-q", "--bare", home / "second.git")
    run("git", "atom", "hooks", "install", cwd=home / "second.git")
    done = run("git", "atom", "publish", "zlib", "--push", str(home / "second.git"), cwd=atom, status=2)
    assert "ATOM-2012" in done.stderr and "ATOM-8513" in done.stderr


def test_two_offline_publishers_reconcile(server: Path, atom: Path, home: Path, run: Run) -> None:
    """Both publish offline, the same name too; the hook sees one log that only grows, and nobody's floor is undercut."""
    second = home / "second"
    run("git", "clone", "-q", str(server), second)
    run("git", "atom", "init", cwd=second)
    for repo in (atom, second):
        run("git", "atom", "hooks", "install", "--client", cwd=repo)
    for repo, version, other in ((atom, "1.3.2", "one"), (second, "1.4.0", "two")):
        write_atom(repo / "zlib", "zlib", version)
        write_atom(repo / other, other, "1.0.0")
        commit(run, repo)
        run("git", "atom", "publish", "--all", cwd=repo)
    for repo in (atom, second, atom):
        done = run("git", "atom", "publish", "--all", "--push", "origin", cwd=repo)
        assert "error" not in done.stderr
    names = "one 1.0.0\ntwo 1.0.0\nzlib 1.3.1\nzlib 1.3.2\nzlib 1.4.0\n"
    for repo in (server, atom, second):
        assert run("git", "atom", "list", cwd=repo).stdout == names
        run("git", "atom", "verify", cwd=repo)


# --- sub-atoms --------------------------------------------------------------------------------------------------------


def test_sub_atoms(server: Path, atom: Path, run: Run) -> None:
    """Those an atom needs come with it, as they are locked; others do not come at all."""
    (atom / "shared").mkdir()
    (atom / "shared/data").write_text("data\n")
    (atom / "one.txt").write_text("one\n")
    write_atom(atom / "app", "app", "1.0.0")
    with (atom / "app/atom.toml").open("a") as file:
        file.write('[srcs.data]\npath = "../shared"\n[srcs.one]\npath = "../one.txt"\n')
    commit(run, atom)
    run("git", "atom", "lock", "app", cwd=atom)
    commit(run, atom)
    run("git", "atom", "publish", "app", cwd=atom)
    subs = [line.split()[2] for line in refs(run, atom).splitlines() if "refs/subs/" in line]
    assert len(subs) == 2
    wanted = ["refs/atoms/app/1.0.0", LOG]
    other = rev(run, atom, "HEAD")

    def no(code: str, *specs: str) -> None:
        before = everything(server)
        done = run("git", "push", "--atomic", "origin", *specs, cwd=atom, status=1)
        assert f"error[{code}]" in done.stderr, done.stderr
        assert everything(server) == before

    no("ATOM-8507", *wanted, subs[0])
    no("ATOM-8507", *wanted, subs[0], f"{other}:{subs[1]}")
    no("ATOM-8507", *wanted, *subs, f"{rev(run, atom, subs[0])}:refs/subs/{rev(run, atom, 'HEAD^{tree}')}")
    no("ATOM-8507", subs[0])
    run("git", "atom", "publish", "app", "--push", "origin", cwd=atom)
    no("ATOM-8503", f":{subs[0]}")
    assert {line.split()[2] for line in refs(run, server).splitlines()} >= {*wanted, *subs}


# --- over a network ---------------------------------------------------------------------------------------------------


def publish_and_be_refused(server: Path, url: str, atom: Path, run: Run) -> None:
    """A good push and a bad one over some transport."""
    run("git", "remote", "set-url", "origin", url, cwd=atom)
    write_atom(atom / "zlib", "zlib", "1.3.2", "x" * 3_000_000)
    commit(run, atom)
    run("git", "atom", "publish", "zlib", "--push", "origin", cwd=atom)
    assert run("git", "atom", "list", cwd=server).stdout == "zlib 1.3.1\nzlib 1.3.2\n"
    before = everything(server)
    for specs, code in ((":refs/atoms/zlib/1.3.1", "8503"), ("+refs/atoms/zlib/1.3.2:refs/atoms/zlib/1.3.1", "8504")):
        done = run("git", "push", "origin", specs, cwd=atom, status=1)
        assert f"remote: error[ATOM-{code}]" in done.stderr, done.stderr
        assert everything(server) == before


def test_over_http(server: Path, atom: Path, run: Run) -> None:
    run("git", "config", "http.receivepack", "true", cwd=server)
    with http(server.parent) as url:
        publish_and_be_refused(server, f"{url}/server.git", atom, run)


def test_over_ssh(server: Path, atom: Path, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = home / "sshd"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "login")
    with ssh(place, [(home / "login.pub").read_text().strip()], "/usr/bin:/bin", home) as (port, command):
        monkeypatch.setenv("GIT_SSH_COMMAND", command.replace(f"{place}/user", str(home / "login")))
        publish_and_be_refused(server, f"ssh://127.0.0.1:{port}{server}", atom, run)


def test_in_a_gitolite(atom: Path, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook lies in gitolite's local code and is linked into its repositories; gitolite's own update hook goes on working."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "admin")
    (home / "git").mkdir()
    lite = Gitolite(home / "git", home / "admin.pub")
    run("git", "init", "-q", "--bare", home / "any.git")
    common = home / "git/local/hooks/common"
    common.mkdir(parents=True)
    shutil.copy(run("git", "atom", "hooks", "install", "-q", cwd=home / "any.git").stdout.strip(), common)
    lite.call("setup", "--hooks-only")
    server = home / "git/repositories/testing.git"
    assert (server / "hooks/pre-receive").is_symlink() and (server / "hooks/update").is_symlink()
    place = home / "sshd"
    with ssh(place, lite.keys, "/usr/bin:/bin", home / "git") as (port, command):
        monkeypatch.setenv("GIT_SSH_COMMAND", command.replace(f"{place}/user", str(home / "admin")))
        url = f"ssh://127.0.0.1:{port}/testing"
        run("git", "remote", "add", "origin", url, cwd=atom)
        run("git", "push", "-q", "origin", "HEAD:refs/heads/main", cwd=atom)
        run("git", "atom", "publish", "zlib", "--push", "origin", cwd=atom)
        publish_and_be_refused(server, url, atom, run)
        run("git", "push", "-q", f"ssh://127.0.0.1:{port}/nowhere", "HEAD:refs/heads/x", cwd=atom, status=128)
    assert run("git", "atom", "hooks", "install", "-n", cwd=server).stderr.startswith("is installed already")


# --- the client's hook ------------------------------------------------------------------------------------------------


@pytest.fixture
def clone(bare: Path, forger: Forger, home: Path, run: Run) -> Path:
    """A repository with the client's hook that has what the server has."""
    path = home / "clone"
    run("git", "init", "-q", path)
    run("git", "remote", "add", "origin", str(bare), cwd=path)
    run("git", "remote", "add", "forge", str(forger.path), cwd=path)
    assert run("git", "atom", "hooks", "install", cwd=path).stdout.strip().endswith("hooks/reference-transaction")
    run("git", "fetch", "-q", "origin", f"{LOG}:{LOG}", cwd=path)
    run("git", "fetch", "-q", "origin", "refs/atoms/*:refs/atoms/*", cwd=path)
    assert "refs/atoms/a/1.0.0" in refs(run, path)
    return path


def stopped(run: Run, clone: Path, code: str, *argv: str, stdin: str = "") -> None:
    before = refs(run, clone)
    done = run("git", *argv, cwd=clone, status=None, stdin=stdin)
    assert done.returncode != 0 and f"error[{code}]" in done.stderr, done.stderr
    assert refs(run, clone) == before


def test_client_a_fetch_that_would_bring_a_bad_atom(clone: Path, forger: Forger, run: Run) -> None:
    start = forger.draft
    bad = forger.publish(forger.tag(forger.release("b", "1.0.0"), OTHER))[0]
    run("git", "update-ref", "refs/atoms/b/1.0.0", bad.oid, cwd=forger.path)
    run("git", "update-ref", LOG, forger.head, cwd=forger.path)
    stopped(run, clone, "ATOM-3004", "fetch", "forge", "refs/atoms/*:refs/atoms/*")
    stopped(run, clone, "ATOM-3004", "fetch", "forge", f"{LOG}:{LOG}")
    run("git", "fetch", "-q", "forge", "refs/atoms/*:refs/remotes/forge/*", cwd=clone)  # none of our refs
    run("git", "update-ref", "-d", "refs/atoms/b/1.0.0", cwd=forger.path)
    run("git", "update-ref", LOG, start.head or "", cwd=forger.path)
    forger.draft = start
    good = forger.add("b", "1.0.0")
    run("git", "update-ref", "refs/atoms/b/1.0.0", good.oid, cwd=forger.path)
    run("git", "update-ref", LOG, forger.head, cwd=forger.path)
    run("git", "fetch", "-q", "forge", "refs/atoms/*:refs/atoms/*", f"{LOG}:{LOG}", cwd=clone)
    assert "refs/atoms/b/1.0.0" in refs(run, clone)


def test_client_a_local_write_that_moves_a_version(clone: Path, forger: Forger, run: Run, bare: Path) -> None:
    accepted(forger, bare, *forger.specs(forger.add("a", "1.1.0", "1.0.0")))
    old = rev(run, clone, LOG)
    run("git", "fetch", "-q", "origin", f"{LOG}:{LOG}", "refs/atoms/*:refs/atoms/*", cwd=clone)
    one, two = rev(run, clone, "refs/atoms/a/1.0.0"), rev(run, clone, "refs/atoms/a/1.1.0")
    head = rev(run, clone, LOG)
    stopped(run, clone, "ATOM-3010", "update-ref", "refs/atoms/a/1.0.0", two)
    stopped(run, clone, "ATOM-8505", "update-ref", "refs/atoms/a/1.0.0", f"{one}^{{commit}}")
    stopped(run, clone, "ATOM-8503", "update-ref", "-d", "refs/atoms/a/1.0.0")
    stopped(run, clone, "ATOM-8503", "update-ref", "-d", LOG)
    stopped(run, clone, "ATOM-8510", "update-ref", LOG, old)
    stopped(run, clone, "ATOM-1017", "update-ref", "refs/atoms/other", one)
    stopped(run, clone, "ATOM-8507", "update-ref", f"refs/subs/{'0' * 40}", head)
    run("git", "-c", "core.hooksPath=/dev/null", "update-ref", "-d", "refs/atoms/a/1.0.0", cwd=clone)
    run("git", "update-ref", "refs/atoms/a/1.0.0", one, cwd=clone)  # put back as it was
    (clone / "x").write_text("x")
    commit(run, clone)
    run("git", "tag", "t", cwd=clone)
    run("git", "gc", "-q", "--prune=now", cwd=clone)
    run("git", "pack-refs", "--all", cwd=clone)
    run("git", "branch", "-q", "topic", cwd=clone)
    run("git", "branch", "-q", "-D", "topic", cwd=clone)


def test_client_prune_does_not_delete_what_is_published(clone: Path, forger: Forger, run: Run, bare: Path) -> None:
    run("git", "update-ref", "-d", "refs/atoms/a/1.0.0", cwd=bare)
    stopped(run, clone, "ATOM-8503", "fetch", "--prune", "origin", "+refs/atoms/*:refs/atoms/*")


def test_client_unknown_states_pass_and_the_shim_is_quiet_for_other_refs(clone: Path, run: Run) -> None:
    line = f"{'0' * 40} {'1' * 40} refs/atoms/a/1.0.0\n"
    for state in ("preparing", "committed", "aborted", "whatever"):
        run("git", "atom", "hooks", "run", "reference-transaction", state, cwd=clone, stdin=line)
    run("git", "atom", "hooks", "run", "reference-transaction", "prepared", cwd=clone, stdin=line, status=2)
    for bad in ("x\n", line[:-1], f"ref:refs/x {line[41:]}", line + line):
        done = run("git", "atom", "hooks", "run", "reference-transaction", "prepared", cwd=clone, stdin=bad, status=7)
        assert "error[ATOM-8501]" in done.stderr
    run(
        "git",
        "atom",
        "hooks",
        "run",
        "reference-transaction",
        "prepared",
        cwd=clone,
        stdin="ref:refs/heads/a ref:refs/heads/b HEAD\n",
    )
    run("git", "atom", "hooks", "run", "post-receive", cwd=clone, status=129)
    hook = clone / ".git/hooks/reference-transaction"
    hook.write_text(hook.read_text().replace("-m git_atom.cli.main", "-c 'raise SystemExit(9)'"))
    run("git", "commit", "-q", "--allow-empty", "-m", "x", cwd=clone)
    run("git", "update-ref", "refs/atoms/a/9.0.0", "HEAD", cwd=clone, status=128)


def test_client_our_own_commands_pass(server: Path, atom: Path, run: Run, home: Path) -> None:
    """Publishing, joining, fetching into a store with the hook: they pass because what they write is good."""
    store = home / ".local/share/git-atom/store.git"
    for repo in (atom, store):
        run("git", "atom", "hooks", "install", "--client", cwd=repo)
    write_atom(atom / "zlib", "zlib", "1.3.2")
    write_atom(atom / "curl", "curl", "8.0.0")
    commit(run, atom)
    run("git", "atom", "publish", "--all", "--push", "origin", cwd=atom)
    run("git", "atom", "fetch", f"{server}::zlib@=1.3.2", cwd=home)
    anchor = next(line.split("/")[2] for line in refs(run, store).splitlines() if line.endswith("/log"))
    log = f"refs/sets/{anchor}/log"
    stopped(run, store, "ATOM-8503", "update-ref", "-d", log)
    stopped(run, store, "ATOM-3011", "update-ref", log, f"{log}~1")
    one = f"refs/sets/{anchor}/atoms/zlib/1.3.2"
    stopped(run, store, "ATOM-8505", "update-ref", one, f"{one}^{{commit}}")
    stopped(run, store, "ATOM-8516", "update-ref", f"refs/sets/{'0' * 64}/log", log)
    run("git", "update-ref", "-d", one, cwd=store)
    run("git", "atom", "fetch", f"{server}::zlib@=1.3.2", cwd=home)
    run("git", "clone", "-q", str(server), home / "second")
    run("git", "atom", "hooks", "install", cwd=home / "second")
    run("git", "atom", "init", cwd=home / "second")


# --- installing -------------------------------------------------------------------------------------------------------


def test_install_beside_a_hook(bare: Path, home: Path, run: Run, project: Path) -> None:
    hook = bare / "hooks/pre-receive"
    ours = hook.read_bytes()
    theirs = f"#!/bin/sh\ncat >{home}/seen\nexec test ! -e {home}/no\n".encode()
    hook.write_bytes(theirs)
    hook.chmod(0o751)
    before = everything(bare)
    told = run("git", "atom", "hooks", "install", "-n", "--server", cwd=bare)
    assert "would be installed" in told.stderr and everything(bare) == before
    run("git", "atom", "hooks", "install", "--server", cwd=bare)
    kept = bare / "hooks/pre-receive.before-git-atom"
    assert kept.read_bytes() == theirs and kept.stat().st_mode & 0o777 == 0o751 and hook.read_bytes() == ours
    before = everything(bare)
    assert "already" in run("git", "atom", "hooks", "install", "--server", cwd=bare).stderr
    assert everything(bare) == before
    made = Forger(home / "forge.git").claim("a")
    atom = made.add("a", "1.0.0")
    accepted(made, bare, *made.specs(atom))
    assert (home / "seen").read_text().splitlines() == [
        f"{'0' * 40} {made.head} {LOG}", f"{'0' * 40} {atom.oid} refs/atoms/a/1.0.0"
    ] or (home / "seen").read_text().count("\n") == 2  # fmt: skip
    (home / "no").touch()
    run("git", "push", bare, "HEAD:refs/heads/x", cwd=project, status=1)
    (home / "no").unlink()
    hook.write_bytes(ours.replace(b" -I ", b" -E "))  # an older one of ours
    assert "brought up to date" in run("git", "atom", "hooks", "install", cwd=bare).stderr
    assert hook.read_bytes() == ours and kept.read_bytes() == theirs
    hook.write_bytes(theirs)
    assert "ATOM-8514" in run("git", "atom", "hooks", "install", cwd=bare, status=128).stderr
    assert hook.read_bytes() == theirs


def test_install_where_git_looks_for_hooks(project: Path, home: Path, run: Run) -> None:
    shared = home / "my hooks"
    run("git", "config", "--global", "core.hooksPath", str(shared))
    done = run("git", "atom", "hooks", "install", "--server", "--client", cwd=project)
    assert (
        sorted(os.listdir(shared)) == ["pre-receive", "reference-transaction"]
        and "serves every repository" in done.stderr
    )
    run("git", "config", "core.hooksPath", "own", cwd=project)
    run("git", "atom", "hooks", "install", cwd=project)
    assert (project / "own/reference-transaction").exists()
    run("git", "config", "core.hooksPath", "/dev/null", cwd=project)
    assert "ATOM-8514" in run("git", "atom", "hooks", "install", cwd=project, status=128).stderr
    assert "ATOM-2003" in run("git", "atom", "hooks", "install", cwd=home, status=128).stderr
    run("git", "worktree", "add", "-q", home / "tree", cwd=project)
    run("git", "config", "--unset", "core.hooksPath", cwd=project)
    run("git", "config", "--global", "--unset", "core.hooksPath")
    run("git", "atom", "hooks", "install", cwd=home / "tree")
    assert (project / ".git/hooks/reference-transaction").exists()
