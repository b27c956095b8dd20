"""Restricted JCS: the one encoding of signed data and digest pre-images (RFC 8785 without floats, ASCII keys, integers below 2^53)."""

from __future__ import annotations

import json
from typing import Any

from git_atom.core.digest import Digest, of_bytes
from git_atom.errors import MalformedError

LIMIT = 2**53
MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 64

Json = Any  # a JSON value; its shape is checked by whoever asked for it


def _check(value: Json, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise MalformedError("ATOM-1003", "signed data is nested too deeply", note=f"at most {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool | str):
        return
    if isinstance(value, int):
        if not -LIMIT < value < LIMIT:
            raise MalformedError("ATOM-1003", f"integer {value} is out of range", note="integers stay below 2^53")
    elif isinstance(value, list | tuple):
        for item in value:
            if type(item) is not str:
                _check(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise MalformedError("ATOM-1003", "a key of signed data is not ASCII text")
            if type(item) is not str:
                _check(item, depth + 1)
    else:
        raise MalformedError("ATOM-1003", f"signed data cannot hold a {type(value).__name__}")


def encode(value: Json) -> bytes:
    """Canonical bytes of a JSON value; raises MalformedError (ATOM-1003) for what the restricted form cannot hold."""
    _check(value)
    try:
        return _WRITER.encode(value).encode()
    except UnicodeEncodeError as error:
        raise MalformedError("ATOM-1003", "signed data holds a lone surrogate") from error


def _pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise MalformedError("ATOM-1003", "signed data repeats a key")
    return out


# made once: json.loads and json.dumps make one of their own for every call with other than the usual settings
_WRITER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_READER = json.JSONDecoder(object_pairs_hook=_pairs)


def decode(data: bytes) -> Json:
    """Parse canonical bytes and nothing else: re-encoding must give the same bytes. Raises MalformedError (ATOM-1003)."""
    if len(data) > MAX_BYTES:
        raise MalformedError("ATOM-1003", "signed data is too large", note=f"{len(data)} bytes, at most {MAX_BYTES}")
    try:
        value = _READER.decode(data.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedError("ATOM-1003", "signed data is not JSON") from error
    if encode(value) != data:
        raise MalformedError("ATOM-1003", "signed data is not in canonical form")
    return value


def digest(value: Json) -> Digest:
    """Digest of a labelled record: BLAKE3 over its canonical bytes."""
    return of_bytes(encode(value))
