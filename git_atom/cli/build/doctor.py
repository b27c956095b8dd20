"""`git build doctor`: which sandbox, view and observation mechanisms this machine has. Exit 0 when hermetic builds work, else 6."""

from __future__ import annotations

from git_atom.app.build import doctor
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Examine the machine and print what was found and what each missing piece would need."""
    told = ("hermetic builds work here", "hermetic builds do not work here")
    return 0 if ask.out.findings(doctor.examine(ask.host), "git-build-doctor/1", told) else 6
