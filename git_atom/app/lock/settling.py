"""How variants are settled: each is a decision that the solver makes beside the choice of versions.

A variant of an atom is a name of its own, `<atom> with <variant>=`, whose candidates are its words in each version. An atom needs all
of its variants settled; a word needs the very version it is a word of, and what is a candidate by that word. So one atom is had one way
in a scope, and two that ask for different words of one variant are told as two that need different versions are.

Variants of the atoms at hand are those whose words their own locks will state: there is one version of each, so a word needs no version.

The first word is the default. What is locked stays: alone while the shelf is narrow, else before the default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from git_atom.core import choices, variant
from git_atom.core.lock import Edge, Lock
from git_atom.core.manifest import Dep, Manifest
from git_atom.resolve.problem import Candidate, Term

OWN = "(variant)"  # sorts before names, so variants of the atoms at hand are settled first
HERE: Edge = ("", "")  # the atom at hand where it is the only one; several have the edge that others know them by
_FIXED = "a package of its toolchain, which only its publisher can choose"


class Texts(NamedTuple):
    """Manifest and lock of one atom."""

    manifest: Manifest
    lock: Lock


class Decision(NamedTuple):
    """One way to settle a variant: of which atom, in which version as told (empty for one at hand), by which word."""

    edge: Edge
    version: str
    variant: str
    word: str


class _Wanted(NamedTuple):
    edge: Edge
    variant: str
    words: tuple[str, ...]


class Settling:
    """The decisions of one run of choosing, hands being the atoms at hand. kept: what variants came to before that are not free."""

    def __init__(self, hands: Iterable[Edge]) -> None:
        self.kept: dict[tuple[Edge, str], str] = {}
        self._hands = frozenset(hands)
        self._wanted: dict[Term, _Wanted] = {}
        self._named: dict[str, dict[Term, _Wanted]] = {}  # the same by name
        self._asked: dict[Edge, dict[str, set[str]]] = {}  # atom -> variant -> single words that are wanted
        self._made: dict[tuple[str, str], Decision] = {}

    def term(self, edge: Edge, name: str, words: Sequence[str], told: str) -> Term:
        """The requirement that a variant is settled by one of these words. told: how the words are told."""
        of = " ".join(filter(None, (OWN, edge[1]) if edge in self._hands else (edge[1], "with")))
        made = Term(f"{of} {name}=", told)
        self._wanted[made] = self._named.setdefault(made.name, {})[made] = _Wanted(edge, name, tuple(words))
        if len(words) == 1:
            self._asked.setdefault(edge, {}).setdefault(name, set()).update(words)
        return made

    def lacks(self, edge: Edge, manifest: Manifest) -> bool:
        """Whether a version of an atom cannot be settled as it is asked for."""
        words = choices.words(manifest)
        return any(not asked <= set(words.get(name, ())) for name, asked in self._asked.get(edge, {}).items())

    def decision(self, candidate: Candidate) -> Decision | None:
        """What a candidate decides; None for a version."""
        return self._made.get((candidate.name, candidate.version))

    def edge_of(self, name: str) -> Edge:
        """The atom that a decision is about."""
        return next(w.edge for w in self._named[name].values())

    def variant_of(self, name: str) -> str:
        """The variant that a decision is about."""
        return next(w.variant for w in self._named[name].values())

    def find(
        self, term: Term, known: Mapping[Edge, Sequence[tuple[str, Texts | None]]], narrow: bool
    ) -> list[Candidate]:
        """The candidates for a term, by word and then by version. known: versions as told of each atom, newest first, None while not read."""
        wanted = [self._wanted[term]] if term.spec else [*self._named[term.name].values()]
        out: dict[Candidate, None] = {}
        for edge in sorted({w.edge for w in wanted}):
            name, versions = wanted[0].variant, known[edge]
            words = [word for w in sorted(wanted, key=repr) if w.edge == edge for word in w.words]
            if not term.spec:
                words += [w for _, texts in versions if texts for w in choices.words(texts.manifest).get(name, ())]
            for word in self._order(edge, name, dict.fromkeys(words), narrow):
                for version, texts in versions:
                    if texts is None or word in choices.words(texts.manifest).get(name, ()):
                        made = Decision(edge, version, name, word)
                        out[self._candidate(term.name, made, _excluded(texts, name, word))] = None
        return list(out)

    def _order(self, edge: Edge, name: str, words: Iterable[str], narrow: bool) -> list[str]:
        kept = self.kept.get((edge, name), "")
        if kept and narrow:
            return [word for word in words if word == kept]
        return sorted(words, key=lambda word: word != kept)

    def _candidate(self, name: str, decision: Decision, excluded: str) -> Candidate:
        told = f"{decision.word} in {decision.version}" if decision.version else decision.word
        self._made[name, told] = decision
        return Candidate(name, told, excluded if decision.version else "")


def _excluded(texts: Texts | None, name: str, word: str) -> str:
    """Why a word may not be chosen from without: the world an atom is built in is in its own lock."""
    some = dict(texts.manifest.provide).get(name) if texts else None
    if texts is None or some is None or word == variant.NONE or word in {dep.name for dep in texts.manifest.deps}:
        return ""
    return "" if texts.lock.taken.get(name, some[0]) == word else _FIXED


def needed(texts: Texts, name: str, word: str) -> list[tuple[Dep, bool]]:
    """What a word needs of an atom: dependencies, and whether each is needed for running (else for building alone).

    What an atom's own lock has taken it is built with as that says. What is built with something else is built from what is chosen
    here, and from all its other dependencies for building as they are chosen here.
    """
    manifest = texts.manifest
    dep = next((d for d in manifest.deps if d.name == word), None)
    if dep is None or name not in dict(manifest.provide):
        return []
    if not is_anew(texts, word):
        return [(dep, True)] if "run" in dep.uses else []
    taken = {row.key for row in texts.lock.deps if row.uses} - {*dict(manifest.provide)[name]}
    others = [d for d in manifest.deps if "build" in d.uses and d.name in taken]
    return [(dep, "run" in dep.uses), *((d, False) for d in others)]


def is_anew(texts: Texts, word: str) -> bool:
    """Whether an atom settled by this word is not built from what its own lock has."""
    dep = next((d for d in texts.manifest.deps if d.name == word), None)
    row = texts.lock.dep(word)
    return dep is not None and "build" in dep.uses and not (row is not None and row.uses)
