"""Two logs of one set, each properly signed, of which neither continues the other: refused, kept as evidence, told, and settled.

The evidence is both heads with all they reach, under refs of the store that nothing else moves. Whoever fetches these refs can verify
both logs with nothing but git and a key, or by letting `git atom` meet one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from git_atom.core import refnames, uri
from git_atom.core.digest import Digest, Oid
from git_atom.core.host import Host
from git_atom.core.statements import Release, read_tag
from git_atom.errors import CannotError, RefusedError
from git_atom.git import refs
from git_atom.git import repo as repos
from git_atom.git.digests import TreeDigests
from git_atom.git.objects import Objects
from git_atom.git.refs import Change
from git_atom.git.repo import Repo
from git_atom.trust import log as logs
from git_atom.trust.log import Log
from git_atom.trust.objects import split_tag
from git_atom.trust.verified import Verified


class Fork(NamedTuple):
    """Two heads of one set, as the store keeps them. settled: the one the user decided for, or None."""

    anchor: Digest
    seen: Oid
    shown: Oid
    settled: Oid | None


class Told(NamedTuple):
    """A fork as it is told: number of the last entry that both logs have (-1: none), and of each head's entry."""

    fork: Fork
    after: int
    seen_seq: int
    shown_seq: int


def verify(
    host: Host,
    objects: Objects,
    digests: TreeDigests,
    head: Oid,
    floor: Verified[Log] | None,
    source: str,
    take: Callable[[], None],
    *,
    anchor: Digest | None = None,
) -> Verified[Log]:
    """Verify a log just fetched, against the newest head the store remembers of its set (the only head it may not contradict).

    A log that parts from it and holds by itself is evidence: `take` brings its objects into the store, refs name both heads, and
    nothing else changes. Raises RefusedError ATOM-3019 then; for what does not hold, what log verification raises.
    """
    anchor = anchor or logs.claimed_anchor(objects, head)
    try:
        return logs.verify(objects, digests, head, anchor=anchor, floor=floor)
    except RefusedError as error:
        if error.code == "ATOM-3011":  # which log it is only the caller knows
            error.what = error.what.replace("the log shown", f"the log that '{uri.redact(source)}' shows", 1)
        if error.code != "ATOM-3012" or floor is None:
            raise
    base = repos.merge_base(objects.repo, floor.value.head, head)
    common = logs.remembered(objects, base) if base else None
    other = logs.verify(objects, digests, head, anchor=anchor, floor=common).value
    store = repos.store(host)
    if not any(_between(objects.repo, fork, floor.value.head, head) for fork in of(store, anchor)):
        take()
        pair = (("seen", floor.value.head), ("shown", head))
        changes = [Change(refnames.set_fork(anchor, head, part), oid, None) for part, oid in pair]
        refs.update(store, changes, "git atom: two logs of one set")
    raise RefusedError(
        "ATOM-3019",
        f"'{uri.redact(source)}' shows another log of this set than the one seen before",
        note=f"shown       {other.head} (entry {other.seq})\nseen before {floor.value.head} (entry {floor.value.seq})\n"
        f"both are properly signed, and part after {f'entry {common.value.seq}' if common else 'their anchor'}; both are kept"
        + _disagreement(objects, floor.value, other),
        hint=f"git atom log --forks\nask the set's owners which one is theirs, then git atom trust add {anchor} --head <head>",
    )


def _disagreement(objects: Objects, seen: Log, shown: Log) -> str:
    """The first version that both logs have with different content, with both digests; '' when there is none."""
    for path in sorted(logs.added(objects, seen.tree, shown.tree)[1]):
        parts = path.split("/")
        if len(parts) == 5 and parts[3] == "versions":
            tags = [logs.tag_of(objects, log.tree, parts[2], parts[4]) for log in (seen, shown)]
            trees = [read_tag(split_tag(tag)[0]).tree for tag in tags if tag]
            if len(set(trees)) == 2:
                return (
                    f"\n'{parts[2]} {parts[4]}' is {trees[0]} in the one seen before\nand {trees[1]} in the one shown"
                )
    return ""


def of(store: Repo, anchor: Digest) -> list[Fork]:
    """The forks of a set that the store has evidence of."""
    heads: dict[Oid, dict[str, Oid]] = {}
    for ref, oid in refs.listing(store, refnames.set_forks(anchor)):
        shown, part = ref.split("/")[-2:]
        heads.setdefault(Oid(shown), {})[part] = oid
    return [
        Fork(anchor, held["seen"], held["shown"], held.get("settled"))
        for held in heads.values()
        if "seen" in held and "shown" in held
    ]


def told(objects: Objects, fork: Fork) -> Told:
    """A fork with the numbers of its entries; `objects` is the store's."""
    base = repos.merge_base(objects.repo, fork.seen, fork.shown)
    after = logs.remembered(objects, base).value.seq if base else -1
    seen, shown = (logs.remembered(objects, head).value.seq for head in (fork.seen, fork.shown))
    return Told(fork, after, seen, shown)


def beyond(objects: Objects, fork: Fork, name: str, version: str) -> bool:
    """Whether a version came into the log only after the two logs parted; `objects` is the store's."""
    base = repos.merge_base(objects.repo, fork.seen, fork.shown)
    return base is None or version not in logs.versions(objects, objects.commit_tree(base), name)


def require_before(host: Host, anchor: Digest, release: Release) -> None:
    """A version of a forked set may be used when both logs have it, or the user settled the fork. Raises RefusedError ATOM-3019."""
    store = repos.store(host)
    unsettled = [fork for fork in of(store, anchor) if fork.settled is None]
    if not unsettled:
        return
    with Objects(store) as objects:
        for fork in unsettled:
            if beyond(objects, fork, release.name, release.version):
                raise RefusedError(
                    "ATOM-3019",
                    f"'{release.name} {release.version}' was published after the log of its set parted in two",
                    note=f"heads {fork.seen} and {fork.shown}",
                    hint=f"ask the set's owners which one is theirs, then git atom trust add {anchor} --head <head>",
                )


def settle(host: Host, anchor: Digest, head: Oid, *, dry: bool = False) -> bool:
    """Decide for one of two heads: it, or what was seen to continue it, is followed from now on; the evidence stays.

    False when it was decided so already. Raises CannotError ATOM-8029 when the store has no such fork.
    """
    store = repos.store(host)
    meant = [fork for fork in of(store, anchor) if head in (fork.seen, fork.shown)]
    if not meant:
        raise CannotError(
            "ATOM-8029",
            f"'{head}' is not a head of two logs of that set",
            note=str(anchor),
            hint="git atom log --forks",
        )
    log = refs.get(store, refnames.set_log(anchor))
    changes = [
        Change(refnames.set_fork(anchor, f.shown, "settled"), head, f.settled) for f in meant if f.settled != head
    ]
    if log is not None and not repos.is_ancestor(store, head, log):
        changes.append(Change(refnames.set_log(anchor), head, log))
    if not dry:
        refs.update(store, changes, "git atom trust add --head")
    return bool(changes)


def _between(repo: Repo, fork: Fork, one: Oid, other: Oid) -> bool:
    """Whether two heads stand on the two sides of a fork that is known already."""
    sides = ((fork.seen, fork.shown), (fork.shown, fork.seen))
    return any(_related(repo, left, one) and _related(repo, right, other) for left, right in sides)


def _related(repo: Repo, one: Oid, other: Oid) -> bool:
    return repos.is_ancestor(repo, one, other) or repos.is_ancestor(repo, other, one)
