"""`git atom doctor`: whether this machine can publish and fetch, and what a host can do. Exit 0 when all that is needed is there, else 6."""

from __future__ import annotations

from git_atom.app.atom import checkup
from git_atom.cli.parser import Ask
from git_atom.errors import UsageError


def run(ask: Ask) -> int:
    """Examine this machine, or with --remote also the host; print what was found and what each missing piece would need."""
    if ask["try_push"] and not ask["remote"]:
        raise UsageError("ATOM-9001", "'--try-push' needs a host", hint="name it by --remote")
    findings = checkup.machine(ask.host)
    if ask["remote"]:
        findings += checkup.remote(ask.host, ask["remote"], push=ask["try_push"])
    told = ("atoms can be published and fetched here", "something is missing that publishing or fetching needs")
    return 0 if ask.out.findings(findings, "git-atom-doctor/1", told) else 6
