"""`git atom trust explain`."""

from __future__ import annotations

from git_atom.app.atom.explaining import explain
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print each step with its answer; exit 2 when the atom is not accepted."""
    found = explain(ask.host, ask["atom"])
    if ask.out.json:
        steps = [step._asdict() for step in found.steps]
        ask.out.document("git-atom-trust-explain/1", found._asdict() | {"steps": steps})
    else:
        ask.out.line(f"{found.verdict} {found.name} {found.version}")
        for step in found.steps:
            ask.out.line(f"  {step.answer:<8} {step.what:<10} {step.why}")
    return 0 if found.verdict == "accepted" else 2
