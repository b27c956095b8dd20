"""`git atom show`, `verify` and `get`: what is in the user's repository or store, looked at, checked, written out. No network here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from git_atom.app.atom import asking, atoms, forks, policies, sets, unsigned
from git_atom.app.atom.unsigned import Unsigned
from git_atom.atom.objects import atom_commit
from git_atom.core import manifest as manifests
from git_atom.core import refnames, uri
from git_atom.core.collector import paused
from git_atom.core.digest import MODE_TREE, Digest, Oid
from git_atom.core.host import Host
from git_atom.core.lock import LockedSub
from git_atom.core.statements import Entry, Release, name_folder, read_tag
from git_atom.core.uri import Uri
from git_atom.core.version import ANY, Version
from git_atom.errors import AtomError, CannotError, MalformedError, ManyErrors, NegativeError, RefusedError
from git_atom.git import beside, refs, remote
from git_atom.git import repo as repos
from git_atom.git.digests import TreeDigests
from git_atom.git.objects import Objects, oid_of
from git_atom.git.repo import Repo
from git_atom.git.writeout import check_free, write_out
from git_atom.trust import log as logs
from git_atom.trust.log import Log
from git_atom.trust.objects import split_tag
from git_atom.trust.publickey import PublicKey
from git_atom.trust.verified import Verified

_LOT = 256  # versions whose objects are read together


class Here(NamedTuple):
    """A set that is here: the repository that holds it, its log's head, its anchor ("" as yet unread), and whether it is the own one."""

    repo: Repo
    head: Oid
    anchor: Digest
    own: bool


class Sight(NamedTuple):
    """What `show` shows. signer: fingerprint in the tag's signature, not checked here; mirrors: empty for the own set.

    retracted, revoked: the reasons stated in the log for the version or for its signer's key, or "".
    """

    release: Release
    signer: str
    manifest: bytes
    own: bool
    mirrors: tuple[str, ...]
    retracted: str = ""
    revoked: str = ""
    subs: tuple[LockedSub, ...] = ()


class Checked(NamedTuple):
    """One version that verified. content: `good`, or `absent` when the log is here and the content is not; state: `retracted` or ""."""

    anchor: Digest
    name: str
    version: str
    tree: Digest
    signer: str
    content: str
    state: str = ""


def own_here(host: Host) -> Here | None:
    """The set of the repository the user stands in, or None where there is none."""
    try:
        repo = repos.discover(host.cwd, host.environ)
    except CannotError:
        return None
    head = refs.get(repo, refnames.LOG)
    if head is None:
        return None
    with Objects(repo) as objects:
        return Here(repo, head, logs.claimed_anchor(objects, head), True)


def stored_here(host: Host) -> list[Here]:
    """The sets in the user's store."""
    store = repos.store(host)
    return [Here(store, head, anchor, False) for anchor, head in sets.stored(host)]


def versions_here(objects: Objects, here: Here, name: str) -> list[Version]:
    """Versions of a name, ascending: of the own set all in its log, of a stored one those fetched."""
    if here.own:
        found = logs.versions(objects, objects.commit_tree(here.head), name)
    else:
        prefix = refnames.set_atom(here.anchor, name, "")
        found = frozenset(ref[len(prefix) :] for ref, _ in refs.listing(here.repo, prefix))
    return sorted(Version.parse(text) for text in found)


def find(host: Host, text: str) -> tuple[Here, str, Version]:
    """Which atom `[source::]name[@requirement]` means, of those that are here: own set first, then the store.

    Raises NegativeError ATOM-8010 (none), CannotError ATOM-8015 (several sets have it).
    """
    asked = Uri.parse(text)
    if asked.source:
        place = asking.locate(host, asked.source)
        anchor = sets.anchor_at(host, place)
        candidates = [here for here in stored_here(host) if here.anchor == anchor]
    else:
        own = own_here(host)
        candidates = [own] if own else []
    for group in (candidates, [] if asked.source else stored_here(host)):
        hits = [(here, fit) for here in group if (fit := _fitting(here, asked))]
        if len(hits) > 1:
            raise CannotError(
                "ATOM-8015",
                f"'{asked.name}' is in several sets",
                note="\n".join(str(here.anchor) for here, _ in hits),
                hint="name its source, [source::]name",
            )
        if hits:
            return hits[0][0], asked.name, hits[0][1]
    raise NegativeError("ATOM-8010", f"there is no '{text}' here", hint=f"git atom fetch {text}, or git atom list")


def _fitting(here: Here, asked: Uri) -> Version | None:
    """The newest version that will do, one that is not retracted where there is one."""
    with Objects(here.repo) as objects:
        fit = [v for v in versions_here(objects, here, asked.name) if (asked.requirement or ANY).allows(v)]
        gone = logs.retracted(objects, objects.commit_tree(here.head), asked.name) if len(fit) > 1 else frozenset()
    return next((v for v in reversed(fit) if str(v) not in gone), fit[-1] if fit else None)


def show(host: Host, text: str) -> Sight | Unsigned:
    """What an atom says of itself, unverified and fast: its release, who signed it, its manifest; of a fetched one nobody signed, too."""
    try:
        here, name, version = find(host, text)
    except NegativeError:
        found = unsigned.held(host, text)
        if found is None:
            raise
        return found
    return _sight(host, here, name, version)


def _sight(host: Host, here: Here, name: str, version: Version) -> Sight:
    with Objects(here.repo) as objects:
        found = objects.at(objects.commit_tree(here.head), f"{name_folder(name)}/versions/{version}".encode())
        if found is None:
            raise NegativeError("ATOM-8010", f"the log has no '{name} {version}'", hint="git atom list")
        tag = objects.read(found[1])[2]
        release = read_tag(split_tag(tag)[0])
        data, subs = b"", tuple[LockedSub, ...]()
        if objects.get(release.commit) is not None:
            held = objects.at(objects.commit_tree(release.commit), manifests.FILE.encode())
            data = objects.read(held[1])[2] if held else b""
            subs = atoms.lock_of(objects, objects.commit_tree(release.commit)).subs
        tree = objects.commit_tree(here.head)
        key = logs.signer(tag, logs.holders(objects, tree, name))
        gone, revoked = logs.retraction(objects, tree, name, str(version)), logs.revocation(objects, tree, key)
    mirrors = () if here.own else tuple(sets.known_mirrors(host).get(here.anchor, ()))
    reasons = (gone.reason if gone else "", revoked.reason if revoked else "")
    return Sight(release, key.fingerprint, data, here.own, mirrors, *reasons, subs)


def verify(host: Host, texts: Sequence[str], *, everything: bool = False, source: bool = False) -> list[Checked]:
    """Check signatures, logs from their founding, and content over its bytes; with `source`, that the origin holds the same tree.

    Without arguments: the own set, or where there is none the store. All problems are gathered before they are raised.
    """
    chosen = [find(host, text) for text in texts]
    if texts:
        scopes = list({(here.repo.git_dir, here.anchor): here for here, _, _ in chosen}.values())
    else:
        own = own_here(host)
        scopes = ([own] if own else []) + (stored_here(host) if everything or not own else [])
    done: list[Checked] = []
    problems: list[AtomError] = []
    for here in scopes:
        only = {(name, str(version)) for scope, name, version in chosen if scope == here}
        try:
            with paused(), _opened(host, here) as (objects, log):
                _verify_set(host, objects, here, log, only, source, done, problems)
        except AtomError as error:
            problems.append(error)
    if len(problems) > 1:
        raise ManyErrors(problems)
    if problems:
        single: AtomError = problems[0]
        raise single
    return done


@contextmanager
def _opened(host: Host, here: Here) -> Iterator[tuple[Objects, Verified[Log]]]:
    """A set with its log verified from the founding, trusted, and no older than what the store remembers."""
    with Objects(here.repo) as objects:
        log = logs.verify(objects, TreeDigests(objects, None), here.head, anchor=here.anchor)
        sets.require_trust(host, log.value, "this repository" if here.own else "the store", None)
        floor = refs.get(repos.store(host), refnames.set_log(here.anchor)) if here.own else None
        if floor is not None and floor != here.head and repos.is_ancestor(here.repo, here.head, floor):
            raise RefusedError(
                "ATOM-3011",
                "the log here is older than one that a remote accepted",
                note=f"here {here.head}, seen {floor}",
                hint="git atom publish --push <remote>, or fetch the remote's log",
            )
        yield objects, log


def _verify_set(
    host: Host,
    objects: Objects,
    here: Here,
    log: Verified[Log],
    only: set[tuple[str, str]],
    source: bool,
    done: list[Checked],
    problems: list[AtomError],
) -> None:
    tree = log.value.tree
    now = dict(refs.listing(here.repo, refnames.ATOMS if here.own else refnames.set_prefix(here.anchor)))
    now |= dict(refs.listing(here.repo, refnames.SUBS)) if here.own else {}
    wanted = only or {
        (name, str(version)) for name in logs.names(objects, tree) for version in versions_here(objects, here, name)
    }
    ordered = sorted(wanted, key=lambda pair: (pair[0], Version.parse(pair[1])))
    work = Checking(host, here, log, now, source)
    half = len(ordered) // 2
    if source or half < _LOT or beside.processors() < 2:
        return work.all(objects, ordered, done, problems)
    with beside.Beside(lambda: work.good(ordered[half:])) as other:
        work.all(objects, ordered[:half], done, problems)
        good = other.result()
    if good is None:  # there are problems, to be told in order
        work.all(objects, ordered[half:], done, problems)
    else:
        done += good


class Checking(NamedTuple):
    """What every version of a set is checked by: its verified log, the refs that are here, whether origins are looked at as well."""

    host: Host
    here: Here
    log: Verified[Log]
    present: dict[str, Oid]
    source: bool

    def all(
        self, objects: Objects, wanted: Sequence[tuple[str, str]], done: list[Checked], problems: list[AtomError]
    ) -> None:
        """Check versions, a lot at a time; what is good and what is not is added to the lists."""
        tree = self.log.value.tree
        for at in range(0, len(wanted), _LOT):
            lot = wanted[at : at + _LOT]
            _ahead(objects, self.log.value, lot)
            ever = {name: logs.holders(objects, tree, name) for name in {name for name, _ in lot}}
            for which in lot:
                try:
                    done.append(
                        _verify_one(
                            self.host, objects, self.here, self.log, which, ever[which[0]], self.present, self.source
                        )
                    )
                except AtomError as error:
                    error.where = error.where or " ".join(which)
                    problems.append(error)
            objects.cool()

    def good(self, wanted: Sequence[tuple[str, str]]) -> list[Checked] | None:
        """The same in a process with a reader of its own; None when there are problems."""
        done: list[Checked] = []
        problems: list[AtomError] = []
        with Objects(self.here.repo) as objects:
            self.all(objects, wanted, done, problems)
        return None if problems else done


def _ahead(objects: Objects, log: Log, lot: Sequence[tuple[str, str]]) -> None:
    """Have what checking these versions reads kept in few questions; nothing is judged, and what cannot be had so is left to the check."""
    commits = logs.ahead(objects, log.tree, lot)
    objects.keep(commits)
    heads = [found[2][5:].split(b"\n", 1)[0] for found in objects.many(commits) if found is not None]
    trees: list[tuple[Oid | None, Oid]] = [(None, Oid(head.decode())) for head in heads if head.isalnum()]
    try:
        objects.warm(trees)
    except MalformedError:
        pass  # the check says of which version


def _verify_one(
    host: Host,
    objects: Objects,
    here: Here,
    log: Verified[Log],
    which: tuple[str, str],
    ever: frozenset[PublicKey],
    present: dict[str, Oid],
    source: bool,
) -> Checked:
    name, version = which
    held = logs.release(objects, log, name, version, ever)
    if held is None:
        raise NegativeError("ATOM-8010", f"the log has no '{name} {version}'", hint="git atom list")
    release, tag = held[0].value, held[1]
    ref = refnames.atom_ref(name, version) if here.own else refnames.set_atom(here.anchor, name, version)
    now = present.get(ref)
    if now is not None and now != oid_of("tag", tag, here.repo.object_format):
        raise RefusedError(
            "ATOM-8019",
            f"ref '{ref}' is not the tag that the log holds",
            note=f"it points to {now}",
            hint=f"git atom publish {release.path}   (puts it back)" if here.own else "git atom fetch",
        )
    signer = logs.signer(tag, ever).fingerprint
    state = "retracted" if logs.retraction(objects, log.value.tree, name, version) else ""
    if now is None and objects.get(release.commit) is None:
        return Checked(log.value.anchor, name, version, release.tree, signer, "absent", state)
    tree = atoms.check_content(objects, release)
    for sub in atoms.lock_of(objects, tree).subs:
        held_sub = present.get(refnames.sub_ref(sub.object) if here.own else refnames.set_sub(here.anchor, sub.object))
        if held_sub is None:
            raise atoms.missing(f"sub-atom {sub.name}", sub.object)
        atoms.check_sub(objects, held_sub, sub)
    if source:
        _check_origin(host, here, objects, release, tree)
    return Checked(log.value.anchor, name, version, release.tree, signer, "good", state)


def _check_origin(host: Host, here: Here, objects: Objects, release: Release, tree: Oid) -> None:
    """The atom must follow from its origin commit, which is here, or is fetched without files from where the set came from.

    Raises CannotError ATOM-8014 when no one has it, MalformedError ATOM-8020 when it holds something else.
    """
    if objects.get(release.origin) is not None:
        _derive(objects, release, tree)
        return
    for source in _places(host, here):
        with remote.Incoming(here.repo) as incoming:
            if incoming.fetch_trees(source, release.origin):
                with Objects(incoming.repo) as inside:
                    _derive(inside, release, tree)
                return
    raise CannotError(
        "ATOM-8014",
        f"origin {release.origin} of '{release.name} {release.version}' is not here",
        note="nor does a place that the set is known from give it out",
        hint="run it in a clone of the project, with its history",
    )


def _places(host: Host, here: Here) -> list[str]:
    """Where a set is known from: mirrors it was fetched from, and of the own set the remote that git pushes to."""
    found = list(sets.known_mirrors(host).get(here.anchor, ()))
    name = remote.default(here.repo) if here.own else None
    return list(dict.fromkeys([*([remote.url_of(here.repo, name)] if name else []), *found]))


def _derive(objects: Objects, release: Release, tree: Oid) -> None:
    """The tree must be the very one of the directory in the origin commit, and the commit the one that follows from them."""
    path = b"" if release.path == "." else release.path.encode(errors="surrogateescape")
    found = objects.at(objects.commit_tree(release.origin), path)
    if found != (MODE_TREE, tree):
        raise MalformedError(
            "ATOM-8020",
            f"'{release.name} {release.version}' is not what its origin holds",
            note=f"origin {release.origin}, directory '{release.path}'",
        )
    made = atom_commit(tree, release.id, release.origin, release.path, release.name, release.version)
    if oid_of("commit", made, objects.repo.object_format) != release.commit:
        raise MalformedError("ATOM-8020", f"'{release.name} {release.version}' is not what its origin makes")


def get(host: Host, text: str, target: str, *, offline: bool = False, consent: sets.Consent | None = None) -> Sight:
    """`git atom get`: bring an atom (or take it from the store, or the own set) and write its files into a directory."""
    asked = Uri.parse(text)
    place = os.path.normpath(os.path.join(host.cwd, target))
    if asked.source:
        made = atoms.fetch(host, text, offline=offline, consent=consent)
        exact = f"{asked.source}::{made.name}@={made.version}"
    else:
        exact = text
    here, name, version = find(host, exact)
    with Objects(here.repo) as objects:
        log = logs.remembered(objects, here.head)
        if here.own:
            log = sets.verify_own(host, objects, sets.digests_of(host, objects), here.head)
        sets.require_trust(host, log.value, uri.redact(asked.source) or "this repository", consent)
        release, tree = atoms.verified_release(objects, log, name, str(version))
        policies.warned(host, objects, log.value, release)
        write_out(objects, objects.listing(tree), place)
    return _sight(host, here, name, version)


def foresee(host: Host, text: str, target: str, *, offline: bool = False) -> Release:
    """What `get` would write: brought and verified beside the store, and the place looked at. Raises what `get` raises."""
    check_free(os.path.normpath(os.path.join(host.cwd, target)))
    if Uri.parse(text).source:
        return atoms.fetch(host, text, offline=offline, dry_run=True).release
    here, name, version = find(host, text)
    return _sight(host, here, name, version).release


def _scope(host: Host, source: str) -> Here:
    """The own set, or with a source the stored set it served. Raises CannotError ATOM-8006."""
    if source:
        anchor = sets.anchor_at(host, asking.locate(host, source))
        here = next((h for h in stored_here(host) if h.anchor == anchor), None)
    else:
        repos.discover(host.cwd, host.environ)
        here = own_here(host)
    if here is None:
        raise CannotError("ATOM-8006", "this repository has no set of atoms yet", hint="git atom init")
    return here


def forked(host: Host, source: str, *, everything: bool = False) -> list[forks.Told]:
    """Where two logs of a set were seen: of the own one or of a source's, or with `everything` and no source of all."""
    anchors = (
        [here.anchor for here in stored_here(host)] if everything and not source else [_scope(host, source).anchor]
    )
    store = repos.store(host)
    with Objects(store) as objects:
        return [forks.told(objects, fork) for anchor in anchors for fork in forks.of(store, anchor)]


def history(host: Host, source: str) -> list[Entry]:
    """The entries of the own set's log, or of a stored set's, oldest first."""
    here = _scope(host, source)
    with Objects(here.repo) as objects:
        return logs.entries(objects, here.head, None)
