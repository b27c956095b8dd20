"""`git atom new`: a manifest to start from in a directory, never over one that is there."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

from git_atom.app import workdir
from git_atom.atom import scaffold
from git_atom.core import manifest as manifests
from git_atom.core.host import Host
from git_atom.core.name import check_name
from git_atom.core.text import shell
from git_atom.errors import AtomError, ConflictError, MalformedError, UsageError

SUITE = "bookworm"  # where the machine is not a Debian or does not say


class New(NamedTuple):
    """What was written: the manifest's path and name, and the build system that was guessed."""

    path: str
    name: str
    system: str
    sign: str


def new(host: Host, folder: str, *, name: str = "", kind: str = "package", dry_run: bool = False) -> New:
    """Write a commented manifest into a directory, which is made when it is not there.

    Raises ConflictError ATOM-8049 when there is a manifest, UsageError ATOM-9001 for a type that is none, MalformedError ATOM-1010 for
    a name that is none.
    """
    if kind not in manifests.TYPES:
        raise UsageError("ATOM-9001", f"'{kind}' is no type of atom", hint=f"one of {', '.join(manifests.TYPES)}")
    place = os.path.normpath(os.path.join(host.cwd, folder))
    path = os.path.join(place, manifests.FILE)
    shown = os.path.relpath(path, host.cwd)
    if os.path.lexists(path):
        raise ConflictError("ATOM-8049", f"'{shown}' is there already", hint="edit it, or remove it first")
    try:
        name = check_name(name or os.path.basename(place))
    except MalformedError as error:
        if not name:
            error.hint = f"git atom new {shell(folder)} --id <name>"
        raise
    found = scaffold.guess(lambda sign: os.path.isfile(os.path.join(place, sign)))
    text = scaffold.manifest(name, kind, found, suite(host))
    manifests.parse(text.encode(), shown)
    if not dry_run:
        made = _folders(place)
        try:
            os.makedirs(place, exist_ok=True)
            workdir.write(path, text.encode())
        except BaseException:
            for folder in filter(os.path.isdir, made):
                with suppress(OSError):  # somebody has put something there
                    os.rmdir(folder)
            raise
    return New(shown, name, found.system, found.sign)


def _folders(place: str) -> list[str]:
    """Those of the folders on the way to a place, and it, that are not there; the deepest first."""
    out = []
    while not os.path.lexists(place):
        out.append(place)
        place = os.path.dirname(place)
    return out


def suite(host: Host) -> str:
    """The suite of this machine as a first proposal; the manifest states it from then on."""
    from git_atom.ingest.apt import AptState

    try:
        return AptState(host).suite
    except AtomError:
        return SUITE
