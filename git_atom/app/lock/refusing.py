"""Why a manifest's dependencies have no solution, as people need it: chains with places, and ways out as commands to paste.

A way out is told only after the problem was solved with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from git_atom.app.lock.ground import Want
from git_atom.app.lock.shelf import Shelf
from git_atom.core import uri
from git_atom.core.version import Requirement as Range
from git_atom.errors import NoSolutionError
from git_atom.resolve.explain import MAX_WAYS, RELAX, REMOVE, Change, Explanation, explain
from git_atom.resolve.problem import Requirement
from git_atom.resolve.solve import Unsolvable

Way = tuple[Change, ...]
Solves = Callable[[Sequence[Requirement]], bool]
MAX_ROUNDS = 8
_MOST = 4  # names that a message lists


def refusal(shelf: Shelf, failure: Unsolvable, solves: Solves) -> NoSolutionError:
    """The error that explains a failure. solves: whether other roots have a solution."""
    told = explain(failure, ways=6)
    ways: list[Way] = []
    for _ in range(MAX_ROUNDS):
        read = len(shelf.packages)
        ways = [way for way in told.ways if _possible(way) and solves(_roots(shelf, way))]
        if len(shelf.packages) == read:
            break
        told = explain(failure, ways=6)  # what was read meanwhile may rule a way out, or shorten a chain
    hints = [command for way in ways if (command := _command(shelf, way))]
    hint = "\n".join(list(dict.fromkeys(hints))[:MAX_WAYS])
    first = told.lines[0].rule.wanted if told.lines else None
    names = sorted({want.ground.manifest.name for want in shelf.wants})
    shown = ", ".join(f"'{name}'" for name in names[:_MOST]) + (", ..." if len(names) > _MOST else "")
    return _alone(shelf, told, hint) or NoSolutionError(
        "ATOM-8041", f"the dependencies of {shown} cannot be had together",
        where=first.origin if first else shelf.ground.name, note="\n".join(_lines(shelf, told)), hint=hint,
    )  # fmt: skip


def _lines(shelf: Shelf, told: Explanation) -> list[str]:
    """The chains, roots by their place in the manifest, two spaces a step."""
    out = []
    for line in told.lines:
        text = str(line)
        if not line.rule.name and line.rule.wanted is not None:
            name = _want(shelf, line.rule.wanted).ground.manifest.name
            text = f"{line.rule.wanted.origin}: {name} requires {line.rule.wanted}{line.there}"
        out.append("  " * line.depth + text)
    return out


def _alone(shelf: Shelf, told: Explanation, hint: str) -> NoSolutionError | None:
    """The shorter error for one requirement of the manifest that nothing meets, whatever the others say; None when it is not that."""
    wanted = told.lines[0].rule.wanted if told.lines else None
    if wanted is None or told.lines[0].rule.name or any(line.rule.name and not line.rule.reason for line in told.lines):
        return None
    if len({line.rule.wanted for line in told.lines if not line.rule.reason}) > 1:
        return None
    want = _want(shelf, wanted)
    source = uri.redact(want.dep.url or want.dep.path)
    if told.unknown:
        near = told.unknown[0][1]
        quoted = f"did you mean '{near[0]}'?" if near else f"git atom list {source}"
        return NoSolutionError("ATOM-8700", f"'{source}' has no atom '{want.dep.name}'", where=want.where(),
                               note=f"it has {', '.join(near)}" if near else "", hint=quoted)  # fmt: skip
    edge = shelf.edge_of(wanted)
    known = [(str(c.version), c.excluded) for c in shelf.find(shelf.term(edge, Range.parse("*"))._replace(spec=""))]
    there = ", ".join(f"{version} ({why})" if why else version for version, why in known[:12])
    return NoSolutionError("ATOM-8048", f"nothing satisfies '{wanted}'", where=wanted.origin, note=f"'{source}' has {there}",
                           hint=hint or "ask its publisher for a version that may be chosen, or wait")  # fmt: skip


def _want(shelf: Shelf, wanted: Requirement) -> Want:
    return shelf.wants[shelf.roots.index(wanted)]


def _possible(way: Way) -> bool:
    """Whether commands can do it: what is withdrawn is allowed again by none."""
    return all(change.kind in (RELAX, REMOVE) for change in way)


def _roots(shelf: Shelf, way: Way) -> list[Requirement]:
    """The roots after a way was gone."""
    changed = {change.wanted: change for change in way}
    out = []
    for root in shelf.roots:
        change = changed.get(root)
        if change is None:
            out.append(root)
        elif change.kind == RELAX and change.candidate is not None:
            thing = shelf.thing(change.candidate)
            out.append(root._replace(terms=(shelf.term(thing.edge, Range.parse(f"={thing.version}")),)))
    return out


def _command(shelf: Shelf, way: Way) -> str:
    """What to type for a way out; empty when it would take back what is being asked for."""
    pending = {uri.Uri.parse(text).name: text for text in shelf.ground.pending}
    edits: dict[str, tuple[list[str], list[str]]] = {shelf.ground.folder: ([], [])}  # removed and added, by directory
    for change in way:
        if change.wanted is None:
            return ""
        want = _want(shelf, change.wanted)
        if not want.is_dependency:
            return ""
        removes, adds = edits.setdefault(want.ground.folder, ([], []))
        if change.kind == REMOVE or change.candidate is None:
            if want.dep.name in pending:
                return ""
            removes.append(want.dep.name)
        else:
            version = shelf.thing(change.candidate).version
            adds.append(f"{uri.redact(want.dep.url or want.dep.path)}::{change.candidate.name}@^{version}")
            pending.pop(want.dep.name, None)
    edits[shelf.ground.folder][1].extend(pending.values())
    cwd = shelf.ground.host.cwd
    return " && ".join(line for folder, words in edits.items() for line in _typed(os.path.relpath(folder, cwd), *words))


def _typed(folder: str, removes: Sequence[str], adds: Sequence[str]) -> list[str]:
    """Commands that edit the manifest of a directory."""
    import shlex

    git = "git" if folder == "." else f"git -C {shlex.quote(folder)}"
    words = [f"{git} atom remove {' '.join(shlex.quote(name) for name in removes)}"] if removes else []
    return words + ([f"{git} atom add {' '.join(shlex.quote(text) for text in adds)}"] if adds else [])
