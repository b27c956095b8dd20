"""Why a manifest's dependencies have no solution, as people need it: chains with places, and ways out as commands to paste.

A way out is told only after the problem was solved with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from git_atom.app.lock.ground import Ground
from git_atom.app.lock.shelf import Shelf
from git_atom.core import uri
from git_atom.core.manifest import Dep
from git_atom.core.version import Requirement as Range
from git_atom.errors import NoSolutionError
from git_atom.resolve.explain import MAX_WAYS, RELAX, REMOVE, Change, Explanation, explain
from git_atom.resolve.problem import Requirement
from git_atom.resolve.solve import Unsolvable

Way = tuple[Change, ...]
Solves = Callable[[Sequence[Requirement]], bool]
MAX_ROUNDS = 8


def refusal(ground: Ground, shelf: Shelf, failure: Unsolvable, solves: Solves) -> NoSolutionError:
    """The error that explains a failure. solves: whether other roots have a solution."""
    told = explain(failure, ways=6)
    ways: list[Way] = []
    for _ in range(MAX_ROUNDS):
        read = len(shelf.packages)
        ways = [way for way in told.ways if _possible(way) and solves(_roots(shelf, way))]
        if len(shelf.packages) == read:
            break
        told = explain(failure, ways=6)  # what was read meanwhile may rule a way out, or shorten a chain
    hints = [command for way in ways if (command := _command(ground, shelf, way))]
    hint = "\n".join(list(dict.fromkeys(hints))[:MAX_WAYS])
    first = told.lines[0].rule.wanted if told.lines else None
    return _alone(ground, shelf, told, hint) or NoSolutionError(
        "ATOM-8041", f"the dependencies of '{ground.manifest.name}' cannot be had together",
        where=first.origin if first else ground.name, note="\n".join(_lines(ground, told)), hint=hint,
    )  # fmt: skip


def _lines(ground: Ground, told: Explanation) -> list[str]:
    """The chains, roots by their place in the manifest, two spaces a step."""
    out = []
    for line in told.lines:
        text = str(line)
        if not line.rule.name and line.rule.wanted is not None:
            text = f"{line.rule.wanted.origin}: {ground.manifest.name} requires {line.rule.wanted}{line.there}"
        out.append("  " * line.depth + text)
    return out


def _alone(ground: Ground, shelf: Shelf, told: Explanation, hint: str) -> NoSolutionError | None:
    """The shorter error for one requirement of the manifest that nothing meets, whatever the others say; None when it is not that."""
    wanted = told.lines[0].rule.wanted if told.lines else None
    if wanted is None or told.lines[0].rule.name or any(line.rule.name and not line.rule.reason for line in told.lines):
        return None
    if len({line.rule.wanted for line in told.lines if not line.rule.reason}) > 1:
        return None
    dep = _dep(shelf, wanted)
    source = uri.redact(dep.url or dep.path)
    if told.unknown:
        near = told.unknown[0][1]
        quoted = f"did you mean '{near[0]}'?" if near else f"git atom list {source}"
        return NoSolutionError("ATOM-8700", f"'{source}' has no atom '{dep.name}'", where=shelf.place_of(dep),
                               note=f"it has {', '.join(near)}" if near else "", hint=quoted)  # fmt: skip
    edge = shelf.edge_of(wanted)
    known = [(str(c.version), c.excluded) for c in shelf.find(shelf.term(edge, Range.parse("*"))._replace(spec=""))]
    there = ", ".join(f"{version} ({why})" if why else version for version, why in known[:12])
    return NoSolutionError("ATOM-8048", f"nothing satisfies '{wanted}'", where=wanted.origin, note=f"'{source}' has {there}",
                           hint=hint or "ask its publisher for a version that may be chosen, or wait")  # fmt: skip


def _dep(shelf: Shelf, wanted: Requirement) -> Dep:
    return shelf.deps[shelf.roots.index(wanted)]


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


def _command(ground: Ground, shelf: Shelf, way: Way) -> str:
    """What to type for a way out; empty when it would take back what is being asked for."""
    import shlex

    adds, removes = [], []
    pending = {uri.Uri.parse(text).name: text for text in ground.pending}
    for change in way:
        if change.wanted is None:
            return ""
        dep = _dep(shelf, change.wanted)
        if dep not in ground.manifest.deps:
            return ""
        if change.kind == REMOVE or change.candidate is None:
            if dep.name in pending:
                return ""
            removes.append(dep.name)
        else:
            version = shelf.thing(change.candidate).version
            source = dep.url or dep.path
            adds.append(f"{uri.redact(source)}::{change.candidate.name}@^{version}")
            pending.pop(dep.name, None)
    if adds or pending:
        adds += pending.values()
    words = [f"git atom remove {' '.join(shlex.quote(name) for name in removes)}"] if removes else []
    words += [f"git atom add {' '.join(shlex.quote(text) for text in adds)}"] if adds else []
    return " && ".join(words)
