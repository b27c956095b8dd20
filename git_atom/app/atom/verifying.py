"""`git atom verify`: sets from their founding, and the content of versions over its bytes now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from git_atom.app.atom import atoms, sets
from git_atom.app.atom.showing import Here, find, own_here, stored_here
from git_atom.atom.objects import atom_commit
from git_atom.atom.source import standing
from git_atom.core import refnames, uri
from git_atom.core.collector import paused
from git_atom.core.digest import MODE_TREE, Digest, Oid
from git_atom.core.host import Host
from git_atom.core.statements import Release
from git_atom.core.text import shell
from git_atom.core.version import Version
from git_atom.errors import AtomError, CannotError, MalformedError, ManyErrors, NegativeError, RefusedError
from git_atom.git import beside, refs, remote
from git_atom.git import repo as repos
from git_atom.git.digests import TreeDigests
from git_atom.git.objects import Objects
from git_atom.git.written import oid_of
from git_atom.trust import log as logs
from git_atom.trust.log import Log
from git_atom.trust.publickey import PublicKey
from git_atom.trust.verified import Verified

_LOT = 256  # versions whose objects are read together


class Checked(NamedTuple):
    """One version that verified. content: `good`, or `absent` when the log is here and the content is not; state: `retracted` or ""."""

    anchor: Digest
    name: str
    version: str
    tree: Digest
    signer: str
    content: str
    state: str = ""


def _in_a_repository(host: Host) -> bool:
    try:
        repos.discover(host.cwd, host.environ)
    except CannotError:
        return False
    return True


def verify(host: Host, texts: Sequence[str], *, everything: bool = False, source: bool = False) -> list[Checked]:
    """Check signatures, logs from their founding, and content over its bytes; with `source`, that the origin holds the same tree.

    Without arguments: the own set, or outside of a repository every set in the store. All problems are gathered before they are raised.

    Raises CannotError ATOM-8006 when there is no set at all: a check of nothing must not pass for one that found nothing wrong.
    """
    chosen = [find(host, text) for text in texts]
    if texts:
        scopes = list({(here.repo.git_dir, here.anchor): here for here, _, _ in chosen}.values())
    else:
        own = own_here(host)
        inside = own is not None or _in_a_repository(host)
        scopes = ([own] if own else []) + (stored_here(host) if everything or not inside else [])
        if not scopes:
            raise CannotError(
                "ATOM-8006",
                "there is no set of atoms to verify",
                note="the log of a set does not come with a clone" if inside else "the store has none",
                hint="git atom init\ngit atom verify --all  # the sets in the store",
            )
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
        if here.own:
            sets.hold_floor(host, here.repo, log.value.anchor, here.head)
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
    ordered = sorted(only or _here(objects, here, tree, now), key=lambda pair: (pair[0], Version.parse(pair[1])))
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


def _here(objects: Objects, here: Here, tree: Oid, present: dict[str, Oid]) -> set[tuple[str, str]]:
    """Every (name, version) of the own set's log, of a stored set those fetched."""
    if here.own:
        return {(name, version) for name in logs.names(objects, tree) for version in logs.versions(objects, tree, name)}
    rows = (ref.removeprefix(refnames.set_prefix(here.anchor)).split("/") for ref in present)
    return {(row[1], row[2]) for row in rows if row[0] == "atoms" and len(row) == 3}


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
            hint=_again(host, here, release),
        )
    signer = logs.signer(tag, ever).fingerprint
    state = "retracted" if logs.retraction(objects, log.value.tree, name, version) else ""
    if now is None and objects.get(release.commit) is None:
        return Checked(log.value.anchor, name, version, release.tree, signer, "absent", state)
    tree = atoms.check_content(objects, release)
    for sub in atoms.lock_of(objects, tree).subs:
        held_sub = present.get(refnames.sub_ref(sub.object) if here.own else refnames.set_sub(here.anchor, sub.object))
        if held_sub is None and now is None:  # a clone from the same disk: objects are here, and no ref of this version
            return Checked(log.value.anchor, name, version, release.tree, signer, "absent", state)
        if held_sub is None:
            raise atoms.missing(f"sub-atom {sub.name}", sub.object)
        atoms.check_sub(objects, held_sub, sub)
    if source:
        _check_origin(host, here, objects, release, tree)
    return Checked(log.value.anchor, name, version, release.tree, signer, "good", state)


def _again(host: Host, here: Here, release: Release) -> str:
    """What puts a version's ref back: publishing the same content again, or fetching it from where its set is known from."""
    if not here.own:
        place = uri.redact(next(iter(sets.known_mirrors(host).get(here.anchor, ())), "<url>"))
        return f"git atom fetch {shell(f'{place}::{release.name}@={release.version}')}"
    return f"git atom publish {standing(host.cwd, here.repo).at(release.path)} --rev {release.origin}"


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
    name = remote.default(here.repo) if here.own else None
    first = remote.url_of(here.repo, name) if name else ""
    return [*([first] if first else []), *sets.other_mirrors(host, here.anchor, first)]


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
