"""A `Packages` file as an index: mapped, and what a scan of it found kept for the next run, as apt keeps a cache of its own."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from struct import Struct

from git_atom.core.collector import paused
from git_atom.core.debindex import Index, Scan, decode_scan, encode_scan, scan
from git_atom.core.digest import of_bytes

_MAGIC = b"atom-scan/1\n\0\0\0\0"
_HEAD = Struct("=16s3Q2q32s")  # magic, what the file was (`_identity`), BLAKE3 of what follows


@contextmanager
def open_index(path: str, scans: str = "") -> Iterator[Index]:
    """Map an uncompressed `Packages` file for as long as the context lasts. The file's signature is the caller's business.

    scans: a folder of the user's, which need not be there, where scans are kept; one process at a time may use it. Empty: nothing is kept.

    Raises MalformedError (ATOM-1050) when a paragraph that is asked for is malformed.
    """
    with open(path, "rb") as file:
        seen = os.fstat(file.fileno())
        if not seen.st_size:
            yield Index(b"")
            return
        with paused():
            kept = os.path.join(scans, os.path.basename(path)) if scans else ""
            found = _kept(kept, seen) if kept else None
            flags = mmap.MAP_SHARED | (0 if found else mmap.MAP_POPULATE)  # a scan reads all of it, a question little
        with mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ) as data:
            if found is None:
                with paused():
                    found = scan(data)
                if kept:
                    _keep(kept, seen, found)
            yield Index(data, found)


def _identity(seen: os.stat_result) -> tuple[int, int, int, int, int]:
    """What changes when a file is written or another one takes its place; nobody sets the time of change (inode(7))."""
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def _kept(path: str, seen: os.stat_result) -> Scan | None:
    """The scan kept of exactly this file, or None."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    if len(data) < _HEAD.size or data[: _HEAD.size] != _head(seen, data[_HEAD.size :]):
        return None
    return decode_scan(data[_HEAD.size :])


def _keep(path: str, seen: os.stat_result, found: Scan) -> None:
    body = encode_scan(found)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(f"{path}.new", "wb") as file:
            file.write(_head(seen, body) + body)
        os.replace(f"{path}.new", path)
    except OSError:
        return  # a cache that cannot be written is no error


def _head(seen: os.stat_result, body: bytes) -> bytes:
    return _HEAD.pack(_MAGIC, *_identity(seen), of_bytes(body).raw)
