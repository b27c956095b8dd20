"""Variants of an atom: what can take a part ([provide]), what can be switched ([support]), and what a dependant asks for (`with`).

A variant is settled by one word: a candidate of [provide], or `on` or `off` for one of [support]. Settled variants are told as
`tls=openssl`, and as the name alone for what is on. Format pages: gitatom-manifest(5), gitatom-lock(5).
"""

from __future__ import annotations

import re

from git_atom.core.toml_read import Table
from git_atom.errors import MalformedError

NONE = "none"  # the candidate that needs nothing
ON, OFF = "on", "off"
RESERVED = ("jobs", "out")  # variables that every build has

Provide = tuple[tuple[str, tuple[str, ...]], ...]  # variant -> candidates, the first being the default
Support = tuple[tuple[str, tuple[str, ...] | bool], ...]  # variant -> arguments, or whether it is on by default
Ask = tuple[str, str]  # variant, word

# patterns are compiled by re when they are first used: starting must be quick
_NAME = r"(?a)[a-z][a-z0-9_]{0,63}"  # also the name of a shell variable, and of none that a shell has
_WORD = r"(?a)[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}|[^\W_][\w-]{0,127}"


def text(ask: Ask) -> str:
    """A settled variant as it is written in manifests and locks."""
    return ask[0] if ask[1] == ON else f"{ask[0]}={ask[1]}"


def parse(written: str) -> Ask:
    """Inverse of `text`; `name=on` and `name=off` are read as well. Raises MalformedError ATOM-1024."""
    name, equals, word = written.partition("=")
    if not re.fullmatch(_NAME, name) or (equals and not re.fullmatch(_WORD, word)):
        raise MalformedError("ATOM-1024", f"'{written[:200]}' asks for no variant", note="<variant> or <variant>=<candidate>",
                             hint='such as with = ["http3", "tls=openssl"]')  # fmt: skip
    return name, word if equals else ON


def asks(table: Table, key: str = "with") -> tuple[Ask, ...]:
    """What a dependency is asked for: sorted, each variant once; what is wrong is noted at its element."""
    found: dict[str, str] = {}
    for index, item in enumerate(table.texts(key)):
        try:
            name, word = parse(item)
        except MalformedError as error:
            table.notes.add((*table.path, key, index), error.code, error.what, error.note, error.hint)
            continue
        if found.setdefault(name, word) != word:
            table.notes.add((*table.path, key, index), "ATOM-1024", f"'{key}' of {table.shown} asks for '{name}' twice",
                            f"once as '{found[name]}' and once as '{word}'")  # fmt: skip
    return tuple(sorted(found.items()))


def read(top: Table) -> tuple[Provide, Support]:
    """[provide] and [support] of a manifest."""
    provide: list[tuple[str, tuple[str, ...]]] = []
    support: list[tuple[str, tuple[str, ...] | bool]] = []
    if (table := top.table("provide")) is not None:
        for key in table.value:
            _name(key, table)
            candidates = table.texts(key)
            provide.append((key, tuple(dict.fromkeys(candidates))))
            if not candidates and isinstance(table.value[key], list):
                table.wrong(
                    key, "ATOM-1024", f"variant '{key}' of [provide] is empty", "the first candidate is the default"
                )
    if (table := top.table("support")) is not None:
        for key, value in table.value.items():
            _name(key, table)
            support.append((key, value if isinstance(value, bool) else _arguments(key, table)))
            if key in dict(provide):
                table.wrong(key, "ATOM-1024", f"variant '{key}' stands in [provide] and in [support]")
    return tuple(provide), tuple(support)


def _name(key: str, table: Table) -> None:
    if not re.fullmatch(_NAME, key) or key in RESERVED:
        table.wrong(key, "ATOM-1024", f"'{key[:100]}' cannot name a variant",
                    "lower-case letters, digits and '_': commands find it as a shell variable" if key not in RESERVED
                    else f"${{{key}}} is a variable of every build")  # fmt: skip


def _arguments(key: str, table: Table) -> tuple[str, ...]:
    """Arguments that a shell splits as they were written: none holds a blank or is a pattern."""
    found = table.texts(key)
    for index, item in enumerate(found):
        if not item or re.search(r"[\s*?\[]", item):
            table.notes.add((*table.path, key, index), "ATOM-1024", f"'{item[:100]}' cannot be an argument of a variant",
                            "the shell splits ${" + key + "} at blanks and expands patterns")  # fmt: skip
    return found
