"""What was computed once about objects: id to digest, kept in a few sorted files of fixed-width records. Derived data, safe to delete.

An addition writes one new file and takes in the files that are not much larger, so there are only ever as many as the logarithm of
what is known, and thousands of records cost one write. Nothing is changed in place: readers need no lock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from git_atom.core.digest import Digest
from git_atom.git import leftovers

_HEAD = b"atom-memory/1\n\0\0"
_KEY, _WIDTH = 32, 64  # an id padded with zeros, then the digest
_END = ".records"


class Memory:
    """The records in one folder, which need not be there. A file that is cut off or unknown counts as absent."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files: list[memoryview] | None = None

    def get(self, oid: str) -> Digest | None:
        """The digest kept for an object id, or None."""
        if self._files is None:
            self._files = [data for name in self._names() if (data := self._read(name)) is not None]
        key = bytes.fromhex(oid).ljust(_KEY, b"\0")
        for data in self._files:
            low, high = 0, len(data) // _WIDTH
            while low < high:
                middle = (low + high) // 2
                at = middle * _WIDTH
                found = bytes(data[at : at + _KEY])
                if found == key:
                    return Digest.of_raw(bytes(data[at + _KEY : at + _WIDTH]))
                low, high = (middle + 1, high) if found < key else (low, middle)
        return None

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
