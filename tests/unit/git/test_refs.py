"""Locks that a killed git left: in the user's store they go, elsewhere they are told of; what somebody holds at this moment stays."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from git_atom.core.digest import Oid
from git_atom.errors import CannotError, ConflictError
from git_atom.git import refs
from git_atom.git import repo as repos
from git_atom.git.refs import Change
from git_atom.git.repo import Repo
from git_atom.git.written import write_loose

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bare(home: Path, run: Run) -> Repo:
    run("git", "init", "-q", "--bare", "store.git")
    return repos.open_at(str(home / "store.git"), os.environ)


def blob(repo: Repo, data: bytes = b"x") -> Oid:
    return write_loose(repo, "blob", data)


def locked(repo: Repo, name: str) -> Path:
    path = Path(repo.git_dir, f"{name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def test_a_lock_that_was_left_in_the_store_goes(bare: Repo) -> None:
    store, ref = bare._replace(ours=True), "refs/sets/x/log"
    lock = locked(store, ref)
    refs.update(store, [Change(ref, blob(store), None)], "it")
    assert refs.get(store, ref) == blob(store) and not lock.exists()


def test_so_does_that_of_all_packed_refs(bare: Repo, run: Run) -> None:
    store, ref = bare._replace(ours=True), "refs/sets/x/log"
    refs.update(store, [Change(ref, blob(store), None)], "it")
    run("git", "pack-refs", "--all", cwd=store.git_dir)
    locked(store, "packed-refs")
    refs.update(store, [Change(ref, None, blob(store))], "it")
    assert refs.get(store, ref) is None


def test_elsewhere_it_stays_and_is_told(bare: Repo) -> None:
    ref = "refs/atoms/x/1.0.0"
    lock = locked(bare, ref)
    with pytest.raises(CannotError) as caught:
        refs.update(bare, [Change(ref, blob(bare), None)], "it")
    assert caught.value.code == "ATOM-2020" and lock.exists() and str(lock) in caught.value.hint


def test_a_lock_that_lives_is_respected(bare: Repo) -> None:
    store, ref = bare._replace(ours=True), "refs/sets/x/log"
    lock, stop = locked(store, ref), threading.Event()

    def other() -> None:
        while not stop.wait(0.05):
            fresh = lock.with_name("fresh")
            fresh.write_text("")
            fresh.replace(lock)

    thread = threading.Thread(target=other)
    thread.start()
    try:
        with pytest.raises(CannotError) as caught:
            refs.update(store, [Change(ref, blob(store), None)], "it")
        assert caught.value.code == "ATOM-2020"
    finally:
        stop.set()
        thread.join()


def test_those_who_move_refs_of_the_store_take_turns(bare: Repo) -> None:
    store = bare._replace(ours=True)
    begun = time.monotonic()
    threads = [
        threading.Thread(target=refs.update, args=(store, [Change(f"refs/x/{at}", blob(store), None)], "it"))
        for at in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refs.listing(store, "refs/x/")) == 8
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("many", [3, 300])
def test_refs_are_on_the_disk(bare: Repo, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    real = os.fsync

    def fsync(fd: int) -> None:
        seen.add(os.path.relpath(os.readlink(f"/proc/self/fd/{fd}"), bare.git_dir))
        real(fd)

    made = blob(bare)
    monkeypatch.setattr(os, "fsync", fsync)
    names = [f"refs/atoms/x{number}/1.0.0" for number in range(many)]
    monkeypatch.setenv("GIT_TRACE2_PERF", f"{bare.git_dir}/trace")
    refs.update(bare._replace(env={**bare.env, **os.environ}), [Change(name, made, None) for name in names], "it")
    by_git = Path(bare.git_dir, "trace").read_text()
    assert (seen >= set(names)) or f"fsync/hardware-flush:{many}" in by_git
    assert refs.several(bare, names) == dict.fromkeys(names, made)


def test_refs_that_do_not_get_to_the_disk_are_told(bare: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    made, real = blob(bare), os.fsync

    def fsync(fd: int) -> None:
        if "/refs/" in os.readlink(f"/proc/self/fd/{fd}"):
            raise OSError(errno.EIO, "Input/output error")
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(CannotError) as caught:
        refs.update(bare, [Change(f"refs/atoms/x{number}/1.0.0", made, None) for number in range(100)], "it")
    assert caught.value.code == "ATOM-2002" and caught.value.note == "Input/output error"


MANY = [1, 100]  # brought to the disk by git, and here


def below(repo: Repo, folder: str) -> list[str]:
    found = [os.path.join(at, name) for at, _, names in os.walk(os.path.join(repo.git_dir, folder)) for name in names]
    return sorted(os.path.relpath(path, repo.git_dir) for path in found)


@pytest.mark.parametrize("many", MANY)
def test_what_is_prepared_moves_when_it_is_told_to(many: int, bare: Repo) -> None:
    changes = [Change(f"refs/atoms/x{number}/1.0.0", blob(bare), None) for number in range(many)]
    with refs.prepared(bare, changes, "it") as move:
        assert refs.listing(bare, "refs/") == []
        move()
        assert len(refs.listing(bare, "refs/")) == many
    assert not any(path.endswith(".lock") for path in below(bare, "refs"))


@pytest.mark.parametrize("many", MANY)
def test_what_is_not_told_to_move_leaves_nothing(many: int, bare: Repo) -> None:
    changes = [Change(f"refs/atoms/x{number}/1.0.0", blob(bare), None) for number in range(many)]
    before = below(bare, ".")
    with pytest.raises(CannotError), refs.prepared(bare, changes, "it"):
        raise CannotError("ATOM-2002", "something else")
    with refs.prepared(bare, changes, "it"):
        pass
    assert below(bare, ".") == before


@pytest.mark.parametrize("many", MANY)
def test_what_cannot_move_is_told_when_it_is_to(many: int, bare: Repo) -> None:
    other = blob(bare, b"other")
    changes = [Change(f"refs/atoms/x{number}/1.0.0", blob(bare), None) for number in range(many)]
    refs.update(bare, [Change(changes[-1].ref, other, None)], "before")
    with refs.prepared(bare, changes, "it") as move:
        with pytest.raises(ConflictError) as caught:
            move()
    assert caught.value.code == "ATOM-2010" and changes[-1].ref in str(caught.value)
    assert refs.listing(bare, "refs/") == [(changes[-1].ref, other)]


def test_whoever_dies_meanwhile_leaves_no_lock(bare: Repo) -> None:
    changes = [Change(f"refs/atoms/x{number}/1.0.0", blob(bare), None) for number in range(100)]
    pid = os.fork()
    if pid == 0:
        with refs.prepared(bare, changes, "it"):
            while not below(bare, "refs"):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    end = time.monotonic() + 10
    while below(bare, "refs") and time.monotonic() < end:
        time.sleep(0.02)
    assert below(bare, "refs") == []
