"""A proposal: a statement of a set with the signatures it has so far, in a file that owners hand around until there are enough.

The file is JSON for people to read; nothing in it is trusted. What counts are the canonical bytes of the statement and the detached
signatures over them. Format page: gitatom-format-log(5).
"""

from __future__ import annotations

import json
from typing import NamedTuple

from git_atom.core import canon
from git_atom.errors import MalformedError

FORMAT = "atom-proposal/1"
MAX_BYTES = 1024 * 1024


class Proposal(NamedTuple):
    """statement: canonical bytes. signatures: hex digest of a key's wire bytes -> armored signature."""

    statement: bytes
    signatures: dict[str, bytes]

    def encode(self) -> bytes:
        """The file's bytes: indented JSON, sorted, with a newline at the end."""
        signatures = {key: made.decode() for key, made in self.signatures.items()}
        value = {"format": FORMAT, "signatures": signatures, "statement": json.loads(self.statement)}
        return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes, where: str) -> Proposal:
        """Read a file; raises MalformedError ATOM-1081."""
        try:
            value = json.loads(data.decode()) if len(data) <= MAX_BYTES else None
        except (ValueError, RecursionError):
            value = None
        if (
            not isinstance(value, dict)
            or set(value) != {"format", "signatures", "statement"}
            or value["format"] != FORMAT
        ):
            raise _bad(where)
        signatures = value["signatures"]
        if not isinstance(signatures, dict) or not all(isinstance(v, str) for v in signatures.values()):
            raise _bad(where)
        try:
            held = {key: made.encode() for key, made in signatures.items()}
        except UnicodeEncodeError:
            raise _bad(where) from None
        return cls(canon.encode(value["statement"]), held)


def _bad(where: str) -> MalformedError:
    return MalformedError(
        "ATOM-1081", f"'{where}' is not a proposal", hint="git atom charter and git atom claim write them"
    )
