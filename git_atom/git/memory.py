"""What was computed once about objects: id to digest, kept in a few sorted files of fixed-width records. Derived data, safe to delete.

An addition writes one new file and takes in the files that are not much larger, so there are only ever as many as the logarithm of
what is known, and thousands of records cost one write. Nothing is changed in place: readers need no lock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping

from git_atom.core.digest import Digest
from git_atom.git import leftovers

_HEAD = b"atom-memory/1\n\0\0"
_KEY, _WIDTH = 32, 64  # an id padded with zeros, then the digest
_END = ".records"
_AROUND = 24  # records looked at on either side of a guess


class Memory:
    """The records in one folder, which need not be there. A file that is cut off or unknown counts as absent."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files: list[memoryview] | None = None

    def get(self, oid: str) -> Digest | None:
        """The digest kept for an object id, or None."""
        return self.several([oid]).get(oid)

    def several(self, oids: Iterable[str]) -> dict[str, Digest]:
        """The digests kept for object ids; those of which nothing is kept are left out."""
        if self._files is None:
            self._files = [data for name in self._names() if (data := self._read(name)) is not None]
        keys = [(oid, bytes.fromhex(oid).ljust(_KEY, b"\0")) for oid in oids]
        out: dict[str, Digest] = {}
        for data in sorted(self._files, key=len, reverse=True):
            left = []
            for oid, key in keys:
                at = _find(data, key)
                if at is None:
                    left.append((oid, key))
                else:
                    out[oid] = Digest.of_raw(data[at + _KEY : at + _WIDTH].tobytes())
            keys = left
        return out

    def add(self, known: Mapping[str, Digest]) -> None:
        """Keep more. Raises OSError when the folder cannot be written."""
        if not known:
            return
        os.makedirs(self._folder, exist_ok=True)
        leftovers.sweep(self._folder, leftovers.WRITTEN)
        records = {bytes.fromhex(oid).ljust(_KEY, b"\0"): digest.raw for oid, digest in known.items()}
        taken = []
        for size, name in sorted((self._size(name), name) for name in self._names()):
            if size > 2 * _WIDTH * len(records):
                break
            data = self._read(name) or memoryview(b"")
            taken.append(name)
            rows = (bytes(data[at : at + _WIDTH]) for at in range(0, len(data), _WIDTH))
            records.update((row[:_KEY], row[_KEY:]) for row in rows)
        self._write(b"".join(key + records[key] for key in sorted(records)))
        for name in taken:
            leftovers.remove(os.path.join(self._folder, name))
        self._files = None

    def _names(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._folder) if name.endswith(_END)]
        except OSError:
            return []

    def _size(self, name: str) -> int:
        try:
            return os.path.getsize(os.path.join(self._folder, name))
        except FileNotFoundError:
            return 0  # taken in by somebody else just now

    def _read(self, name: str) -> memoryview | None:
        from mmap import ACCESS_READ, mmap

        try:
            with open(os.path.join(self._folder, name), "rb") as file:
                data = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
        except (OSError, ValueError):  # gone, not readable, or empty
            return None
        whole = data[: len(_HEAD)] == _HEAD and (len(data) - len(_HEAD)) % _WIDTH == 0
        return data[len(_HEAD) :] if whole else None

    def _write(self, records: bytes) -> None:
        path = os.path.join(self._folder, f"{time.monotonic_ns():x}-{os.getpid()}{_END}")
        temporary = f"{path}.{os.getpid()}"
        try:
            with open(temporary, "wb") as file:
                file.write(_HEAD + records)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            leftovers.remove(temporary)
            raise


def _find(data: memoryview, key: bytes) -> int | None:
    """Where the record of a key begins, or None.

    Ids are spread evenly: a guess at the place, and another from what stands there, come so close that what lies around is searched
    in one piece; by halves, should they not.
    """
    count = len(data) // _WIDTH
    value = int.from_bytes(key[:8], "big")
    guess = value * count >> 64
    there = int.from_bytes(data[guess * _WIDTH : guess * _WIDTH + 8], "big")
    guess += (value - there) * count >> 64
    first = max(min(guess - _AROUND, count - 2 * _AROUND), 0)
    around = data[first * _WIDTH : (first + 2 * _AROUND) * _WIDTH].tobytes()
    if around[:_KEY] <= key and (around[-_WIDTH : _KEY - _WIDTH] >= key or first + 2 * _AROUND >= count):
        at = around.find(key)
        while at >= 0 and at % _WIDTH:  # part of two records
            at = around.find(key, at + 1)
        return first * _WIDTH + at if at >= 0 else None
    return _by_halves(data, key, count)


def _by_halves(data: memoryview, key: bytes, count: int) -> int | None:
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        at = middle * _WIDTH
        found = data[at : at + _KEY].tobytes()
        if found == key:
            return at
        low, high = (middle + 1, high) if found < key else (low, middle)
    return None
