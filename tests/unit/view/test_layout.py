"""Layouts, hard-link trees and kept stubs: fixed order, whole content, every change noticed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
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


@pytest.fixture
def room() -> Iterator[str]:
    """A place for kept stubs that no other test uses; the fixture's end closes what a supervisor would by ending."""
    path = f"{kept.place()}-{os.getpid()}"
    before = {int(fd) for fd in os.listdir("/proc/self/fd")}
    yield path
    for fd in {int(fd) for fd in os.listdir("/proc/self/fd")} - before:
        if os.path.realpath(f"/proc/self/fd/{fd}").startswith(path):
            os.close(fd)
    shutil.rmtree(path, ignore_errors=True)


def take(room: str, blobs: Blobs, layout: Layout) -> str:
    umask = os.umask(0o022)
    try:
        return kept.take(room, blobs.root, layout, "user")
    finally:
        os.umask(umask)


def test_kept_stubs(blobs: Blobs, layout: Layout, room: str) -> None:
    assert take(room, blobs, layout) == "" and not os.path.exists(room), "not the first time"
    path = take(room, blobs, layout)
    if not path:
        pytest.skip("no user attributes on this kernel's tmpfs")
    stub = f"{path}/usr/bin/run"
    assert (
        os.getxattr(stub, "user.overlay.redirect").decode()
        == "/" + blobs.path(of_bytes(b"#!/bin/sh\n")).split("/blobs/")[1]
    )
    assert os.stat(stub).st_size == 10 and os.stat(stub).st_mode & 0o777 == 0o555
    again = take(room, blobs, layout)
    assert (
        os.path.realpath(again) == os.path.realpath(path)
        and os.stat(f"{again}/usr/bin/run").st_ino == os.stat(stub).st_ino
    )


@pytest.mark.parametrize(
    "change", ["touch tree/usr/bin/run", "touch tree/new", "rm tree/usr/bin/run", "truncate -s 5 tokens", "rm tokens"]
)
def test_kept_stubs_that_were_changed_are_made_anew(blobs: Blobs, layout: Layout, room: str, change: str) -> None:
    take(room, blobs, layout)
    path = take(room, blobs, layout)
    if not path:
        pytest.skip("no user attributes on this kernel's tmpfs")
    before = os.stat(path).st_ino
    assert os.system(f"cd {os.path.realpath(path)}/.. && {change}") == 0
    after = take(room, blobs, layout)
    assert os.stat(after).st_ino != before and os.stat(f"{after}/usr/bin/run").st_size == 10
    assert os.path.isdir(path), "who mounted it keeps it"
    assert os.stat(take(room, blobs, layout)).st_ino == os.stat(after).st_ino


def test_stubs_used_longest_ago_go_first_and_none_in_use(blobs: Blobs, room: str) -> None:
    layouts = [Layout(compile_layout([], lambda leaf: b"", mount_points=False))]
    for number in range(kept.MANY + 2):
        layouts.append(Layout(compile_layout([empty_dir(b"d%d" % number)], lambda leaf: b"", mount_points=False)))
    paths = []
    for layout in layouts:
        take(room, blobs, layout)
        paths.append(take(room, blobs, layout))
        if len(paths) > 1:
            os.close(int(paths[-1].split("/")[4]))
    assert len([name for name in os.listdir(room) if not name.startswith(".")]) == kept.MANY
    assert os.path.isdir(paths[0]) and not os.path.isdir(f"{room}/{layouts[0].digest}-user")
    assert os.path.isdir(f"{room}/{layouts[-1].digest}-user")
    os.close(int(paths[0].split("/")[4]))
    take(room, blobs, layouts[0])
    assert not [name for name in os.listdir(room) if name.startswith(".")], "what was in use has gone"


@pytest.mark.parametrize("spoilt", ["open to all", "link", "file"])
def test_a_place_of_somebody_else_is_not_used(
    blobs: Blobs, layout: Layout, room: str, spoilt: str, tmp_path: Path
) -> None:
    match spoilt:
        case "open to all":
            os.mkdir(room)
            os.chmod(room, 0o777)
        case "link":
            os.symlink(tmp_path, room)
        case _:
            Path(room).write_text("")
    for _ in range(3):
        assert take(room, blobs, layout) == ""
    if os.path.islink(room) or os.path.isfile(room):
        os.unlink(room)


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
