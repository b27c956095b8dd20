"""`git atom uri`: what a URI says, aliases expanded."""

from __future__ import annotations

from typing import NamedTuple

from git_atom.core import uri
from git_atom.core.host import Host
from git_atom.core.uri import Uri
from git_atom.git.source import expanded


class Explained(NamedTuple):
    """A URI taken apart. source: aliases expanded, "" for the repository at hand; kind: url, scp, path or "" for that."""

    uri: str
    source: str
    kind: str
    name: str
    requirement: str
    remote: bool


def explain(host: Host, text: str) -> Explained:
    """Parse a URI and expand its aliases by the user's git configuration; raises ATOM-1010 to 1016."""
    parsed = Uri.parse(text)
    source = parsed.source
    if source:
        source = expanded(source, host.environ, host.cwd)
    shown = uri.redact(source)
    return Explained(
        str(parsed._replace(source=shown)), shown, uri.kind(source) if source else "", parsed.name,
        str(parsed.requirement or ""), bool(source) and uri.is_remote(source),
    )  # fmt: skip
