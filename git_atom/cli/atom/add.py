"""`git atom add`, and how an edited manifest is told."""

from __future__ import annotations

from git_atom.app.lock.editing import Edited, add
from git_atom.app.lock.stating import DEP, KINDS, Asked
from git_atom.cli.atom import summary
from git_atom.cli.atom.consent import consent
from git_atom.cli.parser import Ask
from git_atom.errors import UsageError


def run(ask: Ask) -> int:
    """Put requirements into the manifest and lock; a summary is talk, the paths of both files are the output."""
    wanted = Asked(
        kind(ask) or DEP,
        tuple(ask["uri"]),
        tuple(ask["for"]),
        ask["entry"] or "",
        ask["adopt"] or "",
        ask["suite"] or "",
        tuple(ask["with"]),
    )
    return told(ask, add(ask.host, wanted, offline=ask["offline"], dry_run=ask["dry_run"], consent=consent(ask)))


def kind(ask: Ask) -> str:
    """Which kind of requirement an option says that the words are; empty when none does. Raises UsageError ATOM-9001 for two of them."""
    given = [one for one in KINDS if ask.values.get(one)]
    if len(given) > 1:
        raise UsageError("ATOM-9001", f"'--{given[0]}' and '--{given[1]}' exclude each other",
                         hint="give the command once for each")  # fmt: skip
    return given[0] if given else ""


def told(ask: Ask, done: Edited) -> int:
    """Say what became of manifest and lock; their paths are the output."""
    dry = ask["dry_run"]
    if ask.out.json:
        changes = [change._asdict() for change in done.changes]
        value = {"manifest": done.manifest, "lock": done.lock, "changed": done.written, "dry-run": dry}
        ask.out.document("git-atom-edit/1", value | {"edits": list(done.edits), "changes": changes})
        return 0
    word = "would write" if dry else "wrote"
    if done.edits:
        ask.out.say(f"{word} '{done.manifest}'")
        summary.tell(ask, done.edits)
    if done.changes:
        ask.out.say(f"{word} '{done.lock}'")
        summary.tell(ask, done.changes)
    if not done.written:
        ask.out.say("it is so already, nothing was changed")
    ask.out.line(done.manifest)
    ask.out.line(done.lock)
    return 0
