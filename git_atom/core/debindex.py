"""Debian `Packages` indexes and relationship fields (deb-control(5), Debian Policy 5.1 and 7), read lazily: bytes in, values out.

An index holds tens of thousands of paragraphs and a question touches a few thousand. So one scan finds where each paragraph begins, its
name and the names it provides; a paragraph is parsed when it is asked for.
"""

from __future__ import annotations

import mmap
import re
from array import array
from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from git_atom.errors import MalformedError

Data = bytes | mmap.mmap

_NAME = r"[a-zA-Z0-9][a-zA-Z0-9+._-]*"
_RELATION = re.compile(
    rf"({_NAME})(?::([a-z0-9-]+))?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^()\s<>=]+)\s*\))?\s*(?:\[([^][]*)\])?\s*((?:<[^<>]*>\s*)*)",
    re.ASCII,
)
_PLAIN = re.compile(_NAME, re.ASCII)
_ODD = re.compile(r"[()\s]")
_OPERATORS = frozenset({"<<", "<=", "=", ">=", ">>"})
_OLD = {"<": "<=", ">": ">="}  # Policy 7.1: deprecated forms
_SCANNED = re.compile(rb"\n(?:Package: (.*)|Provides: (.*(?:\n[ \t].*)*))")
_FIELD = re.compile(
    r"\n(Version|Depends|Pre-Depends|Conflicts|Breaks|Provides|Multi-Arch|Priority|Package|Recommends):[ \t]*(.*)"
)
_SIZES = Struct("=QQ")
_ESSENTIAL = re.compile(rb"\nEssential: yes")


class Relation(NamedTuple):
    """One alternative of a relationship: name, architecture qualifier (`any`, `native`, an architecture, or ''), operator and version."""

    name: str
    qualifier: str = ""
    op: str = ""
    version: str = ""

    def __str__(self) -> str:
        return (
            self.name
            + (f":{self.qualifier}" if self.qualifier else "")
            + (f" ({self.op} {self.version})" if self.op else "")
        )


def parse_alternatives(text: str) -> tuple[Relation, ...]:
    """`a (>= 1) | b:any` as relations. Raises MalformedError (ATOM-1050). Architecture lists and build profiles do not occur in an index."""
    if "|" in text:
        return tuple(_relation(part.strip()) for part in text.split("|"))
    return (_relation(text.strip()),)


def parse_relations(text: str) -> tuple[tuple[Relation, ...], ...]:
    """A whole relationship field: every one of the tuples asks for one of its relations. Raises MalformedError (ATOM-1050)."""
    return tuple(parse_alternatives(part) for part in split_relations(text))


def split_relations(text: str) -> list[str]:
    """The clauses of a relationship field as text."""
    return [part for part in (part.strip() for part in text.split(",")) if part]


def _relation(text: str) -> Relation:
    name, bracket, rest = text.partition(" (")
    if _PLAIN.fullmatch(name):  # the usual spelling, quickly
        if not bracket:
            return Relation(name)
        op, _, version = rest.partition(" ")
        if (
            op in _OPERATORS
            and version[-1:] == ")" != version
            and version[:-1].isascii()
            and not _ODD.search(version, 0, len(version) - 1)
        ):
            return Relation(name, "", op, version[:-1])
    match = _RELATION.fullmatch(text)
    if match is None:
        raise MalformedError("ATOM-1050", f"'{text[:200]}' is not a relationship to a Debian package")
    name, qualifier, op, version, architectures, profiles = match.groups()
    if architectures is not None or profiles:
        raise MalformedError("ATOM-1050", f"'{text[:200]}' is a relationship of a source package")
    return Relation(name, qualifier or "", _OLD.get(op, op) or "", version or "")


class Package(NamedTuple):
    """One paragraph: the fields that say what it needs and is, and the whole text for the others."""

    name: str
    version: str
    fields: dict[str, str]
    text: str

    def get(self, field: str) -> str:
        """The value of any field, its folded lines joined; '' when it is not there. Should it stand there twice, the last one counts."""
        if field in self.fields:
            return self.fields[field]
        found = re.findall(rf"\n{re.escape(field)}:[ \t]*(.*(?:\n[ \t].*)*)", self.text)
        return found[-1].replace("\n", "").strip() if found else ""


class Places(NamedTuple):
    """Where names stand in an index: name -> offset, and the further offsets of a name that stands there more than once."""

    first: dict[bytes, int]
    further: dict[bytes, list[int]]

    def of(self, name: str) -> list[int]:
        """Every place of a name, in order."""
        key = name.encode()
        at = self.first.get(key)
        return [] if at is None else [at, *self.further.get(key, ())]


class Scan(NamedTuple):
    """Where the `Package` fields are by the names they give, and the `Provides` fields by each name in them.

    Derived data: depends on the bytes alone.
    """

    packages: Places
    provided: Places


def scan(data: Data) -> Scan:
    """Find packages and provided names. Only fields written `Name: value` at the start of a line count, as archives write them."""
    names: list[bytes] = []
    at, starts = list[int](), list[int]()
    fields: list[bytes] = []
    if data[:9] == b"Package: ":
        end = data.find(b"\n")
        names.append(data[9 : end if end >= 0 else len(data)])
        at.append(0)
    for match in _SCANNED.finditer(data):
        if match.lastindex == 1:
            names.append(match[1])
            at.append(match.start() + 1)
        else:
            value = match[2]
            fields.append(value)
            starts += [match.start() + 1] * (value.count(b",") + 1)
    clauses = b",".join(fields).translate(None, b" \t\n").split(b",")
    return Scan(_places(names, at), _places([clause.partition(b"(")[0] for clause in clauses], starts))


def _places(names: Sequence[bytes], places: Sequence[int]) -> Places:
    """Names, each at its place. One name without a place is what is left of nothing, split."""
    first = dict(zip(reversed(names), reversed(places), strict=False)) if places else {}
    further: dict[bytes, list[int]] = {}
    if len(first) < len(places):
        for name, place in zip(names, places, strict=True):
            if first[name] != place:
                further.setdefault(name, []).append(place)
    return Places(first, further)


def encode_scan(found: Scan) -> bytes:
    """A scan in few large pieces, for `decode_scan`: names, a line each, and their places as this machine's 64-bit numbers."""
    out = []
    for places in found:
        more = [(name, place) for name, several in places.further.items() for place in several]
        for names, offsets in (
            (places.first.keys(), places.first.values()),
            ([n for n, _ in more], [at for _, at in more]),
        ):
            pieces = b"\n".join(names), array("q", offsets).tobytes()
            out += [_SIZES.pack(*map(len, pieces)), *pieces]
    return b"".join(out)


def decode_scan(data: bytes) -> Scan | None:
    """What `encode_scan` made of a scan. None for anything of other lengths; what is in it is taken as it is."""
    tables = []
    at = 0
    for _ in range(4):
        if len(data) < at + _SIZES.size:
            return None
        sizes = _SIZES.unpack_from(data, at)
        middle, end = at + _SIZES.size + sizes[0], at + _SIZES.size + sum(sizes)
        names = data[at + _SIZES.size : middle].split(b"\n")
        if end > len(data) or sizes[1] % 8 or len(names) != max(sizes[1] // 8, 1):
            return None
        tables.append((names, array("q", data[middle:end])))
        at = end
    found = []
    for (names, offsets), (more, others) in zip(tables[::2], tables[1::2], strict=True):
        further: dict[bytes, list[int]] = {}
        for name, place in zip(more, others, strict=bool(others)):
            further.setdefault(name, []).append(place)
        found.append(Places(dict(zip(names, offsets, strict=bool(offsets))), further))
    return Scan(*found)


class Index:
    """An index and its scan. Nothing of it is copied; the data must outlive the index."""

    def __init__(self, data: Data, found: Scan | None = None) -> None:
        self._data = data
        self.found = found or scan(data)

    def packages(self, name: str) -> list[Package]:
        """Every paragraph of a package, in no order that means anything."""
        return [self._read(offset) for offset in self.found.packages.of(name)]

    def providers(self, name: str) -> list[Package]:
        """Every paragraph whose `Provides` names this, whatever the version."""
        return [self._read(offset) for offset in self.found.provided.of(name)]

    def essential(self) -> list[Package]:
        """The packages that say of themselves that every system has them."""
        return [self._read(match.start() + 1) for match in _ESSENTIAL.finditer(self._data)]

    def names(self) -> list[str]:
        """All package names, sorted."""
        return sorted(name.decode(errors="replace") for name in self.found.packages.first)

    def _read(self, offset: int) -> Package:
        data = self._data
        start = data.rfind(b"\n\n", 0, offset) + 1
        end = data.find(b"\n\n", offset)
        text = data[start : end if end >= 0 else len(data)]
        return parse_package((text if start else b"\n" + text).decode("utf-8", "replace"))


def parse_package(text: str) -> Package:
    """A paragraph that begins with a line feed as a package. Raises MalformedError (ATOM-1050) when it has no name or no version."""
    fields = dict(
        _FIELD.findall(text.replace("\n ", " ").replace("\n\t", " ") if "\n " in text or "\n\t" in text else text)
    )
    if "Package" not in fields or "Version" not in fields:
        raise MalformedError(
            "ATOM-1050", f"a paragraph of a package index lacks a name or a version: '{text.strip()[:80]}'"
        )
    return Package(fields["Package"].strip(), fields["Version"].strip(), fields, text)
