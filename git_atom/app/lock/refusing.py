"""Why a manifest's dependencies have no solution, as people need it: chains with places, and ways out as commands to paste.

A way out is told only after the problem was solved with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

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
        ways += [way for way in told.ways if _possible(way) and solves(_roots(shelf, way))]
        if len(shelf.packages) == read:
            break
        told = explain(failure, ways=6)  # what was read meanwhile may rule a way out, or shorten a chain
    hints = [command for way in ways if (command := _command(shelf, way))]
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


def _of_candidates(shelf: Shelf, told: Explanation, solves: Solves) -> list[Way]:
    """For variants of an atom at hand that are at issue: to have another version of what could take one."""
    at_issue = [line.rule.wanted for line in told.lines if line.rule.wanted and not line.rule.name]
    ways: list[Way] = []
    for wanted in (one for root in at_issue for asking in shelf.candidates(root) for one in asking.version):
        found = [c for c in shelf.find(wanted.terms[0]._replace(spec="")) if not c.excluded]
        tried = ((Change(RELAX, wanted, candidate),) for candidate in found[:MAX_WAYS])
        ways += [way for way in tried if solves(_roots(shelf, way))][:1]
    return ways


def _roots(shelf: Shelf, way: Way) -> list[Requirement]:
    """The roots after a way was gone."""
    changed = {change.wanted: change for change in way if change.wanted}
    out = []
    for root in shelf.roots:
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


class _Edit(NamedTuple):
    """What commands change in one manifest: what is taken out and added, and what atoms are asked for from now on, by `source::name`."""

    removes: list[str]
    adds: list[str]
    asks: dict[str, dict[str, str]]


def _command(shelf: Shelf, way: Way) -> str:
    """What to type for a way out; empty when it would take back what is being asked for."""
    pending = {uri.Uri.parse(text).name: text for text in shelf.ground.pending}
    edits = {shelf.ground.folder: _Edit([], [], {})}  # by directory
    for change in way:
        asker = shelf.asker(change.wanted) if change.wanted else None
        if asker is None or not asker[0].is_dependency:
            return ""
        (want, ask), dep = asker, asker[0].dep
        edit = edits.setdefault(want.ground.folder, _Edit([], [], {}))
        source = f"{uri.redact(dep.url or dep.path)}::{shelf.named(want)}"
        if ask is not None:
            left = edit.asks.setdefault(source, dict(dep.asks))
            made = shelf.settling.decision(change.candidate) if change.candidate and change.kind == RELAX else None
            left.pop(ask[0])
            left |= {ask[0]: made.word} if made else {}
        elif change.kind == REMOVE or change.candidate is None:
            if dep.name in pending:
                return ""
            edit.removes.append(dep.name)
        else:
            edit.adds.append(f"{source}@^{shelf.thing(change.candidate).version}")
            pending.pop(dep.name, None)
    edits[shelf.ground.folder].adds.extend(pending.values())
    cwd = shelf.ground.host.cwd
    return " && ".join(line for folder, edit in edits.items() for line in _typed(os.path.relpath(folder, cwd), edit))


def _typed(folder: str, edit: _Edit) -> list[str]:
    """Commands that edit the manifest of a directory."""
    import shlex

    git = "git" if folder == "." else f"git -C {shlex.quote(folder)}"
    words = [f"{git} atom remove {' '.join(map(shlex.quote, edit.removes))}"] if edit.removes else []
    words += [f"{git} atom add {' '.join(map(shlex.quote, edit.adds))}"] if edit.adds else []
    for source, left in sorted(edit.asks.items()):
        told = [shlex.quote(variant.text(ask)) for ask in sorted(left.items())] or ["''"]
        words.append(f"{git} atom add {shlex.quote(source)} {' '.join(f'--with {text}' for text in told)}")
    return words
