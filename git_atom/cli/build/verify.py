"""`git build verify <record>`: signatures of a record, and its output over the bytes."""

from __future__ import annotations

from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Verify every witness of what the words name, nothing taken from the cache; exit 2 when none holds."""
    from git_atom.app.build.verifying import verify

    rows = verify(ask.host, ask["record"])
    if ask.out.json:
        ask.out.document("git-build-verify/1", {"witnesses": [row._asdict() for row in rows]})
    else:
        for row in rows:
            ask.out.line(f"{'good' if row.good else 'BAD':<5} {row.ref}  {row.output or row.why}")
    outputs = {row.output for row in rows if row.good}
    if len(outputs) > 1:
        ask.out.say("trusted builders disagree about this build")
    return 0 if len(outputs) == 1 else 2
