"""`git compose diff`."""

from __future__ import annotations

from git_atom.app.compose import compose
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Entries that went (-) and came (+), then paths that were deleted, added or modified. Exit 1 when the two differ."""
    found = compose.diff(ask.host, ask["old"], ask["new"])
    differ = bool(found.removed or found.added or found.paths)
    if ask.out.json:
        value = {
            "old": found.old.root,
            "new": found.new.root,
            "removed": [entry._asdict() for entry in found.removed],
            "added": [entry._asdict() for entry in found.added],
            "paths": [{"how": how, "path": path} for how, path in found.paths],
        }
        ask.out.document("git-compose-diff/1", value)
        return int(differ)
    for mark, entries in (("-", found.removed), ("+", found.added)):
        for entry in entries:
            ask.out.line(f"{mark} /{entry.path} {entry.digest or '-> ' + entry.target} {entry.origin}".rstrip())
    for how, path in found.paths:
        ask.out.line(f"{how} /{path}")
    return int(differ)
