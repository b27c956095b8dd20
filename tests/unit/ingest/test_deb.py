"""A .deb becomes the tree dpkg-deb would write, below usr/ where usrmerge puts it, and tells what a git tree cannot hold."""

import hashlib
import io
import os
import subprocess
import tarfile

import pytest

from git_atom.core.composition import Attribute
from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, of_bytes
from git_atom.core.host import Host, Progress
from git_atom.core.tree import tree_digest
from git_atom.errors import MalformedError
from git_atom.git.objects import Objects
from git_atom.git.pack import PackWriter
from git_atom.git.repo import store
from git_atom.ingest import deb

CONTROL = b"Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"


def member(name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.mode = 0o755 if fields.get("type") == tarfile.DIRTYPE else 0o644
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def folder(name, **fields):
    return member(name, type=tarfile.DIRTYPE, **fields)


def link(name, target, kind=tarfile.SYMTYPE):
    return member(name, type=kind, linkname=target, mode=0o777)


def tarball(members, pack=""):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{pack}", format=tarfile.GNU_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def make(path, members, pack="xz", data=None):
    """A .deb (deb(5)) of these members, or with these bytes as its data archive."""
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar": tarball([member("./control", CONTROL)]),
        f"data.tar{'.' + pack if pack else ''}": tarball(members, pack) if data is None else data,
    }
    with open(path, "wb") as file:
        file.write(b"!<arch>\n")
        for name, content in parts.items():
            file.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content)
            file.write(b"\n" * (len(content) % 2))
    return str(path)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def read(path):
    return deb.unpack(path, digest(path), os.environ, lambda packed: packed.oid)


def rows(package):
    return {leaf.path: (leaf.mode, leaf.digest) for leaf in package.leaves}


@pytest.mark.parametrize("pack", ["", "gz", "xz"])
def test_what_dpkg_deb_would_write(tmp_path, pack):
    members = [folder("./"), folder("./usr/"), folder("./usr/bin/"), member("./usr/bin/run", b"#!", mode=0o755),
               member("./usr/share/doc", b"text"), link("./usr/bin/go", "run"), folder("./var/lib/x/")]  # fmt: skip
    path = make(tmp_path / "x.deb", members, pack)
    package = read(path)
    assert rows(package) == {
        b"usr/bin/run": (MODE_EXEC, of_bytes(b"#!")),
        b"usr/share/doc": (MODE_FILE, of_bytes(b"text")),
        b"usr/bin/go": (MODE_LINK, of_bytes(b"run")),
        b"var/lib/x": (MODE_TREE, of_bytes(b"")),
    }
    assert package.digest == tree_digest(package.leaves)
    assert package.odd == ()
    out = tmp_path / "out"
    subprocess.run(["dpkg-deb", "-x", path, str(out)], check=True)
    assert {os.path.relpath(os.path.join(d, f), out) for d, _, fs in os.walk(out) for f in fs} == {
        os.fsdecode(leaf.path) for leaf in package.leaves if leaf.mode != MODE_TREE
    }


def test_the_unmerged_layout_moves_below_usr(tmp_path):
    members = [folder("./bin/"), member("./bin/sh", b"1", mode=0o755), member("./lib64/ld.so", b"2"), folder("./lib/"),
               folder("./lib/empty/"), member("./library", b"3"), link("./lib/a", "/bin/sh"), folder("./sbin/")]  # fmt: skip
    assert set(rows(read(make(tmp_path / "x.deb", members)))) == {
        b"usr/bin/sh", b"usr/lib64/ld.so", b"usr/lib/empty", b"library", b"usr/lib/a", b"usr/sbin",
    }  # fmt: skip


def test_the_links_of_a_merged_layout_are_left_to_the_composition(tmp_path):
    members = [
        folder("./usr/lib/"),
        member("./usr/lib/os-release", b"1"),
        link("./lib", "usr/lib"),
        link("./bin", "/usr/bin"),
    ]
    assert set(rows(read(make(tmp_path / "x.deb", members)))) == {b"usr/lib/os-release"}


def test_hard_links_are_the_same_blob(tmp_path):
    members = [member("./bin/perl", b"perl", mode=0o755), link("./usr/bin/perl5.36", "./bin/perl", tarfile.LNKTYPE)]
    leaves = read(make(tmp_path / "x.deb", members)).leaves
    assert leaves[0]._replace(path=leaves[1].path) == leaves[1]


def test_what_git_cannot_hold_is_told(tmp_path):
    members = [member("./usr/bin/su", b"su", mode=0o4755), folder("./var/mail/", mode=0o2775, gid=8),
               member("./etc/shadow", b"", mode=0o640, gid=42), member("./usr/bin/plain", b"p", mode=0o755),
               member("./dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)]  # fmt: skip
    package = read(make(tmp_path / "x.deb", members))
    assert package.odd == (
        deb.Odd(b"dev/null", 0o666, 0, 0, "char 1:3"),
        deb.Odd(b"etc/shadow", 0o640, 0, 42),
        deb.Odd(b"usr/bin/su", 0o4755, 0, 0),
        deb.Odd(b"var/mail", 0o2775, 0, 8),
    )
    assert rows(package)[b"usr/bin/su"][0] == MODE_EXEC
    assert b"dev/null" not in rows(package)
    assert Attribute("usr/bin/su", 0o4755).mode == package.odd[2].mode


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ([member("./../etc/passwd", b"x")], "ATOM-1004"),
        ([member("./usr/.git/config", b"x")], "ATOM-1004"),
        ([member("./a//b", b"x")], "ATOM-1004"),
        ([member("./a", b"x"), member("./a", b"y")], "ATOM-5006"),
        ([member("./bin/a", b"x"), member("./usr/bin/a", b"y")], "ATOM-5006"),
        ([link("./b", "./nothing", tarfile.LNKTYPE)], "ATOM-5006"),
        ([member("./a", b"x"), member("./a/b", b"y")], "ATOM-1004"),
        ([link("./a", "/etc"), member("./a/b", b"y")], "ATOM-1004"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, members, code):
    with pytest.raises(MalformedError) as caught:
        read(make(tmp_path / "x.deb", members))
    assert caught.value.code == code


@pytest.mark.parametrize("data", [b"", b"not an archive" * 99, tarball([member("./a", b"x" * 4096)], "xz")[:-40]])
def test_a_damaged_archive_is_refused(tmp_path, data):
    with pytest.raises(MalformedError) as caught:
        read(make(tmp_path / "x.deb", [], "xz", data))
    assert caught.value.code == "ATOM-5006"


def test_a_file_that_is_not_the_promised_one_is_removed_so_that_it_is_fetched_again(tmp_path):
    path = make(tmp_path / "x.deb", [member("./a", b"x")])
    with pytest.raises(MalformedError) as caught:
        deb.unpack(path, "0" * 64, os.environ, lambda packed: packed.oid)
    assert caught.value.code == "ATOM-5006"
    assert not os.path.exists(path)


def test_many_packages_go_into_one_pack_in_the_order_given(home, tmp_path):
    repo = store(
        Host(str(tmp_path), os.environ, str(home), str(tmp_path / "c"), str(tmp_path / "d"), "", 0, Progress())
    )
    files = []
    for n in range(12):
        path = make(tmp_path / f"{n}.deb", [member("./usr/same", b"same"), member(f"./usr/{n}", b"%d" % n * (n * 900))])
        files.append((path, digest(path)))
    with PackWriter(repo) as writer:
        packages = deb.unpack_all(files, writer, os.environ, 3)
        writer.finish()
    assert [package.leaves[0].path for package in packages] == [f"usr/{n}".encode() for n in range(12)]
    with Objects(repo) as objects:
        for package in packages:
            assert sorted(objects.listing(package.tree)) == list(package.leaves)
    subprocess.run(["git", "fsck", "--strict"], env=repo.env, check=True, capture_output=True)


def test_one_bad_package_stops_the_import_and_leaves_nothing(home, tmp_path):
    repo = store(
        Host(str(tmp_path), os.environ, str(home), str(tmp_path / "c"), str(tmp_path / "d"), "", 0, Progress())
    )
    good = make(tmp_path / "good.deb", [member("./a", b"x")])
    bad = make(tmp_path / "bad.deb", [], "xz", b"broken")
    with pytest.raises(MalformedError), PackWriter(repo) as writer:
        deb.unpack_all([(good, digest(good)), (bad, digest(bad))], writer, os.environ, 2)
    assert os.listdir(os.path.join(repo.objects, "pack")) == []
