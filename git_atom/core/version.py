"""Versions and requirements: canonical SemVer 2.0 without build metadata, and the ranges people write over them.

A version is also a ref component (design section 4), so `1.0.0-rc.lock` is none. Requirements are those of cargo and npm: `^1.2`,
`~1.2`, `>=1.2, <2`, `=1.2.3`, `1.*`, `*`, alternatives by `||`; a bare version means `^`. A pre-release is allowed only where the same
alternative names a pre-release of the same three numbers (npm's reading of SemVer clause 9 and 11).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from git_atom.errors import MalformedError

MAX_TEXT = 128
MAX_REQUIREMENT = 512
_NUMBER = r"(0|[1-9][0-9]{0,14})"
_IDENTIFIER = r"(?:0|[1-9][0-9]{0,14}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_PRE = rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}{_PRE}", re.ASCII)
_COMPARATOR = (  # compiled when a requirement is read: starting must be quick
    rf"(\^|~|>=|<=|>|<|=|)[ ]*(?:{_NUMBER}|\*)(?:\.(?:{_NUMBER}|\*)(?:\.(?:{_NUMBER}|\*){_PRE})?)?"
)

Part = tuple[int, int, str]  # numeric identifiers sort before others, by value; others by ASCII (SemVer clause 11)


class Version(NamedTuple):
    """A version; tuples of this shape compare by SemVer precedence, and equal precedence means equal text."""

    major: int
    minor: int
    patch: int
    final: int = 1  # 0 for a pre-release, so that it sorts before its release
    parts: tuple[Part, ...] = ()

    @classmethod
    def parse(cls, text: str, where: str = "") -> Version:
        """Take text as a version; raises MalformedError (ATOM-1011) when it is not canonical or cannot be a ref component."""
        match = _VERSION.fullmatch(text) if len(text) <= MAX_TEXT else None
        if match is None or text.lower().endswith(".lock"):
            raise MalformedError(
                "ATOM-1011", f"'{text[:200]}' is not a version", where=where, note=_why(text), hint=_nearest(text)
            )
        return cls(int(match[1]), int(match[2]), int(match[3]), 0 if match[4] else 1, _parts(match[4]))

    @property
    def prerelease(self) -> bool:
        """Whether this is a pre-release, such as 1.0.0-rc.1."""
        return not self.final

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" + ("-" + _pre_text(self.parts) if self.parts else "")


class Comparator(NamedTuple):
    """One term of a requirement: operator and a version whose last numbers may be missing (None)."""

    op: str  # ^ ~ >= <= > < =, or * for anything
    major: int = 0
    minor: int | None = None
    patch: int | None = None
    parts: tuple[Part, ...] = ()

    def __str__(self) -> str:
        if self.op == "*":
            return "*"
        numbers = [str(n) for n in (self.major, self.minor, self.patch) if n is not None]
        return self.op + ".".join(numbers) + ("-" + _pre_text(self.parts) if self.parts else "")

    def bounds(self) -> tuple[Version | None, bool, Version | None, bool]:
        """The interval it stands for: lowest version and whether it is inside, highest and whether it is inside; None is open."""
        if self.op == "*":
            return None, True, None, True
        exact = self.patch is not None
        low = Version(self.major, self.minor or 0, self.patch or 0, 0 if self.parts else 1, self.parts)
        if self.op == ">=":
            return low, True, None, True
        if self.op == "<":
            return None, True, low if exact else _floor(low), False
        if self.op == ">":
            return (low, False, None, True) if exact else (_floor(self._next()), True, None, True)
        if self.op == "<=":
            return (None, True, low, True) if exact else (None, True, _floor(self._next()), False)
        if self.op == "=" and exact:
            return low, True, low, True
        return low, True, _floor(self._next()), False

    def _next(self) -> Version:
        """The first version beyond those that agree with it as far as its operator asks."""
        if self.minor is None:
            return Version(self.major + 1, 0, 0)
        if self.op != "^":
            return Version(self.major, self.minor + 1, 0)
        if self.major:
            return Version(self.major + 1, 0, 0)
        if self.minor or self.patch is None:
            return Version(0, self.minor + 1, 0)
        return Version(0, 0, self.patch + 1)

    def names(self, version: Version) -> bool:
        """Whether this term itself is a pre-release of the version's three numbers."""
        return bool(self.parts) and (self.major, self.minor, self.patch) == version[:3]


class Requirement(NamedTuple):
    """Which versions will do: alternatives, each a conjunction of comparators."""

    alternatives: tuple[tuple[Comparator, ...], ...]

    @classmethod
    def parse(cls, text: str, where: str = "") -> Requirement:
        """Take text as a requirement; raises MalformedError (ATOM-1012) when it is none."""
        if len(text) <= MAX_REQUIREMENT:
            alternatives = tuple(_conjunction(part) for part in text.split("||"))
            if all(alternatives):
                return cls(alternatives)
        raise MalformedError(
            "ATOM-1012",
            f"'{text[:200]}' is not a version requirement",
            where=where,
            note="a requirement is made of ^1.2, ~1.2, >=1.2, <2, =1.2.3, 1.*, *, joined by ',' (and) or '||' (or)",
            hint="leave out the build metadata ('+...')" if "+" in text else "e.g. '^1.3' or '>=1.2, <2'",
        )

    def __str__(self) -> str:
        return " || ".join(", ".join(str(term) for term in terms) for terms in self.alternatives)

    def allows(self, version: Version) -> bool:
        """Whether a version satisfies the requirement."""
        return any(_within(terms, version) for terms in self.alternatives)


ANY = Requirement(((Comparator("*"),),))


def _conjunction(text: str) -> tuple[Comparator, ...]:
    """The comparators of one alternative; empty when the text is wrong."""
    out: list[Comparator] = []
    at, text = 0, text.strip(" \t")
    while at < len(text):
        match = re.compile(_COMPARATOR, re.ASCII).match(text, at)
        term = _comparator(match) if match else None
        if match is None or term is None:
            return ()
        out.append(term)
        rest = text[match.end() :]
        gap = rest[: len(rest) - len(rest.lstrip(" \t"))]
        rest = rest.lstrip(" \t")
        if rest[:1] == ",":
            rest = rest[1:].lstrip(" \t")
            if not rest:
                return ()
        elif rest and not gap:
            return ()
        at = len(text) - len(rest)
    return tuple(out)


def _comparator(match: re.Match[str]) -> Comparator | None:
    op, major, minor, patch, pre = match.groups()
    numbers = [n for n in match[0][len(op) :].strip().split("-")[0].split(".")]
    if numbers[0] == "*":
        return Comparator("*") if not op and len(numbers) == 1 else None
    if "*" in numbers:
        if op not in ("", "=") or any(n != "*" for n in numbers[numbers.index("*") :]) or pre:
            return None
        op = "="
    return Comparator(op or "^", int(major), int(minor) if minor else None, int(patch) if patch else None, _parts(pre))


def _within(terms: tuple[Comparator, ...], version: Version) -> bool:
    if version.prerelease and not any(term.names(version) for term in terms):
        return False
    for term in terms:
        low, low_in, high, high_in = term.bounds()
        if low is not None and (version < low or (version == low and not low_in)):
            return False
        if high is not None and (version > high or (version == high and not high_in)):
            return False
    return True


def _floor(version: Version) -> Version:
    """The lowest conceivable pre-release of a version's three numbers."""
    return Version(version.major, version.minor, version.patch, 0, ())


def _parts(text: str | None) -> tuple[Part, ...]:
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in text.split(".")) if text else ()


def _pre_text(parts: tuple[Part, ...]) -> str:
    return ".".join(text if alpha else str(number) for alpha, number, text in parts)


def _why(text: str) -> str:
    if "+" in text:
        return "build metadata ('+...') names no precedence, so it is refused"
    if text.lower().endswith(".lock"):
        return "git refuses a ref name that ends in '.lock'"
    return f"a version is MAJOR.MINOR.PATCH[-PRERELEASE] of SemVer 2.0, at most {MAX_TEXT} characters, no leading zeros"


def _nearest(text: str) -> str:
    """A canonical version near to the text, as a hint; empty when there is none."""
    match = re.fullmatch(
        r"v?([0-9]{1,15})(?:\.([0-9]{1,15}))?(?:\.([0-9]{1,15}))?(-[0-9A-Za-z.-]+)?(?:\+.*)?", text, re.ASCII
    )
    if match is None or len(text) > MAX_TEXT:
        return ""
    near = ".".join(str(int(n or 0)) for n in match.groups()[:3]) + (match[4] or "")
    return f"write '{near}'" if _VERSION.fullmatch(near) and not near.lower().endswith(".lock") else ""
