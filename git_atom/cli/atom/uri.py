"""`git atom uri`."""

from __future__ import annotations

from git_atom.app.atom.uris import explain
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print the URI with its aliases expanded, or all its parts as JSON."""
    found = explain(ask.host, ask["uri"])
    if ask.out.json:
        ask.out.document("git-atom-uri/1", found._asdict())
    else:
        ask.out.line(found.uri)
    return 0
