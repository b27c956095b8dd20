"""The blob cache: verified on entry and whenever a token moves, healed from the store, clean when the disk is full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import World

from git_atom.core.digest import of_bytes
from git_atom.core.tree import Leaf
from git_atom.errors import MalformedError, UnavailableError
from git_atom.view.cache import Blobs
from git_atom.view.layout import EPOCH


@pytest.fixture
def world() -> World:
    out = World()
    for n in range(20):
        out.add(f"d{n % 3}/f{n}", b"content %d" % n, 0o100755 if n % 2 else 0o100644)
    out.link("l", "d0/f0")
    return out


@pytest.fixture
def blobs(tmp_path: Path, world: World) -> Blobs:
    made = Blobs(str(tmp_path / "cache"))
    made.ensure(world.leaves, world.read)
    return made


def overwrite(path: str, data: bytes) -> None:
    os.chmod(path, 0o644)
    Path(path).write_bytes(data)
    os.utime(path, (EPOCH, EPOCH))
    os.chmod(path, 0o444)


def test_blobs_are_read_only_and_named_by_content(blobs: Blobs, world: World) -> None:
    for leaf in world.leaves:
        found = os.stat(blobs.path(leaf.digest))
        assert found.st_mode & 0o7777 == 0o444 and found.st_mtime == EPOCH
        assert of_bytes(Path(blobs.path(leaf.digest)).read_bytes()) == leaf.digest
    assert os.stat(blobs.root).st_mode & 0o777 == 0o700 and os.listdir(f"{blobs.root}/tmp") == []


def test_a_warm_cache_reads_nothing(blobs: Blobs, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    again = Blobs(blobs.root)
    monkeypatch.setattr(Blobs, "_good", lambda *_: pytest.fail("a blob was read"))
    again.ensure(world.leaves)


@pytest.mark.parametrize("damage", [b"", b"content X", b"something longer than before"])
def test_damage_is_found_and_healed(blobs: Blobs, world: World, damage: bytes) -> None:
    leaf = world.leaves[0]
    overwrite(blobs.path(leaf.digest), damage)
    again = Blobs(blobs.root)
    assert again.check([x.digest.hex for x in world.leaves]) == [leaf.digest.hex]
    with pytest.raises(MalformedError, match=leaf.digest) as caught:
        again.ensure(world.leaves)
    assert caught.value.code == "ATOM-4001" and "corrupt" in caught.value.what and caught.value.hint
    again.ensure(world.leaves, world.read)
    assert again.check([x.digest.hex for x in world.leaves]) == []
    assert again.read(leaf) == world.read(leaf)


def test_a_store_that_lies_is_refused(blobs: Blobs, world: World) -> None:
    os.unlink(blobs.path(world.leaves[0].digest))
    with pytest.raises(MalformedError, match="corrupt"):
        Blobs(blobs.root).ensure(world.leaves, lambda leaf: b"other")
    with pytest.raises(MalformedError, match="missing"):
        Blobs(blobs.root).ensure(world.leaves)


def test_a_touched_blob_is_hashed_and_kept(blobs: Blobs, world: World) -> None:
    path = blobs.path(world.leaves[0].digest)
    os.chmod(path, 0o666)
    os.utime(path)
    Blobs(blobs.root).ensure(world.leaves)
    assert os.stat(path).st_mode & 0o7777 == 0o444 and os.stat(path).st_mtime == EPOCH


def test_a_symlink_in_place_of_a_blob_is_damage(blobs: Blobs, world: World, tmp_path: Path) -> None:
    path = blobs.path(world.leaves[0].digest)
    os.rename(path, tmp_path / "aside")
    os.symlink(tmp_path / "aside", path)
    assert Blobs(blobs.root).check([world.leaves[0].digest.hex]) == [world.leaves[0].digest.hex]


@pytest.mark.parametrize("room", ["tokens", "blobs", "tmp", "layouts", ""])
def test_any_part_may_be_deleted(blobs: Blobs, world: World, room: str) -> None:
    import shutil

    view = of_bytes(b"view")
    before = blobs.layout(view, world.leaves)
    path = Path(blobs.root, room)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = Blobs(blobs.root)
    again.ensure(world.leaves, world.read)
    assert again.layout(view, world.leaves) == before


def test_torn_notes_are_forgotten(blobs: Blobs, world: World) -> None:
    with open(f"{blobs.root}/tokens", "ab") as file:
        file.write(b"torn")
    Blobs(blobs.root).ensure(world.leaves)
    assert os.path.getsize(f"{blobs.root}/tokens") % 64 == 0


def test_notes_stay_short(blobs: Blobs, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("git_atom.view.cache._MANY", 50)
    for _ in range(5):
        blobs.refresh([leaf.digest.hex for leaf in world.leaves])
    Blobs(blobs.root).ensure(world.leaves)
    assert os.path.getsize(f"{blobs.root}/tokens") == 64 * len({leaf.digest for leaf in world.leaves})


def test_a_damaged_layout_is_made_anew(blobs: Blobs, world: World) -> None:
    view = of_bytes(b"view")
    good = blobs.layout(view, world.leaves)
    path = f"{blobs.root}/layouts/{view.hex}-1"
    for damage in (good[:-40], good[:50] + b"X" + good[51:], b""):
        os.unlink(path)
        Path(path).write_bytes(damage)
        assert blobs.layout(view, world.leaves) == good


FULL = """
import ctypes, os, sys
sys.path[:0] = sys.argv[2:]
from git_atom.view import kernel, mount
from git_atom.view.cache import Blobs
from git_atom.errors import AtomError
from tiny import World
mount.enter(os.geteuid() != 0)
kernel.mount_tmpfs(sys.argv[1], "size=1m,mode=0700")
blobs, world = Blobs(sys.argv[1]), World()
small = world.add("small", b"s" * 1000)
big = world.add("big", bytes(2 << 20))
blobs.ensure([small], world.read)
try:
    blobs.ensure([big], world.read)
except AtomError as error:
    print(error.code, error.exit, os.listdir(blobs.root + "/tmp"), os.path.exists(blobs.path(big.digest)))
kernel.check(kernel.libc.mount(b"tmpfs", sys.argv[1].encode(), b"tmpfs", 32, b"size=8m"), "remount")
blobs.ensure([small, big], world.read)
print(len(blobs.read(big)))
"""


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    tests = str(Path(__file__).resolve().parents[2])
    packages = [p for p in sys.path if "packages" in p]
    argv = [sys.executable, "-c", FULL, str(tmp_path), tests, str(Path(tests).parent), *packages]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "uid_map" in done.stderr or "tmpfs" in done.stderr:
        pytest.skip("no mount namespace for this user")
    assert done.stdout.splitlines() == ["ATOM-4002 6 [] False", str(2 << 20)], done.stderr


def test_another_users_cache_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    os.chown(tmp_path, 1234, 1234)
    with pytest.raises(Exception, match="another user"):
        Blobs(str(tmp_path))


def test_no_space_is_said(blobs: Blobs, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device", "x")

    leaf = world.add("new", b"new")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(UnavailableError) as caught:
            blobs.ensure([leaf], world.read)
    assert (
        caught.value.exit == 6 and not os.path.exists(blobs.path(leaf.digest)) and os.listdir(f"{blobs.root}/tmp") == []
    )
    blobs.ensure([leaf], world.read)


_ = Leaf
