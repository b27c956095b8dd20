"""`git build verify`: every witness of one action judged anew, signatures first, then the output over its bytes."""

from __future__ import annotations

from typing import NamedTuple

from git_atom.app.build.records import locate
from git_atom.app.world import world
from git_atom.build import witness
from git_atom.core import refnames
from git_atom.core.host import Host
from git_atom.errors import AtomError
from git_atom.git import refs
from git_atom.git import repo as repos
from git_atom.git.objects import Objects


class Judged(NamedTuple):
    """One witness: its ref, whether it holds, its builder and output, or why it does not."""

    ref: str
    good: bool
    builder: str
    output: str
    why: str


def verify(host: Host, text: str) -> list[Judged]:
    """Judge every witness of the action that words name. Raises NegativeError (ATOM-7030) when nothing answers to them."""
    action = locate(host, text)
    keys = world.accepted(host)
    out = []
    with Objects(repos.store(host)) as objects:
        for ref, tag in refs.listing(objects.repo, refnames.builds_of(action)):
            try:
                found = witness.read(objects, ref, tag, keys)
                leaves = witness.outputs(objects, found.record)
                witness.texts(objects, found)
                host.progress.say(f"{ref}: {len(leaves)} files digested")
                out.append(Judged(ref, True, found.record.builder, found.record.output, ""))
            except AtomError as error:
                out.append(Judged(ref, False, "", "", error.what))
    return out
