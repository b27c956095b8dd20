"""Keeping the own set and a remote's in step: joining, reconciling when both went on, and pushing all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from git_atom.app.atom import forks
from git_atom.app.atom.policies import note_seen
from git_atom.app.atom.sets import OwnSet, floor_of, remember_mirror
from git_atom.atom import objects as making
from git_atom.atom.objects import Bench, Draft
from git_atom.core import lock as locks
from git_atom.core import refnames, uri
from git_atom.core.digest import Digest, Oid
from git_atom.core.host import Host
from git_atom.core.statements import Entry, Release, read_tag
from git_atom.core.version import Version
from git_atom.errors import ConflictError, UnavailableError
from git_atom.git import config, refs, remote
from git_atom.git import repo as repos
from git_atom.git.digests import TreeDigests
from git_atom.git.objects import Objects
from git_atom.git.refs import Change
from git_atom.git.remote import Update
from git_atom.git.repo import Repo
from git_atom.git.written import write_loose
from git_atom.trust import log as logs
from git_atom.trust.delta import File
from git_atom.trust.keys import user_key
from git_atom.trust.log import Log
from git_atom.trust.objects import split_tag
from git_atom.trust.verified import Verified

_INCOMING = "refs/incoming/log"


def conflict(name: str, version: str, old: Digest, new: Digest) -> ConflictError:
    """The error for other content under a published version."""
    return ConflictError(
        "ATOM-8007",
        f"'{name} {version}' is published with other content",
        note=f"published {old}\nhere      {new}",
        hint="raise the version in atom.toml; a published version never changes",
    )


def keep_own(host: Host, repo: Repo, url: str, *, dry_run: bool = False) -> Log | None:
    """Join the set a remote has: verify its log and, but with `dry_run`, make it the repository's own; None when the remote has none."""
    with remote.Incoming(repo) as incoming:
        head = incoming.fetch(url, {refnames.LOG: _INCOMING}).get(refnames.LOG)
        if head is None:
            return None
        with Objects(incoming.repo) as inside:
            anchor = logs.claimed_anchor(inside, head)
            floor = _floor(host, incoming, inside, anchor)
            log = logs.verify(inside, TreeDigests(inside, None), head, anchor=anchor, floor=floor)
        if dry_run:
            return log.value
        incoming.accept()
    refs.update(repo, [Change(refnames.LOG, head, None)], "git atom init: joined")
    raise_floor(host, repo, log, url)
    return log.value


@contextmanager
def _taking_along(host: Host, repo: Repo, log: Verified[Log]) -> Iterator[Callable[[], None]]:
    """Bring the log into the store while the block runs; what is yielded makes sure of it, and without that the store is what it was."""
    store, head = repos.store(host), log.value.head
    there = repo.object_format != store.object_format or store.git_dir == repo.git_dir
    if there or refs.get(store, refnames.set_log(log.value.anchor)) == head:
        yield lambda: None
        return
    with remote.copying(repo, store, [head]) as copied:
        yield copied


def raise_floor(
    host: Host, repo: Repo, log: Verified[Log], url: str, carried: Callable[[], None] | None = None
) -> None:
    """Remember in the store the newest head a remote accepted: nobody may show an older one from now on.

    carried: brings the log's objects into the store. The store is of one object format; a set in another one is remembered by its own
    repository alone.
    """
    if carried is None:
        with _taking_along(host, repo, log) as carry:
            return raise_floor(host, repo, log, url, carry)
    store = repos.store(host)
    ref = refnames.set_log(log.value.anchor)
    old = refs.get(store, ref)
    if old == log.value.head or repo.object_format != store.object_format:
        return
    carried()
    if old is not None and not repos.is_ancestor(store, old, log.value.head):
        return
    refs.update(store, [Change(ref, log.value.head, old)], "git atom: accepted by a remote")
    note_seen(host, log.value.anchor, log.value.head)
    remember_mirror(host, log.value.anchor, url)


def sync(host: Host, own: OwnSet, url: str, instead: Mapping[str, Version]) -> OwnSet:
    """Bring what the remote's log has and ours has not; where both went on, ours is put on top of theirs and signed anew.

    What another remote accepted counts as this one's where this one has no log yet. instead: the versions that are going to be published;
    of a lower one, published here and by somebody else with other content, theirs stays and ours goes.

    Raises what log verification raises, ConflictError ATOM-8007 when both published one version with different content.
    """
    repo, mine = own.repo, own.log.value
    with remote.Incoming(repo) as incoming:
        head = incoming.fetch(url, {refnames.LOG: _INCOMING}).get(refnames.LOG)
        with Objects(incoming.repo) as inside:
            floor = _floor(host, incoming, inside, mine.anchor)
            if head is None:
                if floor is None or repos.is_ancestor(incoming.repo, floor.value.head, mine.head):
                    return own
                head = floor.value.head
            behind = repos.is_ancestor(incoming.repo, head, mine.head)
            if behind and (floor is None or repos.is_ancestor(incoming.repo, floor.value.head, mine.head)):
                if floor is not None and not repos.is_ancestor(incoming.repo, floor.value.head, head):
                    host.progress.say(
                        f"warning: '{uri.redact(url)}' shows an older log than was seen; it gets what it lacks"
                    )
                return own
            store = repos.store(host)

            def take() -> None:
                remote.copy(incoming.repo, store, [head])

            theirs = forks.verify(host, inside, TreeDigests(inside, None), head, floor, url, take, anchor=mine.anchor)
        incoming.accept()
    ahead = repos.is_ancestor(repo, mine.head, head)
    log = theirs if ahead else _rebase(host, own, theirs, instead)
    refs.update(repo, [Change(refnames.LOG, log.value.head, mine.head)], "git atom: brought up to the remote")
    return own._replace(log=log)


def _floor(host: Host, incoming: remote.Incoming, inside: Objects, anchor: Digest) -> Verified[Log] | None:
    """What the store remembers of the own set, brought into the quarantine where this repository does not have it (another clone has)."""
    store = repos.store(host)
    head = refs.get(store, refnames.set_log(anchor))
    if head is None:
        return None
    evidence = [oid for fork in forks.of(store, anchor) for oid in (fork.seen, fork.shown)]
    if any(inside.get(oid) is None for oid in (head, *evidence)):
        wanted = {refnames.set_log(anchor): "refs/floor/log", refnames.set_forks(anchor): "refs/floor/forks/"}
        incoming.fetch(store.git_dir, wanted)
    return floor_of(store, inside, anchor)[1]


def _rebase(host: Host, own: OwnSet, theirs: Verified[Log], instead: Mapping[str, Version]) -> Verified[Log]:
    """Our entries that they have not, put on top of theirs; tags keep their bytes unless what they name as predecessor changed."""
    objects, mine, base = own.objects, own.log.value, theirs.value
    fork = repos.merge_base(own.repo, mine.head, base.head)
    if fork is None:
        raise ConflictError(
            "ATOM-2010",
            "the remote's log and this repository's have no entry in common",
            hint="git for-each-ref refs/atoms-log/  # and compare with the remote's",
        )
    bench = Bench(own.repo, objects, own.digests, user_key(host, own.repo), config.identity(own.repo))
    draft = Draft(base.anchor, base.head, base.tree, base.seq, base.message)
    changes: list[Change] = []
    for entry, files in logs.steps(objects, mine.head, fork):
        if entry.kind != "publish":
            draft = _carried_statements(bench, draft, entry, files)
            continue
        tags: dict[tuple[str, str], bytes] = {}
        for name, version in entry.items:
            if name in instead and Version.parse(version) < instead[name] and _lost(own, theirs, name, version):
                ref = refnames.atom_ref(name, version)
                host.progress.say(f"warning: '{name} {version}' of this repository goes; the remote has another one")
                changes.append(Change(ref, None, refs.get(own.repo, ref)))
                continue
            if (tag := _carried(bench, own, theirs, draft, name, version)) is not None:
                tags[name, version] = tag
                ref = refnames.atom_ref(name, version)
                changes.append(Change(ref, write_loose(own.repo, "tag", tag), refs.get(own.repo, ref)))
        unclaimed = sorted({n for n, _ in tags if logs.claim_in(objects, draft.tree or base.tree, n) is None})
        draft = making.claim(bench, draft, unclaimed) if unclaimed else draft
        draft = making.publish(bench, draft, tags) if tags else draft
    done = logs.verify(objects, own.digests, draft.head or base.head, floor=theirs)
    refs.update(own.repo, [c for c in changes if c.new != c.old], "git atom publish: after the remote's")
    return done


def _carried_statements(bench: Bench, draft: Draft, entry: Entry, files: Sequence[File]) -> Draft:
    """Our statements once more on top of theirs, bytes unchanged; what they have too is left out.

    Raises ConflictError ATOM-8023 when both made another successor of one charter or claim.
    """
    kept: dict[str, bytes] = {}
    items: list[tuple[str, ...]] = []
    for file in files:
        folder, _, last = file.path.rpartition("/")
        if last != "statement":
            continue
        there = bench.objects.at(draft.tree, file.path.encode()) if draft.tree else None
        if there is None:
            kept |= {f.path: f.data for f in files if f.path.startswith(folder + "/")}
            items.append(_item(entry, folder))
        elif bench.objects.read(there[1])[2] != file.data and not _may_drop(folder):
            raise ConflictError(
                "ATOM-8023",
                f"the remote's log has another '{folder}' than this repository's",
                note="two successors of one charter or claim; the remote's is in force",
                hint="make your change again after git update-ref refs/atoms-log/head <the remote's head>",
            )
    return making.carry(bench, draft, entry._replace(items=tuple(sorted(items))), kept) if kept else draft


def _item(entry: Entry, folder: str) -> tuple[str, ...]:
    """What an entry says of the statement in a folder."""
    parts = folder.split("/")
    if entry.kind == "claim":
        return (parts[2],)
    return (parts[2], parts[4]) if entry.kind == "retract" else entry.items[0]


def _may_drop(folder: str) -> bool:
    """Statements of which the first one there will do: retractions, revocations, first claims (whoever publishes must have its key)."""
    return "/retractions/" in folder or folder.startswith("revocations/") or folder.endswith("/claims/0")


def _lost(own: OwnSet, theirs: Verified[Log], name: str, version: str) -> bool:
    """Whether they published a version of ours with other content."""
    pair = logs.release(own.objects, own.log, name, version), logs.release(own.objects, theirs, name, version)
    return None not in pair and len({held[0].value.tree for held in pair if held}) == 2


def _carried(bench: Bench, own: OwnSet, theirs: Verified[Log], draft: Draft, name: str, version: str) -> bytes | None:
    """The tag of one of our releases as it goes on top of theirs; None when they published the same content."""
    held = logs.release(own.objects, own.log, name, version)
    there = logs.release(own.objects, theirs, name, version)
    if held is None:
        return None
    release: Release = held[0].value
    if there is not None:
        if there[0].value.tree != release.tree:
            raise conflict(name, version, there[0].value.tree, release.tree)
        return None
    base = theirs.value
    previous = logs.newest(own.objects, draft.head or base.head, draft.tree or base.tree, [name])[name]
    return held[1] if previous == release.previous else making.release_tag(release._replace(previous=previous), bench)


def push_set(host: Host, own: OwnSet, url: str) -> bool:
    """Push the own log with the tags and sub-atoms the remote has not, all or nothing; False when the remote moved meanwhile.

    What the remote has is read again afterwards. Raises RefusedError ATOM-2012, UnavailableError ATOM-2011 and ATOM-2017.
    """
    repo = own.repo
    head = refs.get(repo, refnames.LOG)
    log = logs.verify(own.objects, own.digests, head or own.log.value.head, floor=own.log)
    with remote.Incoming(repo) as incoming:
        theirs = incoming.fetch(url, {refnames.LOG: _INCOMING}).get(refnames.LOG)
        if theirs is not None and own.objects.get(theirs) is None:
            return False
    updates = _to_push(own, log.value, theirs)
    with _taking_along(host, repo, log) as carried:
        if theirs != log.value.head and not remote.push(repo, url, updates):
            return False
        now = remote.present(repo, url, [u.ref for u in updates])
        lost = [u.ref for u in updates if now.get(u.ref) != u.new]
        if lost and not (now.get(refnames.LOG) and lost == [refnames.LOG]):
            raise UnavailableError(
                "ATOM-2017",
                f"'{uri.redact(url)}' accepted the push and does not show it",
                note=f"'{lost[0]}' is not what was pushed",
                hint="it is not published; ask whoever runs that server",
            )
        raise_floor(host, repo, log, url, carried)
    return True


def _to_push(own: OwnSet, log: Log, theirs: Oid | None) -> list[Update]:
    """Tags of the versions that the remote's log lacks, the sub-atoms they need, and the log, each from what is expected there."""
    objects = own.objects
    there = objects.commit_tree(theirs) if theirs else None
    files = logs.added(objects, there, log.tree)[0]
    releases = [read_tag(split_tag(f.data)[0]) for f in files if f.path.split("/")[3:4] == ["versions"]]
    commits = [release.commit for release in releases]
    objects.keep(commits)
    heads = [found[2][5:].split(b"\n", 1)[0].decode() for found in objects.many(commits) if found]
    objects.load(Oid(head) for head in heads)
    here = [release for release in releases if objects.get(release.commit) is not None]
    wanted = [refnames.atom_ref(release.name, release.version) for release in here]
    wanted += [refnames.sub_ref(sub) for release in here for sub in _subs(objects, release.commit)]
    updates = {ref: Update(ref, oid, None) for ref, oid in refs.several(own.repo, wanted).items()}
    return [*updates.values(), Update(refnames.LOG, log.head, theirs)]


def _subs(objects: Objects, commit: Oid) -> list[Oid]:
    """The sub-atoms that the lock of an atom names."""
    found = objects.at(objects.commit_tree(commit), locks.FILE.encode())
    return [sub.object for sub in locks.parse(objects.read(found[1])[2]).subs] if found else []
