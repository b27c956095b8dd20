"""The signed texts of a set: charter, claim, release (a tag's payload), retraction, revocation and the message of a log entry.

Each is canonical JSON that holds all its fields; readers take exactly those fields and nothing else, so a later version of a format
has another name. Format pages: gitatom-format-log(5), gitatom-format-atom(5).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from git_atom.core import canon
from git_atom.core.canon import Json
from git_atom.core.digest import Digest, Oid, of_bytes
from git_atom.core.name import check_name
from git_atom.core.version import Version
from git_atom.errors import MalformedError

CHARTER, CLAIM, RELEASE, ENTRY = "atom-charter/1", "atom-claim/1", "atom-release/1", "atom-log/1"
RETRACTION, REVOCATION = "atom-retraction/1", "atom-revocation/1"
MAX_KEYS = 64
MAX_REASON = 1000  # characters
_NONCE = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
# A release in canonical bytes all of whose texts JSON holds as they are, field by field: nearly every one, read without a JSON reader.
_RELEASE = re.compile(
    RELEASE + r"\n\n\{" + ",".join(
        rf'"{field}":(?:null|"{form}")' if field == "previous" else rf'"{field}":"{form}"'
        for field, form in {
            "anchor": "(blake3:[0-9a-f]{64})", "commit": "([0-9a-f]{40}|[0-9a-f]{64})", "id": r"([ !#-\[\]-~]*)",
            "manifest": "(blake3:[0-9a-f]{64})", "name": "([A-Za-z0-9_-]+)", "origin": "([0-9a-f]{40}|[0-9a-f]{64})",
            "path": r"([ !#-\[\]-~]*)", "previous": "([0-9A-Za-z.-]*)", "time": f"({_TIME.pattern})",
            "tree": "(blake3:[0-9a-f]{64})", "version": "([0-9A-Za-z.-]*)",
        }.items()
    ) + r"\}\n",
    re.ASCII,
)  # fmt: skip


class Charter(NamedTuple):
    """Who owns a set. The digest of the founding one (seq 0, anchor and previous None) is the set's anchor."""

    anchor: Digest | None
    nonce: str  # 64 hex digits
    owners: tuple[str, ...]  # public keys as OpenSSH lines without comment, sorted
    previous: Digest | None  # digest of the charter this one succeeds
    root: Oid  # parentless first-parent ancestor of the project's history when the set was founded
    seq: int
    threshold: int  # how many distinct owners must sign a statement of the set

    def encode(self) -> bytes:
        """Canonical bytes; what is signed and digested."""
        return canon.encode({"format": CHARTER} | self._asdict())

    @classmethod
    def decode(cls, data: bytes) -> Charter:
        """Inverse of encode; raises MalformedError ATOM-1030."""
        row = _fields(data, CHARTER, cls._fields)
        made = cls(
            _digest(row, "anchor", optional=True),
            _text(row, "nonce", _NONCE),
            _keys(row, "owners"),
            _digest(row, "previous", optional=True),
            Oid.parse(_text(row, "root"), CHARTER),
            _count(row, "seq"),
            _count(row, "threshold"),
        )
        _threshold(made.owners, made.threshold, CHARTER)
        if (made.seq == 0) != (made.anchor is None) or (made.seq == 0) != (made.previous is None):
            raise bad(CHARTER, "only the founding charter has no anchor and no predecessor")
        return made


class Claim(NamedTuple):
    """Which keys may publish one name of a set."""

    anchor: Digest
    keys: tuple[str, ...]
    name: str
    previous: Digest | None  # digest of the claim this one succeeds
    seq: int
    threshold: int

    def encode(self) -> bytes:
        """Canonical bytes; what is signed and digested."""
        return canon.encode({"format": CLAIM} | self._asdict())

    @classmethod
    def decode(cls, data: bytes) -> Claim:
        """Inverse of encode; raises MalformedError ATOM-1030, or ATOM-1010 for the name."""
        row = _fields(data, CLAIM, cls._fields)
        made = cls(
            _must(_digest(row, "anchor"), CLAIM),
            _keys(row, "keys"),
            check_name(_text(row, "name"), CLAIM, exact=True),
            _digest(row, "previous", optional=True),
            _count(row, "seq"),
            _count(row, "threshold"),
        )
        _threshold(made.keys, made.threshold, CLAIM)
        if (made.seq == 0) != (made.previous is None):
            raise bad(CLAIM, "only the first claim of a name has no predecessor")
        return made


class Retraction(NamedTuple):
    """That a published version should not be chosen any more, and why. It stays readable and verifiable."""

    anchor: Digest
    name: str
    reason: str  # for people; one line
    time: str  # UTC, informational
    tree: Digest  # of the release that is retracted
    version: str

    def encode(self) -> bytes:
        """Canonical bytes; what is signed."""
        return canon.encode({"format": RETRACTION} | self._asdict())

    @classmethod
    def decode(cls, data: bytes) -> Retraction:
        """Inverse of encode; raises MalformedError ATOM-1030."""
        row = _fields(data, RETRACTION, cls._fields)
        return cls(
            _must(_digest(row, "anchor"), RETRACTION),
            check_name(_text(row, "name"), RETRACTION, exact=True),
            check_reason(_text(row, "reason")),
            _text(row, "time", _TIME),
            _must(_digest(row, "tree"), RETRACTION),
            str(Version.parse(_text(row, "version"), RETRACTION)),
        )


class Revocation(NamedTuple):
    """That a key signs nothing of the set any more, whatever charter and claims say, and why. What it signed before stays."""

    anchor: Digest
    key: str  # public key as an OpenSSH line without comment
    reason: str
    time: str  # UTC, informational

    def encode(self) -> bytes:
        """Canonical bytes; what is signed."""
        return canon.encode({"format": REVOCATION} | self._asdict())

    @classmethod
    def decode(cls, data: bytes) -> Revocation:
        """Inverse of encode; raises MalformedError ATOM-1030."""
        row = _fields(data, REVOCATION, cls._fields)
        return cls(
            _must(_digest(row, "anchor"), REVOCATION),
            _keys({"key": [row["key"]]}, "key")[0],
            check_reason(_text(row, "reason")),
            _text(row, "time", _TIME),
        )


class Release(NamedTuple):
    """What the tag of one published version says."""

    anchor: Digest
    commit: Oid  # the atom commit
    id: str  # atom id
    manifest: Digest  # of the bytes of atom.toml
    name: str
    origin: Oid  # the source commit it was published from
    path: str  # directory in that commit, `.` for its root
    previous: str | None  # version released before it under this name, in log order
    time: str  # UTC, informational
    tree: Digest
    version: str

    def encode(self) -> bytes:
        """The tag's message: type line, empty line, canonical JSON, newline."""
        return RELEASE.encode() + b"\n\n" + canon.encode(self._asdict()) + b"\n"

    @classmethod
    def decode(cls, message: bytes) -> Release:
        """Inverse of encode; raises MalformedError ATOM-1030."""
        usual = _RELEASE.fullmatch(message.decode(errors="replace"))
        texts = usual.groups() if usual else _release(message)
        anchor, commit, ident, manifest, name, origin, path, previous, time, tree, version = texts
        return cls(
            Digest(anchor), Oid(commit), ident, Digest(manifest), _name(name), Oid(origin), check_directory(path),
            None if previous is None else _version(previous), time, Digest(tree), _version(version),
        )  # fmt: skip


class Entry(NamedTuple):
    """The message of one commit of a log. items: what it is about, sorted: [name, version] for a publication, [name] for a claim."""

    anchor: Digest
    items: tuple[tuple[str, ...], ...]
    kind: str
    previous: Digest | None  # digest of the whole message of the parent
    seq: int
    tree: Digest  # tree digest of this commit's tree

    @property
    def line(self) -> str:
        """The first line, for people reading the log."""
        if not self.items:
            return f"{ENTRY} {self.kind}"
        what = " ".join(self.items[0]) if len(self.items) == 1 else f"{len(self.items)} names"
        return f"{ENTRY} {self.kind} {what}"

    def encode(self) -> bytes:
        """The commit message: line, empty line, canonical JSON, newline."""
        return self.line.encode() + b"\n\n" + canon.encode(self._asdict()) + b"\n"

    @classmethod
    def decode(cls, message: bytes) -> Entry:
        """Inverse of encode; raises MalformedError ATOM-1030."""
        first, _, rest = message.partition(b"\n\n")
        if not first.startswith(ENTRY.encode() + b" ") or not rest.endswith(b"\n"):
            raise bad(ENTRY, f"it does not begin with '{ENTRY} '")
        row = _row(canon.decode(rest[:-1]), ENTRY, cls._fields)
        items = row["items"]
        if not isinstance(items, list) or not all(
            isinstance(i, list) and i and all(isinstance(t, str) for t in i) for i in items
        ):
            raise bad(ENTRY, "'items' is not a list of lists of text")
        made = cls(
            _must(_digest(row, "anchor"), ENTRY),
            tuple(tuple(i) for i in items),
            _text(row, "kind"),
            _digest(row, "previous", optional=True),
            _count(row, "seq"),
            _must(_digest(row, "tree"), ENTRY),
        )
        if made.encode() != message or tuple(sorted(set(made.items))) != made.items:
            raise bad(ENTRY, "it is not in the form this entry is written in")
        return made


def tag_head(release: Release, tagger: str) -> bytes:
    """The bytes of a release's tag object up to its signature; tagger is `Name <email> seconds zone`."""
    head = f"object {release.commit}\ntype commit\ntag {release.name}/{release.version}\ntagger {tagger}\n\n"
    return head.encode() + release.encode()


def read_tag(payload: bytes) -> Release:
    """The release in a tag object without its signature; header and payload must agree. Raises MalformedError ATOM-1030."""
    head, _, message = payload.partition(b"\n\n")
    release = Release.decode(message)
    usual = f"object {release.commit}\ntype commit\ntag {release.name}/{release.version}\ntagger ".encode()
    if head.startswith(usual) and b"\n" not in head[len(usual) :]:
        return release
    lines = head.split(b"\n")
    want = [f"object {release.commit}", "type commit", f"tag {release.name}/{release.version}"]
    if [line.decode(errors="replace") for line in lines[:3]] != want:
        raise bad(RELEASE, "the tag's own fields and its payload do not agree")
    if len(lines) != 4 or not lines[3].startswith(b"tagger "):
        raise bad(RELEASE, "the tag has fields it should not have")
    return release


@lru_cache(4096)
def check_directory(path: str) -> str:
    """The path of an atom in its repository when it is one: `.`, or relative, without empty or dot parts or control characters."""
    parts = path.split("/")
    if path != "." and (
        any(p in ("", ".", "..") for p in parts) or any(ord(c) < 32 or ord(c) == 127 for c in path) or len(path) > 4096
    ):
        raise bad(RELEASE, f"'{path[:200]}' is not the path of a directory")
    return path


def check_reason(text: str) -> str:
    """A reason is one line that a person can read, at most 1000 characters. Raises MalformedError ATOM-1080."""
    if not text.strip() or len(text) > MAX_REASON or any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise MalformedError(
            "ATOM-1080", "a reason must be one line of text", note=f"not empty, at most {MAX_REASON} characters"
        )
    return text


def form_of(data: bytes) -> str:
    """Which statement this is, e.g. `atom-claim/1`; its other fields are as yet unread. Raises MalformedError ATOM-1030."""
    row = canon.decode(data)
    form = row.get("format") if isinstance(row, dict) else None
    if not isinstance(form, str):
        raise bad("signed", "it does not say which format it has")
    return form


@lru_cache(4096)
def shard(name: str) -> str:
    """The folder of a name below `names/` in a log's tree: the first two hex digits of the BLAKE3 of its UTF-8 bytes."""
    return of_bytes(name.encode()).hex[:2]


def name_folder(name: str) -> str:
    """Where a name's claims and versions lie in a log's tree."""
    return f"names/{shard(name)}/{name}"


def bad(what: str, why: str) -> MalformedError:
    """The error for signed text that is not what it says it is."""
    return MalformedError("ATOM-1030", f"'{what}' statement is malformed", note=why)


@lru_cache(4096)
def _name(text: str) -> str:
    return check_name(text, RELEASE, exact=True)


@lru_cache(4096)
def _version(text: str) -> str:
    return str(Version.parse(text, RELEASE))


def _release(message: bytes) -> tuple[str, ...]:
    """The texts of a release by a JSON reader; digests, ids and the time are in their form."""
    row = _row(canon.decode(_after_line(message, RELEASE, RELEASE)), RELEASE, Release._fields)
    for field in ("anchor", "manifest", "tree"):
        Digest.parse(_text(row, field), RELEASE)
    for field in ("commit", "origin"):
        Oid.parse(_text(row, field), RELEASE)
    _text(row, "time", _TIME)
    return tuple(row[f] if f == "previous" and row[f] is None else _text(row, f) for f in Release._fields)


def _after_line(message: bytes, line: str, what: str) -> bytes:
    first, _, rest = message.partition(b"\n\n")
    if first != line.encode() or not rest.endswith(b"\n"):
        raise bad(what, f"its first line is not '{line}'")
    return rest[:-1]


def _fields(data: bytes, form: str, names: tuple[str, ...]) -> dict[str, Json]:
    row = _row(canon.decode(data), form, ("format", *names))
    if row["format"] != form:
        raise bad(form, "its format is another one")
    return row


def _row(value: Json, form: str, names: tuple[str, ...]) -> dict[str, Json]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise bad(form, f"its fields are not exactly {', '.join(names)}")
    return value


def _text(row: dict[str, Json], key: str, pattern: re.Pattern[str] | None = None) -> str:
    value = row[key]
    if not isinstance(value, str) or (pattern is not None and not pattern.fullmatch(value)):
        raise bad("signed", f"field '{key}' is not of its form")
    return value


def _count(row: dict[str, Json], key: str) -> int:
    value = row[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise bad("signed", f"field '{key}' is not a count")
    return value


def _digest(row: dict[str, Json], key: str, optional: bool = False) -> Digest | None:
    if optional and row[key] is None:
        return None
    return Digest.parse(_text(row, key), "signed statement")


def _must(value: Digest | None, what: str) -> Digest:
    if value is None:
        raise bad(what, "a digest is missing")
    return value


def _keys(row: dict[str, Json], key: str) -> tuple[str, ...]:
    value = row[key]
    if not isinstance(value, list) or not all(isinstance(k, str) for k in value) or not 0 < len(value) <= MAX_KEYS:
        raise bad("signed", f"field '{key}' is not a list of 1 to {MAX_KEYS} keys")
    if sorted(set(value)) != value or any(len(k.split()) != 2 or " ".join(k.split()) != k for k in value):
        raise bad("signed", f"the keys in '{key}' are not sorted, distinct and without comments")
    return tuple(value)


def _threshold(keys: tuple[str, ...], threshold: int, what: str) -> None:
    if not 1 <= threshold <= len(keys):
        raise bad(what, f"the threshold is {threshold}, and there are {len(keys)} keys")
