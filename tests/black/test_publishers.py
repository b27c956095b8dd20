"""Several publishers of one set: joining, racing, reconciling, and those who may not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from projects import LOG, Run, anchor_of, commit, joined, refs, write_atom


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
    second = joined(run, server, home / "second")
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
        joined(run, server, clone)
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


def behind(server: Path, atom: Path, home: Path, run: Run) -> Path:
    """A clone of the same user that stands where the set stood before `atom` published 1.3.2."""
    second = joined(run, server, home / "second")
    write_atom(atom / "zlib", "zlib", "1.3.2")
    commit(run, atom)
    run("git", "atom", "publish", "zlib", "--push", "origin", cwd=atom)
    return second


def test_s04_a_log_that_was_turned_back_is_refused_at_home_too(server: Path, atom: Path, home: Path, run: Run) -> None:
    run("git", "clone", "-q", "--mirror", str(server), home / "old.git")
    second = behind(server, atom, home, run)
    for words in (["verify"], ["get", "zlib", str(home / "out")]):
        done = run("git", "atom", *words, cwd=second, status=2)
        assert "ATOM-3011" in done.stderr and not (home / "out").exists()
    run("git", "clone", "-q", str(home / "old.git"), home / "third")
    assert "ATOM-3011" in run("git", "atom", "init", cwd=home / "third", status=2).stderr
    assert LOG not in refs(run, home / "third")
    # the way out, as it is told
    hint = run("git", "atom", "verify", cwd=second, status=2).stderr.partition("hint: ")[2].split("\n")[0]
    run(*hint.split(), cwd=second)
    run("git", "atom", "verify", cwd=second)


def test_what_is_pending_raises_nobodys_alarm(server: Path, atom: Path, home: Path, run: Run) -> None:
    second = behind(server, atom, home, run)
    write_atom(second / "two", "two", "1.0.0")
    commit(run, second)
    run("git", "atom", "publish", "two", cwd=second)
    for name in ("two", "zlib"):
        done = run("git", "atom", "fetch", name, cwd=second, status=2)
        assert "ATOM-3011" in done.stderr and "publish --push origin" in done.stderr
    run("git", "atom", "publish", "two", "--push", "origin", cwd=second)
    for name in ("two", "zlib@=1.3.2", "zlib@=1.3.1"):
        run("git", "atom", "fetch", f"{server}::{name}", cwd=home)
    write_atom(second / "three", "three", "1.0.0")
    commit(run, second)
    run("git", "atom", "publish", "three", cwd=second)
    run("git", "atom", "fetch", "two", cwd=second)  # accepted, beside one that is not
    done = run("git", "atom", "fetch", "three", cwd=second, status=1)
    assert "no remote has accepted 'three 1.0.0' yet" in done.stderr
    write_atom(atom / "four", "four", "1.0.0")
    commit(run, atom)
    run("git", "atom", "publish", "four", "--push", "origin", cwd=atom)
    run("git", "atom", "publish", "three", "--push", "origin", cwd=second)
    run("git", "atom", "fetch", "three", cwd=second)


def test_an_empty_mirror_is_given_what_another_remote_accepted(server: Path, atom: Path, home: Path, run: Run) -> None:
    second = behind(server, atom, home, run)
    run("git", "init", "-q", "--bare", home / "mirror.git")
    write_atom(second / "two", "two", "1.0.0")
    commit(run, second)
    run("git", "atom", "publish", "two", "--push", str(home / "mirror.git"), cwd=second)
    run("git", "atom", "publish", "two", "--push", "origin", cwd=second)
    lists = [run("git", "atom", "list", str(place), cwd=home).stdout for place in (server, home / "mirror.git")]
    assert lists[0] == lists[1] == "two 1.0.0\nzlib 1.3.1\nzlib 1.3.2\n"
    assert run("git", "atom", "log", "--forks", cwd=second).stdout == ""


def test_who_lost_a_version_goes_on_with_the_next(server: Path, atom: Path, home: Path, run: Run) -> None:
    second = joined(run, server, home / "second")
    for repo, text in ((atom, "int one;\n"), (second, "int two;\n")):
        write_atom(repo / "same", "same", "1.1.0", text)
        commit(run, repo)
        run("git", "atom", "publish", "same", cwd=repo)
    run("git", "atom", "publish", "same", "--push", "origin", cwd=atom)
    before = refs(run, second)
    done = run("git", "atom", "publish", "same", "--push", "origin", cwd=second, status=5)
    assert "ATOM-8007" in done.stderr and refs(run, second) == before
    write_atom(second / "same", "same", "1.2.0", "int two;\n")
    commit(run, second)
    done = run("git", "atom", "publish", "same", "--push", "origin", cwd=second)
    assert "warning: 'same 1.1.0' of this repository goes" in done.stderr
    for repo in (server, second):
        assert run("git", "atom", "list", cwd=repo).stdout == "same 1.1.0\nsame 1.2.0\nzlib 1.3.1\n"
        run("git", "atom", "verify", cwd=repo)
        run("git", "fsck", "--strict", cwd=repo)
