"""Atoms of other people's sets: finding versions, fetching into the user's store, and using what is there without a network.

Nothing is named by a ref of the store before it is verified: log, release, atom commit, and the tree digest over the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from git_atom.app.atom import policies, sets
from git_atom.app.atom.asking import locate
from git_atom.app.atom.sets import Consent
from git_atom.atom.objects import check_commit, sub_content
from git_atom.core import refnames, uri
from git_atom.core.digest import Digest, Oid, of_bytes
from git_atom.core.host import Host
from git_atom.core.statements import Release, read_tag
from git_atom.core.text import shell
from git_atom.core.tree import Leaf, tree_digest
from git_atom.core.version import ANY, Requirement, Version
from git_atom.errors import AtomError, MalformedError, NegativeError, RefusedError, UnavailableError
from git_atom.git import refs, remote
from git_atom.git import repo as repos
from git_atom.git.objects import Objects
from git_atom.git.refs import Change
from git_atom.git.repo import Repo
from git_atom.git.wire import Wire
from git_atom.git.written import oid_of, write_loose
from git_atom.trust import log as logs
from git_atom.trust.log import Log
from git_atom.trust.objects import split_tag
from git_atom.trust.verified import Verified

if TYPE_CHECKING:
    from git_atom.core import lock as locks


class FetchedAtom(NamedTuple):
    """A verified atom in the user's store. log_head: the head its selection was made from; mirrors: where its set was fetched from."""

    anchor: Digest
    name: str
    version: Version
    commit: Oid
    tree: Digest
    tree_oid: Oid
    log_head: Oid
    mirrors: tuple[str, ...]
    release: Release


class Offered(NamedTuple):
    """One version that a set offers. retracted, young: it is not to be chosen anew, by its publisher or by the user's minimum age."""

    anchor: Digest
    log_head: Oid
    name: str
    version: Version
    retracted: bool = False
    young: bool = False

    @property
    def state(self) -> str:
        """Why it is not to be chosen anew, in a word; empty when it may be."""
        return "retracted" if self.retracted else "new" if self.young else ""


def versions_of(host: Host, source: str, *, consent: Consent | None = None) -> list[Offered]:
    """Every version in the set that a source serves, verified, names in order, versions ascending; the store remembers the log.

    Raises RefusedError ATOM-3013 when the user does not trust the set, UnavailableError when the source cannot be read.
    """
    place = locate(host, source)
    with sets.fetched_log(host, place) as fetched:
        sets.require_trust(host, fetched.log.value, uri.redact(place), consent)
        offered = _offered(host, fetched.objects, fetched.log.value)
        sets.keep_log(host, fetched, [])
    return offered


def peek(host: Host, source: str, name: str, other: Wire) -> tuple[list[Offered], sets.Shown, bool]:
    """As versions_of (of one name, if one is given) without asking for trust: versions, the set as shown, whether it is trusted.

    other: a connection to the source on which nothing was said yet.
    The store keeps the log of a trusted set, so that the next look costs what is new; of any other set nothing is kept.
    """
    place = locate(host, source)
    if sets.at_hand(host, place) is not None:  # with what is pending, of which nothing is kept
        with sets.own_set(host) as own:
            rows = _offered(host, own.objects, own.log.value, name)
            return rows, sets.shown(own.log.value, uri.redact(place)), own.log.value.anchor in sets.trusted(host)
    with sets.fetched_log(host, place, other) as fetched:
        log = fetched.log.value
        trusted = log.anchor in sets.trusted(host)
        offered = _offered(host, fetched.objects, log, name)
        if trusted and fetched.old != log.head:
            sets.keep_log(host, fetched, [])
        return offered, sets.shown(log, uri.redact(place)), trusted


def _offered(host: Host, objects: Objects, log: Log, only: str = "") -> list[Offered]:
    minimum = policies.policy_of(host, log.anchor).minimum_age
    ages = policies.Ages(host, objects, log.anchor, minimum)
    rows = []
    for name in [only] if only else logs.names(objects, log.tree):
        gone = logs.retracted(objects, log.tree, name)
        for text in logs.versions(objects, log.tree, name):
            young = bool(minimum) and ages.young(name, text, logs.stated_time(objects, log.tree, name, text))
            rows.append(Offered(log.anchor, log.head, name, Version.parse(text), text in gone, young))
    return sorted(rows, key=lambda row: (row.name, row.version))


def choose(offered: list[Offered], name: str, wanted: Requirement | Version | None, source: str) -> Offered:
    """The newest version that will do; a retracted or too new one only when it is asked for as a Version, as a lock does.

    Raises NegativeError ATOM-8010 naming what there is, RefusedError ATOM-3017 when the user's minimum age alone stands in the way.
    """
    rows = [row for row in offered if row.name == name]
    if isinstance(wanted, Version):
        fit = [row for row in rows if row.version == wanted]
    else:
        fit = [row for row in rows if (wanted or ANY).allows(row.version) and not row.state]
    if fit:
        return fit[-1]
    if not rows:
        import difflib

        known = sorted({row.name for row in offered})
        near = difflib.get_close_matches(name, known, n=1)
        raise NegativeError(
            "ATOM-8010",
            f"'{source}' has no atom '{name}'",
            note=f"it has {', '.join(known[:20]) or 'none'}",
            hint=f"did you mean '{near[0]}'?" if near else f"git atom list {shell(source)}",
        )
    free = ANY if wanted is None else wanted
    young = (
        [] if isinstance(free, Version) else [r for r in rows if r.young and not r.retracted and free.allows(r.version)]
    )
    if young:
        raise RefusedError(
            "ATOM-3017",
            f"'{name}' has no version that satisfies '{wanted or '*'}' and is old enough",
            note=f"atom.{policies.MINIMUM_AGE} holds back {', '.join(str(row.version) for row in young[-20:])}",
            hint=f"git config --show-origin --get-regexp '^atom[.].*{policies.MINIMUM_AGE.lower()}$'",
        )
    early = not wanted and any(row.version.prerelease for row in rows)
    raise NegativeError(
        "ATOM-8010",
        f"'{source}' has no version of '{name}' that satisfies '{wanted or '*'}'",
        note=f"it has {', '.join(told(row) for row in rows[-20:])}",
        hint="a pre-release is taken only when the requirement names one"
        if early
        else f"git atom list {shell(source)}",
    )


def told(row: Offered) -> str:
    """A version as it is shown, with why it is not to be chosen."""
    return f"{row.version} ({row.state})" if row.state else str(row.version)


def fetch_atom(
    host: Host,
    source: str,
    name: str,
    wanted: Requirement | Version | None = None,
    *,
    offline: bool = False,
    dry_run: bool = False,
    consent: Consent | None = None,
    anchor: Digest | None = None,
) -> FetchedAtom:
    """Bring one atom into the user's store, verified, or find it there; `offline` looks into the store alone.

    With `dry_run` all is fetched and verified as it would be, beside the store, and thrown away.

    `source` is a URL, path or alias; `anchor`: the set it must serve, when that is known. An exact version that is in the store already is taken without asking the source.
    Raises what versions_of and choose raise; UnavailableError ATOM-8018 when it is not in the store and may not be fetched.
    """
    place = locate(host, source)
    held = anchor or sets.anchor_at(host, place)
    if held is not None and (offline or isinstance(wanted, Version)):
        found = stored_atom(host, held, name, wanted, place)
        if found is not None:
            return found
    if offline:
        raise UnavailableError(
            "ATOM-8018",
            f"'{name}' of '{uri.redact(place)}' is not in the store",
            hint=f"git atom fetch {shell(f'{uri.redact(source)}::{name}')}",
        )
    with sets.fetched_log(host, place) as fetched:
        if anchor is not None and fetched.log.value.anchor != anchor:
            raise RefusedError(
                "ATOM-8702",
                f"'{uri.redact(place)}' serves another set than the one it was known for",
                note=f"known  {anchor}\nserved {fetched.log.value.anchor}",
                hint="ask its owner",
            )
        sets.require_trust(host, fetched.log.value, uri.redact(place), consent)
        picked = choose(_offered(host, fetched.objects, fetched.log.value), name, wanted, uri.redact(place))
        return _bring(host, fetched, picked, dry_run)


def _bring(host: Host, fetched: sets.Fetched, picked: Offered, dry_run: bool) -> FetchedAtom:
    """Fetch the atom commit (and the sub-atoms its lock names) beside the log, verify, then take all of it into the store."""
    store, log = repos.store(host), fetched.log.value
    name, version = picked.name, str(picked.version)
    held = logs.release(fetched.objects, fetched.log, name, version)
    if held is None:
        raise missing(name, version)
    release, tag = held[0].value, held[1]
    policies.warned(host, fetched.objects, log, release)
    host.progress.say(f"{'would fetch' if dry_run else 'fetching'} {name} {version} from {uri.redact(fetched.source)}")
    if fetched.objects.get(release.commit) is None:
        theirs = refnames.atom_ref(name, version)
        shown = fetched.incoming.fetch(fetched.source, {theirs: "refs/incoming/atom/it"}).get(theirs)
        check_shown(fetched.objects, shown, release, tag, fetched.source)
    tree = check_content(fetched.objects, release)
    ref = refnames.set_atom(log.anchor, name, version)
    tag_oid = oid_of("tag", tag, store.object_format)
    changes = [*_bring_subs(store, fetched, log.anchor, tree)]
    if (old := refs.get(store, ref)) != tag_oid:
        changes.append(Change(ref, tag_oid, old))
    if not dry_run:
        fetched.incoming.accept()
        write_loose(store, "tag", tag)
        sets.keep_log(host, fetched, changes)
    mirrors = tuple(sets.known_mirrors(host).get(log.anchor, [uri.public(fetched.source)]))
    return FetchedAtom(
        log.anchor, name, picked.version, release.commit, release.tree, tree, log.head, mirrors, release
    )  # fmt: skip


def _bring_subs(store: Repo, fetched: sets.Fetched, anchor: Digest, tree: Oid) -> list[Change]:
    subs = lock_of(fetched.objects, tree).subs
    absent = {refnames.sub_ref(s.object): f"refs/incoming/subs/{s.object}" for s in subs}
    found = fetched.incoming.fetch(fetched.source, absent) if absent else {}
    changes = []
    for sub in subs:
        commit = found.get(refnames.sub_ref(sub.object))
        if commit is None:
            raise missing(f"sub-atom {sub.object}", "")
        check_sub(fetched.objects, commit, sub)
        ref = refnames.set_sub(anchor, sub.object)
        if (old := refs.get(store, ref)) != commit:
            changes.append(Change(ref, commit, old))
    return changes


def check_sub(objects: Objects, commit: Oid, sub: locks.LockedSub) -> None:
    """A sub-atom's commit must hold what the lock names, by id and by digest. Raises MalformedError ATOM-8005 or 8012."""
    kind, thing = sub_content(objects, commit, sub.object)
    digest = tree_digest(objects.listing(thing)) if kind == "tree" else of_bytes(objects.read(thing)[2])
    if digest != sub.tree:
        raise MalformedError(
            "ATOM-8012", f"sub-atom '{sub.name}' is not what the lock names", note=f"locked {sub.tree}\nfound  {digest}"
        )


def lock_of(objects: Objects, tree: Oid) -> locks.Lock:
    """The lock in an atom's tree; an empty one when there is none."""
    from git_atom.core import lock as locks  # here: who looks for versions reads none

    found = objects.at(tree, locks.FILE.encode())
    return locks.parse(objects.read(found[1])[2]) if found else locks.EMPTY


def missing(name: str, version: str) -> UnavailableError:
    """The error for something the log names and the repository at hand does not have."""
    return UnavailableError(
        "ATOM-8018",
        f"'{f'{name} {version}'.strip()}' is in the log and its content is not here",
        note="another place of its set may have it",
        hint=f"git atom fetch {shell(f'<url>::{name}@={version}')}" if " " not in name else "git atom fsck",
    )


def check_shown(objects: Objects, shown: Oid | None, release: Release, tag: bytes, source: str) -> None:
    """What a place serves as a version must be the tag that the log holds, or nothing. Raises RefusedError ATOM-8019 with both digests."""
    if shown is None or shown == oid_of("tag", tag, objects.repo.object_format):
        return
    found = objects.get(shown)
    try:
        tree = str(read_tag(split_tag(found[2])[0]).tree) if found and found[1] == "tag" else ""
    except AtomError:
        tree = ""
    raise RefusedError(
        "ATOM-8019",
        f"'{uri.redact(source)}' serves something else as '{release.name} {release.version}' than the log of its set holds",
        note=f"signed {release.tree}\nserved {tree or f'{shown}, which is no release'}",
        hint="ask whoever serves it; git atom fetch from another place",
    )


def fetch_anywhere(
    host: Host,
    anchor: Digest,
    places: Sequence[str],
    name: str,
    wanted: Requirement | Version | None,
    consent: Consent | None = None,
    *,
    dry_run: bool = False,
) -> FetchedAtom | None:
    """An atom of one set from the first place that has it, each that is dead or lags behind only told of; None when no place has it.

    Raises for a place that lies: RefusedError ATOM-8702 (another set), ATOM-3019 (another log), ATOM-8019 (another atom).
    """
    for place in places:
        try:
            return fetch_atom(host, place, name, wanted, dry_run=dry_run, consent=consent, anchor=anchor)
        except AtomError as error:
            if not isinstance(error, UnavailableError) and error.code != "ATOM-3011":
                raise
            host.progress.say(f"warning: '{uri.redact(place)}': {error.what}")
    return None


def check_content(objects: Objects, release: Release) -> Oid:
    """The tree of a release's atom commit, its digest taken over the bytes now. Raises MalformedError ATOM-8005, 8012, ATOM-8018."""
    found = objects.get(release.commit)
    if found is None:
        raise missing(release.name, release.version)
    tree = check_commit(found[2], release)
    digest = tree_digest(objects.listing(tree))
    if digest != release.tree:
        raise MalformedError(
            "ATOM-8012",
            f"the content of '{release.name} {release.version}' is not what its tag says",
            note=f"signed {release.tree}\nfound  {digest}",
        )
    return tree


def stored_atom(
    host: Host, anchor: Digest, name: str, wanted: Requirement | Version | None, source: str = ""
) -> FetchedAtom | None:
    """The newest fitting version of an atom whose content the store has, verified again over its bytes; None when there is none."""
    store = repos.store(host)
    prefix = refnames.set_atom(anchor, name, "")
    here = sorted(Version.parse(ref[len(prefix) :]) for ref, _ in refs.listing(store, prefix))
    with Objects(store) as objects:
        head, log = sets.floor_of(store, objects, anchor)
        if head is None or log is None:
            return None
        gone = logs.retracted(objects, log.value.tree, name) if not isinstance(wanted, Version) else frozenset()
        fit = [v for v in here if (v == wanted if isinstance(wanted, Version) else (wanted or ANY).allows(v))]
        fit = [v for v in fit if str(v) not in gone]
        if not fit:
            return None
        release, tree = verified_release(objects, log, name, str(fit[-1]))
        policies.warned(host, objects, log.value, release)
    mirrors, others = sets.known_mirrors(host).get(anchor, []), sets.other_mirrors(host, anchor, source)
    ordered = tuple(sorted(mirrors, key=others.__contains__))
    return FetchedAtom(anchor, name, fit[-1], release.commit, release.tree, tree, head, ordered, release)


def verified_release(objects: Objects, log: Verified[Log], name: str, version: str) -> tuple[Release, Oid]:
    """A release of a log and its tree: signature and content checked now. Raises NegativeError ATOM-8010 and those of the checks."""
    held = logs.release(objects, log, name, version)
    if held is None:
        raise NegativeError("ATOM-8010", f"the log has no '{name} {version}'", hint="git atom list")
    return held[0].value, check_content(objects, held[0].value)


def atom_leaves(host: Host, atom: FetchedAtom) -> list[Leaf]:
    """The files of a fetched atom, digested now; their bytes are read from the user's store by object id."""
    with Objects(repos.store(host)) as objects:
        return objects.listing(atom.tree_oid)


def _refuse_pending(host: Host, asked: uri.Uri) -> None:
    """Raise NegativeError ATOM-8010 when what was asked for is in the own log and no remote has accepted it."""
    repo = repos.discover(host.cwd, host.environ)
    head = refs.get(repo, refnames.LOG)
    if head is None:
        return
    with Objects(repo) as objects:
        here = map(Version.parse, logs.versions(objects, objects.commit_tree(head), asked.name))
        fit = [version for version in here if (asked.requirement or ANY).allows(version)]
    if fit:
        raise NegativeError(
            "ATOM-8010",
            f"no remote has accepted '{asked.name} {max(fit)}' yet",
            hint=f"git atom publish --push {shell(remote.default(repo) or '<remote>')}",
        )


def fetch(
    host: Host, text: str, *, offline: bool = False, dry_run: bool = False, consent: Consent | None = None
) -> FetchedAtom:
    """`git atom fetch <uri>`: as fetch_atom, by URI; an unreachable source is answered from the store where that can be done."""
    asked = uri.Uri.parse(text)
    source = asked.source or str(repos.discover(host.cwd, host.environ).git_dir)
    try:
        return fetch_atom(
            host, source, asked.name, asked.requirement, offline=offline, dry_run=dry_run, consent=consent
        )
    except NegativeError:
        if not asked.source:
            _refuse_pending(host, asked)
        raise
    except UnavailableError as error:
        place = locate(host, source)
        anchor = sets.anchor_at(host, place)
        if anchor is None or error.code not in ("ATOM-2011", "ATOM-8018"):
            raise
        others = sets.other_mirrors(host, anchor, place) if not offline else []
        if others:
            host.progress.say(f"warning: {error.what}; asking other places of the set")
        found = fetch_anywhere(host, anchor, others, asked.name, asked.requirement, consent, dry_run=dry_run)
        if found is not None:
            return found
        try:
            found = stored_atom(host, anchor, asked.name, asked.requirement)
        except AtomError:
            raise error from None
        if found is None or error.code != "ATOM-2011":
            raise
        host.progress.say(f"{error.what}; using {found.name} {found.version} from the store")
        return found
