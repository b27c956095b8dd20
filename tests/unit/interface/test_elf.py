"""The ELF reader against binutils and pyelftools on this machine's libraries, and against broken and hostile files."""

from __future__ import annotations

import glob
import os
import re
import struct
import subprocess
import time
from pathlib import Path

import pytest

from git_atom.interface import elf


def libraries(count: int) -> list[str]:
    """Real shared libraries and programs of this machine, the smallest first but spread over all."""
    found = {os.path.realpath(p) for d in ("/usr/lib/*/*.so*", "/usr/lib/*.so*", "/lib64/*.so*") for p in glob.glob(d)}
    found |= {
        os.path.realpath(p)
        for p in ("/bin/sh", "/usr/bin/git", "/usr/bin/python3", "/usr/bin/env")
        if os.path.exists(p)
    }
    sized = sorted((os.path.getsize(p), p) for p in found if os.path.isfile(p))
    real = [p for size, p in sized if size < 4 << 20 and Path(p).read_bytes()[:4] == elf.MAGIC]
    return real[:: max(1, len(real) // count)][: count + 8]


SAMPLE = libraries(60)


def told_by_readelf(path: str) -> tuple[set[tuple[str, str, bool]], set[tuple[str, str]]]:
    """Exports (name, version, default) and wants (name, version) as `readelf --dyn-syms` prints them."""
    argv = ["readelf", "--wide", "--dyn-syms", path]
    text = subprocess.run(argv, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"}, check=True).stdout
    exports, wants = set(), set()
    for line in re.sub(r"<(OS|processor) specific>: \d+", "OTHER", text).splitlines():
        words = line.split()
        if len(words) < 8 or not words[0].rstrip(":").isdigit() or words[4] == "LOCAL":
            continue
        name, _, rest = words[-1 if not words[-1].startswith("(") else -2].partition("@")
        version, default = rest.lstrip("@"), rest.startswith("@") or not rest
        if "UND" in words[6:8]:
            wants.add((name, version))
        elif words[5] in ("DEFAULT", "PROTECTED"):
            exports.add((name, version, default))
    return exports, wants


@pytest.mark.needs("readelf")
def test_agrees_with_readelf() -> None:
    assert len(SAMPLE) >= 50
    for path in SAMPLE:
        facts = elf.read_path(path)
        assert facts.problems == (), path
        exports, wants = told_by_readelf(path)
        mine = {(e.name, e.version, e.default) for e in facts.exports}
        markers = {row for row in exports - mine if row[0] in facts.verdefs}  # ABS symbols that only name a version
        assert mine == exports - markers, path
        copied = {(w.name, w.version) for w in facts.wants} & {(e.name, e.version) for e in facts.exports}
        assert {(w.name, w.version) for w in facts.wants} - copied == wants, path


def test_agrees_with_pyelftools() -> None:
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile

    for path in SAMPLE[::3]:
        with open(path, "rb") as file:
            other = ELFFile(file)
            dynamic = next((s for s in other.iter_segments() if isinstance(s, DynamicSegment)), None)
            facts = elf.read_path(path)
            assert facts.bits == other.elfclass and facts.endian == ("little" if other.little_endian else "big")
            tags = list(dynamic.iter_tags()) if dynamic else []
            assert list(facts.needed) == [t.needed for t in tags if t.entry.d_tag == "DT_NEEDED"], path
            assert facts.soname == next((t.soname for t in tags if t.entry.d_tag == "DT_SONAME"), ""), path
            interp = next((s.get_interp_name() for s in other.iter_segments() if s.header.p_type == "PT_INTERP"), "")
            assert facts.interp == interp, path
            verneed = next((s for s in other.iter_sections() if s.name == ".gnu.version_r"), None)
            if verneed is not None:
                rows = {(v.name, a.name) for v, auxes in verneed.iter_versions() for a in auxes}
                assert {(n.file, n.version) for n in facts.verneeds} == rows, path


def test_a_program_of_this_machine() -> None:
    facts = elf.read_path(os.path.realpath("/bin/sh"))
    assert (
        facts.kind == "program"
        and facts.interp.startswith("/lib")
        and any(n.startswith("libc.so") for n in facts.needed)
    )
    assert any(w.version.startswith("GLIBC_") and w.file.startswith("libc.so") and not w.weak for w in facts.wants)


# ---- an ELF file made here, in every class and byte order ------------------------------------------------------------


def made(wide: bool = True, end: str = "<", *, hashed: str = "sysv") -> bytes:
    """A small shared library: needs liba.so.1 (version A_1), defines `one` at B_2 (default) and `old` at B_1 (hidden), wants `two` and weak `maybe`."""
    strings = b"\0libmade.so.1\0liba.so.1\0A_1\0B_1\0B_2\0one\0old\0two\0maybe\0$ORIGIN/x:/y\0"

    def at(name: str) -> int:
        return strings.index(b"\0" + name.encode() + b"\0") + 1

    def symbol(name: str, info: int, section: int) -> bytes:
        if wide:
            return struct.pack(end + "IBBHQQ", at(name) if name else 0, info, 0, section, 0, 0)
        return struct.pack(end + "IIIBBH", at(name) if name else 0, 0, 0, info, 0, section)

    symbols = b"".join(
        (
            symbol("", 0, 0),
            symbol("two", 0x12, 0),
            symbol("maybe", 0x20, 0),
            symbol("one", 0x12, 7),
            symbol("old", 0x12, 7),
        )
    )
    versym = struct.pack(end + "5H", 0, 4, 1, 3, 0x8002)
    verdef = b"".join(
        struct.pack(end + "HHHHIII", 1, 0, index, 1, 0, 20, 28 if index == 2 else 0)
        + struct.pack(end + "II", at(name), 0)
        for index, name in ((2, "B_1"), (3, "B_2"))
    )
    verneed = struct.pack(end + "HHIII", 1, 1, at("liba.so.1"), 16, 0) + struct.pack(
        end + "IHHII", 0, 0, 4, at("A_1"), 0
    )
    if hashed == "sysv":
        table = struct.pack(end + "II", 1, 5) + struct.pack(end + "6I", 3, 0, 0, 0, 4, 0)
    else:  # gnu: one bucket that starts at symbol 3, chain of two
        table = struct.pack(end + "IIII", 1, 3, 1, 0) + bytes(8 if wide else 4) + struct.pack(end + "III", 3, 2, 3)
    parts = {
        "strings": strings,
        "symbols": symbols,
        "versym": versym,
        "verdef": verdef,
        "verneed": verneed,
        "table": table,
    }
    place, where = 256, {}
    for name, data in parts.items():
        place = (place + 7) & ~7
        where[name] = place
        place += len(data)
    word = "qQ" if wide else "iI"
    tags = [(1, at("liba.so.1")), (14, at("libmade.so.1")), (29, at("$ORIGIN/x:/y")), (5, where["strings"]), (10, len(strings)),
            (6, where["symbols"]), (0x6FFFFFF0, where["versym"]), (0x6FFFFFFC, where["verdef"]), (0x6FFFFFFD, 2),
            (0x6FFFFFFE, where["verneed"]), (0x6FFFFFFF, 1), (4 if hashed == "sysv" else 0x6FFFFEF5, where["table"]), (0, 0)]  # fmt: skip
    dynamic_at = (place + 7) & ~7
    dynamic = b"".join(struct.pack(end + word, tag, value) for tag, value in tags)
    size = dynamic_at + len(dynamic)
    ident = elf.MAGIC + bytes((2 if wide else 1, 1 if end == "<" else 2, 1)) + bytes(9)
    if wide:
        header = ident + struct.pack(end + "HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
        heads = struct.pack(end + "IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096) + struct.pack(
            end + "IIQQQQQQ", 2, 6, dynamic_at, dynamic_at, 0, len(dynamic), len(dynamic), 8
        )
    else:
        header = ident + struct.pack(end + "HHIIIIIHHHHHH", 3, 8, 1, 0, 52, 0, 0, 52, 32, 2, 0, 0, 0)
        heads = struct.pack(end + "IIIIIIII", 1, 0, 0, 0, size, size, 5, 4096) + struct.pack(
            end + "IIIIIIII", 2, dynamic_at, dynamic_at, 0, len(dynamic), len(dynamic), 6, 4
        )
    out = bytearray(size)
    out[: len(header) + len(heads)] = header + heads
    for name, data in parts.items():
        out[where[name] : where[name] + len(data)] = data
    out[dynamic_at:] = dynamic
    return bytes(out)


@pytest.mark.parametrize("hashed", ["sysv", "gnu"])
@pytest.mark.parametrize("end", ["<", ">"])
@pytest.mark.parametrize("wide", [True, False])
def test_every_class_and_byte_order(wide: bool, end: str, hashed: str) -> None:
    facts = elf.read(made(wide, end, hashed=hashed))
    assert facts.problems == ()
    assert (facts.bits, facts.endian) == (64 if wide else 32, "little" if end == "<" else "big")
    assert (facts.soname, facts.needed, facts.runpath) == ("libmade.so.1", ("liba.so.1",), ("$ORIGIN/x", "/y"))
    assert facts.exports == (elf.Export("one", "B_2", True, "func"), elf.Export("old", "B_1", False, "func"))
    assert facts.wants == (elf.Want("two", "A_1", "liba.so.1", False), elf.Want("maybe", "", "", True))
    assert facts.verdefs == ("B_1", "B_2") and facts.verneeds == (elf.VersionNeed("liba.so.1", "A_1", False),)


# ---- broken and hostile --------------------------------------------------------------------------------------------------


def quick(data: bytes) -> elf.ElfFacts:
    begin = time.perf_counter()
    facts = elf.read(data)
    assert time.perf_counter() - begin < 1
    return facts


@pytest.mark.parametrize("wide", [True, False])
def test_truncated_at_every_byte(wide: bool) -> None:
    whole = made(wide)
    for size in range(len(whole)):
        facts = quick(whole[:size])
        assert facts.problems or size == len(whole), size


def test_every_byte_flipped() -> None:
    whole = made()
    for at in range(len(whole)):
        for bits in (0xFF, 0x80, 0x01):
            quick(whole[:at] + bytes((whole[at] ^ bits,)) + whole[at + 1 :])


def patched(tag: int, value: int) -> bytes:
    """The made library with one dynamic entry's value changed."""
    data = bytearray(made(hashed="gnu" if tag == 0x6FFFFEF5 else "sysv"))
    for at in range(256, len(data) - 15, 8):
        if struct.unpack_from("<q", data, at)[0] == tag and at % 8 == 0 and at > len(data) - 14 * 16:
            struct.pack_into("<Q", data, at + 8, value)
            return bytes(data)
    raise LookupError(tag)


@pytest.mark.parametrize("tag", [5, 6, 10, 1, 14, 4, 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFE])
@pytest.mark.parametrize("value", [2**63, 2**64 - 1, 2**32, 0])
def test_absurd_addresses_are_facts(tag: int, value: int) -> None:
    quick(patched(tag, value))


def test_linked_to_itself_and_huge_counts() -> None:
    data = bytearray(made())
    at = data.index(struct.pack("<HHHHIII", 1, 0, 2, 1, 0, 20, 28))
    for following in (1, 20, 0xFFFFFFFF):  # a chain that does not move on, or leaves the file
        struct.pack_into("<I", data, at + 16, following)
        quick(bytes(data))
    data = bytearray(made())
    at = data.index(struct.pack("<HHIII", 1, 1, made().index(b"liba.so.1") - made().index(b"\0libmade"), 16, 0))
    struct.pack_into("<H", data, at + 2, 0xFFFF)
    quick(bytes(data))


def test_names_that_overlap_cannot_multiply() -> None:
    size = 1 << 20
    count = size // 24
    strings = b"\0" + b"a" * (1 << 18) + b"\0"
    data = bytearray(made())
    base = (len(data) + 7) & ~7
    table = b"".join(struct.pack("<IBBHQQ", 1 + i, 0x12, 0, 7, 0, 0) for i in range(count))
    blob = bytes(data) + bytes(base - len(data)) + table + strings
    out = bytearray(blob)
    struct.pack_into("<QQ", out, 64 + 32, len(out), len(out))
    for tag, value in ((6, base), (5, base + len(table)), (10, len(strings)), (0x6FFFFFF0, 0)):
        for at in range(len(data) - 13 * 16, len(data), 16):
            if struct.unpack_from("<q", out, at)[0] == tag:
                struct.pack_into("<Q", out, at + 8, value)
    facts = quick(bytes(out))
    assert facts.problems


def test_what_is_no_elf_file() -> None:
    assert elf.read(b"").problems == ("not an ELF file",)
    assert elf.read(b"#!/bin/sh\n").bits == 0
    assert quick(elf.MAGIC + b"\xff" * 4092).problems
