"""Another user and a set that is not theirs: listing, trust, fetching, verifying with the network gone."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from projects import LOG, Run, anchor_of, commit, refs, trusting, write_atom
from servers import Backend, http


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


def test_a_check_of_nothing_is_no_yes(server: Path, run: Run, stranger: dict[str, str]) -> None:
    """A fresh clone has no log, and whoever runs this as a gate must not be told that all is well."""
    clone = Path(stranger["HOME"]) / "clone"
    run("git", "clone", "-q", str(server), clone, **stranger)
    for cwd in (clone, clone.parent):
        for words in ((), ("--source",), ("--all",)):
            done = run("git", "atom", "verify", *words, cwd=cwd, status=128, **stranger)
            assert done.stdout == "" and "error[ATOM-8006]" in done.stderr and "hint: git atom init" in done.stderr


class Guarded(Backend):
    """It asks for a name and a password."""

    def do_POST(self) -> None:  # noqa: N802
        wanted = base64.b64encode(b"bob:hunter2").decode()
        if self.headers.get("Authorization") == f"Basic {wanted}":
            return super().do_POST()
        self._body()
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815


def test_a_password_is_neither_kept_nor_shown(
    server: Path, run: Run, stranger: dict[str, str], atom: Path, home: Path
) -> None:
    there = Path(stranger["HOME"])
    said = []

    def tell(*words: str, status: int = 0, cwd: Path = there) -> str:
        done = run("git", "atom", *words, cwd=cwd, status=status, **stranger)
        said.append(done.stdout + done.stderr)
        return said[-1]

    def written() -> list[Path]:
        return [p for p in there.rglob("*") if p.is_file() and b"hunter2" in p.read_bytes()]

    tell("trust", "add", anchor_of(run, atom))
    with http(home, Guarded) as url:
        plain, secret = f"{url}/server.git", f"{url}/server.git".replace("//", "//bob:hunter2@")
        tell("fetch", f"{plain}::zlib", status=6)
        tell("fetch", "-n", f"{secret}::zlib")
        tell("fetch", f"{secret}::zlib")
        assert f"mirror    {plain}\n" in tell("show", "zlib") and f'"{plain}"' in tell("show", "zlib", "--json")
        tell("fetch", "--offline", f"{plain}::zlib")  # it is the same place
        tell("show", f"{secret}::zlib")
        tell("show", f"{secret}::nothing", status=1)
        assert written() == []
        # a store of an older version
        store = there / ".local/share/git-atom/store.git"
        key = run("git", "config", "--name-only", "--get-regexp", "mirror$", cwd=store).stdout.strip()
        run("git", "config", "--replace-all", key, secret, cwd=store)
        run("git", "config", "--add", key, secret.replace("server", "other"), cwd=store)
        assert f"mirror    {plain}\n" in tell("show", "zlib")
        tell("fetch", "--offline", f"{plain}::zlib")
        tell("fetch", f"{secret}::zlib")
        assert written() == []
        mirrors = run("git", "config", "--get-all", key, cwd=store).stdout.split()
        assert sorted(mirrors) == sorted([plain, plain.replace("server", "other")])
    tell("fetch", f"{secret}::zlib@=1.3.1")
    tell("fetch", f"{secret}::zlib")
    assert not [text for text in said if "hunter2" in text]


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
