"""What there is to solve, without a word of any package world: candidates, requirements, what excludes what, and who answers.

A provider answers about candidates when asked, so only what can be reached from the roots is ever looked at. Atoms, Debian packages
and the tests' toys differ in their provider alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

MUST = "must"  # one of the terms has to be there
BOUND = "bound"  # asks for nothing; what is there under a term's name has to be what the terms allow
WISH = "wish"  # taken when it can be had without giving up anything that must be


class Term(NamedTuple):
    """One alternative of a requirement: a name and, in the provider's own words, which of its candidates will do ('' is any)."""

    name: str
    spec: str = ""

    def __str__(self) -> str:
        return joined(self.name, self.spec)


def joined(name: str, text: str) -> str:
    """A name with what is said of it, as people read it."""
    return f"{name}{'' if is_decision(name) or text[:1] == ':' else ' '}{text}" if text else name


def is_decision(name: str) -> bool:
    """Whether a name ends in `=`: its candidates are ways to decide something about another one, and nothing to have for themselves."""
    return name[-1:] == "="


class Requirement(NamedTuple):
    """A clause of alternatives, the first preferred.

    origin: where a person wrote it (`atom.toml:12`); empty means the candidate that has it. kind: build, run or test. scope: the scope
    in which it is met; None means that of the candidate that has it. The order of requirements never matters, that of terms does.
    """

    terms: tuple[Term, ...]
    origin: str = ""
    kind: str = "run"
    mode: str = MUST
    scope: str | None = None

    def __str__(self) -> str:
        return " | ".join(map(str, self.terms))


class Bar(NamedTuple):
    """What may not be chosen together with the candidate that has it: everything the term finds, save the candidate itself."""

    term: Term
    word: str = "conflicts with"


class Candidate(NamedTuple):
    """Something that can be chosen: one version of a name. excluded: the reason why it is not, such as a retraction; '' when it may be."""

    name: str
    version: str
    excluded: str = ""

    def __str__(self) -> str:
        return joined(self.name, self.version)


class Provider(Protocol):
    """What a package world answers. Each answer is a function of its content alone: no order of files or of insertion shows through."""

    def find(self, term: Term) -> Sequence[Candidate]:
        """Every candidate that meets a term, best first, excluded ones among them; a bare name finds all there are. Asked once a term."""

    def needs(self, candidate: Candidate) -> Sequence[Requirement]:
        """What a candidate requires. Asked once a candidate."""

    def bars(self, candidate: Candidate) -> Sequence[Bar]:
        """What a candidate cannot stand beside it. Asked once a candidate."""

    def answers(self, candidate: Candidate) -> Sequence[str]:
        """The names under which a candidate can be found. Asked once a candidate."""

    def near(self, name: str) -> Sequence[str]:
        """Names like one that is not there, for a suggestion."""


class Problem(NamedTuple):
    """The whole question: at most one candidate of a name in a scope, every root met.

    prefer: what is locked, as (scope, name) -> version; it stays where it can, unless the caller leaves it out. kinds: which edges of
    what is not a root count (a dependency's tests do not).
    """

    roots: tuple[Requirement, ...]
    provider: Provider
    prefer: Mapping[tuple[str, str], str] = {}
    kinds: frozenset[str] = frozenset({"build", "run"})


class Offer(NamedTuple):
    """A candidate with all that a catalogue has to know of it. rank: higher is better, one rank a version within a name."""

    candidate: Candidate
    rank: int
    matches: frozenset[str]  # the specs of this name that it meets, besides ''
    needs: tuple[Requirement, ...] = ()
    bars: tuple[Bar, ...] = ()


class Catalogue:
    """A provider over offers that are all known beforehand, given in any order."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        self._of = {offer.candidate: offer for offer in offers}
        self._named: dict[str, list[Offer]] = {}
        for offer in sorted(self._of.values(), key=lambda o: (-o.rank, o.candidate)):
            self._named.setdefault(offer.candidate.name, []).append(offer)

    def find(self, term: Term) -> Sequence[Candidate]:
        """Candidates of the term's name that meet its spec, highest rank first."""
        named = self._named.get(term.name, ())
        return [offer.candidate for offer in named if not term.spec or term.spec in offer.matches]

    def needs(self, candidate: Candidate) -> Sequence[Requirement]:
        """What the candidate's offer says it requires."""
        return self._of[candidate].needs

    def bars(self, candidate: Candidate) -> Sequence[Bar]:
        """What the candidate's offer says it cannot stand."""
        return self._of[candidate].bars

    def answers(self, candidate: Candidate) -> Sequence[str]:
        """Its own name."""
        return (candidate.name,)

    def near(self, name: str) -> Sequence[str]:
        """Names of the catalogue that look like this one."""
        from difflib import get_close_matches

        return get_close_matches(name, sorted(self._named), 3, 0.7)
