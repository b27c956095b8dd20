"""`git atom init` and `git atom publish`: objects first, then tag refs, the log last, each by compare-and-swap."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

from git_atom.app.atom.sets import (
    OwnSet,
    Shown,
    digests_of,
    own_set,
    passing_store,
    shown,
    stored,
    trust_add,
    verify_own,
)
from git_atom.app.atom.syncing import conflict, keep_own, push_set, sync
from git_atom.atom import objects as making
from git_atom.atom import source as sources
from git_atom.atom.objects import Bench, Draft
from git_atom.atom.source import Source, standing
from git_atom.core import manifest as manifests
from git_atom.core import refnames, uri
from git_atom.core.digest import MODE_TREE, Digest, Oid
from git_atom.core.host import Host
from git_atom.core.lock import Lock
from git_atom.core.name import skeleton
from git_atom.core.statements import Charter, Release, check_directory, read_tag
from git_atom.core.version import Version
from git_atom.errors import AtomError, CannotError, ConflictError, MalformedError, RefusedError
from git_atom.git import config, refs, remote
from git_atom.git import repo as repos
from git_atom.git.objects import Objects
from git_atom.git.refs import Change
from git_atom.git.repo import Repo
from git_atom.git.written import oid_of, one_pack, write_loose
from git_atom.trust import log as logs
from git_atom.trust.keys import Signer, user_key
from git_atom.trust.log import Log
from git_atom.trust.objects import split_tag
from git_atom.trust.publickey import parse
from git_atom.trust.verified import Verified

_TRIES = 8
_LOT = 256  # atoms that are read together
_PLAIN_ID = re.compile(rb"(?m)^[ \t]*id[ \t]*=[ \t]*[\"']([^\"'\\\r\n]*)[\"']")
_FEW = 16  # atoms; the objects of more go into one pack


class Founded(NamedTuple):
    """What `init` did. how: `founded`, `joined` or `already`; trust: whether the anchor was added to the user's own trust."""

    how: str
    set: Shown
    head: Oid
    trust: bool


class Published(NamedTuple):
    """One atom of a publication. how: `published`, or `unchanged` when the same content was published before."""

    how: str
    name: str
    version: str
    path: str
    commit: str
    tree: Digest
    ref: str


class Report(NamedTuple):
    """What `publish` did, or with dry run would do. dirty: paths with uncommitted changes; pushed: where to, or empty."""

    anchor: Digest
    atoms: tuple[Published, ...]
    revision: Oid
    dirty: bool
    pushed: str


class Which(NamedTuple):
    """Which atoms of a revision are meant: these directories, all, or all that differ from an older revision."""

    paths: tuple[str, ...] = ()
    everything: bool = False
    since: str = ""


@contextmanager
def one_at_a_time(repo: Repo, *, dry_run: bool = False) -> Iterator[None]:
    """Hold other publishers on this machine off this repository; the lock dies with its process. A dry run writes nothing and holds nobody off."""
    if dry_run:
        yield
        return
    with open(os.path.join(repo.git_dir, "atoms-publish.lock"), "a", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def init(host: Host, *, dry_run: bool = False) -> Founded:
    """Join the set that the default remote has, or found one. A second call changes nothing.

    With `dry_run` nothing is written; a set that would be founded has neither anchor nor head yet, both are empty.

    Raises CannotError ATOM-2003, 2006, 2007, 3005 and UnavailableError ATOM-2011 when the remote cannot be asked.
    """
    repo = repos.discover(host.cwd, host.environ)
    head = repos.head_commit(repo)
    if repo.object_format != "sha1":
        host.progress.say(
            f"warning: this is a {repo.object_format} repository; the stores of users are sha1 and cannot fetch from it"
        )
    with one_at_a_time(repo, dry_run=dry_run), Objects(repo) as objects:
        digests = digests_of(host, objects)
        old = refs.get(repo, refnames.LOG)
        if old is not None:
            log = verify_own(host, objects, digests, old).value
            trust = not dry_run and _own(host, repo, log.charter, log.anchor)
            return Founded("already", shown(log, "here"), log.head, trust)
        name = remote.default(repo)
        with passing_store(host) if dry_run else nullcontext(host) as at:
            joined = keep_own(at, repo, remote.url_of(repo, name), dry_run=dry_run) if name else None
        if joined is not None and name is not None:
            trust = not dry_run and _own(host, repo, joined.charter, joined.anchor)
            return Founded("joined", shown(joined, uri.redact(name)), joined.head, trust)
        root = repos.root_commit(repo, head)
        signer = user_key(host, repo)
        bench = Bench(repo, objects, digests, signer, config.identity(repo))
        if dry_run:
            return Founded("founded", Shown(Digest(""), (signer.key.fingerprint,), "here"), Oid(""), False)
        charter = Charter(None, secrets.token_hex(32), (signer.public,), None, root, 0, 1)
        draft = making.found(bench, charter)
        verified = logs.verify(objects, digests, _written(draft), anchor=draft.anchor)
        refs.update(repo, [Change(refnames.LOG, verified.value.head, None)], "git atom init")
        digests.remember(verified.value.tree)
        return Founded("founded", shown(verified.value, "here"), verified.value.head, trust_add(host, draft.anchor))


def _own(host: Host, repo: Repo, charter: Charter, anchor: Digest) -> bool:
    """Trust a set that the user's own key owns; whether that was new."""
    try:
        key = user_key(host, repo).key
    except (CannotError, RefusedError):
        return False
    return key in {parse(line) for line in charter.owners} and trust_add(host, anchor)


def publish(
    host: Host,
    which: Which,
    *,
    rev: str = "HEAD",
    push: str = "",
    dry_run: bool = False,
) -> Report:
    """Publish atoms of a committed revision, all or none; with `push`, send them to a remote in one atomic push.

    The same content again changes nothing. Raises ConflictError ATOM-8007 for other content under a published version.
    """
    repo = repos.discover(host.cwd, host.environ)
    commit = repos.commit_of(repo, rev)
    since = repos.commit_of(repo, which.since) if which.since else None
    target = remote.url_of(repo, push) if push else ""
    for attempt in range(_TRIES):
        with one_at_a_time(repo, dry_run=dry_run), own_set(host) as own:
            paths = () if which.everything or since else _paths(host, repo, which.paths)
            if since is not None:
                paths = changed(own.objects, since, commit, _paths(host, repo, which.paths) if which.paths else ())
            unchanged, whole = since is not None and not paths, which.everything and since is None
            found = [] if unchanged else read_sources(host, own, commit, paths, whole)
            if not whole:
                _check_alone(own, commit, found)
            with repos.dirty(repo, [s.path for s in found]) if rev == "HEAD" else nullcontext(lambda: False) as dirty:
                if target and not uri.is_local(target):
                    for one in found:
                        sources.check_places(one)
                if target and not dry_run:
                    own = sync(host, own, target, {one.name: Version.parse(one.version) for one in found})
                try:
                    atoms, log = _publish(host, own, found, dry_run, dirty)
                except ConflictError as error:
                    if error.code != "ATOM-2010" or attempt == _TRIES - 1:
                        raise
                    continue
                done = Report(own.log.value.anchor, atoms, commit, dirty(), uri.redact(push) if not dry_run else "")
            if not target or dry_run or push_set(host, own._replace(log=log), target):
                return done
        time.sleep(0.05 * (attempt + 1) + secrets.randbelow(100) / 1000)
    raise ConflictError(
        "ATOM-2010",
        f"the set at '{uri.redact(push)}' moved each time it was pushed to",
        hint="run the same command again",
    )


def _paths(host: Host, repo: Repo, paths: Sequence[str]) -> list[str]:
    """Directories as the user wrote them, made relative to the root of the repository."""
    top = os.path.realpath(repo.work_tree) if repo.work_tree else ""
    out = []
    for path in paths or ["."]:
        if not top:
            out.append(path.rstrip("/") or ".")
            continue
        inside = os.path.relpath(os.path.realpath(os.path.join(host.cwd, path)), top)
        if inside.split("/")[0] == "..":
            raise CannotError("ATOM-8001", f"'{path}' is outside the repository '{top}'")
        out.append(inside)
    return out


def read_sources(host: Host, own: OwnSet, commit: Oid, paths: Sequence[str], everything: bool) -> list[Source]:
    """The atoms of a revision that are meant, each name once. Raises MalformedError ATOM-8008."""
    root = own.objects.commit_tree(commit)
    chosen = sources.directories(own.objects, root) if everything else list(dict.fromkeys(paths))
    if not chosen:
        raise CannotError(
            "ATOM-8002",
            f"revision {commit[:12]} holds no atom.toml",
            hint="git atom new <dir> && git add <dir> && git commit",
        )
    found: list[Source] = []
    stand = standing(host.cwd, own.repo)
    for at in range(0, len(chosen), _LOT):
        lot = chosen[at : at + _LOT]
        places = own.objects.at_all(
            root, [b"" if path == "." else path.encode(errors="surrogateescape") for path in lot]
        )
        own.objects.warm([(None, place[1]) for place in places if place is not None and place[0] == MODE_TREE])
        found += [sources.read(own.objects, commit, root, path, stand) for path in lot]
        own.objects.cool()
    seen: dict[str, Source] = {}
    for one in found:
        if (other := seen.setdefault(skeleton(one.name), one)) is not one:
            raise _twice(one, other.path, other.name)
    return found


def _twice(one: Source, path: str, name: str) -> MalformedError:
    return MalformedError(
        "ATOM-8008",
        f"'{one.path}' and '{path}' are both named '{one.name}'",
        note="" if one.name == name else f"'{name}' looks like '{one.name}'",
        hint="give one of them another id in its atom.toml",
    )


def _check_alone(own: OwnSet, commit: Oid, found: Sequence[Source]) -> None:
    """A name that is published for the first time belongs to one directory of the revision. Raises MalformedError ATOM-8008."""
    objects = own.objects
    new = [one for one in found if not logs.versions(objects, own.log.value.tree, one.name)]
    if not new:
        return  # where the last version came from is asked by `_check_moved`
    root, ours = objects.commit_tree(commit), {one.path for one in found}
    others = [path for path in sources.directories(objects, root) if path not in ours]
    files = [manifests.FILE if path == "." else f"{path}/{manifests.FILE}" for path in others]
    places = objects.at_all(root, [file.encode(errors="surrogateescape") for file in files])
    blobs = list(objects.many([place[1] for place in places if place is not None]))
    looks = {skeleton(one.name): one for one in new}
    for path, file, blob in zip(others, files, blobs, strict=True):
        data = blob[2] if blob else b""
        plain = _PLAIN_ID.findall(data)  # most need no more than a look
        if plain and not any(skeleton(text.decode(errors="replace")) in looks for text in plain):
            continue
        try:
            name = manifests.parse(data, file).name
        except AtomError:
            continue  # whatever is there, it is no atom
        one = looks.get(skeleton(name))
        if one is not None and (one.name == name or logs.claim_of(objects, own.log.value, name) is None):
            raise _twice(one, path, name)  # who only looks like a claimed name is told of that


def _check_moved(own: OwnSet, root: Oid, one: Source) -> None:
    """A directory may move from one version to the next; where the last one came from there must be no atom of that name any more."""
    known = logs.versions(own.objects, own.log.value.tree, one.name)
    held = logs.release(own.objects, own.log, one.name, max(known, key=Version.parse)) if known else None
    path = held[0].value.path if held else one.path
    if path == one.path:
        return
    inside = manifests.FILE if path == "." else f"{path}/{manifests.FILE}"
    found = own.objects.at(root, inside.encode(errors="surrogateescape"))
    try:
        other = manifests.parse(own.objects.read(found[1])[2], inside).name if found else ""
    except AtomError:
        return  # whatever is there now, it is no atom
    if other == one.name:
        raise _twice(one, path, other)


def changed(objects: Objects, since: Oid, commit: Oid, below: Sequence[str]) -> list[str]:
    """Directories of atoms in a revision whose tree is not what it was in another one; `below` keeps those in these directories.

    Trees are compared by their ids, so an atom that only moved is one that changed.
    """
    root, old = objects.commit_tree(commit), objects.commit_tree(since)
    found = []
    for path in sources.directories(objects, root):
        if below and not any(path == d or d == "." or path.startswith(d + "/") for d in below):
            continue
        at = b"" if path == "." else path.encode(errors="surrogateescape")
        if objects.at(root, at) != objects.at(old, at):
            found.append(path)
    return found


def _publish(
    host: Host, own: OwnSet, found: Sequence[Source], dry_run: bool, dirty: Callable[[], bool]
) -> tuple[tuple[Published, ...], Verified[Log]]:
    """Publish into the own repository, and the log after it; every check comes before the first object is written."""
    log, after = own.log.value, own.log
    done: dict[str, Published] = {}
    fresh: list[Source] = []
    repair: list[Change] = []
    present = refs.several(own.repo, [refnames.atom_ref(one.name, one.version) for one in found])
    logs.ahead(own.objects, log.tree, [(one.name, one.version) for one in found])
    for one in found:
        held = logs.release(own.objects, own.log, one.name, one.version)
        if held is None:
            fresh.append(one)
            continue
        release, tag = held[0].value, held[1]
        if release.tree != one.digest:
            raise conflict(one.name, one.version, release.tree, one.digest)
        ref = refnames.atom_ref(one.name, one.version)
        done[one.name] = _row("unchanged", release, ref)
        repair += [] if dry_run else _repaired(own.repo, present.get(ref), ref, tag, release, one.tree)
    roots = {commit: own.objects.commit_tree(commit) for commit in {one.commit for one in fresh}}
    for one in fresh:
        root = roots[one.commit]
        _check_moved(own, root, one)
        sources.check_lock(one)
        _check_lock(own, one, fresh)
        sources.check_subs(own.objects, root, one)
        sources.check_public(one)
    _check_others(host, fresh)
    if repair:
        refs.update(own.repo, repair, "git atom publish: repaired from the log")
    if fresh:
        releases, after = _write(host, own, fresh, dry_run, dirty)
        done |= {r.name: _row("published", r, refnames.atom_ref(r.name, r.version)) for r in releases}
    own.digests.remember(log.tree)
    return tuple(done[one.name] for one in found), after


def _row(how: str, release: Release, ref: str) -> Published:
    return Published(how, release.name, release.version, release.path, release.commit, release.tree, ref)


def _repaired(repo: Repo, now: Oid | None, ref: str, tag: bytes, release: Release, tree: Oid) -> list[Change]:
    """What puts a version's ref back to the tag that the log holds; its commit is the same wherever it is made."""
    want = oid_of("tag", tag, repo.object_format)
    if now == want:
        return []
    made = making.atom_commit(tree, release.id, release.origin, release.path, release.name, release.version)
    if write_loose(repo, "commit", made) != release.commit:
        return []  # another tree object of the same content: left to whoever has it
    return [Change(ref, write_loose(repo, "tag", tag), now)]


def _check_lock(own: OwnSet, one: Source, fresh: Sequence[Source]) -> None:
    """What an atom needs of its own set must be published, or be published now, with the very content its lock names."""
    lock = one.lock or Lock()
    left = [
        (d.atom[1], d.version, None) for d in lock.deps if d.version
    ]  # candidates that whoever depends on it may take
    for name, version, tree in [*((a.name, a.version, a.tree) for a in lock.atoms if not a.set), *left]:
        held = logs.release(own.objects, own.log, name, str(version))
        trees = (
            [held[0].value.tree] if held else [s.digest for s in fresh if (s.name, s.version) == (name, str(version))]
        )
        where = "atom.lock" if one.path == "." else f"{one.path}/atom.lock"
        if not trees:
            raise CannotError(
                "ATOM-8009",
                f"'{one.name}' needs '{name} {version}', which is not published",
                where=where,
                hint="git atom publish --all  # or publish that one first",
            )
        if tree is not None and tree not in trees:
            raise ConflictError(
                "ATOM-8016",
                f"'{one.name}' is locked to other content of '{name} {version}' than the published",
                where=where,
                note=f"locked    {tree}\npublished {trees[0]}",
                hint=f"raise the version of '{name}', or undo its change; then git atom lock",
            )


def _check_others(host: Host, fresh: Sequence[Source]) -> None:
    """What atoms need of other sets must be what those published, as far as the store has their logs; the network is not asked.

    Raises MalformedError ATOM-8050.
    """
    rows = {
        (Digest(a.set), a.name, str(a.version), a.tree): one
        for one in fresh
        for a in (one.lock or Lock()).atoms
        if a.set
    }
    if not rows or not repos.store_is_made(host)[1]:
        return
    heads = dict(stored(host))
    with Objects(repos.store(host)) as objects:
        trees = {anchor: objects.commit_tree(heads[anchor]) for anchor, *_ in rows if anchor in heads}
        for (anchor, name, version, tree), one in rows.items():
            log = trees.get(anchor)
            if log is None or version not in logs.versions(objects, log, name):
                continue  # the log that the lock was made from may be newer
            held = read_tag(split_tag(logs.tag_of(objects, log, name, version))[0])
            if held.tree != tree:
                raise MalformedError(
                    "ATOM-8050",
                    f"'{name} {version}' is not what the lock of '{one.name}' names",
                    where="atom.lock" if one.path == "." else f"{one.path}/atom.lock",
                    note=f"locked    {tree}\npublished {held.tree}",
                    hint="the lock was edited; take a version of it that was committed before",
                )


def _write(
    host: Host, own: OwnSet, fresh: Sequence[Source], dry_run: bool, dirty: Callable[[], bool]
) -> tuple[list[Release], Verified[Log]]:
    repo = own.repo
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    person = config.identity(repo)
    if dry_run:
        return [_release(own, one, now, before) for one, before in _with_newest(own, fresh)], own.log
    with one_pack(repo) if len(fresh) > _FEW else nullcontext():
        return _written_releases(host, own, fresh, now, person, dirty)


def _with_newest(own: OwnSet, fresh: Sequence[Source]) -> list[tuple[Source, str | None]]:
    newest = logs.newest(own.objects, own.log.value.head, own.log.value.tree, [one.name for one in fresh])
    return [(one, newest[one.name]) for one in fresh]


def _written_releases(
    host: Host, own: OwnSet, fresh: Sequence[Source], now: str, person: str, dirty: Callable[[], bool]
) -> tuple[list[Release], Verified[Log]]:
    repo, log = own.repo, own.log.value
    releases = [_release(own, one, now, before) for one, before in _with_newest(own, fresh)]
    bench = Bench(repo, own.objects, own.digests, user_key(host, repo), person)
    _check_may_publish(own, bench.signer, releases)
    for one, r in zip(fresh, releases, strict=True):
        write_loose(repo, "commit", making.atom_commit(one.tree, r.id, r.origin, r.path, r.name, r.version))
    subs = [_sub(repo, own.objects, sub.object) for one in fresh for sub in (one.lock or Lock()).subs]
    tags = {(r.name, r.version): making.release_tag(r, bench) for r in releases}
    head = extend(bench, own, tags)
    named = {refnames.atom_ref(*pair): tag for pair, tag in tags.items()}
    there = refs.several(repo, list(named))
    changes = [Change(ref, write_loose(repo, "tag", tag), there.get(ref)) for ref, tag in named.items()]
    changes = list({c.ref: c for c in subs if c.old != c.new}.values()) + changes
    with refs.prepared(repo, changes, "git atom publish") as move:
        verified = logs.verify(own.objects, own.digests, head, floor=own.log, brings=2 * len(fresh))
        dirty()  # a work tree that cannot be looked at is told of before anything is named
        move()
    refs.update(repo, [Change(refnames.LOG, verified.value.head, log.head)], "git atom publish")
    own.digests.remember(verified.value.tree)
    return releases, verified


def _release(own: OwnSet, one: Source, now: str, previous: str | None) -> Release:
    log = own.log.value
    check_directory(one.path)
    identifier = making.identifier(log.charter, one.name)
    raw = making.atom_commit(one.tree, identifier, one.commit, one.path, one.name, one.version)
    commit = oid_of("commit", raw, own.repo.object_format)
    return Release(
        log.anchor, commit, identifier, one.manifest_digest, one.name, one.commit, one.path,
        previous, now, one.digest, one.version,
    )  # fmt: skip


def _check_may_publish(own: OwnSet, signer: Signer, releases: Sequence[Release]) -> None:
    """Say by name what the user's key may not do, before anything is written."""
    log = own.log.value
    owners = {parse(line) for line in log.charter.owners}
    unclaimed = []
    for release in releases:
        claim = logs.claim_of(own.objects, log, release.name)
        named = owners if claim is None else {parse(line) for line in claim.keys}
        allowed = {key for key in named if key.digest.hex not in log.revoked}
        if signer.key not in allowed:
            what = "claim" if claim is None else "publish"
            raise RefusedError(
                "ATOM-8017",
                f"your key may not {what} '{release.name}' in this set",
                note=f"your key {signer.fingerprint}\n"
                + "\n".join(f"allowed  {k.fingerprint}" for k in sorted(allowed)),
                hint="sign with an allowed key (user.signingKey), or ask an owner of the set",
            )
        if claim is None:
            unclaimed.append(release.name)
    _check_unclaimed(own, unclaimed)


def _check_unclaimed(own: OwnSet, names: Sequence[str]) -> None:
    """Names that this publication would claim on the way: only by one owner's word, and only when they look like no other."""
    log = own.log.value
    if names and log.charter.threshold > 1:
        raise RefusedError(
            "ATOM-8026",
            f"'{names[0]}' is not claimed in this set",
            note=f"a claim needs the signatures of {log.charter.threshold} owners",
            hint=f"git atom claim {names[0]}",
        )
    looks = {skeleton(other): other for other in logs.names(own.objects, log.tree)} if names else {}
    for name in names:
        if (other := looks.get(skeleton(name), name)) != name:
            raise look_alike(name, other)


def look_alike(name: str, other: str) -> ConflictError:
    """The error for a name that people could take for a claimed one."""
    return ConflictError(
        "ATOM-8021",
        f"name '{name}' looks like '{other}', which is claimed in this set",
        note="case, '-' and '_', and letters that look alike tell no names apart",
        hint="choose another name",
    )


def _sub(repo: Repo, objects: Objects, thing: Oid) -> Change:
    kind = objects.read(thing)[1]
    ref = refnames.sub_ref(thing)
    return Change(ref, making.sub_commit(repo, thing, kind), refs.get(repo, ref))


def extend(bench: Bench, own: OwnSet, tags: dict[tuple[str, str], bytes]) -> Oid:
    """Write the entries that bring these releases: a claim of the names that have none, then the publication."""
    log = own.log.value
    draft = Draft(log.anchor, log.head, log.tree, log.seq, log.message)
    unclaimed = sorted({name for name, _ in tags if logs.claim_of(own.objects, log, name) is None})
    if unclaimed:
        draft = making.claim(bench, draft, unclaimed)
    return _written(making.publish(bench, draft, tags))


def _written(draft: Draft) -> Oid:
    if draft.head is None:
        raise CannotError("ATOM-8006", "this repository has no set of atoms yet", hint="git atom init")
    return draft.head
