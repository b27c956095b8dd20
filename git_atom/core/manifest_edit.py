"""Editing a person's manifest in place: one table or one item of a list comes, changes or goes, and every other byte stays. Door: tomlkit.

tomlkit rewrites a value where it stands, with its comment and spacing. It takes comments that stand before the next table for part of
the table above, so whole tables are put in and taken out by lines, and items of lists by their places, found by the scanner that knows
where everything stands. Whatever was done, the result is read again and must say exactly what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from git_atom.core import toml_lines
from git_atom.core.toml_place import Span, ends, places, spans
from git_atom.core.toml_place import lines as lines_of
from git_atom.errors import CannotError

Value = str | tuple[str, ...]
Path = tuple[str, ...]  # of a table: ("deps", "zlib"), ("toolchain",)
_ORDER = ("atom", "deps", "pins", "srcs", "toolchain")  # a first table of a section is put after those before it


def put(data: bytes, path: Path, values: Mapping[str, Value]) -> bytes:
    """The manifest with these keys of a table set; other keys of it stay, a table that is not there is added.

    `data` must be a manifest that parses. Raises CannotError ATOM-1026 when the text has a form that cannot be edited.
    """
    text = data.decode()
    wanted = _read(text)
    there = _at(wanted, path)
    before = None if there is None else dict(there)
    _at(wanted, path, make=True).update({k: list(v) if isinstance(v, tuple) else v for k, v in values.items()})
    if before is None:
        made = _add_table(text, path, values)
        if not _says(made, wanted):
            made = _by_tomlkit(text, path, values)
    else:
        made = text
        for key, value in values.items():
            if before.get(key) != _at(wanted, path)[key]:
                made = _set(made, path, key, value)
    return _held(made, wanted, path)


def drop(data: bytes, path: Path) -> bytes:
    """The manifest without a table, which must be in it. Comments around it stay. Raises CannotError ATOM-1026."""
    text = data.decode()
    wanted = _read(text)
    above: Any = _at(wanted, path[:-1])
    del above[path[-1]]
    below = [span for span in spans(text) if span.path[: len(path)] == path]
    made = text
    for span in reversed(below):
        made = _cut(made, span)
    alone = len(path) > 1 and not above
    if alone and below and not any(span.path == path[:-1] for span in spans(text)):
        del wanted[path[0]]
        alone = False
    if not _says(made, wanted):
        made = _without(text, path)
        if alone and path[0] not in _read(made):
            del wanted[path[0]]
    return _held(made, wanted, path)


def drop_key(data: bytes, path: Path, key: str) -> bytes:
    """The manifest without one key of a table; unchanged when it is not there. Raises CannotError ATOM-1026."""
    text = data.decode()
    wanted = _read(text)
    table = _at(wanted, path)
    if key not in table:
        return data
    del table[key]
    return _held(_without(text, (*path, key)), wanted, path)


def put_items(data: bytes, path: Path, key: str, items: Sequence[str]) -> bytes:
    """The manifest with items added at the end of a list of strings, laid out as the list is. Raises CannotError ATOM-1026."""
    text = data.decode()
    wanted = _read(text)
    _at(wanted, path)[key].extend(items)
    made = text
    for item in items:
        made = _append(made, (*path, key), toml_lines.quote(item))
    if not _says(made, wanted):
        made = _by_tomlkit(text, path, {key: tuple(_at(wanted, path)[key])})
    return _held(made, wanted, path)


def drop_item(data: bytes, path: Path, key: str, item: str) -> bytes:
    """The manifest without an item of a list of strings, wherever it stands there; a comment after it goes too. Raises CannotError ATOM-1026."""
    text = data.decode()
    wanted = _read(text)
    table = _at(wanted, path)
    made = text
    for at in reversed([at for at, one in enumerate(table[key]) if one == item]):
        made = _remove(made, (*path, key), at)
    table[key] = [one for one in table[key] if one != item]
    if not _says(made, wanted):
        made = _by_tomlkit(text, path, {key: tuple(table[key])})
    return _held(made, wanted, path)


def _read(text: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(text)


def _at(value: Any, path: Path, *, make: bool = False) -> Any:
    """The table at a path; None when it is not there, unless it is to be made."""
    for key in path:
        if key not in value and not make:
            return None
        value = value.setdefault(key, {})
    return value


def _says(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return _read(text) == wanted
    except ValueError:
        return False


def _held(text: str, wanted: dict[str, Any], path: Path) -> bytes:
    if not _says(text, wanted):
        shown = f"[{'.'.join(path)}]"
        raise CannotError("ATOM-1026", f"{shown} cannot be edited in place", note=f"the manifest writes [{path[0]}] in an unusual form",
                          hint=f"write it as a table, {shown}, or edit the file by hand, then git atom lock")  # fmt: skip
    return text.encode()


# ---- whole tables, by lines ----------------------------------------------------------------------------------------------


def _ending(text: str) -> str:
    """The line ending of a text, that of its first line."""
    return "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"


def _add_table(text: str, path: Path, values: Mapping[str, Value]) -> str:
    """Put a table after the last one of its section, else after those that come before it."""
    end = _ending(text)
    table = [f"[{'.'.join(map(_key, path))}]{end}", *(f"{k} = {_value(v)}{end}" for k, v in values.items())]
    lines = lines_of(text)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += end
    at = len(lines)
    found: list[Span] = spans(text)
    for top in reversed(_ORDER[: _ORDER.index(path[0]) + 1]):
        ours = [span for span in found if span.path[:1] == (top,)]
        if ours:
            at = ours[-1].last
            break
    before = [end] if at and lines[at - 1].strip() else []
    after = [end] if at < len(lines) and lines[at].strip() else []
    return "".join([*lines[:at], *before, *table, *after, *lines[at:]])


def _key(text: str) -> str:
    return text if text and all(c.isascii() and (c.isalnum() or c in "-_") for c in text) else toml_lines.quote(text)


def _cut(text: str, span: Span) -> str:
    """Take a table's lines out, and one blank line beside it where there would be two."""
    lines = lines_of(text)
    first, last = span.first - 1, span.last
    above_blank = first == 0 or not lines[first - 1].strip()
    if last < len(lines) and not lines[last].strip() and above_blank:
        last += 1
    elif last >= len(lines) and first and above_blank:
        first -= 1
    return "".join([*lines[:first], *lines[last:]])


def _value(value: Value) -> str:
    if isinstance(value, str):
        return toml_lines.quote(value)
    return "[" + ", ".join(toml_lines.quote(item) for item in value) + "]"


# ---- items of lists, by their places -------------------------------------------------------------------------------------

_REST = r"[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z)"  # of a line on which nothing more stands


def _items(text: str, path: Path) -> list[tuple[int, int]]:
    """Where the items of a list begin and end in a text."""
    starts = [0]
    for line in lines_of(text):
        starts.append(starts[-1] + len(line))
    found: list[tuple[int, int]] = []
    where = places(text)
    while (place := where.get((*path, len(found)))) is not None:
        begin = starts[place[0] - 1] + place[1] - 1
        found.append((begin, ends(text, begin)))
    return found


def _alone(text: str, begin: int) -> int:
    """Where the line of an item begins when nothing stands before it there, else -1."""
    line = text.rfind("\n", 0, begin) + 1
    return line if not text[line:begin].strip(" \t") else -1


def _append(text: str, path: Path, item: str) -> str:
    """Add an item: on a line of its own when the last one has one."""
    items = _items(text, path)
    if not items:
        return text
    begin, end = items[-1]
    line = _alone(text, begin)
    if line < 0:
        return f"{text[:end]}, {item}{text[end:]}"
    comma = re.compile(r"[ \t]*,").match(text, end)
    after = comma.end() if comma else end
    rest = re.compile(_REST).match(text, after)
    indent, new = text[line:begin], _ending(text)
    if rest is None:
        return f"{text[:after]}{'' if comma else ','}{new}{indent}{item}{text[after:]}"
    return f"{text[:end]},{text[after : rest.end()]}{indent}{item}{',' if comma else ''}{new}{text[rest.end() :]}"


def _remove(text: str, path: Path, at: int) -> str:
    """Take an item out: with its line when it has one of its own, else with the comma and the space beside it."""
    items = _items(text, path)
    begin, end = items[at]
    comma = re.compile(r"[ \t]*,").match(text, end)
    after = comma.end() if comma else end
    line = _alone(text, begin)
    rest = re.compile(_REST).match(text, after)
    last = items[at - 1][1] if at and not comma else -1  # where the item before ends, which then is the last one
    if line >= 0 and rest is not None:
        if last < 0:
            return text[:line] + text[rest.end() :]
        return text[:last] + re.sub(r"^[ \t]*,", "", text[last:line]) + text[rest.end() :]
    if comma:
        space = re.compile(r"[ \t]*").match(text, after)
        return text[:begin] + text[space.end() if space else after :]
    return text[: last if last >= 0 and "#" not in text[last:begin] else begin] + text[end:]


# ---- values, by tomlkit --------------------------------------------------------------------------------------------------


def _set(text: str, path: Path, key: str, value: Value) -> str:
    """Change or add one key of a table that is there."""
    span = next((s for s in spans(text) if s.path == path), None)
    if span is not None and key not in _at(_read(text), path):
        lines = lines_of(text)
        if not lines[span.last - 1].endswith("\n"):
            lines[span.last - 1] += _ending(text)
        sample = lines[span.last - 1]
        indent = sample[: len(sample) - len(sample.lstrip(" \t"))]
        return "".join([*lines[: span.last], f"{indent}{key} = {_value(value)}{_ending(text)}", *lines[span.last :]])
    return _by_tomlkit(text, path, {key: value})


def _by_tomlkit(text: str, path: Path, values: Mapping[str, Value]) -> str:
    import tomlkit

    document: Any = tomlkit.parse(text)
    table = document
    for key in path:
        if key not in table:
            table[key] = tomlkit.inline_table()
        table = table[key]
    for key, value in values.items():
        table[key] = list(value) if isinstance(value, tuple) else value
    return str(document.as_string())


def _without(text: str, path: Path) -> str:
    import tomlkit

    document: Any = tomlkit.parse(text)
    table = document
    for key in path[:-1]:
        table = table[key]
    del table[path[-1]]
    return str(document.as_string())
