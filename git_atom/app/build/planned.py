"""What a directory's build came to when it was last planned, kept as long as nothing it was planned from has changed.

Hot: with this, `git build` of what is built already reads no manifest and no lock, only the bytes of the files and their digests.
A plan is a function of the files of the directories it names (locks pin all the rest by digest) and of the constants in `_key`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from git_atom.app import memo
from git_atom.build import plan
from git_atom.core.digest import Digest, of_bytes
from git_atom.core.host import Host
from git_atom.git import repo as repos
from git_atom.git import worktree
from git_atom.view.layout import LAYOUT


class Planned(NamedTuple):
    """One node of a graph: the atom's name and version, and its action."""

    name: str
    version: str
    action: Digest


def _key() -> list[object]:
    return [plan.LABEL, "variants", plan.JOBS, LAYOUT, os.uname().machine]


def _path(host: Host, folder: str) -> str:
    return os.path.join(host.cache, "plans", of_bytes(os.fsencode(os.path.realpath(folder))).hex)


def recall(host: Host, folder: str) -> list[Planned] | None:
    """The nodes that building a directory needs, itself last, as they were planned; None when anything has changed since, or never was."""
    known = memo.get_sealed(_path(host, folder))
    if known is None:
        return None
    row = json.loads(known)
    if row["key"] != _key():
        return None
    repo = repos.discover(folder, host.environ)
    if repo.work_tree is None or os.path.realpath(repo.work_tree) != row["top"]:
        return None
    if worktree.digests(repo, list(row["paths"])) != row["paths"]:
        return None
    return [Planned(name, version, Digest(action)) for name, version, action in row["nodes"]]


def remember(host: Host, folder: str, top: str, paths: Mapping[str, Digest], nodes: Sequence[Planned]) -> None:
    """Keep a plan. top: the work tree's real path; paths: every file or directory it was made from, below top, and its digest."""
    row = {"key": _key(), "top": top, "paths": dict(paths), "nodes": [list(node) for node in nodes]}
    memo.put_sealed(_path(host, folder), json.dumps(row, ensure_ascii=True).encode())
