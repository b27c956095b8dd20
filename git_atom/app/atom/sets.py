"""Sets of atoms: the one of the user's repository, those kept in the store, and which of them the user trusts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

from git_atom.app.atom import forks
from git_atom.app.atom.policies import fresh, note_seen
from git_atom.core import refnames, uri
from git_atom.core.digest import Digest, Oid
from git_atom.core.host import Host
from git_atom.core.text import shell
from git_atom.errors import AtomError, CannotError, NegativeError, RefusedError, UnavailableError
from git_atom.git import config, proc, refs, remote, wire
from git_atom.git import repo as repos
from git_atom.git.digests import TreeDigests
from git_atom.git.objects import Objects
from git_atom.git.refs import Change
from git_atom.git.repo import Repo
from git_atom.git.source import unreachable
from git_atom.trust import log as logs
from git_atom.trust import primitives
from git_atom.trust.log import Log
from git_atom.trust.publickey import parse
from git_atom.trust.verified import Verified

TRUSTED = "atom.trustedAnchor"
_MIRRORS = "atomset"


class Shown(NamedTuple):
    """A set as it is shown to the user before being trusted: anchor, owners' fingerprints, where it was found."""

    anchor: Digest
    owners: tuple[str, ...]
    source: str


Consent = Callable[[Shown], bool]


class OwnSet(NamedTuple):
    """The user's repository with its set, open for reading and publishing."""

    repo: Repo
    objects: Objects
    digests: TreeDigests
    log: Verified[Log]


def digests_of(host: Host, objects: Objects) -> TreeDigests:
    """Tree digests that are remembered in the user's cache."""
    return TreeDigests(objects, os.path.join(host.cache, "trees"))


@contextmanager
def own_set(host: Host, *, afresh: bool = False) -> Iterator[OwnSet]:
    """The set of the repository the user stands in, its log verified (from its founding with `afresh`).

    Raises CannotError ATOM-8006 when it has none, and what `discover` and log verification raise.
    """
    repo = repos.discover(host.cwd, host.environ)
    head = refs.get(repo, refnames.LOG)
    if head is None:
        raise CannotError("ATOM-8006", "this repository has no set of atoms yet", hint="git atom init")
    with Objects(repo) as objects:
        digests = digests_of(host, objects)
        yield OwnSet(repo, objects, digests, verify_own(host, objects, digests, head, afresh=afresh))


def verify_own(host: Host, objects: Objects, digests: TreeDigests, head: Oid, *, afresh: bool = False) -> Verified[Log]:
    """Verify a head of the own log, from the newest head that was verified here before where there is one.

    That head is remembered in the cache; when the log does not continue it (a pending entry was signed anew), all is verified.
    """
    place = os.path.join(host.cache, "heads", objects.repo.git_dir.strip("/").replace("/", "%"))
    known = None if afresh else _known_head(place)
    floor = None
    if known is not None and objects.get(known) is not None:
        floor = logs.remembered(objects, known)
    try:
        log = logs.verify(objects, digests, head, floor=floor)
    except RefusedError:
        if floor is None:
            raise
        log = logs.verify(objects, digests, head)
    digests.remember(log.value.tree)
    if known != head:
        try:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place + ".new", "w", encoding="ascii") as file:
                file.write(head)
            os.replace(place + ".new", place)
        except OSError:
            pass  # a cache that cannot be written is no error
    return log


def _known_head(place: str) -> Oid | None:
    try:
        with open(place, encoding="ascii") as file:
            return Oid.parse(file.read(100))
    except (OSError, ValueError, AtomError):
        return None


@contextmanager
def passing_store(host: Host) -> Iterator[Host]:
    """A host for a dry run: where the user has no store yet, with one that is thrown away, to verify in."""
    path, made = repos.store_is_made(host)
    if made or os.path.dirname(path) != host.data:
        yield host
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="git-atom-") as folder:
        yield host._replace(data=folder)


def trusted(host: Host) -> tuple[Digest, ...]:
    """The anchors the user trusts, from their own and the system's git configuration alone."""
    return tuple(dict.fromkeys(Digest.parse(v, TRUSTED) for v in config.user_only(TRUSTED, host.environ)))


def trust_add(host: Host, anchor: Digest) -> bool:
    """Trust a set from now on; False when it is trusted already."""
    if anchor in trusted(host):
        return False
    config.add_user(TRUSTED, anchor, host.environ)
    return True


def trust_remove(host: Host, anchor: Digest) -> bool:
    """Trust a set no more; False when it was not trusted."""
    return config.remove_user(TRUSTED, anchor, host.environ)


def shown(log: Log, source: str) -> Shown:
    """What a user is shown of a set before trusting it."""
    return Shown(log.anchor, tuple(parse(line).fingerprint for line in log.charter.owners), source)


def require_trust(host: Host, log: Log, source: str, consent: Consent | None) -> None:
    """Go on only with a trusted set, or one the user says yes to now. Raises RefusedError ATOM-3013 with the way to trust it."""
    if log.anchor in trusted(host):
        return
    asked = shown(log, source)
    if consent is not None and consent(asked):
        trust_add(host, log.anchor)
        return
    raise RefusedError(
        "ATOM-3013",
        f"the set at '{source}' is not one you trust",
        note=f"anchor {log.anchor}\n" + "\n".join(f"owner {fingerprint}" for fingerprint in asked.owners),
        hint=f"git atom trust add {log.anchor}",
    )


def stored(host: Host) -> list[tuple[Digest, Oid]]:
    """The sets kept in the store: anchor and newest verified head."""
    rows = refs.listing(repos.store(host), refnames.SETS)
    return [(Digest("blake3:" + ref.split("/")[2]), oid) for ref, oid in rows if ref.count("/") == 3]


def anchor_at(host: Host, source: str) -> Digest | None:
    """The set that a source served when it was fetched last, or None."""
    place = _kept_as(source)
    for anchor, mirrors in known_mirrors(host).items():
        if place in mirrors:
            return anchor
    return None


def known_mirrors(host: Host) -> dict[Digest, list[str]]:
    """Where each stored set was fetched from, without credentials."""
    named: dict[str, list[str]] = {}
    for anchor, source in _mirrors(host):
        named.setdefault(anchor, []).append(_kept_as(source))
    return {anchor: list(dict.fromkeys(named.get(anchor.hex, []))) for anchor, _ in stored(host)}


def other_mirrors(host: Host, anchor: Digest, source: str) -> list[str]:
    """Where a set was fetched from besides this source."""
    return [place for place in known_mirrors(host).get(anchor, []) if place != _kept_as(source)]


def _kept_as(source: str) -> str:
    """A source as the store names it: credentials never reach a file (git's helpers have them when they are needed)."""
    return source if uri.kind(source) == "alias" else uri.public(source)


def _mirrors(host: Host) -> list[tuple[str, str]]:
    """Every mirror that the store has noted, as it stands there, behind the hex digits of its anchor."""
    rows = config.get_matching(repos.store(host), f"^{_MIRRORS}[.].*[.]mirror$")
    return [(key.split(".")[1], source) for key, source in rows]


def remember_mirror(host: Host, anchor: Digest, source: str) -> None:
    """Note in the store that a source serves a set (and no other set any more); credentials that an older version noted go."""
    store, place, rows = repos.store(host), _kept_as(source), _mirrors(host)
    kept = [(other, _kept_as(found)) for other, found in rows if other == anchor.hex or _kept_as(found) != place]
    kept = list(dict.fromkeys([*kept, (anchor.hex, place)]))
    for other, found in kept:
        if (other, found) not in rows:
            proc.check(
                ["git", "config", "--add", f"{_MIRRORS}.{other}.mirror", found], env=store.env, cwd=store.git_dir
            )
    for other, found in dict.fromkeys(rows):
        if (other, found) not in kept:
            key = f"{_MIRRORS}.{other}.mirror"
            proc.check(["git", "config", "--fixed-value", "--unset-all", key, found], env=store.env, cwd=store.git_dir)


def floor_of(store: Repo, objects: Objects, anchor: Digest) -> tuple[Oid | None, Verified[Log] | None]:
    """The newest verified head of a set in the store, below which nobody may take us; `objects` must reach the store's objects."""
    head = refs.get(store, refnames.set_log(anchor))
    return head, (logs.remembered(objects, head) if head else None)


def floor_held(host: Host, repo: Repo, anchor: Digest, head: Oid) -> tuple[Oid | None, bool]:
    """The newest head of a set that a remote accepted, as the store remembers it, and whether a log that ends at `head` in `repo` holds it."""
    floor = refs.get(repos.store(host), refnames.set_log(anchor))
    return floor, floor in (None, head) or (floor is not None and repos.is_ancestor(repo, floor, head))


def hold_floor(host: Host, repo: Repo, anchor: Digest, head: Oid) -> None:
    """The log of a repository at hand must hold everything that a remote accepted, as far as the store remembers it.

    Raises RefusedError ATOM-3011 for one that was turned back, or that others have gone on from.
    """
    floor, held = floor_held(host, repo, anchor, head)
    if floor is None or held:
        return
    name = remote.default(repo) or "<remote>"
    older = repos.is_ancestor(repos.store(host), head, floor)
    raise RefusedError(
        "ATOM-3011",
        f"the log here {'is older than one' if older else 'lacks entries'} that a remote accepted",
        note=f"here {head}, seen {floor}",
        hint=f"git fetch {shell(name)} {refnames.LOG}:{refnames.LOG}"
        if older
        else f"git atom publish --push {shell(name)}",
    )


class Fetched(NamedTuple):
    """A log just fetched: still in quarantine until `incoming.accept()`. old: the store's head before it."""

    incoming: remote.Incoming
    objects: Objects
    log: Verified[Log]
    old: Oid | None
    source: str


@contextmanager
def fetched_log(host: Host, source: str, other: wire.Wire | None = None) -> Iterator[Fetched]:
    """Fetch the log a source serves into the store's quarantine and verify it against what the store remembers of that set.

    other: a connection to the source on which nothing was said yet, where the caller has one. Of the repository at hand, which has a
    remote, only what a remote accepted is taken: entries of its own that are pending may still be signed anew.
    Raises UnavailableError ATOM-2011 (cannot be read) or 8011 (serves no set), and what log verification raises.
    """
    store = repos.store(host)
    own = at_hand(host, source)
    if own is not None and remote.default(own) is not None:
        with _accepted(host, store, own, source) as fetched:
            yield fetched
        return
    known = [known for _, known in stored(host)]

    def meanwhile() -> None:
        objects.keep(known)
        primitives.ready()

    with remote.Incoming(store) as incoming, Objects(incoming.repo) as objects:
        with wire.connected(source, host.environ) if other is None else nullcontext(other) as there:
            head = incoming.fetch_log(source, there, refnames.LOG, known, meanwhile)
        if head is None:
            raise _no_set(source)
        if objects.get(head) is None:
            raise unreachable(source, b"it does not send the head of its log")
        anchor = logs.claimed_anchor(objects, head)
        old, floor = floor_of(store, objects, anchor)
        digests = digests_of(host, objects)
        log = forks.verify(host, objects, digests, head, floor, source, incoming.accept)
        fresh(host, anchor, head, uri.redact(source))
        digests.remember(log.value.tree)
        yield Fetched(incoming, objects, log, old, source)


def at_hand(host: Host, source: str) -> Repo | None:
    """The repository the user stands in, where that is what a source (as `locate` makes it) names, or None."""
    if uri.kind(source) != "path":
        return None
    try:
        repo = repos.discover(host.cwd, host.environ)
    except CannotError:
        return None
    places = (repo.git_dir, *([repo.work_tree] if repo.work_tree else ()))
    return repo if os.path.realpath(source) in map(os.path.realpath, places) else None


@contextmanager
def _accepted(host: Host, store: Repo, own: Repo, source: str) -> Iterator[Fetched]:
    """What remotes accepted of the own log, as the store remembers it. Raises RefusedError ATOM-3011, NegativeError ATOM-8010."""
    head = refs.get(own, refnames.LOG)
    if head is None:
        raise _no_set(source)
    with Objects(own) as objects:
        anchor = logs.claimed_anchor(objects, head)
    hold_floor(host, own, anchor, head)
    with remote.Incoming(store) as incoming, Objects(incoming.repo) as objects:
        old, floor = floor_of(store, objects, anchor)
        if floor is None:
            raise NegativeError(
                "ATOM-8010", "no remote has accepted anything of this set yet",
                hint=f"git atom publish --push {shell(remote.default(own) or '<remote>')}",
            )  # fmt: skip
        yield Fetched(incoming, objects, floor, old, source)


def _no_set(source: str) -> UnavailableError:
    return UnavailableError(
        "ATOM-8011",
        f"'{uri.redact(source)}' serves no set of atoms",
        note=f"it has no '{refnames.LOG}'",
        hint="its owner publishes with git atom init and git atom publish --push",
    )


def keep_log(host: Host, fetched: Fetched, more: list[Change]) -> None:
    """Take a fetched log (and what was fetched with it) into the store: objects, then refs by compare-and-swap."""
    fetched.incoming.accept()
    log = fetched.log.value
    changes = list(more)
    if fetched.old != log.head:
        changes.append(Change(refnames.set_log(log.anchor), log.head, fetched.old))
    refs.update(repos.store(host), changes, "git atom fetch")
    note_seen(host, log.anchor, log.head)
    remember_mirror(host, log.anchor, fetched.source)
