"""Derived bytes in the user's cache: kept whole or not at all, and done without where they cannot be kept."""

from __future__ import annotations

import os

from git_atom.core.digest import of_bytes
from git_atom.git import leftovers


def get(path: str) -> bytes | None:
    """The bytes kept at a path; None when there are none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def put(path: str, data: bytes) -> None:
    """Keep bytes at a path, written beside and renamed; a cache that cannot be written is no error."""
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
        leftovers.sweep(os.path.dirname(path), leftovers.WRITTEN)
    except OSError:
        leftovers.remove(temporary)
    except BaseException:
        leftovers.remove(temporary)
        raise


def get_sealed(path: str) -> bytes | None:
    """Bytes kept by put_sealed; None when there are none or they are damaged."""
    data = get(path)
    if data is None or of_bytes(data[:-64]).hex.encode() != data[-64:]:
        return None
    return data[:-64]


def put_sealed(path: str, data: bytes) -> None:
    """Keep bytes with their digest, so a torn or damaged file is noticed."""
    put(path, data + of_bytes(data).hex.encode())
