"""Where another repository is: its address checked before git gets it, how much it may send, and what is said when git cannot read it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from git_atom.core import uri
from git_atom.errors import CannotError, MalformedError, UnavailableError
from git_atom.git import config

PROTOCOLS = "file:git:http:https:ssh"
MAX_FETCH = "atom.maxFetchSize"
LEAST_MEMORY = 256 << 20  # of a git that fetches
_MAX_FETCH = 8 << 30


def place(source: str, cwd: str) -> str:
    """A source as git is given it: checked, and a path made absolute. Raises MalformedError ATOM-1014."""
    uri.check_source(source)
    return os.path.normpath(os.path.join(cwd, source)) if uri.kind(source) == "path" else source


def expanded(source: str, environ: Mapping[str, str], cwd: str) -> str:
    """A source as the user wrote it, its aliases written out by git's configuration there (`atom.alias.<name>`). Raises ATOM-1015, ATOM-1016."""
    return uri.expand(source, lambda alias: config.get(None, f"atom.alias.{alias}", environ, cwd=cwd))


def protocols(source: str) -> str:
    """The transports git may use for a source, after redirects too: what begins under TLS never leaves it for http."""
    return PROTOCOLS.replace("http:", "") if source.lower().startswith("https:") else PROTOCOLS


def unreachable(source: str, words: bytes) -> UnavailableError:
    """The error for a source that git could not read."""
    shown = uri.redact(source)
    lines = [line for line in words.decode(errors="replace").splitlines() if line.strip()]
    note = next((line for line in lines if line.startswith("fatal: ")), lines[-1] if lines else "")
    return UnavailableError(
        "ATOM-2011",
        f"'{shown}' cannot be read",
        note=note.replace(source, shown).removeprefix("fatal: ")[:500],
        hint="check the address and the network, then run the same command again",
    )


def other_format(source: str, ours: str) -> UnavailableError:
    """The error for a source whose objects have ids of the other format; git has two, and fetches from one into the other never."""
    theirs = "sha1" if ours == "sha256" else "sha256"
    return UnavailableError(
        "ATOM-2005",
        f"'{uri.redact(source)}' is a {theirs} repository, and what would be fetched goes into a {ours} one",
        note="git does not fetch from one object format into another",
        hint=f"ask its owner for a place of {ours} format",
    )


def most_bytes(environ: Mapping[str, str]) -> int:
    """The most bytes that one fetch may bring, of the user's own configuration. Raises CannotError ATOM-2024."""
    for text in config.user_only(MAX_FETCH, environ)[-1:]:
        found = re.fullmatch(r"([1-9][0-9]{0,9})([kmgKMG]?)", text)
        if found is None:
            raise CannotError(
                "ATOM-2024", f"'{text}' is not a size", where=MAX_FETCH, hint=f"git config --global {MAX_FETCH} 8g"
            )
        return int(found[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[found[2].lower()]
    return _MAX_FETCH


def too_much(source: str, most: int) -> MalformedError:
    """The error for a source that sends more than a fetch may bring."""
    return MalformedError(
        "ATOM-2023",
        f"what '{uri.redact(source)}' sends is over the limit",
        note=f"at most {most} bytes ({MAX_FETCH})",
        hint=f"when it is right: git config --global {MAX_FETCH} {most * 2 >> 20 or 1}m",
    )
