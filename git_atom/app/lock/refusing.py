"""Why a manifest's dependencies have no solution, as people need it: chains with places, and ways out as commands to paste.

A way out is told only after the problem was solved with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import permutations
from typing import NamedTuple

from git_atom.app.lock.ground import Want
from git_atom.app.lock.shelf import Shelf
from git_atom.core import uri, variant
from git_atom.core.version import Requirement as Range
from git_atom.errors import NoSolutionError
from git_atom.resolve.explain import MAX_WAYS, RELAX, REMOVE, Change, Explanation, explain
from git_atom.resolve.problem import Requirement, Term
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
        ways = _of_candidates(shelf, told, solves)
        meant = [tuple(_of_its_source(shelf, change) for change in way) for way in told.ways if _possible(way)]
        ways += [way for way in meant if solves(_roots(shelf, way))]
        if len(shelf.packages) == read:
            break
        told = explain(failure, ways=6)  # what was read meanwhile may rule a way out, or shorten a chain
    typed = (_command(shelf, way, solves) or _command(shelf, _without(shelf, way), solves) for way in ways)
    hints = [command for command in typed if command]
    hint = "\n".join(list(dict.fromkeys(hints))[:MAX_WAYS])
    first = told.lines[0].rule.wanted if told.lines else None
    names = sorted({one.manifest.name for one in shelf.hands.values()})
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
            name = shelf.whose(line.rule.wanted).manifest.name
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
    asker = shelf.asker(wanted)
    if asker is None:  # a variant of an atom at hand: what its words need has its own lines
        return None
    (want, ask), dep = asker, asker[0].dep
    source = uri.redact(dep.url or dep.path)
    if ask is not None:
        return _unasked(shelf, wanted, ask, told, hint)
    if told.unknown:
        near = told.unknown[0][1]
        quoted = f"did you mean '{near[0]}'?" if near else f"git atom list {source}"
        return NoSolutionError("ATOM-8700", f"'{source}' has no atom '{dep.name}'", where=want.where(),
                               note=f"it has {', '.join(near)}" if near else "", hint=quoted)  # fmt: skip
    edge = shelf.edge_of(wanted)
    known = [(str(c.version), c.excluded) for c in shelf.find(shelf.term(edge, Range.parse("*"))._replace(spec=""))]
    there = ", ".join(f"{version} ({why})" if why else version for version, why in known[:12])
    return NoSolutionError("ATOM-8048", f"nothing satisfies '{wanted}'", where=wanted.origin, note=f"'{source}' has {there}",
                           hint=hint or "ask its publisher for a version that may be chosen, or wait")  # fmt: skip


def _unasked(
    shelf: Shelf, wanted: Requirement, ask: variant.Ask, told: Explanation, hint: str
) -> NoSolutionError | None:
    """The error for a variant that the manifest asks for and no version of the atom has, or not by this word; None when one has it."""
    name = wanted.terms[0].name
    words = list(dict.fromkeys(made.word for c in shelf.find(Term(name)) if (made := shelf.settling.decision(c))))
    atom = shelf.edge_of(wanted)[1]
    if told.unknown:
        near, known = told.unknown[0][1], shelf.variants(name)
        return NoSolutionError("ATOM-8728", f"'{atom}' has no variant '{ask[0]}'", where=wanted.origin,
                               note=f"it has {', '.join(known)}" if known else "it has none", hint=f"did you mean '{near[0]}'?" if near else hint)  # fmt: skip
    if ask[1] in words:
        return None
    from difflib import get_close_matches

    close = get_close_matches(ask[1], words, 1)
    return NoSolutionError("ATOM-8728", f"'{atom}' has no '{'='.join(ask)}'", where=wanted.origin,
                           note=f"it has {', '.join(variant.text((ask[0], word)) for word in words)}",
                           hint=f"did you mean '{variant.text((ask[0], close[0]))}'?" if close else hint)  # fmt: skip


def _possible(way: Way) -> bool:
    """Whether commands can do it: what is withdrawn is allowed again by none."""
    return all(change.kind in (RELAX, REMOVE) for change in way)


def _without(shelf: Shelf, way: Way) -> Way:
    """To do without all dependencies that a way changes, which is one command where to change them would be several."""
    askers = [asker for change in way if change.wanted and (asker := shelf.asker(change.wanted))]
    whole = [one.version for asker in askers for one in shelf.deps.values() if one.want is asker[0]]
    done = tuple(Change(REMOVE, version[0], None) for version in whole if version)
    return done if len(done) == len(way) else ()


def _of_its_source(shelf: Shelf, change: Change) -> Change:
    """The change; where it is to another atom of that name, which its source does not have, to do without the one that is wanted."""
    if change.wanted is None or change.candidate is None:
        return change
    made = shelf.settling.decision(change.candidate)
    edge = made.edge if made else shelf.thing(change.candidate).edge
    return change if edge == shelf.edge_of(change.wanted) else Change(REMOVE, change.wanted, None)


def _of_candidates(shelf: Shelf, told: Explanation, solves: Solves) -> list[Way]:
    """For variants of an atom at hand that are at issue: to have another version of what could take one."""
    at_issue = [line.rule.wanted for line in told.lines if line.rule.wanted and not line.rule.name]
    ways: list[Way] = []
    for wanted in (one for root in at_issue for asking in shelf.candidates(root) for one in asking.version):
        found = [c for c in shelf.find(wanted.terms[0]._replace(spec="")) if not c.excluded]
        tried = ((_of_its_source(shelf, Change(RELAX, wanted, candidate)),) for candidate in found[:MAX_WAYS])
        ways += [way for way in tried if solves(_roots(shelf, way))][:1]
    return ways


def _roots(shelf: Shelf, way: Way, folder: str = "", absent: Collection[str] = ()) -> list[Requirement]:
    """The roots after a way was gone; with a folder those of its manifest alone, where some dependencies are not yet."""
    changed = {change.wanted: change for change in way if change.wanted}
    out = []
    for root in shelf.roots:
        asker = shelf.asker(root)
        if folder and (shelf.whose(root).folder != folder or (asker and asker[0].dep.name in absent)):
            continue
        taken = next((asking for asking in shelf.candidates(root) if changed.keys() & set(asking.version)), None)
        for wanted in taken.wanted if taken else (root,):
            out += _after(shelf, wanted, changed.get(wanted))
    return out


def _after(shelf: Shelf, wanted: Requirement, change: Change | None) -> list[Requirement]:
    """What becomes of a requirement."""
    if change is None:
        return [wanted]
    if change.kind != RELAX or change.candidate is None:
        return []
    made = shelf.settling.decision(change.candidate)
    if made is not None:
        return [wanted._replace(terms=(shelf.ask(made.edge, (made.variant, made.word)),))]
    thing = shelf.thing(change.candidate)
    return [wanted._replace(terms=(shelf.term(thing.edge, Range.parse(f"={thing.version}")),))]


Option = tuple[str, str]


class _Step(NamedTuple):
    """One command that edits a manifest: what of a way out it does, and which of the atoms that are being asked for it adds."""

    verb: str
    options: tuple[Option, ...]
    words: list[str]
    changes: list[Change]
    adds: list[str]


def _command(shelf: Shelf, way: Way, solves: Solves) -> str:
    """What to type for a way out; empty when there is none, or it would take back what is being asked for, or goes in no order."""
    if not way:
        return ""
    ground = shelf.ground
    edits: dict[str, dict[str, tuple[Want, list[Change]]]] = {ground.folder: {}}  # by directory and key
    for change in way:
        asker = shelf.asker(change.wanted) if change.wanted else None
        if asker is None or not asker[0].is_dependency:
            return ""
        edit = edits.setdefault(asker[0].ground.folder, {})
        edit.setdefault(asker[0].dep.name, (asker[0], []))[1].append(change)
    lines: list[str] = []
    for folder, edit in edits.items():
        steps = _steps(shelf, edit, ground.pending if folder == ground.folder else ())
        ordered = None if steps is None else _ordered(shelf, folder, steps, solves)
        if ordered is None:
            return ""
        lines += [_line(os.path.relpath(folder, ground.host.cwd), step) for step in ordered]
    return " && ".join(lines)


def _steps(shelf: Shelf, edit: Mapping[str, tuple[Want, list[Change]]], pending: Sequence[str]) -> list[_Step] | None:
    """The commands that edit one manifest, and add what is pending; None when they would take that back."""
    steps: dict[tuple[str, tuple[Option, ...]], _Step] = {}
    left = {uri.Uri.parse(text).name: text for text in pending}
    for key, (want, changes) in edit.items():
        asked = left.pop(key, "")
        typed = _typed(shelf, want, changes, asked)
        if typed is None:
            return None
        step = steps.setdefault(typed[:2], _Step(*typed[:2], [], [], []))
        step.words.append(typed[2])
        step.changes.extend(changes)
        step.adds.extend([key] if asked else [])
    if left:
        last = ("add", shelf.ground.options)
        step = steps.setdefault(last, _Step(*last, [], [], []))
        step.words.extend(left.values())
        step.adds.extend(left)
    return sorted(steps.values(), key=lambda step: step.verb != "remove")


def _typed(
    shelf: Shelf, want: Want, changes: Sequence[Change], pending: str
) -> tuple[str, tuple[Option, ...], str] | None:
    """What changes one dependency: subcommand, options and word; None when that would take back what is being asked for (pending)."""
    dep, asks = want.dep, dict(want.dep.asks)
    source = f"{uri.redact(dep.url or dep.path)}::{shelf.named(want)}"
    word, options = pending or source, shelf.ground.options if pending else ()
    for change in changes:
        asker = shelf.asker(change.wanted) if change.wanted else None
        ask, found = asker[1] if asker else None, change.candidate if change.kind == RELAX else None
        if ask is not None:
            if ("--with", variant.text(ask)) in options:
                return None
            made = shelf.settling.decision(found) if found else None
            asks.pop(ask[0])
            asks |= {ask[0]: made.word} if made else {}
        elif found is None:
            return None if pending else ("remove", (), dep.name)
        else:
            word = f"{source}@^{shelf.thing(found).version}"
    if asks != dict(dep.asks):
        texts = [variant.text(ask) for ask in sorted(asks.items())] or [""]
        options = (*(one for one in options if one[0] != "--with"), *(("--with", text) for text in texts))
    return "add", options, word


def _ordered(shelf: Shelf, folder: str, steps: Sequence[_Step], solves: Solves) -> Sequence[_Step] | None:
    """Commands that edit one manifest, in an order in which it has a solution after each; None when there is no such order."""
    adds = {name for step in steps for name in step.adds}
    for order in permutations(steps) if len(steps) <= _MOST else ():
        for done in (order[:count] for count in range(1, len(order))):
            way = tuple(change for step in done for change in step.changes)
            absent = adds - {name for step in done for name in step.adds}
            if not solves(_roots(shelf, way, folder, absent)):
                break
        else:
            return order
    return None


def _line(folder: str, step: _Step) -> str:
    """A command to paste."""
    import shlex

    git = "git" if folder == "." else f"git -C {shlex.quote(folder)}"
    words = [shlex.quote(word) for word in step.words]
    return " ".join([git, "atom", step.verb, *words, *(f"{o} {shlex.quote(value)}" for o, value in step.options)])
