"""`atom.lock`: what a manifest's words came to, in one canonical text (design section 5; format page gitatom-lock(5)).

The grammar is a small part of TOML: sections in a fixed order, records sorted, keys in a fixed order, nothing optional written when it
is empty. So equal locks are equal bytes; a text that would be written otherwise is refused rather than read by guess. It holds no
times and nothing of the machine. Edges are written `name` for an atom of the same set and `<anchor>::name` for one of another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from git_atom.core import toml_lines, variant
from git_atom.core.digest import Digest, Oid
from git_atom.core.name import check_name
from git_atom.core.toml_lines import Row
from git_atom.core.version import Version
from git_atom.errors import AtomError, MalformedError

FILE = "atom.lock"
FORMAT = 1
MAX_BYTES = 64 * 1024 * 1024
HEADER = "# Written by git atom lock; do not edit.\n"

Edge = tuple[str, str]  # (anchor of the set, or "" for the set of the atom that holds the lock; name)


class LockedSet(NamedTuple):
    """A foreign set: its anchor, where it is served, and the log head the selection was made from."""

    anchor: Digest
    head: Oid
    mirrors: tuple[str, ...] = ()


class LockedVariant(NamedTuple):
    """What a variant of the manifest's [provide] came to: the candidate that takes it."""

    name: str
    chosen: str


class LockedDep(NamedTuple):
    """What a key of the manifest's [deps] came to: an edge from the atom that holds the lock.

    A candidate that no variant has taken is for nothing, and its edge leads nowhere: it says of which set the atom is. Of one of this
    repository it says the version as well, with which whoever takes it later has to be compatible.
    """

    key: str
    atom: Edge
    uses: tuple[str, ...]  # of build, run, test
    version: Version | str = ""


class LockedAtom(NamedTuple):
    """One chosen atom. set and commit are empty for an atom of the lock's own repository (its commit may hold this very lock)."""

    set: str
    name: str
    version: Version
    commit: str
    tree: Digest
    build: tuple[Edge, ...] = ()  # only where its own lock does not say what it is built from
    run: tuple[Edge, ...] = ()
    variants: tuple[str, ...] = ()  # what it is built with

    @property
    def edge(self) -> Edge:
        """How others refer to it."""
        return (self.set, self.name)

    @property
    def requires(self) -> tuple[Edge, ...]:
        """Everything it needs to be built or run."""
        return tuple(sorted({*self.build, *self.run}))


class LockedPin(NamedTuple):
    """A repository at a ref, as it was when locked: the commit, and the tree digest of what the build is given.

    That is the tree at `entry` ("" for the whole commit), or for a file a tree that holds it alone, under its own name.
    """

    name: str
    git: str
    ref: str
    entry: str
    commit: Oid
    tree: Digest


class LockedSub(NamedTuple):
    """A path of this repository that becomes a sub-atom: git tree or blob id (the key of refs/subs/) and content digest."""

    name: str
    object: Oid
    tree: Digest


class Fetch(NamedTuple):
    """One file to fetch for [srcs.<name>]; url may be `debian:<pool path>`, then package, version and whether Debian repacked it."""

    name: str
    url: str
    digest: Digest
    size: int
    package: str = ""
    version: str = ""
    repacked: bool = False


class LockedPackage(NamedTuple):
    """A package of the toolchain: name, the distribution's version, architecture, digest of its tree."""

    name: str
    version: str
    architecture: str
    digest: Digest


class LockedToolchain(NamedTuple):
    """The world of the build on one platform: composition root; the packages asked for and all they came to, or the environment atom."""

    platform: str
    root: Digest
    suite: str = ""
    debian: tuple[str, ...] = ()  # as the manifest asks for them, sorted
    environment: str = ""  # an edge's text
    packages: tuple[LockedPackage, ...] = ()


class Lock(NamedTuple):
    """A whole lock. Every tuple is sorted; every edge names an atom that is there."""

    sets: tuple[LockedSet, ...] = ()
    deps: tuple[LockedDep, ...] = ()
    atoms: tuple[LockedAtom, ...] = ()
    pins: tuple[LockedPin, ...] = ()
    subs: tuple[LockedSub, ...] = ()
    fetches: tuple[Fetch, ...] = ()
    toolchains: tuple[LockedToolchain, ...] = ()
    variants: tuple[LockedVariant, ...] = ()

    @property
    def toolchain(self) -> LockedToolchain | None:
        """The toolchain of the first platform; None when there is none."""
        return self.toolchains[0] if self.toolchains else None

    def atom(self, edge: Edge) -> LockedAtom | None:
        """The atom an edge names."""
        return next((a for a in self.atoms if a.edge == edge), None)

    def dep(self, key: str) -> LockedDep | None:
        """What a key of the manifest's [deps] came to."""
        return next((d for d in self.deps if d.key == key), None)

    @property
    def taken(self) -> dict[str, str]:
        """The candidate that takes each variant of [provide]."""
        return {v.name: v.chosen for v in self.variants}


EMPTY = Lock()
_USES = ("build", "run", "test")


def edge_text(edge: Edge) -> str:
    """An edge as it is written."""
    return f"{edge[0]}::{edge[1]}" if edge[0] else edge[1]


def parse_edge(text: str) -> Edge:
    """Inverse of edge_text; raises MalformedError (ATOM-1010, ATOM-1001)."""
    anchor, _, name = text.rpartition("::")
    return (Digest.parse(anchor) if anchor else "", check_name(name, exact=True))


# ---- text ------------------------------------------------------------------------------------------------------------

Field = tuple[str, str, bool]  # key, kind (text, list, asks, digest, oid, version, edge, edges, int, flag), required
_SECTIONS: tuple[tuple[str, type[Any], tuple[Field, ...]], ...] = (
    ("sets", LockedSet, (("anchor", "digest", True), ("head", "oid", True), ("mirrors", "list", False))),
    ("variants", LockedVariant, (("name", "text", True), ("chosen", "text", True))),
    ("deps", LockedDep, (("key", "text", True), ("atom", "edge", True), ("for", "uses", False), ("version", "version", False))),
    ("atoms", LockedAtom, (("set", "digest", False), ("name", "name", True), ("version", "version", True), ("commit", "oid", False),
                           ("tree", "digest", True), ("build", "edges", False), ("run", "edges", False), ("with", "asks", False))),
    ("pins", LockedPin, (("name", "text", True), ("git", "text", True), ("ref", "text", True), ("entry", "text", False),
                         ("commit", "oid", True), ("tree", "digest", True))),
    ("subs", LockedSub, (("name", "text", True), ("object", "oid", True), ("tree", "digest", True))),
    ("fetches", Fetch, (("name", "text", True), ("url", "text", True), ("digest", "digest", True), ("size", "int", True),
                        ("package", "text", False), ("version", "text", False), ("repacked", "flag", False))),
    ("toolchains", LockedToolchain, (("platform", "text", True), ("root", "digest", True), ("suite", "text", False), ("debian", "list", False), ("environment", "text", False))),
    ("toolchains.packages", LockedPackage, (("name", "text", True), ("version", "text", True), ("architecture", "text", True),
                                            ("digest", "digest", True))),
)  # fmt: skip
_KINDS = {name: (kind, fields) for name, kind, fields in _SECTIONS}


def format(lock: Lock) -> bytes:
    """Canonical bytes of a lock; raises MalformedError (ATOM-1031) when its parts do not belong together."""
    lock = _sorted(lock)
    _check(lock, "")
    out = [HEADER, f"format = {FORMAT}\n"]
    for section in ("sets", "variants", "deps", "atoms", "pins", "subs", "fetches", "toolchains"):
        for record in getattr(lock, section):
            _emit(out, section, record)
            if section == "toolchains":
                for package in record.packages:
                    _emit(out, "toolchains.packages", package)
    return "".join(out).encode()


def _emit(out: list[str], section: str, record: Any) -> None:
    out.append(f"\n[[{section}]]\n")
    for (key, kind, required), value in zip(_KINDS[section][1], record, strict=False):
        if not value and not required:
            continue
        if kind in ("int", "flag"):
            out.append(toml_lines.field(key, value))
        elif kind in _LISTS:
            texts = [edge_text(item) if kind == "edges" else item for item in value]
            out.append(toml_lines.field(key, [_held(text) for text in texts]))
        else:
            out.append(toml_lines.field(key, _held(edge_text(value) if kind == "edge" else str(value))))


def _held(text: str) -> str:
    if not toml_lines.holds(text):
        raise MalformedError("ATOM-1031", "a lock cannot hold a control character", note=repr(text[:80]))
    return text


def parse(data: bytes, where: str = FILE) -> Lock:
    """Read canonical bytes and nothing else.

    Raises MalformedError: ATOM-1033 for a text that is not exactly what `format` writes, 1031 for parts that do not belong together,
    1032 for a newer format.
    """
    rows = _rows(data, where)
    lock = _sorted(_gather(rows, where))
    _check(lock, where)
    if format(lock) != data:
        raise _edited(where)
    return lock


def _edited(where: str, line: int = 0) -> MalformedError:
    return MalformedError(
        "ATOM-1033",
        "the lock is not in its canonical form",
        where=f"{where}:{line}" if line else where,
        note="it was edited by hand, or a merge left its marks",
        hint=_way_back(where),
    )


def _way_back(where: str) -> str:
    return f"take a version that was committed, or delete '{where or FILE}', and run git atom lock"


def _rows(data: bytes, where: str) -> list[Row]:
    """The records of a text as raw values; strict about every line."""
    if len(data) > MAX_BYTES:
        raise MalformedError("ATOM-1033", "the lock is too large", where=where, note=f"at most {MAX_BYTES} bytes")
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError as error:
        raise _edited(where, data.count(b"\n", 0, error.start) + 1) from error
    _check_format(lines, where)
    return toml_lines.rows(lines[2:], 3, _KINDS, lambda line: _edited(where, line))


def _check_format(lines: list[str], where: str) -> None:
    stated = next((m for m in (re.fullmatch(r"format = ([0-9]{1,9})", line) for line in lines[:50]) if m), None)
    if stated is not None and int(stated[1]) > FORMAT:
        raise MalformedError("ATOM-1032", f"the lock has format {stated[1]}, newer than this program", where=where,
                             note=f"this program reads format {FORMAT}", hint="install a newer git-atom")  # fmt: skip
    if lines[:2] != [HEADER[:-1], f"format = {FORMAT}"]:
        raise _edited(where, 1)


def _gather(rows: list[Row], where: str) -> Lock:
    found: dict[str, list[Any]] = {section: [] for section in _KINDS}
    for section, line, values in rows:
        kind, fields = _KINDS[section]
        if any(key not in [f[0] for f in fields] for key in values):
            raise _edited(where, line)
        arguments = [_value(values.get(key), kind_, required, where, line) for key, kind_, required in fields]
        if section == "toolchains.packages":
            if not found["toolchains"]:
                raise _edited(where, line)
            found["toolchains"][-1].packages.append(kind(*arguments))
        else:
            found[section].append(kind(*arguments) if section != "toolchains" else kind(*arguments, []))
    return Lock(*(tuple(found[section]) for section in Lock._fields))


_LISTS = ("list", "edges", "uses", "asks")
_DEFAULT: dict[str, Any] = {"flag": False} | dict.fromkeys(_LISTS, ())
_TYPES: dict[str, type[Any]] = {"flag": bool, "int": int} | dict.fromkeys(_LISTS, list)


def _value(value: Any, kind: str, required: bool, where: str, line: int) -> Any:
    if value is None:
        if required:
            raise _edited(where, line)
        return _DEFAULT.get(kind, "")
    if type(value) is not _TYPES.get(kind, str):
        raise _edited(where, line)
    try:
        if kind in ("list", "uses"):
            return tuple(value)
        if kind == "asks":
            return tuple(variant.text(variant.parse(text)) for text in value)
        if kind == "edges":
            return tuple(parse_edge(text) for text in value)
        parse_one: Any = {"digest": Digest.parse, "oid": Oid.parse, "version": Version.parse, "edge": parse_edge,
                          "name": lambda text: check_name(text, exact=True)}.get(kind)  # fmt: skip
        return parse_one(value) if parse_one else value
    except AtomError as error:
        error.where = f"{where}:{line}"
        raise


# ---- laws ------------------------------------------------------------------------------------------------------------

R = TypeVar("R")


def _sorted(lock: Lock) -> Lock:
    """Every tuple in its canonical order."""
    return Lock(
        tuple(sorted(s._replace(mirrors=tuple(sorted(set(s.mirrors)))) for s in lock.sets)),
        tuple(sorted(d._replace(uses=tuple(u for u in _USES if u in d.uses) or d.uses) for d in lock.deps)),
        tuple(
            sorted(
                a._replace(
                    build=tuple(sorted(set(a.build))),
                    run=tuple(sorted(set(a.run))),
                    variants=tuple(sorted(set(a.variants))),
                )
                for a in lock.atoms
            )
        ),
        tuple(sorted(lock.pins)),
        tuple(sorted(lock.subs)),
        tuple(sorted(lock.fetches)),
        tuple(
            sorted(
                t._replace(debian=tuple(sorted(set(t.debian))), packages=tuple(sorted(t.packages)))
                for t in lock.toolchains
            )
        ),
        tuple(sorted(lock.variants)),
    )


def _check(lock: Lock, where: str) -> None:
    """Names once each, edges that lead somewhere, sets declared exactly when used; raises MalformedError (ATOM-1031)."""
    problems = [
        _twice("set", [s.anchor for s in lock.sets]),
        _twice("variant", [v.name for v in lock.variants]),
        _twice("dependency", [d.key for d in lock.deps]),
        _twice("atom", [edge_text(a.edge) for a in lock.atoms]),
        _twice("pin", [p.name for p in lock.pins]),
        _twice("sub-atom", [s.name for s in lock.subs]),
        _twice("fetch", [f"{f.name} {f.url}" for f in lock.fetches]),
        _twice("toolchain", [t.platform for t in lock.toolchains]),
    ]
    atoms = {a.edge for a in lock.atoms}
    edges = set(roots(lock)) | {e for a in lock.atoms for e in a.requires}
    problems += [f"nothing is locked for '{edge_text(e)}'" for e in sorted(edges - atoms)[:1]]
    problems += [f"nothing needs '{edge_text(e)}'" for e in sorted(beyond(lock))[:1]]
    declared, used = {str(s.anchor) for s in lock.sets}, sets_in_use(lock.deps, lock.atoms)
    problems += [f"set '{anchor}' is used but not declared, or declared but not used" for anchor in declared ^ used]
    problems += [
        f"atom '{a.name}' has {'no' if a.set else 'a'} commit" for a in lock.atoms if bool(a.set) != bool(a.commit)
    ]
    problems += [
        f"dependency '{d.key}' is for nothing known"
        for d in lock.deps
        if set(d.uses) - set(_USES) or not (d.uses or lock.variants)
    ]
    problems += [
        f"dependency '{d.key}' has {'no' if left else 'a'} version"
        for d in lock.deps
        if bool(d.version) != (left := not (d.uses or d.atom[0]))
    ]
    for problem in filter(None, problems):
        raise MalformedError(
            "ATOM-1031",
            f"the lock does not hold together: {problem}",
            where=where,
            hint=_way_back(where),
        )


def roots(lock: Lock) -> list[Edge]:
    """The edges from the atom that holds the lock: its dependencies and the environment it is built in."""
    return [d.atom for d in lock.deps if d.uses] + [parse_edge(t.environment) for t in lock.toolchains if t.environment]


def sets_in_use(deps: Iterable[LockedDep], atoms: Iterable[LockedAtom]) -> set[str]:
    """The anchors of the sets that a lock's atoms are of, and those that a variant could take something from."""
    return {a.set for a in atoms if a.set} | {d.atom[0] for d in deps if d.atom[0]}


def beyond(lock: Lock) -> set[Edge]:
    """The atoms that no dependency leads to."""
    return {a.edge for a in lock.atoms} - reached(lock, roots(lock))


def reached(lock: Lock, edges: Iterable[Edge]) -> set[Edge]:
    """These edges and all that what they lead to needs."""
    needs = {a.edge: a.requires for a in lock.atoms}
    seen: set[Edge] = set()
    todo = [*edges]
    while todo:
        edge = todo.pop()
        if edge not in seen:
            seen.add(edge)
            todo += needs.get(edge, ())
    return seen


def _twice(what: str, keys: list[str]) -> str:
    ordered = sorted(keys)
    return next((f"{what} '{a}' stands there twice" for a, b in zip(ordered, ordered[1:], strict=False) if a == b), "")
