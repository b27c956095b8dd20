"""Where another repository is: its address checked before git gets it, and what is said when git cannot read it."""

from __future__ import annotations

import os

from git_atom.core import uri
from git_atom.errors import UnavailableError

PROTOCOLS = "file:git:http:https:ssh"


def place(source: str, cwd: str) -> str:
    """A source as git is given it: checked, and a path made absolute. Raises MalformedError ATOM-1014."""
    uri.check_source(source)
    return os.path.normpath(os.path.join(cwd, source)) if uri.kind(source) == "path" else source


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
