"""`git atom fsck`."""

from __future__ import annotations

from git_atom.app.atom.fsck import fsck
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Check; one line a finding. Exit 2 when one is a matter of trust, 7 when something is damaged or out of place."""
    report = fsck(ask.host)
    rows = ({"kind": f.kind, "code": f.code, "subject": f.subject, "what": f.what} for f in report.findings)
    ask.out.items(rows, "%(kind) %(code) %(subject): %(what)", "git-atom-fsck/1")
    wrong = sum(found.kind == "error" for found in report.findings)
    ask.out.say(
        f"note: {report.versions} versions of {report.sets} sets and {report.refs} refs checked, {wrong} errors"
    )
    return report.exit
