"""Where things stand in a TOML text (TOML 1.0): bounds checked before the real parser runs, and line:column of every key after it.

tomllib gives values without places, and is slow or recursive on hostile text (long dotted keys, deep nesting). One small scanner
serves both: `check` refuses what would cost too much, in linear time; `places` maps key paths to where they were written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_atom.errors import MalformedError

MAX_BYTES = 256 * 1024
MAX_PARTS = 8  # parts of one dotted key
MAX_DEPTH = 16  # nested arrays and inline tables
MAX_NUMBER = 400  # characters of one bare word, so that a number stays one

_TOKEN = re.compile(
    r"(?P<space>[ \t\r]+)|(?P<line>\n)|(?P<comment>\#[^\n]*)"
    r'|(?P<string>"""(?:[^"\\]|\\.|"(?!""))*"{3,5}|' + r"'''(?:[^']|'(?!''))*'{3,5}" + r'|"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*')"
    r"|(?P<word>[^\s\[\]{}=.,#\"']+)|(?P<mark>.)",
    re.DOTALL,
)  # fmt: skip

Place = tuple[int, int]
Path = tuple[str | int, ...]


def check(data: bytes, where: str) -> str:
    """The text of a manifest small and flat enough to parse; raises MalformedError (ATOM-1020) with the place of what is not."""
    if len(data) > MAX_BYTES:
        raise MalformedError(
            "ATOM-1020", "the file is too large", where=where, note=f"{len(data)} bytes, at most {MAX_BYTES}"
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MalformedError("ATOM-1020", "the file is not UTF-8", where=f"{where}:{line}") from error
    depth = parts = 0
    for match in _TOKEN.finditer(text):
        group, token = match.lastgroup, match[0]
        if group == "mark":
            depth += 1 if token in "[{" else -1 if token in "]}" else 0
            parts = parts + 1 if token == "." else 0
        elif group == "line":
            parts = 0
        if depth > MAX_DEPTH or parts >= MAX_PARTS or (group == "word" and len(token) > MAX_NUMBER):
            line, column = _place(text, match.start())
            what = (
                "is nested too deeply"
                if depth > MAX_DEPTH
                else "has a key of too many parts"
                if parts >= MAX_PARTS
                else "has a word that is too long"
            )
            raise MalformedError("ATOM-1020", f"the file {what}", where=f"{where}:{line}:{column}",
                                 note=f"at most {MAX_DEPTH} levels, {MAX_PARTS} parts a key, {MAX_NUMBER} characters a word")  # fmt: skip
    return text


def places(text: str) -> dict[Path, Place]:
    """Line and column (from 1) of every table, key and array element of a text that tomllib accepts, by key path."""
    out: dict[Path, Place] = {}
    counts: dict[Path, int] = {}
    tokens = _Tokens(text)
    table: Path = ()
    while (token := tokens.next(skip_lines=True)) is not None:
        if token[0] == "[":
            table = _header(tokens, out, counts)
        else:
            _pair(tokens, token, table, out)
    return out


def lines(text: str) -> list[str]:
    """The lines of a text with their endings, split where places are counted."""
    return [line + "\n" for line in text.split("\n")[:-1]] + ([last] if (last := text.rpartition("\n")[2]) else [])


def own_end(rows: Sequence[str], last: int) -> int:
    """The last line (from 1) of a table or key that ends on line `last`, with the comments right below; those above another are its own."""
    end = last
    while end < len(rows) and rows[end].lstrip().startswith("#"):
        end += 1
    return end if end >= len(rows) or not rows[end].strip() else last


class Span(NamedTuple):
    """The lines (from 1) of one `[table]` or `[[table]]`: its header and all keys under it, without what follows the last of them."""

    path: Path
    first: int
    last: int


class Statement(NamedTuple):
    """The lines (from 1) of one header, or of one key with its value; path: of the table, or of the key from the top."""

    path: Path
    first: int
    last: int
    header: bool


def statements(text: str) -> list[Statement]:
    """Every header and every key outside of inline tables, in the order of a text that tomllib accepts."""
    out: list[Statement] = []
    counts: dict[Path, int] = {}
    places_: dict[Path, Place] = {}
    tokens = _Tokens(text)
    table: Path = ()
    while (token := tokens.next(skip_lines=True)) is not None:
        header = token[0] == "["
        if header:
            path = table = _header(tokens, places_, counts)
        else:
            path = _pair(tokens, token, table, places_)
        out.append(Statement(path, token[1][0], tokens.end, header))
    return out


def spans(text: str) -> list[Span]:
    """Every table with a header, in the order of a text that tomllib accepts. Comments and blank lines between two belong to neither."""
    out: list[Span] = []
    for one in statements(text):
        if one.header:
            out.append(Span(one.path, one.first, one.last))
        elif out:
            out[-1] = out[-1]._replace(last=one.last)
    return out


def ends(text: str, at: int) -> int:
    """Where the token that begins at an offset of a text ends."""
    match = _TOKEN.match(text, at)
    return match.end() if match else at


def stop(text: str, at: int) -> int:
    """Where what stands at an offset of a text ends: at the first comma, closing bracket or line end that is not within it."""
    depth = 0
    for match in _TOKEN.finditer(text, at):
        token = match[0]
        if depth == 0 and (token in (",", "]", "}") or match.lastgroup in ("line", "comment")):
            return match.start()
        if match.lastgroup == "mark":
            depth += 1 if token in "[{" else -1 if token in "]}" else 0
    return len(text)


def _place(text: str, at: int) -> Place:
    line = text.count("\n", 0, at)
    return line + 1, at - (text.rfind("\n", 0, at) + 1) + 1


class _Tokens:
    """The tokens that mean something: (text, place), whitespace and comments dropped."""

    def __init__(self, text: str) -> None:
        self._items = self._scan(text)
        self._back: list[tuple[str, Place]] = []
        self.end = 1  # the line on which the last token read ends, line ends apart

    @staticmethod
    def _scan(text: str) -> Iterator[tuple[str, Place]]:
        line, start = 1, 0
        for match in _TOKEN.finditer(text):
            if match.lastgroup not in ("space", "comment"):
                yield match[0], (line, match.start() - start + 1)
            if match.lastgroup in ("line", "string") and "\n" in match[0]:
                line += match[0].count("\n")
                start = match.start() + match[0].rfind("\n") + 1

    def next(self, skip_lines: bool = False) -> tuple[str, Place] | None:
        while True:
            token = self._back.pop() if self._back else next(self._items, None)
            if token is not None and token[0] != "\n":
                self.end = token[1][0] + token[0].count("\n")
            if token is None or not skip_lines or token[0] != "\n":
                return token

    def back(self, token: tuple[str, Place]) -> None:
        self._back.append(token)


def _key(tokens: _Tokens, first: tuple[str, Place] | None, stop: str) -> list[tuple[str, Place]]:
    """The parts of a dotted key up to the mark `stop`, which is consumed."""
    parts: list[tuple[str, Place]] = []
    token = first or tokens.next()
    while token is not None and token[0] != stop and token[0] != "\n":
        if token[0] != ".":
            parts.append((_plain(token[0]), token[1]))
        token = tokens.next()
    return parts


def _plain(token: str) -> str:
    if token[:1] == "'":
        return token[1:-1]
    if token[:1] == '"':
        import tomllib

        try:
            return str(tomllib.loads(f"k = {token}")["k"])
        except ValueError:
            return token
    return token


def _header(tokens: _Tokens, out: dict[Path, Place], counts: dict[Path, int]) -> Path:
    token = tokens.next()
    array = token is not None and token[0] == "["
    parts = _key(tokens, None if array else token, "]")
    if array:
        tokens.next()
    path: Path = ()
    for index, (name, place) in enumerate(parts):
        path += (name,)
        last = index == len(parts) - 1
        if last and not array:
            out[path] = place
        out.setdefault(path, place)
        if array and last:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += (counts[path],)
            out.setdefault(path, place)
    return path


def _pair(tokens: _Tokens, first: tuple[str, Place], table: Path, out: dict[Path, Place]) -> Path:
    path = table
    for name, place in _key(tokens, first, "="):
        path += (name,)
        out.setdefault(path, place)
    _value(tokens, path, out)
    return path


def _value(tokens: _Tokens, path: Path, out: dict[Path, Place]) -> None:
    token = tokens.next()
    if token is not None and token[0] == "[":
        _array(tokens, path, out)
    elif token is not None and token[0] == "{":
        while (token := tokens.next(skip_lines=True)) is not None and token[0] != "}":
            if token[0] != ",":
                _pair(tokens, token, path, out)
    else:
        while token is not None and token[0] not in ("\n", ",", "]", "}"):
            token = tokens.next()
        if token is not None and token[0] != "\n":
            tokens.back(token)


def _array(tokens: _Tokens, path: Path, out: dict[Path, Place]) -> None:
    index = 0
    while (token := tokens.next(skip_lines=True)) is not None and token[0] != "]":
        if token[0] != ",":
            out[(*path, index)] = token[1]
            tokens.back(token)
            _value(tokens, (*path, index), out)
            index += 1
