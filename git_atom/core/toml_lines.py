"""The small part of TOML that canonical texts are written in: sections of records, one key a line, read line by line.

`[[section]]` opens a record; a value is a basic string without control characters, a natural number, `true`, or a list of strings
with one to a line. Reading is linear in the text and knows nothing else; who reads demands that writing again gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from git_atom.errors import AtomError

_BAD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_STRING = r'"((?:[^"\\\x00-\x1f\x7f]|\\["\\])*)"'
_LINE = re.compile(
    rf"\[\[([a-z.]+)\]\]|([a-z]+) = (?:{_STRING}|(0|[1-9][0-9]{{0,15}})|(true)|(\[))|    {_STRING},|(\])"
)
MAX_LINE = 64 * 1024  # characters


class Row(NamedTuple):
    """One record as it stands: its section, the line it begins on, its values by key (str, int, True or list of str)."""

    section: str
    line: int
    values: dict[str, Any]


def holds(text: str) -> bool:
    """Whether a text can be written at all: no control characters, no lone surrogates."""
    return not _BAD.search(text)


def quote(text: str) -> str:
    """A text that `holds` as a basic string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def field(key: str, value: str | int | Sequence[str]) -> str:
    """One key with its value, newline included; True is a flag."""
    if value is True:
        return f"{key} = true\n"
    if isinstance(value, str):
        return f"{key} = {quote(value)}\n"
    if isinstance(value, int):
        return f"{key} = {value}\n"
    return f"{key} = [\n" + "".join(f"    {quote(item)},\n" for item in value) + "]\n"


def rows(lines: Sequence[str], first: int, sections: Collection[str], wrong: Callable[[int], AtomError]) -> list[Row]:
    """The records of the lines, the first of which has the number `first`; what does not fit is raised as `wrong(line number)`."""
    found: list[Row] = []
    many: list[str] | None = None
    for number, line in enumerate(lines, first):
        if not line:
            continue
        match = _LINE.fullmatch(line) if len(line) <= MAX_LINE else None
        if match is None or (match[1] is None and not found):
            raise wrong(number)
        section, key, text, integer, flag, opened, item, closed = match.groups()
        if many is not None:
            if item is None and not closed:
                raise wrong(number)
            if item is not None:
                many.append(_unquote(item))
            else:
                many = None
        elif section:
            if section not in sections:
                raise wrong(number)
            found.append(Row(section, number, {}))
        elif key and key not in found[-1].values:
            many = [] if opened else None
            found[-1].values[key] = many if opened else int(integer) if integer else True if flag else _unquote(text)
        else:
            raise wrong(number)
    return found


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text) if "\\" in text else text
