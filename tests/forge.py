"""ELF files made to measure: a program header, a dynamic table, symbols with versions; enough for a loader's eyes, not for running."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def library(
    soname: str = "",
    *,
    needed: Sequence[str] = (),
    exports: Sequence[tuple[str, str]] = (),
    wants: Sequence[tuple[str, str, str]] = (),
    weak: Sequence[str] = (),
    interp: str = "",
    runpath: str = "",
    rpath: str = "",
    machine: int = 62,
) -> bytes:
    """A little-endian 64-bit file. exports: (symbol, version); wants: (symbol, version, library); "" for no version."""
    out = _Strings()
    defined = list(dict.fromkeys(v for _, v in exports if v))
    needs = list(dict.fromkeys((f, v) for _, v, f in wants if v))
    index = {("", v): 2 + i for i, v in enumerate(defined)} | {row: 2 + len(defined) + i for i, row in enumerate(needs)}
    symbols, versym = [bytes(24)], [0]
    for name, version, file in [*wants, *((w, "", "") for w in weak)]:
        symbols.append(struct.pack("<IBBHQQ", out.at(name), 0x22 if name in weak else 0x12, 0, 0, 0, 0))
        versym.append(index[file, version] if version else 1)
    for name, version in exports:
        symbols.append(struct.pack("<IBBHQQ", out.at(name), 0x12, 0, 7, 0, 0))
        versym.append(index["", version] if version else 1)
    verdef = b"".join(
        struct.pack("<HHHHIII", 1, 0, 2 + i, 1, 0, 20, 28 if i + 1 < len(defined) else 0)
        + struct.pack("<II", out.at(v), 0)
        for i, v in enumerate(defined)
    )
    verneed = b"".join(
        struct.pack("<HHIII", 1, 1, out.at(f), 16, 32 if i + 1 < len(needs) else 0)
        + struct.pack("<IHHII", 0, 0, index[f, v], out.at(v), 0)
        for i, (f, v) in enumerate(needs)
    )
    count = len(symbols)
    tags = [(1, out.at(n)) for n in needed]
    tags += [(tag, out.at(text)) for tag, text in ((14, soname), (29, runpath), (15, rpath)) if text]
    parts = {
        6: b"".join(symbols), 0x6FFFFFF0: struct.pack(f"<{count}H", *versym), 0x6FFFFFFC: verdef, 0x6FFFFFFE: verneed,
        4: struct.pack("<II", 1, count) + bytes(4 * (count + 1)), 5: out.data,
    }  # fmt: skip
    return _assemble(parts, tags, len(defined), len(needs), interp, machine)


class _Strings:
    def __init__(self) -> None:
        self.data = b"\0"

    def at(self, text: str) -> int:
        found = self.data.find(b"\0" + text.encode() + b"\0")
        if found < 0:
            found = len(self.data) - 1
            self.data += text.encode() + b"\0"
        return found + 1


def _assemble(
    parts: dict[int, bytes], tags: list[tuple[int, int]], defs: int, needs: int, interp: str, machine: int
) -> bytes:
    body = bytearray()
    base = 64 + 3 * 56
    for tag, data in parts.items():
        if data:
            body += bytes(-len(body) % 8)
            tags.append((tag, base + len(body)))
            body += data
    tags += (
        [(10, len(parts[5]))]
        + ([(0x6FFFFFFD, defs)] if defs else [])
        + ([(0x6FFFFFFF, needs)] if needs else [])
        + [(0, 0)]
    )
    body += bytes(-len(body) % 8)
    dynamic_at = base + len(body)
    dynamic = b"".join(struct.pack("<qQ", *row) for row in tags)
    body += dynamic
    interp_at, raw = base + len(body), interp.encode() + b"\0" if interp else b""
    size = interp_at + len(raw)
    heads = [(1, 5, 0, size), (2, 6, dynamic_at, len(dynamic)), *([(3, 4, interp_at, len(raw))] if raw else [])]
    head = (
        b"\x7fELF\2\1\1"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, len(heads), 0, 0, 0)
    )
    table = b"".join(struct.pack("<IIQQQQQQ", kind, flags, at, at, 0, n, n, 8) for kind, flags, at, n in heads)
    return (head + table).ljust(base, b"\0") + bytes(body) + raw
