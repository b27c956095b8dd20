"""`git build plan`: the builds that a manifest stands for, worked out from its text alone."""

from __future__ import annotations

import os
from typing import NamedTuple

from git_atom.app import workdir
from git_atom.app.build.graph import platform
from git_atom.core import manifest as manifests
from git_atom.core.host import Host
from git_atom.core.platform import Platform, Row, matrix


class Plan(NamedTuple):
    """The matrix of one atom. here: the platform of this machine."""

    name: str
    version: str
    rows: tuple[Row, ...]
    here: str


def plan(host: Host, folder: str) -> Plan:
    """The matrix of the atom in a directory; of one that names no platforms, this machine's. Raises CannotError ATOM-8040, MalformedError."""
    place = os.path.normpath(os.path.join(host.cwd, folder))
    _, manifest = workdir.manifest_at(place, os.path.normpath(os.path.join(folder, manifests.FILE)))
    here = platform()
    platforms = manifest.platform or (Platform(here, here, here),)
    return Plan(manifest.name, str(manifest.version), matrix(platforms, manifest.provide), here)
