"""Unpacking held against the standard library's own reading of honest archives, and against hostile ones (catalogue R06)."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import time
from pathlib import Path

import pytest

from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE
from git_atom.core.tree import Leaf
from git_atom.errors import AtomError
from git_atom.ingest.unpack import unpack


def member(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def archive(
    where: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz", form: int = tarfile.PAX_FORMAT
) -> str:
    path = where / "a.tar"
    with tarfile.open(path, mode, format=form) as tar:  # type: ignore[call-overload]
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return str(path)


def read(path: str) -> dict[bytes, tuple[int, bytes]]:
    kept: dict[str, bytes] = {}

    def keep(leaf: Leaf, data: bytes) -> None:
        kept[leaf.digest] = data

    return {leaf.path: (leaf.mode, kept.get(leaf.digest, b"")) for leaf in unpack(path, keep)}


LONG = "top/" + "d" * 90 + "/" + "e" * 80 + "/f"
HONEST = (
    member("top/", type=tarfile.DIRTYPE),
    member("top/configure", b"#!/bin/sh\n", mode=0o755),
    member("./top/src/a.c", b"int a;\n" * 500),
    member("top/empty", type=tarfile.DIRTYPE),
    member("top/src/b.c", type=tarfile.LNKTYPE, linkname="top/src/a.c"),
    member("top/src/c.c", type=tarfile.SYMTYPE, linkname="../configure"),
    member(LONG, b"long"),
    member("top/größe", b"x"),
    member("top/suid", b"s", mode=0o4755),
)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_honest(tmp_path: Path, mode: str, form: int) -> None:
    got = read(archive(tmp_path, *HONEST, mode=mode, form=form))
    assert got == {
        b"configure": (MODE_EXEC, b"#!/bin/sh\n"),
        b"src/a.c": (MODE_FILE, b"int a;\n" * 500),
        b"empty": (MODE_TREE, b""),
        b"src/b.c": (MODE_FILE, b"int a;\n" * 500),
        b"src/c.c": (MODE_LINK, b"../configure"),
        LONG[4:].encode(): (MODE_FILE, b"long"),
        "größe".encode(): (MODE_FILE, b"x"),
        b"suid": (MODE_EXEC, b"s"),
    }


def test_order_and_two_tops(tmp_path: Path) -> None:
    got = list(read(archive(tmp_path, member("b", b"1"), member("a/x", b"2"))))
    assert got == [b"a/x", b"b"]
    assert list(read(archive(tmp_path, member("only", b"1")))) == [b"only"]


@pytest.mark.parametrize(
    "members",
    [
        (member("/etc/passwd", b"x"),), (member("a/../../b", b"x"),), (member("a", type=tarfile.CHRTYPE),), (member("a", type=tarfile.FIFOTYPE),),
        (member("t/a", type=tarfile.SYMTYPE, linkname="/etc"),), (member("t/a", type=tarfile.SYMTYPE, linkname="../../x"),),
        (member("t/a", type=tarfile.SYMTYPE, linkname="../x"), member("t/b", b"")), (member("t/a", type=tarfile.LNKTYPE, linkname="t/b"),),
        (member("t/a", type=tarfile.LNKTYPE, linkname="../../etc/shadow"),), (member("a/.git/config", b"x"),), (member("a/.GIT/x", b"x"),),
        (member("t/a", type=tarfile.SYMTYPE, linkname="b"), member("t/a/x", b"x")), (member("t/a", b"1"), member("t/a", b"2")),
        (member("t/a", b"1"), member("t/a/b", b"2")), (member("t/a", b"", pax_headers={"GNU.sparse.major": "1"}),),
        (member("a" * 5000, b"x"),), (member("t/a", type=tarfile.BLKTYPE),),
    ],
)  # fmt: skip
def test_hostile(tmp_path: Path, members: tuple[tuple[tarfile.TarInfo, bytes], ...]) -> None:
    with pytest.raises(AtomError) as caught:
        read(archive(tmp_path, *members))
    assert caught.value.exit == 7 and caught.value.code in ("ATOM-5030", "ATOM-5031", "ATOM-1004")


def test_same_twice_is_fine(tmp_path: Path) -> None:
    assert list(read(archive(tmp_path, member("t/a", b"1"), member("t/a", b"1")))) == [b"a"]


def raw(tmp_path: Path, data: bytes) -> AtomError:
    path = tmp_path / "raw.tar"
    path.write_bytes(data)
    start = time.process_time()
    with pytest.raises(AtomError) as caught:
        read(str(path))
    assert time.process_time() - start < 2
    return caught.value


def header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    head = bytearray(512)
    head[: len(name)] = name
    head[100:108], head[124:136], head[156:157], head[257:265] = (
        b"0000644\0",
        size.ljust(12, b"\0"),
        kind,
        b"ustar\x0000",
    )
    head[148:156] = b"        "
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def test_lies(tmp_path: Path) -> None:
    big = (8 << 30).to_bytes(11, "big")
    for data in (
        b"", b"not a tar" * 100, header(b"a", b"00000000010"), header(b"a", b"\xff" * 12), header(b"a", b"\x80" + big),
        header(b"a", b"\x80" + big, b"L"), header(b"a", b"7777777777\0", b"x"), header(b"a", b"9"), header(b"a", b"0")[:300],
        header(b"a", b"00000000020", b"x") + b"99 path=../x\n".ljust(512, b"\0"), gzip.compress(header(b"a", b"0") + b"\0" * 1024)[:-3],
        lzma.compress(header(b"a", b"0") + b"\0" * 1024)[:-6], b"\x1f\x8b" + b"\0" * 60,
    ):  # fmt: skip
        assert raw(tmp_path, data).code == "ATOM-5030"
    assert raw(tmp_path, b"PK\3\4" + b"\0" * 600).code == "ATOM-5032"


def test_bomb(tmp_path: Path) -> None:
    data = header(b"a", b"%o" % (120 << 20)) + b"\0" * (120 << 20)
    assert raw(tmp_path, lzma.compress(data, preset=0)).code == "ATOM-5030"


def test_flipped_bytes_never_crash(tmp_path: Path) -> None:
    good = Path(archive(tmp_path, *HONEST, mode="w")).read_bytes()
    for at in range(0, 4096, 23):
        (tmp_path / "f").write_bytes(good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :])
        try:
            read(str(tmp_path / "f"))
        except AtomError:
            pass
