"""Writing one pack of undeltified objects, for imports of thousands of files at the speed of hashing (gitformat-pack(5)).

git's own importers search for deltas or write a file an object; a world of .debs wants neither. `entry` does the costly part (SHA-1,
deflate, CRC) and lets go of the interpreter lock, so several threads can prepare entries while one `PackWriter` appends them.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple

from git_atom.core.digest import Oid
from git_atom.errors import UnavailableError
from git_atom.git import leftovers
from git_atom.git.repo import Repo

_KINDS = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
_STORED = (
    1 << 14
)  # below this, deflating costs nothing and saves directory-sized trees and scripts; above it, bytes are stored
_CHUNK = 1 << 22


class Packed(NamedTuple):
    """One object ready for a pack: its id, the entry's bytes, their CRC-32."""

    oid: Oid
    data: tuple[bytes, bytes]  # entry header, zlib stream
    crc: int


def entry(kind: str, data: bytes) -> Packed:
    """Prepare one object (kind blob, tree, commit or tag) for a pack."""
    name = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
    name.update(data)
    size, head = len(data), bytearray()
    byte = _KINDS[kind] << 4 | size & 15
    size >>= 4
    while size:
        head.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    head.append(byte)
    stream = zlib.compress(data, 1 if len(data) < _STORED else 0)
    return Packed(Oid(name.hexdigest()), (bytes(head), stream), zlib.crc32(stream, zlib.crc32(head)))


class PackWriter:
    """Appends entries to a temporary pack; `finish` installs pack and index, leaving the block without it drops everything.

    Safe for several threads. Only for SHA-1 repositories; raises UnavailableError (ATOM-2005) for others.
    """

    def __init__(self, repo: Repo) -> None:
        if repo.object_format != "sha1":
            raise UnavailableError("ATOM-2005", f"packages cannot be imported into '{repo.git_dir}'", note=f"its objects are named by {repo.object_format}",
                              hint="let atom.store name a SHA-1 repository")  # fmt: skip
        self._folder = os.path.join(repo.objects, "pack")
        os.makedirs(self._folder, exist_ok=True)
        self._path = os.path.join(self._folder, f"tmp_pack_{os.getpid()}_{time.monotonic_ns()}")
        try:
            self._file = open(self._path, "x+b", buffering=_CHUNK)
            self._file.write(b"PACK" + struct.pack(">II", 2, 0))
        except BaseException:  # Ctrl-C while the system made it
            leftovers.remove(self._path)
            raise
        self._offset = 12
        self._rows: dict[Oid, tuple[int, int]] = {}  # offset, crc
        self._lock = threading.Lock()

    def __enter__(self) -> PackWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if os.path.exists(self._path):
            os.unlink(self._path)

    def append(self, packed: Packed) -> Oid:
        """Append an entry unless the pack has that object already."""
        with self._lock:
            if packed.oid not in self._rows:
                self._rows[packed.oid] = (self._offset, packed.crc)
                self._file.write(packed.data[0])
                self._file.write(packed.data[1])
                self._offset += len(packed.data[0]) + len(packed.data[1])
        return packed.oid

    def add(self, kind: str, data: bytes) -> Oid:
        """Prepare and append one object; returns its id."""
        return self.append(entry(kind, data))

    def finish(self) -> None:
        """Seal the pack, write its index, sync both and give them their final names, index last. An empty pack leaves nothing."""
        if not self._rows:
            return
        self._file.flush()
        self._file.seek(8)
        self._file.write(struct.pack(">I", len(self._rows)))
        self._file.seek(0)
        whole = hashlib.sha1(usedforsecurity=False)
        for chunk in _chunks(self._file):
            whole.update(chunk)
        self._file.seek(0, os.SEEK_END)
        self._file.write(whole.digest())
        self._file.flush()
        os.fsync(self._file.fileno())
        final = os.path.join(self._folder, f"pack-{whole.hexdigest()}")
        index = self._path + ".idx"
        try:
            with open(index, "wb") as file:
                file.write(_index(self._rows, whole.digest()))
                file.flush()
                os.fsync(file.fileno())
            for path, end in ((self._path, ".pack"), (index, ".idx")):
                os.chmod(path, 0o444)
                os.replace(path, final + end)
        finally:
            if os.path.exists(index):
                os.unlink(index)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _chunks(file: object) -> Iterator[bytes]:
    read = file.read  # type: ignore[attr-defined]
    while chunk := read(_CHUNK):
        yield chunk


def _index(rows: dict[Oid, tuple[int, int]], checksum: bytes) -> bytes:
    """A version 2 pack index: fan-out, names, CRCs, offsets (those past 2 GiB in a table of their own), checksums."""
    names = sorted(rows)
    raw = [bytes.fromhex(name) for name in names]
    counts = [0] * 256
    for name in raw:
        counts[name[0]] += 1
    fanout, total = [], 0
    for count in counts:
        total += count
        fanout.append(total)
    small: list[int] = []
    large: list[int] = []
    for oid in names:
        offset = rows[oid][0]
        if offset < 1 << 31:
            small.append(offset)
        else:
            small.append(1 << 31 | len(large))
            large.append(offset)
    body = b"".join((
        b"\377tOc", struct.pack(">I256I", 2, *fanout), b"".join(raw), struct.pack(f">{len(names)}I", *(rows[n][1] for n in names)),
        struct.pack(f">{len(small)}I", *small), struct.pack(f">{len(large)}Q", *large), checksum,
    ))  # fmt: skip
    return body + hashlib.sha1(body, usedforsecurity=False).digest()
