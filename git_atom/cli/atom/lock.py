"""`git atom lock`, and how its outcome is told."""

from __future__ import annotations

from git_atom.app.lock.intent import Locked, lock
from git_atom.cli.atom import summary
from git_atom.cli.atom.consent import consent
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Bring the lock up to the manifest; a summary of what changed is talk, the lock's path is the output."""
    done = lock(
        ask.host, ask["dir"] or ".", locked=ask["locked"], frozen=ask["frozen"], offline=ask["offline"] or ask["frozen"],
        minimise=ask["minimise"], dry_run=ask["dry_run"], consent=consent(ask),
    )  # fmt: skip
    return told(ask, done)


def told(ask: Ask, done: Locked) -> int:
    """Say what became of a lock; its path is the output."""
    if ask.out.json:
        changes = [change._asdict() for change in done.changes]
        value = {"path": done.path, "changed": done.written, "dry-run": ask["dry_run"], "changes": changes}
        ask.out.document("git-atom-lock/1", value)
        return 0
    if done.written:
        ask.out.say(f"{'would write' if ask['dry_run'] else 'wrote'} '{done.path}'")
        summary.tell(ask, done.changes)
    else:
        ask.out.say(f"'{done.path}' is up to date")
    ask.out.line(done.path)
    return 0
