"""`git compose list`. Hot: it reads refs and commit messages, and loads nothing that is slow."""

from __future__ import annotations

from typing import NamedTuple

from git_atom.compose.head import claimed
from git_atom.core import refnames
from git_atom.core.host import Host
from git_atom.git import refs
from git_atom.git.objects import Objects
from git_atom.git.repo import store


class Row(NamedTuple):
    """One composition of the store as its newest generation's message states it; empty fields when that is damaged."""

    name: str
    root: str
    view: str
    generations: int


def listing(host: Host) -> list[Row]:
    """Every composition of the store, by name. Signatures are not checked here."""
    repo = store(host)
    rows = []
    with Objects(repo) as objects:
        for ref, commit in refs.listing(repo, refnames.COMPOSITIONS):
            name = ref.removeprefix(refnames.COMPOSITIONS)
            head = claimed(objects.read(commit)[2])
            rows.append(Row(name, head.root, head.view, head.sequence + 1) if head else Row(name, "", "", 0))
    return rows
