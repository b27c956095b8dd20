"""`git build analyze <what>`: the interface manifest of an output, a tree, a directory or a file."""

from __future__ import annotations

from typing import Any

from git_atom.cli.parser import Ask

SHOWN = 8  # wanted symbols of one file named on a screen


def run(ask: Ask) -> int:
    """Print what is provided and required, by name; exit 7 when a file could not be read."""
    from git_atom.app.build.analyze import analyze

    found = analyze(ask.host, ask["what"]).value()
    if ask.out.json:
        ask.out.document("git-build-analyze/1", found)
        return 7 if found["problems"] else 0
    for facts in found["elf"]:
        _elf(ask, facts)
    for row in found["scripts"]:
        ask.out.line(f"{row['path']}: script, run by {row['interpreter']} {row['argument']}".rstrip())
    for row in found["pkg_config"]:
        requires = ", ".join([*row["requires"], *row["private"]])
        ask.out.line(
            f"{row['path']}: pkg-config {row['name']} {row['version']}" + (f", requires {requires}" if requires else "")
        )
    for row in found["problems"]:
        ask.out.say(f"{row['path']}: {row['what']}")
    return 7 if found["problems"] else 0


def _elf(ask: Ask, facts: dict[str, Any]) -> None:
    name = facts["soname"] or facts["kind"]
    ask.out.line(f"{facts['path']}: {name}, {facts['bits']}-bit {facts['machine']}")
    if facts["exports"]:
        versions = f", versions {', '.join(facts['verdefs'])}" if facts["verdefs"] else ""
        ask.out.line(f"    provides {len(facts['exports'])} symbols{versions}")
    if facts["interp"]:
        ask.out.line(f"    loaded by {facts['interp']}")
    for library in facts["needed"]:
        ask.out.line(f"    needs {library}{_of(facts, library)}")
    rest = sorted(w["name"] for w in facts["wants"] if not w["file"] and not w["weak"])
    if rest:
        more = f" and {len(rest) - SHOWN} more" if len(rest) > SHOWN else ""
        ask.out.line(f"    needs unversioned {', '.join(rest[:SHOWN])}{more}")
    if weak := sum(w["weak"] for w in facts["wants"]):
        ask.out.line(f"    may use {weak} weak symbols")
    for row in facts["dlopen"]:
        ask.out.line(f"    may load {' or '.join(row['sonames'])} ({row['priority']}: {row['feature']})")
    if facts["runpath"] or facts["rpath"]:
        ask.out.line(f"    looks in {':'.join(facts['runpath'] or facts['rpath'])}")


def _of(facts: dict[str, Any], library: str) -> str:
    count = sum(w["file"] == library for w in facts["wants"])
    versions = sorted({v["version"] for v in facts["verneeds"] if v["file"] == library})
    return f": {count} symbols, versions {', '.join(versions)}" if count else ""
