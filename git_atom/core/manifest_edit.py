"""Editing a person's manifest in place: one dependency comes, changes or goes, and every other byte stays. Door: tomlkit.

tomlkit rewrites a value where it stands, with its comment and spacing. It takes comments that stand before the next table for part of
the table above, so whole tables are put in and taken out by lines, found by the scanner that knows where everything stands. Whatever
was done, the result is read again and must say exactly what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from git_atom.core import toml_lines
from git_atom.core.toml_place import Span, spans
from git_atom.errors import CannotError

Value = str | tuple[str, ...]
_BEFORE = ("atom", "deps")  # tables a first dependency is put after


def put(data: bytes, name: str, values: Mapping[str, Value]) -> bytes:
    """The manifest with these keys of `[deps.<name>]` set; other keys of it stay, a new dependency gets a table of its own.

    `data` must be a manifest that parses. Raises CannotError ATOM-1026 when the text has a form that cannot be edited.
    """
    text = data.decode()
    wanted = _read(text)
    there = dict(wanted["deps"][name]) if name in wanted.get("deps", {}) else None
    wanted.setdefault("deps", {}).setdefault(name, {}).update(
        {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
    )
    if there is None:
        made = _add_table(text, name, values)
        if not _says(made, wanted):
            made = _by_tomlkit(text, name, values)
    else:
        made = text
        for key, value in values.items():
            if there.get(key) != wanted["deps"][name][key]:
                made = _set(made, name, key, value)
    return _held(made, wanted, name)


def drop(data: bytes, name: str) -> bytes:
    """The manifest without the dependency `name`, which must be in it. Comments around it stay. Raises CannotError ATOM-1026."""
    text = data.decode()
    wanted = _read(text)
    del wanted["deps"][name]
    below = [span for span in spans(text) if span.path[:2] == ("deps", name)]
    made = text
    for span in reversed(below):
        made = _cut(made, span)
    if below and not wanted["deps"] and not any(span.path == ("deps",) for span in spans(text)):
        del wanted["deps"]
    if not _says(made, wanted):
        made = _without(text, name)
        if not wanted.get("deps") and "deps" not in _read(made):
            wanted.pop("deps", None)
    return _held(made, wanted, name)


def drop_key(data: bytes, name: str, key: str) -> bytes:
    """The manifest without one key of `[deps.<name>]`; unchanged when it is not there. Raises CannotError ATOM-1026."""
    text = data.decode()
    wanted = _read(text)
    if key not in wanted["deps"][name]:
        return data
    del wanted["deps"][name][key]
    import tomlkit

    document: Any = tomlkit.parse(text)
    del document["deps"][name][key]
    return _held(str(document.as_string()), wanted, name)


def _read(text: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(text)


def _says(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return _read(text) == wanted
    except ValueError:
        return False


def _held(text: str, wanted: dict[str, Any], name: str) -> bytes:
    if not _says(text, wanted):
        raise CannotError("ATOM-1026", f"[deps.{name}] cannot be edited in place", note="the manifest writes its dependencies in an unusual form",
                          hint=f"write them as tables, [deps.{name}], or edit the file by hand, then git atom lock")  # fmt: skip
    return text.encode()


# ---- whole tables, by lines ----------------------------------------------------------------------------------------------


def _ending(text: str) -> str:
    """The line ending of a text, that of its first line."""
    return "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"


def _lines(text: str) -> list[str]:
    """The lines of a text with their endings, split where the scanner splits them."""
    return [line + "\n" for line in text.split("\n")[:-1]] + ([last] if (last := text.rpartition("\n")[2]) else [])


def _add_table(text: str, name: str, values: Mapping[str, Value]) -> str:
    """Put `[deps.<name>]` after the last dependency, else after what the manifest says of the atom itself."""
    end = _ending(text)
    key = name if all(c.isascii() and (c.isalnum() or c in "-_") for c in name) else toml_lines.quote(name)
    table = [f"[deps.{key}]{end}", *(f"{k} = {_value(v)}{end}" for k, v in values.items())]
    lines = _lines(text)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += end
    at = len(lines)
    found: list[Span] = spans(text)
    for top in reversed(_BEFORE):
        ours = [span for span in found if span.path[:1] == (top,)]
        if ours:
            at = ours[-1].last
            break
    before = [end] if at and lines[at - 1].strip() else []
    after = [end] if at < len(lines) and lines[at].strip() else []
    return "".join([*lines[:at], *before, *table, *after, *lines[at:]])


def _cut(text: str, span: Span) -> str:
    """Take a table's lines out, and one blank line beside it where there would be two."""
    lines = _lines(text)
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


# ---- values, by tomlkit --------------------------------------------------------------------------------------------------


def _set(text: str, name: str, key: str, value: Value) -> str:
    """Change or add one key of a dependency that is there."""
    span = next((s for s in spans(text) if s.path == ("deps", name)), None)
    if span is not None and key not in _read(text)["deps"][name]:
        lines = _lines(text)
        if not lines[span.last - 1].endswith("\n"):
            lines[span.last - 1] += _ending(text)
        sample = lines[span.last - 1]
        indent = sample[: len(sample) - len(sample.lstrip(" \t"))]
        return "".join([*lines[: span.last], f"{indent}{key} = {_value(value)}{_ending(text)}", *lines[span.last :]])
    return _by_tomlkit(text, name, {key: value})


def _by_tomlkit(text: str, name: str, values: Mapping[str, Value]) -> str:
    import tomlkit

    document: Any = tomlkit.parse(text)
    deps = document["deps"]
    if name not in deps:
        deps[name] = tomlkit.inline_table()
    for key, value in values.items():
        deps[name][key] = list(value) if isinstance(value, tuple) else value
    return str(document.as_string())


def _without(text: str, name: str) -> str:
    import tomlkit

    document: Any = tomlkit.parse(text)
    del document["deps"][name]
    return str(document.as_string())
