"""`git compose delete`."""

from __future__ import annotations

from git_atom.app.compose import compose
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Remove a composition with its history; what other refs do not hold goes with git's own gc."""
    dry = ask["dry_run"]
    row = compose.delete(ask.host, ask["name"], dry_run=dry)
    if ask.out.json:
        ask.out.document("git-compose-delete/1", row._asdict() | {"dry-run": dry})
        return 0
    said = "would delete" if dry else "deleted"
    ask.out.say(f"{said} '{row.name}' with {row.generations} generations (newest root {row.root})")
    return 0
