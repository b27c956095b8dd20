"""`git compose new`."""

from __future__ import annotations

from git_atom.app.compose import compose
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Form a composition; prints its name and root. Exit 1 when something it needs at run time is missing."""
    dry = ask["dry_run"]
    formed = compose.new(ask.host, ask["name"], ask["what"], dry_run=dry)
    made, missing = formed.world, formed.missing
    if ask.out.json:
        value = {"name": made.name, "root": made.root, "view": made.view, "dry-run": dry,
                 "entries": len(made.composition.entries), "missing": list(missing)}  # fmt: skip
        ask.out.document("git-compose-new/1", value)
        return 1 if missing else 0
    said = "would form" if dry else "formed" if formed.changed else "unchanged:"
    files = sum(1 for leaf in made.leaves if leaf.mode != 0o040000)
    ask.out.say(f"{said} '{made.name}': {len(made.composition.entries)} entries, {files} files")
    for item in missing:
        ask.out.say(f"missing: {item}")
    ask.out.line(f"{made.name} {made.root}")
    return 1 if missing else 0
