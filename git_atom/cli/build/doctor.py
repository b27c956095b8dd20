"""`git build doctor`: which sandbox, view and observation mechanisms this machine has. Exit 0 when hermetic builds work, else 6."""

from __future__ import annotations

from git_atom.app import doctor
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Examine the machine and print what was found and what each missing piece would need."""
    findings = doctor.examine(ask.host)
    works = doctor.works(findings)
    if ask.out.json:
        ask.out.document("git-build-doctor/1", {"works": works, "findings": [f._asdict() for f in findings]})
        return 0 if works else 6
    for finding in findings:
        mark = "ok" if finding.ok else "MISSING" if finding.required else "absent"
        ask.out.line(f"{mark:<8} {finding.name:<30} {finding.found}")
        if not finding.ok:
            for line in finding.needs.splitlines():
                ask.out.line(f"{'':<39} {line}")
    ask.out.line("hermetic builds work here" if works else "hermetic builds do not work here")
    return 0 if works else 6
