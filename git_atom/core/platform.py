"""Platforms of a manifest, and the static matrix of builds they span: `BUILD[:HOST[:TARGET]]`, `{a,b}` for alternatives, `<` for the part before.

Nothing here looks at the machine or at a toolchain. Format page: gitatom-manifest(5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from git_atom.errors import MalformedError

MAX_TEXT = 512
MAX_ROWS = 1024  # platforms of one manifest, and rows of one matrix
_NAME = r"(?a)[A-Za-z0-9_]+(?:-[A-Za-z0-9_.]+)+"
_BRACES = r"\{([^{}]*)\}"


class Platform(NamedTuple):
    """Where a build runs, what its output runs on, and, for a compiler, what that makes programs for."""

    build: str
    host: str
    target: str

    def __str__(self) -> str:
        parts = list(self)
        while len(parts) > 1 and parts[-1] == parts[-2]:
            parts.pop()
        return ":".join(parts)


class Row(NamedTuple):
    """One build of a matrix: platform, and for each variant of [provide] the candidate taken."""

    platform: Platform
    variants: tuple[tuple[str, str], ...]


def expand(text: str) -> tuple[Platform, ...]:
    """The platforms one string stands for, in its order, each once. Raises MalformedError ATOM-1024."""
    parts = text.split(":")
    if len(text) > MAX_TEXT or len(parts) > 3:
        raise _wrong(text)
    found: list[tuple[str, ...]] = [()]
    for part in parts:
        choices = _alternatives(part, text)
        if len(found) * len(choices) > MAX_ROWS:
            raise _wrong(text, f"it stands for more than {MAX_ROWS} platforms")
        found = [(*before, _named(choice, before, text)) for before in found for choice in choices]
    whole = (before + before[-1:] * (3 - len(before)) for before in found)
    return tuple(dict.fromkeys(Platform(*names) for names in whole))


def _alternatives(part: str, text: str) -> list[str]:
    """What stands at one place, its braces multiplied out: `{x86_64,aarch64}-linux` is two names."""
    pieces = re.split(_BRACES, part)
    lists = [piece.split(",") if at % 2 else [piece] for at, piece in enumerate(pieces)]
    size = 1
    for one in lists:
        size *= len(one)
    if size > MAX_ROWS:
        raise _wrong(text, f"it stands for more than {MAX_ROWS} platforms")
    return ["".join(words) for words in product(*lists)]


def _named(choice: str, before: tuple[str, ...], text: str) -> str:
    if choice == "<":
        if not before:
            raise _wrong(text, "there is no part before the first for '<' to repeat")
        return before[-1]
    if not re.fullmatch(_NAME, choice):
        raise _wrong(text, f"'{choice[:100]}' is not of the form x86_64-linux" if choice else "a part of it is empty")
    return choice


def _wrong(text: str, why: str = "") -> MalformedError:
    note = "BUILD, BUILD:HOST or BUILD:HOST:TARGET, with {a,b} and '<' for the part before"
    return MalformedError("ATOM-1024", f"'{text[:200]}' is not a platform", note=f"{why}\n{note}".lstrip("\n"))


def matrix(platforms: Sequence[Platform], provide: Sequence[tuple[str, Sequence[str]]]) -> tuple[Row, ...]:
    """Every build of these platforms and variants, defaults first. Raises MalformedError ATOM-1024 for more than 1024 of them."""
    size = len(platforms)
    for _, candidates in provide:
        size *= len(candidates)
    if size > MAX_ROWS:
        raise MalformedError(
            "ATOM-1024", f"platforms and variants make a matrix of {size} builds", note=f"at most {MAX_ROWS}"
        )
    names = [name for name, _ in provide]
    choices = list(product(*(candidates for _, candidates in provide)))
    return tuple(Row(platform, tuple(zip(names, taken, strict=True))) for platform in platforms for taken in choices)
