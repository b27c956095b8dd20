"""Editing a person's manifest in place: one table or one item of a list comes, changes or goes, and every other byte stays. Door: tomlkit.

tomlkit rewrites a value where it stands, with its comment and spacing. It takes comments that stand before the next table for part of
the table above and drops those in lists, so tables and keys are put in by lines, and items of lists by their places, found by the
scanner that knows where everything stands. Whatever was done, the result is read again and must say exactly what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from git_atom.core import toml_lines
from git_atom.core.toml_place import Span, ends, own_end, places, spans, stop
from git_atom.core.toml_place import lines as lines_of
from git_atom.errors import CannotError

Value = str | tuple[str, ...]
Path = tuple[str, ...]  # of a table: ("deps", "zlib"), ("toolchain",)
_ORDER = ("atom", "deps", "pins", "srcs", "toolchain")  # a first table of a section is put after those before it


def put(data: bytes, path: Path, values: Mapping[str, Value]) -> bytes:
    """The manifest with these keys of a table set; other keys of it stay, a table that is not there is added.

    The order of a list says nothing: items that are there already stay where they are, new ones come behind them.
    `data` must be a manifest that parses. Raises CannotError ATOM-1026 when the text has a form that cannot be edited.
    """
    text = data.decode()
    wanted = _read(text)
    there = _at(wanted, path)
    before = None if there is None else dict(there)
    new = {key: _in_order((before or {}).get(key), value) for key, value in values.items()}
    _at(wanted, path, make=True).update({k: list(v) if isinstance(v, tuple) else v for k, v in new.items()})
    if before is None:
        made = _add_table(text, path, values)
        if not _says(made, wanted):
            made = _by_tomlkit(text, path, values)
    else:
        changed = {key: value for key, value in new.items() if before.get(key) != _at(wanted, path)[key]}
        made = text
        for key, value in changed.items():
            made = _set(made, path, key, value, before.get(key))
        if not _says(made, wanted):
            made = _by_tomlkit(text, path, changed)
    return _held(made, wanted, path)


def _in_order(old: Any, value: Value) -> Value:
    """A list in the order that its items have already."""
    if isinstance(value, str) or not isinstance(old, list):
        return value
    return (*(item for item in old if item in value), *(item for item in value if item not in old))


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
            at = own_end(lines, ours[-1].last)
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
    """Add an item: on a line of its own when the last one has one, or has a comment behind it."""
    items = _items(text, path)
    if not items:
        return text
    begin, end = items[-1]
    line = text.rfind("\n", 0, begin) + 1
    comma = re.compile(r"[ \t]*,").match(text, end)
    after = comma.end() if comma else end
    rest = re.compile(_REST).match(text, after)
    if _alone(text, begin) < 0 and (rest is None or "#" not in rest[0]):
        return f"{text[:end]}, {item}{text[end:]}"
    indent, new = re.sub(r"[^\t]", " ", text[line:begin]), _ending(text)
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
    if rest is not None and "#" in rest[0] and not at:
        return _with_comment(text, begin, rest.end())
    if comma:
        space = re.compile(r"[ \t]*").match(text, after)
        return text[:begin] + text[space.end() if space else after :]
    return text[: last if last >= 0 and "#" not in text[last:begin] else begin] + text[end:]


def _with_comment(text: str, begin: int, end: int) -> str:
    """Take out the item on the line of the bracket with the comment that is its own; the next one takes its place if it can."""
    behind = re.compile(r"[ \t]*(?![ \t\r\n#\]])").match(text, end)
    if behind is not None:
        return text[:begin] + text[behind.end() :]
    return text[:begin].rstrip(" \t") + _ending(text) + text[end:]


# ---- values, by tomlkit --------------------------------------------------------------------------------------------------


def _set(text: str, path: Path, key: str, value: Value, old: Any) -> str:
    """Change or add one key of a table that is there. Whether it came out right is for who calls."""
    if isinstance(old, list) and isinstance(value, tuple):
        for item in value[len([item for item in old if item in value]) :]:
            text = _append(text, (*path, key), toml_lines.quote(item))
        for at in reversed([at for at, item in enumerate(old) if item not in value]):
            text = _remove(text, (*path, key), at)
        return text
    if old is not None:
        return _by_tomlkit(text, path, {key: value})
    span = next((s for s in spans(text) if s.path == path), None)
    if span is None:
        return _into_inline(text, path, f"{_key(key)} = {_value(value)}") or _by_tomlkit(text, path, {key: value})
    lines = lines_of(text)
    if not lines[-1].endswith("\n"):
        lines[-1] += _ending(text)
    sample, last = lines[span.last - 1], own_end(lines, span.last)
    indent = sample[: len(sample) - len(sample.lstrip(" \t"))]
    return "".join([*lines[:last], f"{indent}{key} = {_value(value)}{_ending(text)}", *lines[last:]])


def _into_inline(text: str, path: Path, pair: str) -> str:
    """A key more at the end of an inline table, with the space that it has before its brace; empty when it is none, or has no key."""
    place = places(text).get(path)
    if place is None:
        return ""
    at = ends(text, sum(map(len, lines_of(text)[: place[0] - 1])) + place[1] - 1)
    brace = re.compile(r"[ \t]*=[ \t]*\{").match(text, at)
    if brace is None:
        return ""
    at = stop(text, brace.end())
    while text[at : at + 1] == ",":
        at = stop(text, at + 1)
    last = len(text[:at].rstrip(" \t"))
    return "" if last == brace.end() else f"{text[:last]}, {pair}{text[last:]}"


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
