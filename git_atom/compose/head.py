"""What a generation's commit message says. Light: listing compositions reads nothing else."""

from __future__ import annotations

from typing import NamedTuple

from git_atom.core import canon
from git_atom.core.digest import Digest
from git_atom.core.name import check_name
from git_atom.errors import AtomError, MalformedError

TYPE = "atom-composition/1"


class Head(NamedTuple):
    """What a generation's commit message says: its name, its place in the chain, and the digests of all it holds."""

    name: str
    sequence: int
    root: Digest
    view: Digest
    tree: Digest
    certificate: Digest

    def encode(self) -> bytes:
        """The commit message: type and name, empty line, canonical JSON, newline."""
        return f"{TYPE} {self.name}\n\n".encode() + canon.encode(self._asdict()) + b"\n"

    @classmethod
    def decode(cls, message: bytes) -> Head:
        """Inverse of encode; raises MalformedError (ATOM-6004)."""
        row = canon.decode(message.partition(b"\n\n")[2].removesuffix(b"\n"))
        try:
            digests = [Digest.parse(row[key]) for key in ("root", "view", "tree", "certificate")]
            made = cls(check_name(row["name"], exact=True), int(row["sequence"]), *digests)
        except (AtomError, KeyError, TypeError, ValueError) as error:
            raise broken("its message is malformed") from error
        if made.encode() != message:
            raise broken("its message is malformed")
        return made


def broken(why: str) -> MalformedError:
    """The error for a generation that does not hold together."""
    return MalformedError("ATOM-6004", f"the generation does not hold together: {why}", hint="git compose verify")


def claimed(raw: bytes) -> Head | None:
    """What the message of a raw commit says, its signature not looked at; None when it does not read."""
    try:
        return Head.decode(raw.partition(b"\n\n")[2])
    except AtomError:
        return None
