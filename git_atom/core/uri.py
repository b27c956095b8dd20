"""Atom URIs: `[source::]name[@requirement]`, split at the right-most `::`, and the sources they name.

A source is a path, a URL, `user@host:path`, or an alias written `+alias` at host position. Aliases (`atom.alias.<name>` in git's
configuration) may build on each other. Neither aliases nor credentials ever reach a file: `public` is what may be written down.
Sources that could make git or ssh run something else (`ext::`, a leading dash, control characters) are refused here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from git_atom.core.name import check_name
from git_atom.core.version import Requirement
from git_atom.errors import AtomError, CannotError, MalformedError

MAX_TEXT = 4096
SCHEMES = ("https", "http", "ssh", "git", "file")
# patterns are compiled by re when they are first used: starting must be quick
_URL = r"(?s)([A-Za-z][A-Za-z0-9+.-]*)://(?:([^/@]*(?:@[^/@]*)*)@)?([^/]*)(/.*)?"
_SCP = r"(?s)(?:([^/:@]+)@)?([^/:@]+|\[[0-9a-fA-F:.]+\]):(.*)"
_HOST = r"(?a)(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?"
_USER = r"(?a)[A-Za-z0-9_.%+~][A-Za-z0-9_.%+~-]*"
_ALIAS = r"(?s)((?:[A-Za-z][A-Za-z0-9+.-]*://)?(?:[^/@+:]*@)?)\+([^/:]*)(.*)"
MAX_CHAIN = 16


class Uri(NamedTuple):
    """A parsed URI: source as written ("" is the repository at hand), name, requirement (None: any version)."""

    source: str
    name: str
    requirement: Requirement | None = None

    @classmethod
    def parse(cls, text: str, where: str = "") -> Uri:
        """Take text as a URI; raises MalformedError: ATOM-1013 for its form, ATOM-1010 or 1012 for its parts, 1014 for its source."""
        if len(text) > MAX_TEXT:
            raise MalformedError("ATOM-1013", "the URI is too long", where=where, note=f"at most {MAX_TEXT} characters")
        source, split, rest = text.rpartition("::")
        name, at, wanted = rest.partition("@")
        if at and not wanted.strip():
            raise MalformedError(
                "ATOM-1013",
                f"'{text}' has an empty requirement",
                where=where,
                hint=f"write '{text[:-1]}' for any version",
            )
        if not name:
            raise MalformedError(
                "ATOM-1013", f"'{text}' names no atom", where=where, hint="write [source::]name[@requirement]"
            )
        try:
            name = check_name(name, where)
        except AtomError as error:
            if not split and ("/" in text or ":" in text):
                error.hint = "a source is followed by '::' and the name, e.g. 'https://git.example.org/zlib::zlib'"
            raise
        if source:
            check_source(source, where)
        return cls(source, name, Requirement.parse(wanted, where) if at else None)

    def __str__(self) -> str:
        source = f"{self.source}::" if self.source else ""
        return f"{source}{self.name}" + (f"@{self.requirement}" if self.requirement else "")


def kind(source: str) -> str:
    """What a source is: `alias`, `url`, `scp` (user@host:path) or `path`."""
    if re.fullmatch(_ALIAS, source):
        return "alias"
    if "://" in source:
        return "url"
    match = re.fullmatch(_SCP, source)
    return "scp" if match and (match[1] or len(match[2]) > 1) and not source.startswith((".", "/", "~")) else "path"


def is_local(source: str) -> bool:
    """Whether a source is a place of this machine: a path, or a file URL."""
    return kind(source) == "path" or source.lower().startswith("file:")


def check_source(source: str, where: str = "") -> str:
    """The source itself when it is one that may be handed to git; raises MalformedError (ATOM-1014) otherwise."""
    problem = _problem(source)
    if problem:
        raise MalformedError(
            "ATOM-1014",
            f"'{redact(source)[:200]}' cannot be a source",
            where=where,
            note=problem,
            hint="a source is a path, an https, http, ssh, git or file URL, user@host:path, or +alias",
        )
    return source


def _problem(source: str) -> str:
    if not source or source.startswith("-"):
        return "it is empty" if not source else "a leading '-' could be taken for an option"
    if any(ord(c) < 32 or ord(c) == 127 or 0x80 <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in source):
        return "it holds a control character"
    if "::" in re.sub(r"\[[0-9a-fA-F:.]+\]", "", source):
        return "'::' would select a transport helper of git, which may run any program"
    form = kind(source)
    if form == "url":
        return _url_problem(source)
    if form == "scp":
        match = re.fullmatch(_SCP, source)
        if match is None or not re.fullmatch(_HOST, match[2]) or (match[1] and not re.fullmatch(_USER, match[1])):
            return "its host or user is not one"
        return "a leading '-' in the path could be taken for an option" if match[3].startswith("-") else ""
    if form == "alias":
        match = re.fullmatch(_ALIAS, source)
        return "" if match and _is_alias(match[2]) else "'+' is not followed by the name of an alias"
    return ""


def _url_problem(source: str) -> str:
    match = re.fullmatch(_URL, source)
    if match is None or match[1].lower() not in SCHEMES:
        return f"its scheme is none of {', '.join(SCHEMES)}"
    scheme, user, host, path = match.groups()
    if scheme.lower() == "file":
        return "" if host in ("", "localhost") and path and not user else "a file URL is file:///path"
    if not re.fullmatch(_HOST, host):
        return "its host is not one"
    if not host.isascii():
        return "its host is not ASCII; write it in punycode"
    if user is not None and not re.fullmatch(_USER, user.partition(":")[0]):
        return "its user is not one"
    return "" if path and len(path) > 1 else "it has no path"


def _is_alias(text: str) -> bool:
    try:
        return check_name(text) == text
    except MalformedError:
        return False


def expand(source: str, lookup: Callable[[str], str | None], where: str = "") -> str:
    """A source with its aliases replaced until none is left, the rest kept as it is.

    `lookup` gives an alias's value, or None. Raises CannotError (ATOM-1015) for an unknown alias and MalformedError (ATOM-1016) for
    aliases that come back to themselves, showing the chain, and for a value that makes no source.
    """
    chain: list[str] = []
    while (match := re.fullmatch(_ALIAS, source)) is not None:
        before, alias, after = match.groups()
        shown = " -> ".join(f"+{name}" for name in [*chain, alias])
        if alias in chain or len(chain) >= MAX_CHAIN:
            raise MalformedError("ATOM-1016", f"alias '+{alias}' comes back to itself", where=where, note=shown,
                                 hint=f"git config --edit --global  # and mend atom.alias.{alias}")  # fmt: skip
        value = lookup(alias) if _is_alias(alias) else None
        if value is None:
            raise CannotError("ATOM-1015", f"alias '+{alias}' is not known", where=where, note=shown if chain else "",
                              hint=f"git config --global atom.alias.{alias} <url>")  # fmt: skip
        chain.append(alias)
        source = _join(before, value.strip(), after)
    if chain and kind(source) == "path" and not source.startswith(("/", "./", "../", "~")):
        raise MalformedError(
            "ATOM-1016", f"alias '+{chain[0]}' gives '{redact(source)}', which is neither a URL nor a path", where=where,
            hint=f"put the scheme into it, e.g. git config --global atom.alias.{chain[-1]} https://{source.split('/')[0]}",
        )  # fmt: skip
    return check_source(source, where)


def _join(before: str, value: str, after: str) -> str:
    """Put an alias's value where it stood; behind a value that is a URL, `:path` means `/path` unless it is a port."""
    if "://" in value and after.startswith(":") and not re.fullmatch(r":[0-9]{1,5}(/.*)?", after, re.DOTALL):
        after = "/" + after[1:]
    if value.endswith("/") and after.startswith("/"):
        value = value.rstrip("/")
    return before + value + after


def has_credentials(source: str) -> bool:
    """Whether a source carries what must not be written down: a password, or for http a user (a token, as likely as not)."""
    match = re.fullmatch(_URL, source)
    if match is None or match[2] is None:
        return False
    return ":" in match[2] or match[1].lower() in ("http", "https")


def public(source: str) -> str:
    """A source as it may stand in a file: without password, for http without user; raises ATOM-1014 when an alias is left in it."""
    if kind(source) == "alias":
        raise MalformedError(
            "ATOM-1014", f"'{source}' cannot be a source", note="an alias is expanded before it is written down"
        )
    match = re.fullmatch(_URL, source)
    if match is None or match[2] is None:
        return source
    user = "" if match[1].lower() in ("http", "https") else match[2].partition(":")[0] + "@"
    return f"{match[1]}://{user}{match[3]}{match[4] or ''}"


def redact(source: str) -> str:
    """A source as it may be shown: its password as `***`."""
    match = re.fullmatch(_URL, source)
    if match is None or not has_credentials(source):
        return source
    user = match[2].partition(":")[0] + ":***" if ":" in match[2] else "***"
    return f"{match[1]}://{user}@{match[3]}{match[4] or ''}"


def is_remote(source: str) -> bool:
    """Whether reading the source needs the network."""
    form = kind(source)
    return form == "scp" or (form == "url" and not source.lower().startswith("file:"))
