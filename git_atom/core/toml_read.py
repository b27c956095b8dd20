"""Reading parsed TOML by schema: typed getters that note every error with its key path, so that one pass tells them all.

Whoever reads asks a `Table` for each key it knows and then calls `done`, which reports the keys nobody asked for. `Notes.report`
turns what was noted into one error with line and column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from git_atom.core.toml_place import Path, places
from git_atom.errors import AtomError, MalformedError, ManyErrors

T = TypeVar("T")
MAX_ERRORS = 50


class Note(NamedTuple):
    """One error of a file under its key path."""

    path: Path
    code: str
    what: str
    note: str = ""
    hint: str = ""


class Notes:
    """The errors found so far in one file."""

    def __init__(self) -> None:
        self.items: list[Note] = []

    def add(self, path: Path, code: str, what: str, note: str = "", hint: str = "") -> None:
        """Note one error."""
        self.items.append(Note(path, code, what, note, hint))

    def report(self, text: str, where: str) -> None:
        """Raise what was noted, in the order of the file, as one ManyErrors; return when there is nothing."""
        if not self.items:
            return
        found = places(text)
        errors: list[tuple[tuple[int, int], AtomError]] = []
        for item in self.items:
            path = item.path
            while path and path not in found:
                path = path[:-1]
            line, column = found.get(path, (1, 1))
            errors.append(
                (
                    (line, column),
                    MalformedError(
                        item.code, item.what, where=f"{where}:{line}:{column}", note=item.note, hint=item.hint
                    ),
                )
            )
        errors.sort(key=lambda pair: pair[0])
        told = [error for _, error in errors[:MAX_ERRORS]]
        if len(errors) > MAX_ERRORS:
            told[-1].note = f"{told[-1].note}\nand {len(errors) - MAX_ERRORS} more errors after this one".lstrip("\n")
        raise ManyErrors(told)


class Table:
    """One table being read; every getter returns a default when it notes an error."""

    def __init__(self, value: dict[str, Any], path: Path, notes: Notes) -> None:
        self.value = value
        self.path = path
        self.notes = notes
        self.known: list[str] = []

    @property
    def shown(self) -> str:
        """The table's name as a header would have it."""
        return "[" + ".".join(str(part) for part in self.path) + "]" if self.path else "the manifest"

    def wrong(self, key: str, code: str, what: str, note: str = "", hint: str = "") -> None:
        """Note an error at one of this table's keys (or at the table itself, for "")."""
        self.notes.add((*self.path, key) if key else self.path, code, what, note, hint)

    def _get(self, key: str, kind: type[T], called: str, required: bool = False) -> T | None:
        self.known.append(key)
        if key not in self.value:
            if required:
                self.wrong("", "ATOM-1022", f"{self.shown} lacks the key '{key}'", hint=f"add {key} = {_example(kind)}")
            return None
        value = self.value[key]
        if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
            return value
        self.wrong(key, "ATOM-1023", f"'{key}' of {self.shown} must be {called}", note=f"it is {_called(value)}")
        return None

    def text(self, key: str, required: bool = False) -> str:
        """A string without control characters; "" when it is absent."""
        value = self._get(key, str, "a string", required)
        return "" if value is None else self._clean(key, value)

    def texts(self, key: str, required: bool = False) -> tuple[str, ...]:
        """A list of strings; () when it is absent."""
        items = self._get(key, list, "a list of strings", required) or []
        out = []
        for index, item in enumerate(items):
            if not isinstance(item, str):
                self.notes.add((*self.path, key, index), "ATOM-1023", f"'{key}' of {self.shown} must be a list of strings",
                               f"element {index + 1} is {_called(item)}")  # fmt: skip
            else:
                out.append(self._clean(key, item, lines=True))
        return tuple(out)

    def _clean(self, key: str, value: str, lines: bool = False) -> str:
        if any((ord(c) < 32 and not (lines and c in "\n\t")) or ord(c) == 127 for c in value):
            self.wrong(key, "ATOM-1024", f"'{key}' of {self.shown} holds a control character")
            return ""
        return value

    def choice(self, key: str, allowed: tuple[str, ...], default: str = "") -> str:
        """A string out of a few; the default when it is absent."""
        value = self.text(key)
        if key not in self.value or (value and self.one_of(key, value, allowed)):
            return value or default
        if isinstance(self.value[key], str) and not value:
            self.one_of(key, value, allowed)
        return default

    def one_of(self, key: str, value: str, allowed: tuple[str, ...]) -> bool:
        """Whether a value is out of a few; notes it with a suggestion when not."""
        if value in allowed:
            return True
        self.wrong(key, "ATOM-1024", f"'{value}' is no {key} of {self.shown}", f"one of {', '.join(allowed)}",
                   near(value, allowed))  # fmt: skip
        return False

    def choices(self, key: str, allowed: tuple[str, ...], default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of strings out of a few, in the order of `allowed`; the default when it is absent."""
        values = self.texts(key)
        for value in values:
            self.one_of(key, value, allowed)
        if key in self.value and not values:
            self.wrong(key, "ATOM-1024", f"'{key}' of {self.shown} is empty", f"some of {', '.join(allowed)}")
        return tuple(v for v in allowed if v in values) if key in self.value else default

    def parsed(self, key: str, parse: Callable[[str], T], required: bool = False) -> T | None:
        """A string taken through a parser whose AtomError is noted; None when absent or wrong."""
        value = self._get(key, str, "a string", required)
        if value is None:
            return None
        try:
            return parse(value)
        except AtomError as error:
            self.wrong(key, error.code, error.what, error.note, error.hint)
            return None

    def table(self, key: str) -> Table | None:
        """A table; None when it is absent."""
        value = self._get(key, dict, "a table")
        return None if value is None else Table(value, (*self.path, key), self.notes)

    def tables(self, key: str) -> list[tuple[str, Table]]:
        """A table of tables, by name."""
        outer = self.table(key)
        if outer is None:
            return []
        names = [name for name in outer.value if isinstance(outer.value[name], dict)]
        for name in outer.value:
            if name not in names:
                outer.wrong(
                    name, "ATOM-1023", f"'{name}' of {outer.shown} must be a table", hint=f"write [{key}.{name}]"
                )
        return [(name, Table(outer.value[name], (*outer.path, name), self.notes)) for name in names]

    def done(self) -> None:
        """Note every key that was not asked for, with the nearest that was."""
        for key in self.value:
            if key not in self.known:
                self.wrong(key, "ATOM-1021", f"unknown key '{key}' in {self.shown}", f"known: {', '.join(self.known)}",
                           near(key, tuple(self.known)))  # fmt: skip


def near(word: str, words: tuple[str, ...]) -> str:
    """A suggestion for a word that is none of these; empty when none is like it."""
    import difflib

    near = difflib.get_close_matches(word[:64], words, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else ""


def _called(value: object) -> str:
    names = {str: "a string", bool: "a boolean", int: "an integer", float: "a float", list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")


def _example(kind: type[Any]) -> str:
    return {str: '"..."', list: '["..."]', int: "1"}.get(kind, "...")
