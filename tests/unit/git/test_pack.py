"""A pack we write is a pack to git: the same index, the same objects, nothing left behind when it is given up."""

import hashlib
import os
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from git_atom.core.digest import MODE_FILE, Oid
from git_atom.core.host import Host, Progress
from git_atom.errors import UnavailableError
from git_atom.git import pack
from git_atom.git.objects import Objects
from git_atom.git.pack import PackWriter
from git_atom.git.repo import store
from git_atom.git.trees import encode_tree


@pytest.fixture
def repo(home, tmp_path):
    return store(Host(str(tmp_path), os.environ, str(home), str(tmp_path / "c"), str(tmp_path / "d"), str(tmp_path / "e"), 0, Progress()))  # fmt: skip


def git(repo, *argv, stdin=b""):
    return subprocess.run(["git", *argv], env=repo.env, input=stdin, check=True, capture_output=True).stdout


def packs(repo):
    folder = os.path.join(repo.objects, "pack")
    return sorted(os.listdir(folder))


# around every turn of the entry header's size (4 bits, then 7 each), of the fan-out, and of the choice of compression
SIZES = (0, 1, 15, 16, 17, 2047, 2048, 2049, (1 << 14) - 1, 1 << 14, (1 << 14) + 1, 70_000, 262_143, 262_144, 1 << 20)


def test_git_accepts_what_we_wrote_and_writes_the_same_index(repo, tmp_path):
    blobs = [bytes([size % 251]) * size for size in SIZES] + [str(n).encode() for n in range(600)]
    with PackWriter(repo) as writer:
        oids = [writer.add("blob", data) for data in blobs]
        writer.add("tree", encode_tree([(MODE_FILE, b"f", oids[3])]))
        writer.finish()
    (name,) = {n.rpartition(".")[0] for n in packs(repo)}
    path = os.path.join(repo.objects, "pack", name)
    git(repo, "verify-pack", path + ".idx")
    git(repo, "fsck", "--strict", "--full")
    git(repo, "index-pack", "-o", str(tmp_path / "theirs.idx"), path + ".pack")
    with open(path + ".idx", "rb") as ours:
        assert ours.read() == (tmp_path / "theirs.idx").read_bytes()
    with Objects(repo) as objects:
        assert [objects.read(oid)[2] for oid in oids] == blobs
    assert os.stat(path + ".pack").st_mode & 0o777 == os.stat(path + ".idx").st_mode & 0o777 == 0o444


def test_the_name_of_the_pack_is_its_checksum(repo):
    with PackWriter(repo) as writer:
        writer.add("blob", b"x")
        writer.finish()
    (name,) = [n for n in packs(repo) if n.endswith(".pack")]
    with open(os.path.join(repo.objects, "pack", name), "rb") as file:
        data = file.read()
    assert hashlib.sha1(data[:-20]).digest() == data[-20:]
    assert name == f"pack-{data[-20:].hex()}.pack"


def test_the_same_object_is_stored_once(repo):
    with PackWriter(repo) as writer:
        assert writer.add("blob", b"same") == writer.add("blob", b"same") == pack.entry("blob", b"same").oid
        writer.finish()
    assert b"\ncount: 0" in b"\n" + git(repo, "count-objects", "-v") and b"in-pack: 1\n" in git(
        repo, "count-objects", "-v"
    )


def test_threads_may_append_at_once(repo):
    data = [f"{n} ".encode() * 500 for n in range(400)]
    with PackWriter(repo) as writer:
        with ThreadPoolExecutor(8) as pool:
            oids = list(pool.map(lambda d: writer.append(pack.entry("blob", d)), data))
        writer.finish()
    git(repo, "fsck", "--strict")
    assert (
        git(repo, "cat-file", "--batch-check=%(objecttype)", stdin="\n".join(oids).encode()).split() == [b"blob"] * 400
    )


def test_giving_up_leaves_nothing(repo):
    with pytest.raises(KeyboardInterrupt), PackWriter(repo) as writer:
        writer.add("blob", b"x" * 100_000)
        raise KeyboardInterrupt
    with PackWriter(repo) as writer:
        writer.add("blob", b"not finished")
    with PackWriter(repo) as writer:
        writer.finish()
    assert packs(repo) == []


def test_a_disk_that_is_full_leaves_nothing(repo, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    with PackWriter(repo) as writer:
        writer.add("blob", b"x")
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            writer.finish()
    assert packs(repo) == []


def test_offsets_past_two_gigabytes_stand_in_the_second_table():
    rows = {Oid("aa" * 20): (12, 1), Oid("00" * 20): ((1 << 31) - 1, 2), Oid("ff" * 20): (1 << 31, 3), Oid("0b" * 20): (1 << 40, 4)}  # fmt: skip
    data = pack._index(rows, b"c" * 20)
    names = 8 + 1024
    assert data[:8] == b"\377tOc\0\0\0\2"
    assert struct.unpack(">256I", data[8:names])[-1] == 4
    offsets = names + 4 * 20 + 4 * 4
    assert struct.unpack(">4I", data[offsets : offsets + 16]) == ((1 << 31) - 1, 1 << 31 | 0, 12, 1 << 31 | 1)
    assert struct.unpack(">2Q", data[offsets + 16 : offsets + 32]) == (1 << 40, 1 << 31)
    assert data[offsets + 32 : offsets + 52] == b"c" * 20
    assert hashlib.sha1(data[:-20]).digest() == data[-20:]


def test_a_sha256_repository_is_refused_by_name(repo):
    with pytest.raises(UnavailableError) as caught:
        PackWriter(repo._replace(object_format="sha256"))
    assert caught.value.code == "ATOM-2005"
    assert "SHA-1" in caught.value.hint
