"""Layouts, hard-link trees and kept stubs: fixed order, whole content, every change noticed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tiny import World

from git_atom.core.digest import of_bytes
from git_atom.core.tree import empty_dir
from git_atom.errors import MalformedError
from git_atom.view import farm as farms
from git_atom.view import kept, mount
from git_atom.view.cache import Blobs
from git_atom.view.compile import compile_layout, intact
from git_atom.view.layout import EPOCH, MOUNT_POINTS, Layout


@pytest.fixture
def world() -> World:
    out = World()
    out.add("usr/bin/run", b"#!/bin/sh\n", 0o100755)
    out.add("usr/share/same-as-run", b"#!/bin/sh\n")
    out.add("usr/share/a", b"a")
    out.add("usr/share/b", b"a")
    out.add("usr/share/nothing", b"")
    out.link("bin", "usr/bin")
    out.entries[b"etc/empty"] = empty_dir(b"etc/empty")
    return out


@pytest.fixture
def blobs(tmp_path: Path, world: World) -> Blobs:
    made = Blobs(str(tmp_path / "cache"))
    made.ensure(world.leaves, world.read)
    return made


@pytest.fixture
def layout(blobs: Blobs, world: World) -> Layout:
    return Layout(blobs.layout(of_bytes(b"view"), world.leaves))


def test_columns(layout: Layout, world: World) -> None:
    assert layout.files == sorted(layout.files) and layout.links == [b"bin"] and layout.targets == [b"usr/bin"]
    assert set(layout.dirs) == {b"usr", b"usr/bin", b"usr/share", b"etc", b"etc/empty", *MOUNT_POINTS}
    assert layout.dirs == sorted(layout.dirs)
    assert dict(zip(layout.files, layout.modes, strict=True))[b"usr/bin/run"] == 0o555
    assert layout.sizes == [len(world.read(world.entries[path])) for path in layout.files]
    data = compile_layout(reversed(world.leaves), world.read)
    assert Layout(data).digest == layout.digest and intact(data) and not intact(data[:-1])


@pytest.mark.parametrize("path", ["usr/bin", "usr/bin/run/x", "dev", "proc", ".git/x", "a//b", "../x"])
def test_impossible_paths(world: World, path: str) -> None:
    world.add(path, b"x")
    with pytest.raises(MalformedError):
        compile_layout(world.leaves, world.read)


def tree(path: str) -> dict[str, object]:
    out: dict[str, object] = {}
    for place, folders, files in os.walk(path):
        for name in folders + files:
            full = os.path.join(place, name)
            at = os.path.relpath(full, path)
            found = os.lstat(full)
            kind = (
                os.readlink(full) if os.path.islink(full) else Path(full).read_bytes() if os.path.isfile(full) else None
            )
            out[at] = (oct(found.st_mode), found.st_mtime, kind)
    return out


def test_hard_link_tree(blobs: Blobs, world: World, layout: Layout) -> None:
    path = farms.farm(layout, blobs, world.leaves, None)
    seen = tree(path)
    assert seen["usr/bin/run"] == ("0o100555", EPOCH, b"#!/bin/sh\n")
    assert seen["usr/share/same-as-run"] == ("0o100444", EPOCH, b"#!/bin/sh\n")
    assert seen["bin"] == ("0o120777", EPOCH, "usr/bin") and seen["etc/empty"] == ("0o40755", EPOCH, None)
    assert os.stat(f"{path}/usr/share/a").st_ino == os.stat(blobs.path(of_bytes(b"a"))).st_ino
    assert Blobs(blobs.root).check([leaf.digest.hex for leaf in world.leaves if leaf.mode != 0o40000]) == []
    inode = os.stat(path).st_ino
    assert farms.farm(layout, blobs, world.leaves, None) == path and os.stat(path).st_ino == inode


@pytest.mark.parametrize("change", ["rm usr/share/a", "touch new", "rm usr/share/a; echo -n a > usr/share/a", "ln -sfn x bin", "rmdir etc/empty", "mkdir etc/more"])  # fmt: skip
def test_a_changed_tree_is_made_anew(blobs: Blobs, world: World, layout: Layout, change: str) -> None:
    path = farms.farm(layout, blobs, world.leaves, None)
    good = tree(path)
    assert os.system(f"cd {path} && {change}") == 0
    blobs.ensure(world.leaves, world.read)
    assert tree(farms.farm(layout, blobs, world.leaves, world.read)) == good


def test_kept_stubs(blobs: Blobs, layout: Layout) -> None:
    assert kept.kept(blobs.root, layout, "user") == ("", b""), "not the first time"
    name, tokens = kept.kept(blobs.root, layout, "user")
    if not name:
        pytest.skip("no user attributes on this disk")
    path = f"{blobs.root}/{name}"
    stub = f"{path}/usr/bin/run"
    assert (
        os.getxattr(stub, "user.overlay.redirect").decode()
        == "/" + blobs.path(of_bytes(b"#!/bin/sh\n")).split("/blobs/")[1]
    )
    assert os.stat(stub).st_size == 10 and os.stat(stub).st_mode & 0o777 == 0o555
    assert mount.tokens(layout, path) == tokens and kept.kept(blobs.root, layout, "user") == (name, tokens)
    os.utime(stub)
    assert mount.tokens(layout, path) != tokens
    kept.forget(blobs.root, name)
    assert kept.kept(blobs.root, layout, "user")[1] not in (b"", tokens)
    Path(f"{blobs.root}/{name}.tokens").write_bytes(b"damaged")
    anew = kept.kept(blobs.root, layout, "user")[1]
    assert mount.tokens(layout, path) == anew


def test_writable_copies(blobs: Blobs, world: World, tmp_path: Path) -> None:
    layout = Layout(blobs.layout(None, world.leaves, mount_points=False))
    cache = os.open(blobs.root, os.O_RDONLY)
    umask = os.umask(0o022)
    try:
        (tmp_path / "out").mkdir()
        mount.write_copies(layout, str(tmp_path / "out"), cache, 1234567890)
    finally:
        os.umask(umask)
        os.close(cache)
    seen = tree(str(tmp_path / "out"))
    assert seen["usr/bin/run"] == ("0o100755", 1234567890, b"#!/bin/sh\n")
    assert seen["usr/share/a"] == ("0o100644", 1234567890, b"a")
    assert "dev" not in seen


def test_work_is_cut_between_directories() -> None:
    files = sorted(b"d%03d/f%d" % (d, f) for d in range(100) for f in range(8))
    for workers in (1, 2, 3, 4):
        cuts = mount._cuts(files, workers)
        assert cuts[0] == 0 and cuts[-1] == len(files) and cuts == sorted(cuts) and len(cuts) == workers + 1
        for cut in cuts[1:-1]:
            assert cut == len(files) or files[cut][:4] != files[cut - 1][:4]
