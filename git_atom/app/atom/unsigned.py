"""eka's published atoms, read only: listed, fetched and shown, and never more than that, since nobody signed them.

Two layouts of refs are known: `refs/eka/atoms/<label>/<version>`, and before it `refs/atoms/<id>/<version>/atom` (or without the last
part). Each points to an orphan commit with an empty identity at the epoch. Locks and builds know sets alone and never see them.
"""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import NamedTuple

from git_atom.app.atom import atoms, sets
from git_atom.app.atom.asking import locate
from git_atom.app.atom.sets import Consent
from git_atom.core import refnames, uri
from git_atom.core.digest import Digest, Oid
from git_atom.core.host import Host
from git_atom.core.name import check_name
from git_atom.core.text import shell
from git_atom.core.tree import tree_digest
from git_atom.core.uri import Uri
from git_atom.core.version import ANY, Version
from git_atom.errors import AtomError, MalformedError, NegativeError, UnavailableError
from git_atom.git import lsrefs, refs, remote
from git_atom.git import repo as repos
from git_atom.git.objects import Objects
from git_atom.git.refs import Change

_LAYOUTS = (re.compile(r"refs/eka/atoms/([^/]+)/([^/]+)"), re.compile(r"refs/atoms/([^/_][^/]*)/([^/]+)(?:/atom)?"))
_COMMIT = re.compile(
    rb"tree ([0-9a-f]{40})\nauthor  <> 0 \+0000\ncommitter  <> 0 \+0000\n"
    rb"(?:origin ([0-9a-f]{40})\nformat pre1\n|src ([0-9a-f]{40})\npath [^\n]*\nformat 1\n)\n(?:publish\((.+)\): (.+)|(.+): (.+))"
)


class Row(NamedTuple):
    """One version that a place offers: its name (eka's label, or the id of the older layout) and the ref it lies under."""

    name: str
    version: Version
    ref: str

    @property
    def state(self) -> str:
        """`unsigned`; `unverified` where the ref alone does not tell eka's from a version of a set whose log is not there."""
        return "unverified" if self.ref.startswith(refnames.ATOMS) and self.ref.count("/") == 3 else "unsigned"


class Unsigned(NamedTuple):
    """An atom that nobody signed, in the store. origin: the commit it says it was made from; tree: digest of its files."""

    name: str
    version: str
    commit: Oid
    origin: Oid
    tree: Digest
    source: str
    manifest: bytes


def listed(host: Host, source: str) -> list[Row]:
    """What a place offers of eka's, names in order, versions ascending; refs that are not of a known form are left out."""
    place = locate(host, source)
    rows: dict[tuple[str, Version], Row] = {}
    for ref in lsrefs.told(place, ["refs/eka/atoms/", refnames.ATOMS], host.environ).refs:
        match = next((m for layout in _LAYOUTS if (m := layout.fullmatch(ref))), None)
        if match is None:
            continue
        try:
            row = Row(check_name(match[1]), Version.parse(match[2]), ref)
        except AtomError:
            continue
        rows.setdefault((row.name, row.version), row)
    return sorted(rows.values(), key=lambda row: (row.name, row.version))


def fetch(host: Host, text: str, *, dry_run: bool = False) -> Unsigned:
    """Bring one version into the store, under `refs/unsigned/`. Raises NegativeError ATOM-8010, MalformedError ATOM-8005."""
    asked = Uri.parse(text)
    place = locate(host, asked.source)
    rows = [row for row in listed(host, asked.source) if row.name == asked.name]
    fit = [row for row in rows if (asked.requirement or ANY).allows(row.version)]
    if not fit:
        raise NegativeError(
            "ATOM-8010",
            f"'{uri.redact(place)}' has no '{text.rpartition('::')[2]}'",
            note=f"it has {', '.join(str(row.version) for row in rows) or 'no such name'}",
            hint=f"git atom list {shell(uri.redact(asked.source))}",
        )
    chosen = fit[-1]
    store = repos.store(host)
    with remote.Incoming(store) as incoming:
        commit = incoming.fetch(place, {chosen.ref: "refs/incoming/unsigned"}, missing_ok=False).get(chosen.ref)
        if commit is None:
            raise atoms.missing(chosen.name, str(chosen.version))
        with Objects(incoming.repo) as objects:
            found = _read(objects, commit, chosen.name, str(chosen.version), place)
        if dry_run:
            return found
        incoming.accept()
    ref = refnames.unsigned(uri.public(place), chosen.name, str(chosen.version))
    refs.update(store, [Change(ref, commit, refs.get(store, ref))], "git atom fetch: unsigned")
    return found


def held(host: Host, text: str) -> Unsigned | None:
    """The newest fitting version that was fetched from a place, read again; None when there is none."""
    asked = Uri.parse(text)
    if not asked.source:
        return None
    store, place = repos.store(host), locate(host, asked.source)
    prefix = refnames.unsigned(uri.public(place), asked.name, "")
    rows = [(Version.parse(ref[len(prefix) :]), oid) for ref, oid in refs.listing(store, prefix)]
    fit = sorted(row for row in rows if (asked.requirement or ANY).allows(row[0]))
    if not fit:
        return None
    with Objects(store) as objects:
        return _read(objects, fit[-1][1], asked.name, str(fit[-1][0]), place)


def fetch_any(
    host: Host, text: str, *, offline: bool, dry_run: bool, consent: Consent | None
) -> atoms.FetchedAtom | Unsigned:
    """`git atom fetch`: an atom of a set, or where a place serves no set one of eka's."""
    with sets.passing_store(host) if dry_run else nullcontext(host) as at:
        try:
            return atoms.fetch(at, text, offline=offline, dry_run=dry_run, consent=consent)
        except UnavailableError as error:
            if error.code != "ATOM-8011" or not listed(at, Uri.parse(text).source):
                raise
        return fetch(at, text, dry_run=dry_run)


def _read(objects: Objects, commit: Oid, name: str, version: str, place: str) -> Unsigned:
    found = objects.read(commit)
    match = _COMMIT.fullmatch(found[2]) if found[1] == "commit" else None
    if match is None or (match[4] or match[6], match[5] or match[7]) != (name.encode(), version.encode()):
        raise MalformedError(
            "ATOM-8005", f"'{uri.redact(place)}' serves something else as '{name} {version}'", note=commit
        )
    tree = Oid(match[1].decode())
    manifest = objects.at(tree, b"atom.toml")
    text = objects.read(manifest[1])[2] if manifest else b""
    origin = Oid((match[2] or match[3]).decode())
    return Unsigned(name, version, found[0], origin, tree_digest(objects.listing(tree)), uri.public(place), text)
