"""What the dynamic loader will see in an ELF file: bytes in, facts out. No door: `struct` and program headers only (elf(5), gABI).

Section headers are never read, so a section-stripped library gives the same facts. A broken or hostile file is a fact too: every
count and offset is bounded by the file, what cannot be read lands in `ElfFacts.problems`, and nothing here raises for bad bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol

from git_atom.errors import MalformedError

MAGIC = b"\x7fELF"
MAX_SYMBOLS = 1 << 22
MAX_NAME = 16384
MAX_DYNAMIC = 65536
MAX_VERSIONS = 32768
_BATCH = 1024

TYPES = {0: "notype", 1: "object", 2: "func", 3: "section", 4: "file", 5: "common", 6: "tls", 10: "ifunc"}
_TYPE = tuple(TYPES.get(number, "notype") for number in range(16))
_VISIBLE = frozenset((1, 2, 10))  # STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE
_INNER = frozenset((1, 2))  # STV_INTERNAL, STV_HIDDEN
KINDS = {1: "object-file", 2: "program", 3: "shared", 4: "core"}
MACHINES = {
    2: "sparc", 3: "i386", 4: "m68k", 8: "mips", 15: "hppa", 20: "ppc", 21: "ppc64", 22: "s390", 40: "arm", 42: "sh",
    43: "sparc64", 50: "ia64", 62: "x86_64", 183: "aarch64", 243: "riscv", 258: "loongarch", 0x9026: "alpha",
}  # fmt: skip

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE = 1, 2, 3, 4
_DT_NEEDED, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SONAME, _DT_RPATH = 1, 4, 5, 6, 10, 14, 15
_DT_RUNPATH, _DT_FLAGS_1, _DT_GNU_HASH, _DT_VERSYM = 29, 0x6FFFFFFB, 0x6FFFFEF5, 0x6FFFFFF0
_DT_VERDEF, _DT_VERDEFNUM, _DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_DT_MIPS_SYMTABNO = 0x70000011
_DF_1_PIE = 0x08000000
_SHN_ABS = 0xFFF1
_DLOPEN_NOTE = 0x407C0C0A  # ELF dlopen metadata, owner "FDO" (systemd's ELF_DLOPEN_METADATA)


class Export(NamedTuple):
    """A symbol this file gives: name, version ("" for none), whether it is the default version, and type (`TYPES`)."""

    name: str
    version: str
    default: bool
    type: str


class Want(NamedTuple):
    """A symbol this file needs: name, version and the file that should have it ("" for none); a weak one may stay unresolved."""

    name: str
    version: str
    file: str
    weak: bool


class VersionNeed(NamedTuple):
    """A version this file needs of a library it loads; a weak one (VER_FLG_WEAK) only warns."""

    file: str
    version: str
    weak: bool


class Dlopen(NamedTuple):
    """Libraries a file says it may load later (`.note.dlopen`): alternatives, feature, and required, recommended or suggested."""

    sonames: tuple[str, ...]
    feature: str
    priority: str


class ElfFacts(NamedTuple):
    """Everything read from one file; strings are UTF-8 with what is not escaped by backslash. `bits` is 0 when not even the header holds."""

    bits: int = 0
    endian: str = ""
    machine: str = ""
    kind: str = ""
    soname: str = ""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    interp: str = ""
    exports: tuple[Export, ...] = ()
    wants: tuple[Want, ...] = ()
    verdefs: tuple[str, ...] = ()
    verneeds: tuple[VersionNeed, ...] = ()
    dlopen: tuple[Dlopen, ...] = ()
    dynamic: bool = False
    problems: tuple[str, ...] = ()


class Buffer(Protocol):
    """Bytes, or a read-only mmap of a file: whatever has a length and gives bytes when sliced."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: slice, /) -> bytes: ...


def _bad(why: str) -> MalformedError:
    """A part that cannot be read; never leaves this file, but becomes a line of `problems`."""
    return MalformedError("ATOM-6030", why)


def read(data: Buffer) -> ElfFacts:
    """The facts of one ELF file; never raises for bad input, whose flaws are `problems`."""
    reader = _Reader(data)
    for step in (reader.header, reader.segments, reader.dynamic, reader.versions, reader.symbols):
        try:
            step()
        except MalformedError as flaw:
            reader.problems.append(str(flaw))
            if not reader.usable:
                break
        except (struct.error, MemoryError, OverflowError) as flaw:
            reader.problems.append(f"unreadable: {flaw}")
            break
    return reader.facts()


def read_path(path: str) -> ElfFacts:
    """The facts of a file on disk, through a read-only mapping; raises OSError when it cannot be opened."""
    import mmap

    with open(path, "rb") as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                return read(mapped)
        except ValueError:  # an empty file cannot be mapped
            return read(b"")


class _Reader:
    """One pass over one file; each step reads on from what the steps before it found."""

    def __init__(self, data: Buffer) -> None:
        self.data = data
        self.size = len(data)
        self.usable = False
        self.end = "<"
        self.wide = True
        self.ident: tuple[int, str, str, str] = (0, "", "", "")
        self.loads: list[tuple[int, int, int]] = []  # address, file offset, size in the file
        self.place: tuple[int, int] | None = None
        self.interp = ""
        self.tags: dict[int, int] = {}
        self.needed: list[str] = []
        self.soname = ""
        self.paths: dict[int, tuple[str, ...]] = {}
        self.strings = b""
        self.text: str | None = None
        self._versioned: dict[int, tuple[str, str, bool, bool]] = {}
        self.whole: dict[int, str] = {}  # offset -> name, for names that begin where another ends
        self.names: dict[int, tuple[str, str]] = {}  # version index -> (version, file or "" when defined here)
        self.verdefs: list[str] = []
        self.verneeds: list[VersionNeed] = []
        self.exports: list[Export] = []
        self.wants: list[Want] = []
        self.dlopen: list[Dlopen] = []
        self.problems: list[str] = []

    def facts(self) -> ElfFacts:
        bits, endian, machine, kind = self.ident
        if kind == "shared" and (self.interp and not self.soname or self.tags.get(_DT_FLAGS_1, 0) & _DF_1_PIE):
            kind = "program"
        return ElfFacts(
            bits, endian, machine, kind, self.soname, tuple(self.needed), self.paths.get(_DT_RPATH, ()),
            self.paths.get(_DT_RUNPATH, ()), self.interp, tuple(self.exports), tuple(self.wants), tuple(self.verdefs),
            tuple(self.verneeds), tuple(self.dlopen), self.place is not None, tuple(self.problems),
        )  # fmt: skip

    def take(self, offset: int, size: int, what: str) -> bytes:
        """Bytes of the file, or a flaw naming what was truncated."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise _bad(f"{what} lies outside the file")
        return self.data[offset : offset + size]

    def at(self, address: int, what: str) -> tuple[int, int]:
        """File offset of a mapped address and how many bytes of its segment follow it there."""
        for start, offset, size in self.loads:
            if start <= address < start + size:
                left = min(start + size - address, self.size - (offset + address - start))
                if left > 0:
                    return offset + address - start, left
        raise _bad(f"{what} lies outside every segment")

    def header(self) -> None:
        head = self.data[:64]
        if head[:4] != MAGIC:
            raise _bad("not an ELF file")
        if len(head) < 52 or head[4] not in (1, 2) or head[5] not in (1, 2):
            raise _bad("the ELF header is truncated or of unknown class or byte order")
        self.wide, self.end = head[4] == 2, "<" if head[5] == 1 else ">"
        if self.wide and len(head) < 64:
            raise _bad("the ELF header is truncated")
        kind, machine = struct.unpack_from(self.end + "HH", head, 16)
        self.ident = (
            64 if self.wide else 32, "little" if head[5] == 1 else "big",
            MACHINES.get(machine, str(machine)), KINDS.get(kind, str(kind)),
        )  # fmt: skip
        self.machine = machine
        where, form = (32, "Q") if self.wide else (28, "I")
        self.phoff = struct.unpack_from(self.end + form, head, where)[0]
        self.phsize, self.phcount = struct.unpack_from(self.end + "HH", head, 54 if self.wide else 42)
        self.usable = True

    def segments(self) -> None:
        form = struct.Struct(self.end + ("IIQQQQQQ" if self.wide else "IIIIIIII"))
        if self.phcount == 0:
            return
        if self.phsize != form.size or self.phcount == 0xFFFF:
            self.usable = False
            raise _bad("the program headers have an unknown size or count")
        try:
            table = self.take(self.phoff, form.size * self.phcount, "program header table")
        except MalformedError:
            self.usable = False
            raise
        notes: list[tuple[int, int]] = []
        for row in form.iter_unpack(table):
            kind, offset, address, size = (
                (row[0], row[2], row[3], row[5]) if self.wide else (row[0], row[1], row[2], row[4])
            )
            if kind == _PT_LOAD:
                self.loads.append((address, offset, size))
            elif kind == _PT_DYNAMIC and self.place is None:
                self.place = (offset, size)
            elif kind == _PT_NOTE:
                notes.append((offset, size))
            elif kind == _PT_INTERP and not self.interp:
                raw = self.take(offset, size, "interpreter path") if size <= 4096 else b""
                self.interp = _text(raw.split(b"\0", 1)[0])
        if len(self.loads) > 4096:
            self.usable = False
            raise _bad("more than 4096 loaded segments")
        for offset, size in notes[:16]:
            self.notes(offset, size)

    def notes(self, offset: int, size: int) -> None:
        if size > 1 << 20 or offset + size > self.size:
            return
        raw, at = self.data[offset : offset + size], 0
        while at + 12 <= len(raw):
            name_size, desc_size, kind = struct.unpack_from(self.end + "III", raw, at)
            desc = at + 12 + (name_size + 3 & ~3)
            if kind == _DLOPEN_NOTE and raw[at + 12 : at + 12 + name_size] == b"FDO\0":
                self.dlopen += _dlopen(raw[desc : desc + desc_size])
            at = desc + (desc_size + 3 & ~3)

    def dynamic(self) -> None:
        if self.place is None:
            self.usable = False
            return
        form = struct.Struct(self.end + ("qQ" if self.wide else "iI"))
        offset, size = self.place
        size = min(size, self.size - offset, MAX_DYNAMIC * form.size)
        if offset > self.size or size <= 0:
            self.usable = False
            raise _bad("the dynamic table lies outside the file")
        needed: list[int] = []
        closed = False
        for tag, value in form.iter_unpack(self.data[offset : offset + size - size % form.size]):
            if tag == 0:
                closed = True
                break
            if tag == _DT_NEEDED:
                needed.append(value)
            else:
                self.tags.setdefault(tag, value)
        if not closed:
            self.problems.append("the dynamic table has no end")
        self._strings()
        self.needed = [self.name(at) for at in needed]
        if _DT_SONAME in self.tags:
            self.soname = self.name(self.tags[_DT_SONAME])
        for tag in (_DT_RPATH, _DT_RUNPATH):
            if tag in self.tags:
                self.paths[tag] = tuple(self.name(self.tags[tag]).split(":"))

    def _strings(self) -> None:
        if _DT_STRTAB not in self.tags:
            self.usable = False
            return
        offset, left = self.at(self.tags[_DT_STRTAB], "string table")
        size = self.tags.get(_DT_STRSZ, left)
        if size > left:
            self.problems.append("the string table is truncated")
        self.strings = self.data[offset : offset + min(size, left)] + b"\0"
        self.text = self.strings.decode("ascii") if self.strings.isascii() else None
        if self.text is not None:
            whole = self.text.split("\0")
            self.whole = dict(zip(accumulate(map((1).__add__, map(len, whole)), initial=0), whole, strict=False))

    def name(self, at: int) -> str:
        """The string at an offset of the string table."""
        if at >= len(self.strings):
            raise _bad("a name lies outside the string table")
        end = self.strings.find(b"\0", at, at + MAX_NAME)
        if end < 0:
            raise _bad(f"a name is longer than {MAX_NAME} bytes")
        return self.text[at:end] if self.text is not None else _text(self.strings[at:end])

    def versions(self) -> None:
        for step in (self._verdefs, self._verneeds):
            try:
                step()
            except MalformedError as flaw:
                self.problems.append(str(flaw))

    def _verdefs(self) -> None:
        if _DT_VERDEF not in self.tags:
            return
        at, left = self.at(self.tags[_DT_VERDEF], "version definitions")
        last = at + left
        for _ in range(min(self.tags.get(_DT_VERDEFNUM, MAX_VERSIONS), MAX_VERSIONS)):
            if at + 20 > last:
                raise _bad("the version definitions are truncated")
            _, flags, index, _, _, aux, following = struct.unpack(self.end + "HHHHIII", self.data[at : at + 20])
            if aux < 20 or at + aux + 8 > last:
                raise _bad("a version definition has no name")
            name = self.name(struct.unpack(self.end + "I", self.data[at + aux : at + aux + 4])[0])
            if not flags & 1:  # VER_FLG_BASE names the file itself
                self.names[index & 0x7FFF] = (name, "")
                self.verdefs.append(name)
            if following < 20:
                return
            at += following

    def _verneeds(self) -> None:
        if _DT_VERNEED not in self.tags:
            return
        at, left = self.at(self.tags[_DT_VERNEED], "needed versions")
        last, budget = at + left, MAX_VERSIONS
        for _ in range(min(self.tags.get(_DT_VERNEEDNUM, MAX_VERSIONS), MAX_VERSIONS)):
            if at + 16 > last:
                raise _bad("the needed versions are truncated")
            _, count, file, aux, following = struct.unpack(self.end + "HHIII", self.data[at : at + 16])
            budget -= count
            if budget < 0:
                raise _bad(f"more than {MAX_VERSIONS} needed versions")
            self._vernaux(at + aux, last, count, self.name(file))
            if following < 16:
                return
            at += following

    def _vernaux(self, at: int, last: int, count: int, library: str) -> None:
        for _ in range(count):
            if at + 16 > last:
                raise _bad("a needed version is truncated")
            _, flags, index, name, following = struct.unpack(self.end + "IHHII", self.data[at : at + 16])
            version = self.name(name)
            self.names[index & 0x7FFF] = (version, library)
            self.verneeds.append(VersionNeed(library, version, bool(flags & 2)))
            if following < 16:
                return
            at += following

    def symbols(self) -> None:
        if _DT_SYMTAB not in self.tags or not self.strings:
            return
        form = struct.Struct(self.end + ("IBBH16x" if self.wide else "I8xBBH"))
        offset, left = self.at(self.tags[_DT_SYMTAB], "symbol table")
        count = self.count(form.size)
        if count * form.size > left:
            self.problems.append("the symbol table is truncated")
            count = left // form.size
        if count > MAX_SYMBOLS:
            raise _bad(f"more than {MAX_SYMBOLS} dynamic symbols")
        table = self.data[offset : offset + count * form.size]
        versions: Sequence[int] = ()
        if _DT_VERSYM in self.tags:
            offset, left = self.at(self.tags[_DT_VERSYM], "symbol versions")
            versions = struct.unpack(
                f"{self.end}{min(count, left // 2)}H", self.data[offset : offset + min(2 * count, left & ~1)]
            )
        if _DT_VERSYM in self.tags and len(versions) < count:
            self.problems.append("the symbol versions are truncated")
        if len(versions) < count:
            versions = [*versions, *([1] * (count - len(versions)))]
        self._walk(form, table, versions)

    def _walk(self, form: struct.Struct, table: bytes, versions: Sequence[int]) -> None:
        """Sort every symbol into exports and wants, a batch at a time so that overlapping names cannot multiply without notice."""
        rows = list(form.iter_unpack(table))
        budget = 4 * len(self.strings) + (1 << 20)
        for at in range(0, len(rows), _BATCH):
            batch = self._batch(rows[at : at + _BATCH], versions[at : at + _BATCH])
            budget -= batch
            if budget < 0:
                raise _bad("the symbol names overlap beyond reason")

    def _batch(self, rows: Sequence[tuple[int, ...]], versions: Sequence[int]) -> int:
        """Read some symbols; returns how many characters names have that overlap with others (a few do: linkers merge tails)."""
        known, versioned, types, total = self.whole, self._versioned, _TYPE, 0
        exports, wants, new = self.exports.append, self.wants.append, tuple.__new__
        for (at, info, other, section), number in zip(rows, versions, strict=True):
            if not at or info >> 4 not in _VISIBLE:
                continue
            name = known.get(at)
            if name is None:
                name = self.name(at)
                total += len(name)
            version, file, default, local = versioned.get(number) or self._version(number)
            if section == 0:
                wants(new(Want, (name, version, file, info >> 4 == 2)))
                continue
            if file:  # defined here by a copy relocation: the loader still looks the original up in that file
                wants(new(Want, (name, version, file, False)))
            if local or other & 3 in _INNER or (section == _SHN_ABS and name == version):
                continue  # local version index, internal or hidden visibility, version marker
            exports(new(Export, (name, version, default, types[info & 15])))
        return total

    def _version(self, number: int) -> tuple[str, str, bool, bool]:
        """What a symbol's version number says: version, the file it is of, whether it is the default, whether the symbol stays inside."""
        version, file = self.names.get(number & 0x7FFF, ("", ""))
        found = self._versioned[number] = (version, file, number < 0x8000 and not file, number & 0x7FFF == 0)
        return found

    def count(self, entry: int) -> int:
        """How many dynamic symbols there are: DT_HASH says so, DT_GNU_HASH implies it, else the string table ends them."""
        if _DT_HASH in self.tags:
            wide = self.wide and self.machine in (22, 0x9026)  # s390x and Alpha have eight-byte hash words
            offset, left = self.at(self.tags[_DT_HASH], "hash table")
            if left < (16 if wide else 8):
                raise _bad("the hash table is truncated")
            return int(
                struct.unpack(self.end + ("QQ" if wide else "II"), self.data[offset : offset + (16 if wide else 8)])[1]
            )
        if _DT_GNU_HASH in self.tags:
            return self._gnu_count()
        if _DT_MIPS_SYMTABNO in self.tags:
            return self.tags[_DT_MIPS_SYMTABNO]
        return max(self.tags.get(_DT_STRTAB, 0) - self.tags[_DT_SYMTAB], 0) // entry

    def _gnu_count(self) -> int:
        offset, left = self.at(self.tags[_DT_GNU_HASH], "hash table")
        if left < 16:
            raise _bad("the hash table is truncated")
        buckets, first, bloom, _ = struct.unpack(self.end + "IIII", self.data[offset : offset + 16])
        start = 16 + bloom * (8 if self.wide else 4)
        chains = start + 4 * buckets
        if chains > left:
            raise _bad("the hash table is truncated")
        last = max(struct.unpack(f"{self.end}{buckets}I", self.data[offset + start : offset + chains]), default=0)
        if last < first:
            return int(first)
        at = offset + chains + 4 * (last - first)
        stop = offset + left
        while at + 4 <= stop:
            block = self.data[at : min(at + 4096, stop - (stop - at) % 4)]
            for index, word in enumerate(struct.unpack(f"{self.end}{len(block) // 4}I", block)):
                if word & 1:
                    return int(last + index + 1)
            last += len(block) // 4
            at += len(block)
            if last > MAX_SYMBOLS:
                break
        raise _bad("the hash table has no end")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _dlopen(raw: bytes) -> list[Dlopen]:
    import json

    try:
        rows = json.loads(raw.rstrip(b"\0"))
        return [
            Dlopen(
                tuple(str(s) for s in row["soname"]), str(row.get("feature", "")), str(row.get("priority", "suggested"))
            )
            for row in rows
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


__all__ = [
    "MAGIC", "Buffer", "Dlopen", "ElfFacts", "Export", "VersionNeed", "Want", "read", "read_path",
]  # fmt: skip
