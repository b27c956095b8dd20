"""`git build [<dir>|<uri>]`: build an atom and what it needs."""

from __future__ import annotations

import os

from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Build, print each output, and write the target's output where asked."""
    from git_atom.app.build.build import build, write_out

    if ask["dry_run"]:
        return _plan(ask)
    if ask["j"]:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: max(1, ask["j"])])
    made = build(ask.host, ask["target"] or ".", check=ask["check"])
    if ask["o"]:
        write_out(ask.host, made[-1], ask["o"])
        ask.out.say(f"wrote '{ask['o']}'")
    if ask.out.json:
        rows = [one._asdict() | {"interface": list(one.interface)} for one in made]
        ask.out.document("git-build/1", {"built": rows})
        return 0
    for one in made:
        took = "" if one.how == "cached" else f", {one.wall_ms / 1000:.1f} s"
        ask.out.line(f"{one.name} {one.version} {one.output} ({one.how}{took})")
        for line in one.interface:
            ask.out.line(f"    {line}")
    return 0


def _plan(ask: Ask) -> int:
    from git_atom.app.build.build import plan

    rows = [
        {"name": node.manifest.name, "version": str(node.manifest.version), "action": node.action, "state": "cached" if found else "would be built",
         "output": found.output if found else ""}
        for node, found in plan(ask.host, ask["target"] or ".")
    ]  # fmt: skip
    if ask.out.json:
        ask.out.document("git-build-plan/1", {"plan": rows})
        return 0
    for row in rows:
        ask.out.line(f"{row['name']} {row['version']} {row['output'] or row['action']} ({row['state']})")
    return 0
