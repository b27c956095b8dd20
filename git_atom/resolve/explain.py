"""Why there is no solution: the fewest rules that cannot hold together, told as chains from the roots, and what would help.

A rule is what a person can point at: one root; one requirement, shared by all versions of a name that have it; one conflict likewise;
one reason for which versions are excluded. Each gets a selector. That only one version of a name can be chosen is no rule but what
solving means. QuickXplain (Junker 2004) finds the minimal set that is preferred under our own order, near the roots first, so the
explanation is the same whichever engine is asked. Ways out are minimal correction sets over what the asker can change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from git_atom.core.collector import paused
from git_atom.errors import NoSolutionError
from git_atom.resolve.closure import ROOT, Closure, itself
from git_atom.resolve.formula import Formula
from git_atom.resolve.problem import BOUND, MUST, WISH, Bar, Candidate, Requirement, Term, joined
from git_atom.resolve.sat import ENGINES, Sat
from git_atom.resolve.solve import Unsolvable

MAX_WAYS = 3
NEAREST = 50  # versions tried for a way out that keeps the name

RELAX, ALLOW, REMOVE = "relax", "allow", "remove"  # from the least change to the greatest


class Rule(NamedTuple):
    """What can be pointed at. name: '' for a root. Exactly one of wanted, bar and reason is set."""

    scope: str
    name: str
    wanted: Requirement | None = None
    bar: Bar | None = None
    reason: str = ""


class Line(NamedTuple):
    """A rule as told. depth: its place in the chain. versions: of the rule's name, those meant here. there: what to add about what is there."""

    depth: int
    rule: Rule
    versions: str
    there: str

    def __str__(self) -> str:
        rule = self.rule
        subject = joined(rule.name, self.versions)
        if rule.reason:
            return f"{subject} may not be chosen: {rule.reason}"
        if rule.bar is not None:
            return f"{subject} {rule.bar.word} {rule.bar.term}{self.there}"
        wanted = rule.wanted
        if wanted is None:
            return subject
        if wanted.mode == BOUND:
            return f"{subject or wanted.origin} allows no other {wanted.terms[0].name} than {wanted}"
        return f"{subject or wanted.origin or 'the request'} requires {wanted}" + self.there


class Change(NamedTuple):
    """One thing the asker can do. relax: have another version, `candidate`, of what the root wants; remove: give the root up;
    allow: take `candidate` although it is excluded."""

    kind: str
    wanted: Requirement | None
    candidate: Candidate | None

    def __str__(self) -> str:
        if self.kind == ALLOW:
            return f"allow {self.candidate}, although: {self.candidate.excluded if self.candidate else ''}"
        place = f" ({self.wanted.origin})" if self.wanted and self.wanted.origin else ""
        if self.kind == RELAX:
            return f"let '{self.wanted}'{place} be {self.candidate}"
        return f"remove '{self.wanted}'{place}"


class Explanation(NamedTuple):
    """The lines, roots first and each chain below its root; the ways out, least change first; names that are not there with similar ones."""

    lines: tuple[Line, ...]
    ways: tuple[tuple[Change, ...], ...]
    unknown: tuple[tuple[str, tuple[str, ...]], ...]

    def text(self) -> list[str]:
        """The chains as lines to print, two spaces a step."""
        return ["  " * line.depth + str(line) for line in self.lines]


def explain(failure: Unsolvable, *, engine: str = ENGINES[0], ways: int = MAX_WAYS) -> Explanation:
    """Explain a failure. The lines are minimal: without any one of them the rest has a solution."""
    with paused():
        closure = Closure(failure.problem, whole=True).grow()
        rules = _Rules(closure)
        with Sat(rules.clauses, engine) as sat:
            sat.phases([*rules.selectors.values()])
            core = _preferred(sat, [], False, rules.order(), rules.selectors)
            found = _ways(sat, rules, core, ways) if ways else []
    lines = _tell(closure, rules, core)
    missing = sorted({t.name for r in core if r.wanted for t in r.wanted.terms if not closure.find(Term(t.name))})
    unknown = tuple((name, tuple(failure.problem.provider.near(name))) for name in missing)
    return Explanation(tuple(lines), tuple(found), unknown)


def refusal(explanation: Explanation, hint: str = "") -> NoSolutionError:
    """The error that tells an explanation: its chains as the note; the caller gives the hint, a command to paste."""
    return NoSolutionError(
        "ATOM-1060", "the requirements have no solution", note="\n".join(explanation.text()), hint=hint
    )


class _Rules:
    """Every rule of a closure, its selector, and the clauses that hold while the selector does."""

    def __init__(self, closure: Closure) -> None:
        self.closure = closure
        self.selectors: dict[Rule, int] = {}
        self.members: dict[Rule, list[int]] = {}
        self.formula = Formula(closure)
        self.clauses = self.formula.clauses
        for variable, needs in enumerate(closure.needs):
            for wanted, choice in needs:
                if wanted.mode == WISH or (wanted.mode == MUST and itself(variable, choice)):
                    continue
                rule = self._rule(variable, wanted if variable == ROOT else wanted._replace(origin=""))
                head = self._head(rule, variable)
                if wanted.mode == BOUND:
                    self.clauses += [head + self.formula.off(v) for v in closure.outside(variable, wanted, choice)]
                else:
                    members = tuple(sorted((*choice.allowed, *choice.barred)))
                    self.clauses += [head + tail for tail in self.formula.tails(members)]
        for variable, node in enumerate(closure.nodes):
            for bar in closure.bars[variable]:
                others = closure.barred_by(variable, bar)
                if others:
                    head = self._head(Rule(closure.scopes[variable], node.name, bar=bar), variable)
                    self.clauses += [head + self.formula.off(other) for other in others]
            if node.excluded and closure.reached(variable):
                self.clauses.append(
                    self._head(Rule(closure.scopes[variable], node.name, reason=node.excluded), variable)
                )

    def _rule(self, variable: int, wanted: Requirement) -> Rule:
        return Rule(self.closure.scopes[variable], self.closure.nodes[variable].name, wanted)

    def _head(self, rule: Rule, variable: int) -> list[int]:
        selector = self.selectors.get(rule)
        if selector is None:
            selector = self.selectors[rule] = self.formula.fresh()
            self.members[rule] = []
        self.members[rule].append(variable)
        return [-selector] if variable == ROOT else [-selector, *self.formula.off(variable)]

    def order(self) -> list[Rule]:
        """All rules, those nearest to the roots first, then by their own text, so that no order of input shows."""
        depth: dict[tuple[str, str], int] = {("", ""): 0}
        layer, level = {ROOT}, 0
        while layer:
            level += 1
            names = {(self.closure.scopes[t], self.closure.nodes[t].name) for v in layer for t in self._targets(v)}
            fresh = [name for name in names if name not in depth]
            depth.update(dict.fromkeys(fresh, level))
            layer = {v for name in fresh for v in self.closure.named[name]}
        far = level + 1
        return sorted(self.selectors, key=lambda r: (depth.get((r.scope, r.name), far), _text(r)))

    def _targets(self, variable: int) -> Iterable[int]:
        return (v for _, choice in self.closure.needs[variable] for v in (*choice.allowed, *choice.barred))


def _text(rule: Rule) -> tuple[str, str, str, str, str, str]:
    """A total order of rules by what they say."""
    wanted, bar = rule.wanted, rule.bar
    if wanted is not None:
        return rule.name, rule.scope, "1", str(wanted), f"{wanted.mode} {wanted.kind} {wanted.scope}", wanted.origin
    if bar is not None:
        return rule.name, rule.scope, "2", str(bar.term), bar.word, ""
    return rule.name, rule.scope, "3", rule.reason, "", ""


def _preferred(sat: Sat, base: list[int], grown: bool, rules: Sequence[Rule], of: dict[Rule, int]) -> list[Rule]:
    """QuickXplain: the minimal part of the rules that cannot hold beside the base, with the least of the last ones."""
    if grown and not sat.solve(base):
        return []
    if len(rules) == 1:
        return list(rules)
    half = len(rules) // 2
    near, far = rules[:half], rules[half:]
    out = _preferred(sat, [*base, *(of[r] for r in near)], bool(near), far, of)
    return _preferred(sat, [*base, *(of[r] for r in out)], bool(out), near, of) + out


def _tell(closure: Closure, rules: _Rules, core: Sequence[Rule]) -> list[Line]:
    """Order rules as chains: each root, below it the rules of what it can lead to, each rule once."""
    lines: list[Line] = []
    left = list(core)
    met = {v for rule in core for v in _reached(closure, rule, rules.members[rule])}

    def follow(rule: Rule, depth: int, among: set[int] | None) -> None:
        left.remove(rule)
        members = [v for v in rules.members[rule] if among is None or v in among] or rules.members[rule]
        there = _there(closure, rule) if rule.bar is None else _hit(closure, rule.bar, members, met)
        lines.append(Line(depth, rule, _versions(closure, rule.scope, rule.name, members), there))
        reached = _reached(closure, rule, members)
        for other in core:
            if other in left and reached & set(rules.members[other]):
                follow(other, depth + 1, reached)

    for rule in core:
        if rule in left and not rule.name:
            follow(rule, 0, None)
    while left:
        follow(left[0], 0, None)
    return lines


def _reached(closure: Closure, rule: Rule, members: Iterable[int]) -> set[int]:
    """What a requirement leads to; nothing for other rules."""
    if rule.wanted is None:
        return set()
    same = (c for v in members for w, c in closure.needs[v] if w == rule.wanted or w._replace(origin="") == rule.wanted)
    return {v for choice in same for v in (*choice.allowed, *choice.barred)}


def _hit(closure: Closure, bar: Bar, members: Iterable[int], met: set[int]) -> str:
    """Which of the names at issue a bar means, where its own words do not say it."""
    hit = {closure.nodes[other].name for v in members for other in closure.barred_by(v, bar) if other in met}
    return f", which is {', '.join(sorted(hit))}" if hit - {bar.term.name} else ""


def _there(closure: Closure, rule: Rule) -> str:
    """What to say of a requirement that nothing meets."""
    if rule.wanted is None or any(closure.find(term) for term in rule.wanted.terms):
        return ""
    known = dict.fromkeys(c for term in rule.wanted.terms for c in closure.find(Term(term.name)))
    told = []
    for name in dict.fromkeys(candidate.name for candidate in known):
        versions = [c.version for c in known if c.name == name]
        told.append(f"{name} {_ranges(versions, set(versions))}")
    return ", but there is only " + ", ".join(told) if told else ", which nothing provides"


def _versions(closure: Closure, scope: str, name: str, members: Sequence[int]) -> str:
    if not name:
        return ""
    every = [c.version for c in closure.find(Term(name)) if c.name == name]
    return _ranges(every, {closure.nodes[v].version for v in members})


def _ranges(best_first: Sequence[str], wanted: set[str]) -> str:
    """Versions as ranges over all there are, oldest first: `1.0 to 1.4, 1.6`."""
    runs: list[list[str]] = []
    before = False
    for version in reversed(best_first):
        here = version in wanted
        same = bool(runs) and runs[-1][-1].rpartition(" in ")[0] == version.rpartition(" in ")[0]
        if here and before and same:
            runs[-1].append(version)
        elif here:
            runs.append([version])
        before = here
    return ", ".join(_run(run) for run in runs)


def _run(run: Sequence[str]) -> str:
    """Neighbours as people tell them; what a decision is in several versions is told once: `on in 1.0 to 1.4`."""
    before, word, _ = run[0].rpartition(" in ")
    if word and all(version.startswith(before + word) for version in run):
        return before + word + _run([version.removeprefix(before + word) for version in run])
    return run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(run)


def _ways(sat: Sat, rules: _Rules, core: Sequence[Rule], most: int) -> list[tuple[Change, ...]]:
    """Minimal sets of changeable rules (roots and exclusions) without which there is a solution, each as changes; least change first."""
    order = rules.order()
    hard = [rules.selectors[r] for r in order if r.name and not r.reason]
    soft = [r for r in order if not r.name or r.reason]
    found: dict[frozenset[Rule], tuple[Change, ...]] = {}
    if not sat.solve(hard):
        return []
    for seed in (r for r in core if r in set(soft)):
        dropped = _correction(sat, hard, [r for r in soft if r != seed], rules.selectors)
        if dropped is None:
            continue
        gone = frozenset([*dropped, seed])
        if dropped and sat.solve([*hard, *(rules.selectors[r] for r in soft if r not in dropped)]):
            gone = frozenset(dropped)
        if gone not in found:
            kept = [*hard, *(rules.selectors[r] for r in soft if r not in gone)]
            found[gone] = _changes(sat, rules, kept, [r for r in order if r in gone])
    price = [RELAX, ALLOW, REMOVE]
    return sorted(found.values(), key=lambda way: (len(way), sum(price.index(c.kind) for c in way)))[:most]


def _correction(sat: Sat, hard: list[int], soft: Sequence[Rule], of: dict[Rule, int]) -> list[Rule] | None:
    """What of the soft rules must go, taken in order, so that the rest holds; None when more than a person would do must go."""
    kept, gone = [*hard], []
    if sat.solve([*hard, *(of[r] for r in soft)]):
        return []
    for rule in soft:
        if sat.solve([*kept, of[rule]]):
            kept.append(of[rule])
        else:
            gone.append(rule)
            if len(gone) > 2:
                return None
    return gone


def _changes(sat: Sat, rules: _Rules, kept: list[int], gone: Sequence[Rule]) -> tuple[Change, ...]:
    """For each rule that goes, the least that has to be done: another version of what it wanted, if one can be had."""
    closure, out, held = rules.closure, [], [*kept]
    for rule in gone:
        if rule.wanted is None:
            variables = rules.members[rule]
        else:
            scope = rule.wanted.scope or ""
            variables = closure.meets(scope, Term(rule.wanted.terms[0].name))
            variables = [v for v in variables if not closure.nodes[v].excluded][:NEAREST]
        pick = next((v for v in variables if sat.solve([*held, *rules.formula.on(v)])), None)
        candidate = closure.nodes[pick] if pick is not None else None
        held += rules.formula.on(pick) if pick is not None else ()
        kind = ALLOW if rule.wanted is None else RELAX if candidate else REMOVE
        out.append(Change(kind, rule.wanted, candidate))
    return tuple(out)
