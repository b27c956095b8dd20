"""Debian's relationships as a problem of `resolve/`: what apt would install on an empty system, without asking apt.

What counts: Depends and Pre-Depends, alternatives, versions, Provides with and without version, Conflicts and Breaks, the architecture
qualifiers, one version per name. What does not: Recommends (unless asked), Suggests, Enhances, Replaces, and Essential, which on an
empty system nothing implies (unless asked). One architecture is looked at: an index is that of an architecture and of `all`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from git_atom.core.debindex import Index, Package, Relation, parse_alternatives, split_relations
from git_atom.core.debversion import key, satisfies
from git_atom.resolve.problem import MUST, WISH, Bar, Candidate, Problem, Requirement, Term

_PRIORITIES = {"required": 0, "important": 1, "standard": 2, "optional": 3, "extra": 4}


class Debian:
    """A provider over indexes, the first the most wanted when two hold the same version of a name."""

    def __init__(self, indexes: Sequence[Index], *, architecture: str = "amd64", recommends: bool = False) -> None:
        self._indexes = indexes
        self._architecture = architecture
        self._recommends = recommends
        self._packages: dict[Candidate, Package] = {}
        self._named: dict[str, list[Candidate]] = {}
        self._providing: dict[str, list[tuple[Candidate, str]]] = {}
        self._wanted: dict[str, Requirement] = {}
        self._bars: dict[tuple[str, str], Bar] = {}
        self._relations: dict[Term, Relation] = {}

    def package(self, candidate: Candidate) -> Package:
        """The paragraph of a candidate that was found."""
        return self._packages[candidate]

    def find(self, term: Term) -> Sequence[Candidate]:
        """Real packages of the name, newest first, then those that provide it: by priority, then by name, newest first."""
        relation = self._relations.get(term) or parse_alternatives(str(term))[0]
        out = [c for c in self.named(relation.name) if satisfies(c.version, relation.op, relation.version)]
        provided = self.providing(relation.name)
        if provided:
            out += [c for c, version in provided if c not in out and _provides(relation, version)]
        qualifier = relation.qualifier
        if qualifier == "any":
            return [c for c in out if self._packages[c].fields.get("Multi-Arch") == "allowed"]
        return out if qualifier in ("", "native", self._architecture) else []

    def needs(self, candidate: Candidate) -> Sequence[Requirement]:
        """Pre-Depends and Depends, and Recommends as wishes when they were asked for."""
        fields, wanted = self._packages[candidate].fields, self._wanted
        out = []
        for field in ("Pre-Depends", "Depends"):
            if field in fields:
                out += [wanted.get(text) or self._want(text) for text in _clauses(fields[field])]
        if self._recommends and "Recommends" in fields:
            out += [self.requirement(text, mode=WISH) for text in split_relations(fields["Recommends"])]
        return out

    def bars(self, candidate: Candidate) -> Sequence[Bar]:
        """Conflicts and Breaks."""
        fields = self._packages[candidate].fields
        out = []
        for field, word in (("Conflicts", "conflicts with"), ("Breaks", "breaks")):
            if field in fields:
                out += [self._bars.get((word, text)) or self._bar(word, text) for text in _clauses(fields[field])]
        return out

    def answers(self, candidate: Candidate) -> Sequence[str]:
        """Its name and what it provides."""
        provided = self._packages[candidate].fields.get("Provides")
        if provided is None:
            return (candidate.name,)
        return (candidate.name, *(text.partition("(")[0].strip() for text in provided.split(",")))

    def near(self, name: str) -> Sequence[str]:
        """Package names like one that is not there."""
        from difflib import get_close_matches

        return get_close_matches(name, [n for index in self._indexes for n in index.names()], 3, 0.8)

    def requirement(self, text: str, *, origin: str = "", mode: str = MUST) -> Requirement:
        """`a (>= 1) | b` as a requirement. Raises MalformedError (ATOM-1050)."""
        terms = []
        for relation in parse_alternatives(text):
            term = _term(relation)
            self._relations[term] = relation
            terms.append(term)
        return Requirement(tuple(terms), origin, "run", mode)

    def essential(self) -> list[Requirement]:
        """A root for each package that every system has."""
        names = {package.name for index in self._indexes for package in index.essential()}
        return [self.requirement(name, origin="Essential: yes") for name in sorted(names)]

    def _want(self, text: str) -> Requirement:
        wanted = self._wanted[text] = self.requirement(text)
        return wanted

    def _bar(self, word: str, text: str) -> Bar:
        bar = self._bars[word, text] = Bar(self._want(text.strip()).terms[0], word)
        return bar

    def named(self, name: str) -> list[Candidate]:
        """Every version of a package, newest first."""
        found = self._named.get(name)
        if found is None:
            found = self._named[name] = self._take(p for index in self._indexes for p in index.packages(name))
            if len(found) > 1:
                found.sort(key=lambda c: key(c.version), reverse=True)
        return found

    def providing(self, name: str) -> list[tuple[Candidate, str]]:
        """What provides a name, and in which version ('' for none)."""
        found = self._providing.get(name)
        if found is None:
            taken = self._take(p for index in self._indexes for p in index.providers(name))
            if len(taken) > 1:
                taken.sort(key=lambda c: key(c.version), reverse=True)
                taken.sort(key=lambda c: (_PRIORITIES.get(self._packages[c].fields.get("Priority", ""), 5), c.name))
            found = self._providing[name] = [(c, r.version) for c in taken for r in self._provided(c, name)]
        return found

    def _provided(self, candidate: Candidate, name: str) -> Iterable[Relation]:
        """The clauses of a candidate's Provides that give a name."""
        clauses = self._packages[candidate].fields["Provides"].split(",")
        relations = (parse_alternatives(text.strip())[0] for text in clauses if name in text)
        return (relation for relation in relations if relation.name == name)

    def _take(self, packages: Iterable[Package]) -> list[Candidate]:
        out = []
        for package in packages:
            candidate = Candidate(package.name, package.version)
            if candidate not in self._packages:
                self._packages[candidate] = package
            if candidate not in out:
                out.append(candidate)
        return out


def _clauses(value: str) -> list[str]:
    """The clauses of a relationship field; archives write `, ` between them, which is the quick case."""
    return value.split(", ") if value.count(",") == value.count(", ") else split_relations(value)


def _term(relation: Relation) -> Term:
    name, qualifier, op, version = relation
    spec = f"({op} {version})" if op else ""
    return Term(name, f":{qualifier} {spec}".rstrip() if qualifier else spec)


def _provides(relation: Relation, version: str) -> bool:
    """Policy 7.5: a provided name without version meets only a relationship without version."""
    return not relation.op or (bool(version) and satisfies(version, relation.op, relation.version))


class Plan(NamedTuple):
    """A problem and the provider that knows its packages."""

    problem: Problem
    provider: Debian


def plan(
    wanted: Sequence[str],
    indexes: Sequence[Index],
    *,
    architecture: str = "amd64",
    recommends: bool = False,
    essential: bool = False,
) -> Plan:
    """The problem of having packages (`curl`, `curl (>= 8)`, `a | b`) on an empty system. Raises MalformedError (ATOM-1050)."""
    provider = Debian(indexes, architecture=architecture, recommends=recommends)
    roots = [provider.requirement(text, origin="command line") for text in wanted]
    if essential:
        roots += provider.essential()
    return Plan(Problem(tuple(roots), provider), provider)
