"""What is built already: witnesses of the store under the user's own policy, and the verdicts on them that are remembered.

Hot: a verdict reached before costs one look at the refs and one small file; whatever verifies is imported where it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from git_atom.app import memo
from git_atom.app.world import world
from git_atom.core import canon, refnames
from git_atom.core.digest import Digest, Oid, of_bytes
from git_atom.core.host import Host
from git_atom.core.record import BUILD_TYPE
from git_atom.core.tree import Leaf, decode_listing, encode_listing, tree_digest
from git_atom.errors import AtomError, MalformedError, RefusedError
from git_atom.git import refs
from git_atom.git import repo as repos
from git_atom.git.objects import Objects
from git_atom.git.repo import Repo

if TYPE_CHECKING:
    from git_atom.build.witness import Witness
    from git_atom.core.record import Record


class Built(NamedTuple):
    """One node of a build as told to the user. how: `cached`, `built`, or `shared` (another action came to the same request)."""

    name: str
    version: str
    action: Digest
    output: Digest
    tree: Oid
    files: int
    bytes: int
    declared: int
    read: int
    how: str
    wall_ms: int
    interface: tuple[str, ...]


def policy(host: Host) -> str:
    """A short name of what the user accepts, kind of record and builders; a verdict holds only under the policy it was reached by."""
    keys = sorted(key.digest for key in world.accepted(host))
    return of_bytes("\n".join([BUILD_TYPE, *keys]).encode()).hex[:32]


def find(host: Host, action: Digest) -> Built | None:
    """An acceptable witness of an action, or None. A verdict reached before is remembered under tag and policy.

    Raises RefusedError (ATOM-7022) when accepted witnesses came to different outputs: neither is served.
    """
    return find_all(host, [action]).get(action)


def find_all(host: Host, actions: Sequence[Digest]) -> dict[Digest, Built]:
    """As `find` for several actions with one look at the refs; those without an acceptable witness are left out."""
    repo = repos.store(host)
    rows = refs.listing(repo, *(refnames.builds_of(action) for action in actions)) if actions else []
    found = {}
    for action in actions:
        prefix = refnames.builds_of(action)
        built = _served(host, repo, [row for row in rows if row[0].startswith(prefix)])
        if built is not None:
            found[action] = built
    return found


def _served(host: Host, repo: Repo, rows: Sequence[tuple[str, Oid]]) -> Built | None:
    verdicts = [v for v in (_verdict(host, repo, ref, tag) for ref, tag in rows) if v is not None]
    if len({v.output for v in verdicts}) > 1:
        raise RefusedError("ATOM-7022", "trusted builders disagree about this build, so none of them is believed",
                           note="\n".join(f"{v.output}" for v in verdicts), hint="git build --check")  # fmt: skip
    return verdicts[0] if verdicts else None


def _verdict(host: Host, repo: Repo, ref: str, tag: Oid) -> Built | None:
    path = os.path.join(host.cache, "verdicts", f"{tag}-{policy(host)}")
    known = memo.get_sealed(path)
    if known is not None:
        row = canon.decode(known)
        if row is None:
            return None
        made = Built(**row)
        return made._replace(
            action=Digest(made.action), output=Digest(made.output), tree=Oid(made.tree), interface=tuple(made.interface)
        )
    built = verdict(host, repo, ref, tag)
    memo.put_sealed(path, canon.encode(built._asdict() if built else None))
    return built


def listing(host: Host, built: Built) -> list[Leaf]:
    """The files of an output, from a remembered listing (held against the output's digest) or from the store, digested anew."""
    path = os.path.join(host.cache, "outputs", built.output.hex)
    known = memo.get(path)
    if known is not None:
        try:
            leaves = decode_listing(known)
            if tree_digest(leaves) == built.output:
                return leaves
        except (AtomError, ValueError):
            pass
    with Objects(repos.store(host)) as objects:
        leaves = objects.listing(built.tree)
    if tree_digest(leaves) != built.output:
        raise MalformedError(
            "ATOM-7011", f"the output of '{built.name}' in the store is not what was built", hint="git build --check"
        )
    memo.put(path, encode_listing(leaves))
    return leaves


def verdict(host: Host, repo: Repo, ref: str, tag: Oid) -> Built | None:
    """Verify one witness wholly, its output over the bytes; None (and a word to the user) when it does not hold."""
    from git_atom.build import witness

    with Objects(repo) as objects:
        good, why = witness.accepted(objects, [(ref, tag)], world.accepted(host))
        if not good:
            host.progress.say(f"not served: {why[0]}")
            return None
        return told(host, good[0].record, witness.outputs(objects, good[0].record), "cached")


def interface_lines(host: Host, output: Digest, leaves: Sequence[Leaf]) -> list[str]:
    """A few lines on what an output provides: each library with its number of symbols, each program, and what they load."""
    from git_atom.app.world.interfaces import kept, reader
    from git_atom.interface.manifest import summary

    with Objects(repos.store(host)) as objects:
        return summary(kept(host, leaves, output, reader(objects)))


def told(host: Host, record: Record, leaves: Sequence[Leaf], how: str, *, stored: bool = True) -> Built:
    """What a record says, in the shape commands show; stored: whether the output is in the store, so its interface can be read."""
    lines = interface_lines(host, record.output, leaves) if stored else ()
    return Built(record.name, record.version, record.action, record.output, record.tree, record.files, record.bytes,
                 record.declared, record.read, how, record.wall_ms, tuple(lines))  # fmt: skip


def open_record(host: Host, objects: Objects, action: Digest) -> Witness:
    """The accepted witness of an action, verified now. Raises RefusedError (ATOM-7010) when none holds."""
    from git_atom.build import witness

    rows = refs.listing(objects.repo, refnames.builds_of(action))
    good, why = witness.accepted(objects, rows, world.accepted(host))
    if not good:
        raise RefusedError("ATOM-7010", "no witness of this build can be served", note="\n".join(why[:3]))
    return good[0]
