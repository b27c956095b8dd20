"""A composition's manifest: conventional paths bound to digests, in one canonical text (design section 6; gitatom-format-composition(5)).

The root is the digest of that text. Paths are bytes to the system and text here: UTF-8, where `%`, control characters and bytes that are
not UTF-8 are written `%XX`. What git trees cannot hold stands in the attribute table; view = digest of (tree digest, attribute table).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from git_atom.core import canon, toml_lines
from git_atom.core.digest import Digest, of_bytes
from git_atom.core.tree import Leaf, check_path, tree_digest
from git_atom.errors import AtomError, MalformedError

FILE = "manifest.toml"
FORMAT = 1
MAX_BYTES = 16 * 1024 * 1024
MAX_PATH = 4096
HEADER = "# Written by git compose; do not edit.\n"

TREE, PLAIN, LINK = "tree", "file", "symlink"
EXACT, INTERFACE = "exact", "interface"
_DEVICES = ("char", "block")
_ATTRIBUTE_KINDS = ("", *_DEVICES, "fifo", PLAIN, LINK)


class Entry(NamedTuple):
    """One binding. path: "" for the root of the view. kind: tree, file or symlink. digest: of tree or file; None for a symlink.

    target: of a symlink. origin: where it came from, in words (`debian bookworm gcc-12 12.2.0-14 amd64`). constraint: `exact`, or
    `interface` with the digest of its proof. executable: of a file.
    """

    path: str
    kind: str
    digest: Digest | None = None
    target: str = ""
    origin: str = ""
    constraint: str = EXACT
    executable: bool = False
    proof: Digest | None = None


class Attribute(NamedTuple):
    """What a git tree cannot hold of one path of the view. mode: permission bits where they are not the tree's own, or None.

    kind: "" for a path that is in the tree; char, block (device: `<major>:<minor>`) and fifo; file and symlink (digest: of content or
    target) for names such as `.git`. capabilities: of the file, as hex of the extended attribute security.capability.
    """

    path: str
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    capabilities: str = ""
    kind: str = ""
    device: str = ""
    digest: Digest | None = None


class Composition(NamedTuple):
    """A whole manifest, entries and attributes in canonical order (`make`)."""

    entries: tuple[Entry, ...] = ()
    attributes: tuple[Attribute, ...] = ()


def make(entries: Iterable[Entry], attributes: Iterable[Attribute] = ()) -> Composition:
    """A composition in canonical order without repetitions. Raises MalformedError (ATOM-1041) for parts that cannot be."""
    made = Composition(
        tuple(sorted(set(entries), key=_entry_key)), tuple(sorted(set(attributes), key=lambda a: a.path))
    )
    for entry in made.entries:
        _check_entry(entry)
    for attribute in made.attributes:
        _check_attribute(attribute)
    for one, other in zip(made.attributes, made.attributes[1:], strict=False):
        if one.path == other.path:
            raise _wrong(f"path '{one.path}' has two rows of attributes")
    return made


def root(composition: Composition) -> Digest:
    """The root of a composition: BLAKE3 of its manifest's text."""
    return of_bytes(format(composition))


def view(leaves: Iterable[Leaf], attributes: Iterable[Attribute] = ()) -> Digest:
    """The identity of what a process can see: digest over the merged tree's digest and the attribute table."""
    return view_of(tree_digest(leaves), attributes)


def view_of(tree: Digest, attributes: Iterable[Attribute] = ()) -> Digest:
    """As `view`, from the merged tree's digest."""
    table = [dict(zip(_ATTRIBUTE_KEYS, _plain(a), strict=True)) for a in sorted(attributes, key=lambda a: a.path)]
    return canon.digest({"type": "atom-view/1", "tree": tree, "attributes": table})


# ---- paths -----------------------------------------------------------------------------------------------------------

_ESCAPED = re.compile(r"%([0-9A-F]{2})")
_TO_ESCAPE = re.compile("[%\x00-\x1f\x7f\udc80-\udcff]")


def path_text(path: bytes) -> str:
    """A path as text; inverse of path_bytes."""
    return _TO_ESCAPE.sub(lambda m: "%%%02X" % (ord(m[0]) & 0xFF), path.decode(errors="surrogateescape"))


def path_bytes(text: str) -> bytes:
    """The bytes of a path's text; raises MalformedError (ATOM-1041) when it is not the one text of a path."""
    if not text.isascii() or "%" in text:
        try:
            parts = _ESCAPED.split(text)
            data = b"".join(bytes([int(p, 16)]) if i % 2 else p.encode() for i, p in enumerate(parts))
        except UnicodeEncodeError as error:
            raise _wrong("a path holds a lone surrogate") from error
    else:
        data = text.encode()
    if path_text(data) != text:
        raise _wrong(f"'{text}' is not how that path is written", note=f"it is written '{path_text(data)}'")
    return data


# ---- text ------------------------------------------------------------------------------------------------------------

_ENTRY_KEYS = ("path", "kind", "executable", "digest", "target", "origin", "constraint", "proof")
_ATTRIBUTE_KEYS = ("path", "kind", "mode", "uid", "gid", "capabilities", "device", "digest")
_ALWAYS = ("path", "kind", "constraint")


def format(composition: Composition) -> bytes:
    """Canonical bytes of a composition; raises MalformedError (ATOM-1041) for parts that cannot be."""
    made = make(*composition)
    out = [HEADER, f"format = {FORMAT}\n"]
    for entry in made.entries:
        values = (entry.path, entry.kind, entry.executable, entry.digest, entry.target, entry.origin, entry.constraint,
                  entry.proof)  # fmt: skip
        out.append("\n[[entries]]\n")
        out += [_field(k, v) for k, v in zip(_ENTRY_KEYS, values, strict=True) if v or k in _ALWAYS]
    for attribute in made.attributes:
        out.append("\n[[attributes]]\n")
        out += [_field(k, v) for k, v in zip(_ATTRIBUTE_KEYS, _plain(attribute), strict=True) if v or k == "path"]
    return "".join(out).encode()


def _plain(a: Attribute) -> tuple[Any, ...]:
    mode = "" if a.mode is None else f"{a.mode:04o}"
    return (a.path, a.kind, mode, a.uid, a.gid, a.capabilities, a.device, a.digest or "")


def _field(key: str, value: Any) -> str:
    if isinstance(value, str) and not toml_lines.holds(value):
        raise _wrong(f"'{key}' holds a control character", note=repr(value[:80]))
    return toml_lines.field(key, value)


def parse(data: bytes, where: str = FILE) -> Composition:
    """Read canonical bytes and nothing else.

    Raises MalformedError: ATOM-1040 for a text that is not exactly what `format` writes, 1041 for parts that cannot be, 1042 for a newer
    format.
    """
    if len(data) > MAX_BYTES:
        raise MalformedError("ATOM-1040", "the composition's manifest is too large", where=where, note=f"at most {MAX_BYTES} bytes")  # fmt: skip
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError as error:
        raise _edited(where, data.count(b"\n", 0, error.start) + 1) from error
    stated = re.fullmatch(r"format = ([0-9]{1,9})", lines[1]) if len(lines) > 1 else None
    if stated is not None and int(stated[1]) > FORMAT:
        raise MalformedError("ATOM-1042", f"the composition has format {stated[1]}, newer than this program", where=where,
                             note=f"this program reads format {FORMAT}", hint="install a newer git-atom")  # fmt: skip
    if lines[:2] != [HEADER[:-1], f"format = {FORMAT}"]:
        raise _edited(where, 1)
    entries, attributes = [], []
    for row in toml_lines.rows(lines[2:], 3, ("entries", "attributes"), lambda line: _edited(where, line)):
        try:
            if row.section == "entries":
                entries.append(_entry(row.values))
            else:
                attributes.append(_attribute(row.values))
        except AtomError as error:
            error.where = f"{where}:{row.line}"
            raise
    made = make(entries, attributes)
    if format(made) != data:
        raise _edited(where)
    return made


def _entry(values: dict[str, Any]) -> Entry:
    flag = _take(values, "executable", bool, False)
    texts = {key: _take(values, key, str, "") for key in _ENTRY_KEYS if key != "executable"}
    if values:
        raise _edited("")
    return Entry(
        texts["path"], texts["kind"], _digest(texts["digest"]), texts["target"], texts["origin"], texts["constraint"], flag,
        _digest(texts["proof"]),
    )  # fmt: skip


def _attribute(values: dict[str, Any]) -> Attribute:
    uid, gid = _take(values, "uid", int, 0), _take(values, "gid", int, 0)
    texts = {key: _take(values, key, str, "") for key in _ATTRIBUTE_KEYS if key not in ("uid", "gid")}
    if values:
        raise _edited("")
    if not re.fullmatch("[0-7]{4}|", texts["mode"]):
        raise _edited("")
    mode = int(texts["mode"], 8) if texts["mode"] else None
    return Attribute(
        texts["path"], mode, uid, gid, texts["capabilities"], texts["kind"], texts["device"], _digest(texts["digest"])
    )


def _take(values: dict[str, Any], key: str, kind: type[Any], default: Any) -> Any:
    value = values.pop(key, default)
    if type(value) is not kind:
        raise _edited("")
    return value


def _digest(text: str) -> Digest | None:
    return Digest.parse(text) if text else None


def _edited(where: str, line: int = 0) -> MalformedError:
    return MalformedError(
        "ATOM-1040",
        "the composition's manifest is not in its canonical form",
        where=f"{where}:{line}" if line else where,
        note="nothing but git compose writes it",
    )


# ---- laws ------------------------------------------------------------------------------------------------------------


def _entry_key(entry: Entry) -> tuple[str, ...]:
    return (entry.path, entry.origin, entry.digest or "", entry.kind, entry.target, entry.constraint, entry.proof or "",
            "x" if entry.executable else "")  # fmt: skip


def _wrong(what: str, note: str = "") -> MalformedError:
    return MalformedError("ATOM-1041", f"a composition cannot be: {what}", note=note)


def _check_where(path: str) -> None:
    if len(path) > MAX_PATH:
        raise _wrong("a path is too long", note=f"at most {MAX_PATH} characters")
    check_path(path_bytes(path))


def _check_entry(entry: Entry) -> None:
    shown = entry.path or "/"
    if entry.path:
        _check_where(entry.path)
    elif entry.kind != TREE:
        raise _wrong(f"a {entry.kind} at the root")
    if entry.kind not in (TREE, PLAIN, LINK):
        raise _wrong(f"'{shown}' is of kind '{entry.kind}'", note="tree, file or symlink")
    if (entry.kind == LINK) != (entry.digest is None) or (entry.kind == LINK) != bool(entry.target):
        raise _wrong(f"'{shown}' lacks what a {entry.kind} has", note="a symlink has a target, others a digest")
    if entry.executable and entry.kind != PLAIN:
        raise _wrong(f"'{shown}' is executable and no file")
    if len(entry.target) > MAX_PATH or b"\0" in path_bytes(entry.target):
        raise _wrong(f"'{shown}' has a target no symlink can have")
    if entry.constraint not in (EXACT, INTERFACE) or (entry.constraint == EXACT) != (entry.proof is None):
        raise _wrong(f"'{shown}' has constraint '{entry.constraint}'", note="exact, or interface with its proof")


def _check_attribute(a: Attribute) -> None:
    if a.kind in (PLAIN, LINK):
        if len(a.path) > MAX_PATH or any(p in (b"", b".", b"..") for p in path_bytes(a.path).split(b"/")):
            raise _wrong(f"'{a.path}' is no path")
    else:
        _check_where(a.path)
    if a.kind not in _ATTRIBUTE_KINDS or (a.kind in (PLAIN, LINK)) != (a.digest is not None):
        raise _wrong(f"attributes of '{a.path}' are of kind '{a.kind}'")
    if not re.fullmatch(r"(0|[1-9][0-9]{0,9}):(0|[1-9][0-9]{0,9})" if a.kind in _DEVICES else "", a.device):
        raise _wrong(f"attributes of '{a.path}' have device '{a.device}'")
    if a.mode is not None and not 0 <= a.mode <= 0o7777:
        raise _wrong(f"attributes of '{a.path}' have a mode out of range")
    if not (0 <= a.uid < 2**32 and 0 <= a.gid < 2**32):
        raise _wrong(f"attributes of '{a.path}' have an owner out of range")
    if not re.fullmatch(r"(?:[0-9a-f]{2}){0,64}", a.capabilities):
        raise _wrong(f"attributes of '{a.path}' have unreadable capabilities")


__all__ = [
    "EXACT", "FILE", "FORMAT", "INTERFACE", "LINK", "PLAIN", "TREE", "Attribute", "Composition", "Entry",
    "format", "make", "parse", "path_bytes", "path_text", "root", "view", "view_of",
]  # fmt: skip
