"""`git build analyze <what>`: the interface manifest of an output, a tree, a directory or a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from git_atom.cli.parser import Ask

if TYPE_CHECKING:
    from git_atom.interface.elf import ElfFacts
    from git_atom.interface.manifest import Interface

SHOWN = 8  # wanted symbols of one file named on a screen


def run(ask: Ask) -> int:
    """Print what is provided and required, by name; exit 7 when a file could not be read."""
    from git_atom.app.analyze import analyze

    found = analyze(ask.host, ask["what"])
    if ask.out.json:
        ask.out.document("git-build-analyze/1", {"what": found.what} | _value(found.interface))
    else:
        _tell(ask, found.interface)
    return 7 if found.interface.problems else 0


def _value(interface: Interface) -> dict[str, Any]:
    from git_atom.interface.manifest import ANALYZER, exports_digest

    return {
        "tree": interface.tree,
        "analyzer": ANALYZER,
        "elf": [{"path": path} | facts._asdict() | {"exports": [e._asdict() for e in facts.exports], "exports_digest": exports_digest(facts),
                 "wants": [w._asdict() for w in facts.wants], "verneeds": [v._asdict() for v in facts.verneeds],
                 "dlopen": [d._asdict() for d in facts.dlopen]} for path, facts in interface.elfs],
        "scripts": [s._asdict() for s in interface.scripts],
        "pkg_config": [p._asdict() for p in interface.packages],
        "problems": [{"path": path, "what": what} for path, what in interface.problems],
    }  # fmt: skip


def _tell(ask: Ask, interface: Interface) -> None:
    for path, facts in interface.elfs:
        name = facts.soname or ("program" if facts.kind == "program" else facts.kind)
        ask.out.line(f"{path}: {name}, {facts.bits}-bit {facts.machine}")
        if facts.exports:
            versions = f", versions {', '.join(facts.verdefs)}" if facts.verdefs else ""
            ask.out.line(f"    provides {len(facts.exports)} symbols{versions}")
        if facts.interp:
            ask.out.line(f"    loaded by {facts.interp}")
        for library in facts.needed:
            ask.out.line(f"    needs {library}{_of(facts, library)}")
        rest = [w.name for w in facts.wants if not w.file and not w.weak]
        if rest:
            more = f" and {len(rest) - SHOWN} more" if len(rest) > SHOWN else ""
            ask.out.line(f"    needs unversioned {', '.join(sorted(rest)[:SHOWN])}{more}")
        if weak := sum(w.weak for w in facts.wants):
            ask.out.line(f"    may use {weak} weak symbols")
        for row in facts.dlopen:
            ask.out.line(f"    may load {' or '.join(row.sonames)} ({row.priority}: {row.feature})")
        if facts.runpath or facts.rpath:
            ask.out.line(f"    looks in {':'.join(facts.runpath or facts.rpath)}")
    for script in interface.scripts:
        ask.out.line(f"{script.path}: script, run by {script.interpreter} {script.argument}".rstrip())
    for package in interface.packages:
        requires = [*package.requires, *package.private]
        ask.out.line(
            f"{package.path}: pkg-config {package.name} {package.version}"
            + (f", requires {', '.join(requires)}" if requires else "")
        )
    for path, what in interface.problems:
        ask.out.say(f"{path}: {what}")


def _of(facts: ElfFacts, library: str) -> str:
    count = sum(w.file == library for w in facts.wants)
    versions = sorted({v.version for v in facts.verneeds if v.file == library})
    return f": {count} symbols, versions {', '.join(versions)}" if count else ""
