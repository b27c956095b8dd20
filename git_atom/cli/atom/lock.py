"""`git atom lock`, and how its outcome is told."""

from __future__ import annotations

from git_atom.app.lock.workspace import How, Locked, Which, lock
from git_atom.cli.atom import summary
from git_atom.cli.atom.consent import consent
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Bring locks up to their manifests; a summary of what changed is talk, the paths of the locks are the output."""
    which = Which(tuple(ask["dir"]), ask["all"], ask["together"])
    done = lock(ask.host, which, how(ask, offline=ask["frozen"]), locked=ask["locked"], frozen=ask["frozen"])
    return told(ask, which, done)


def how(ask: Ask, *, offline: bool = False) -> How:
    """How locks are made, as it was asked for."""
    return How(ask["offline"] or offline, ask["minimise"], ask["dry_run"], consent(ask))


def told(ask: Ask, which: Which, done: tuple[Locked, ...]) -> int:
    """Say what became of locks; their paths are the output. One lock that was asked for as one has a document of its own."""
    if ask.out.json:
        rows = [_row(one) for one in done]
        if which.everything or len(which.folders) > 1:
            value = {"changed": any(one.written for one in done), "dry-run": ask["dry_run"], "together": which.together}
            ask.out.document("git-atom-locks/1", value | {"locks": rows})
        else:
            changes = rows[0].pop("changes")
            ask.out.document("git-atom-lock/1", rows[0] | {"dry-run": ask["dry_run"], "changes": changes})
        return 0
    for one in done:
        if one.written:
            ask.out.say(f"{'would write' if ask['dry_run'] else 'wrote'} '{one.path}'")
            summary.tell(ask, one.changes)
        elif len(done) == 1:
            ask.out.say(f"'{one.path}' is up to date")
        ask.out.line(one.path)
    if len(done) > 1 and not any(one.written for one in done):
        ask.out.say(f"all {len(done)} locks are up to date")
    return 0


def _row(one: Locked) -> dict[str, object]:
    return {"path": one.path, "changed": one.written, "changes": [change._asdict() for change in one.changes]}
