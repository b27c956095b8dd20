"""`git atom show` and `get`: what is in the user's repository or store, looked at and written out, and the history of a set. No network here but for `get`."""

from __future__ import annotations

import os
from typing import NamedTuple

from git_atom.app.atom import asking, atoms, forks, policies, sets, unsigned
from git_atom.app.atom.unsigned import Unsigned
from git_atom.core import manifest as manifests
from git_atom.core import refnames, uri
from git_atom.core.digest import Digest, Oid
from git_atom.core.host import Host
from git_atom.core.lock import LockedSub
from git_atom.core.statements import Entry, Release, name_folder, read_tag
from git_atom.core.text import shell
from git_atom.core.uri import Uri
from git_atom.core.version import ANY, Version
from git_atom.errors import CannotError, NegativeError
from git_atom.git import refs
from git_atom.git import repo as repos
from git_atom.git.objects import Objects
from git_atom.git.repo import Repo
from git_atom.git.writeout import check_free, write_out
from git_atom.trust import log as logs
from git_atom.trust.objects import split_tag


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
    shown = text.replace(asked.source, uri.redact(asked.source)) if asked.source else text
    raise NegativeError(
        "ATOM-8010", f"there is no '{shown}' here", hint=_where_else(asked, shown, own=bool(candidates))
    )


def _where_else(asked: Uri, text: str, *, own: bool) -> str:
    if asked.source:
        return f"git atom fetch {shell(text)}\ngit atom list {shell(uri.redact(asked.source))}"
    return "git atom list" if own else f"git atom fetch {shell(f'<url>::{text}')}"


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
            sets.hold_floor(host, here.repo, log.value.anchor, here.head)
        sets.require_trust(host, log.value, uri.redact(asked.source) or "this repository", consent)
        release, tree = atoms.verified_release(objects, log, name, str(version))
        policies.warned(host, objects, log.value, release)
        write_out(objects, objects.listing(tree), place)
    return _sight(host, here, name, version)


def foresee(host: Host, text: str, target: str, *, offline: bool = False) -> Release:
    """What `get` would write: brought and verified beside the store, and the place looked at. Raises what `get` raises."""
    check_free(os.path.normpath(os.path.join(host.cwd, target)))
    if Uri.parse(text).source:
        with sets.passing_store(host) as passing:
            return atoms.fetch(passing, text, offline=offline, dry_run=True).release
    here, name, version = find(host, text)
    return _sight(host, here, name, version).release


def _scope(host: Host, source: str) -> Here:
    """The own set, or with a source the stored set it served. Raises CannotError ATOM-8006, NegativeError ATOM-8010."""
    if source:
        anchor = sets.anchor_at(host, asking.locate(host, source))
        here = next((h for h in stored_here(host) if h.anchor == anchor), None)
        if here is None:
            shown = uri.redact(source)
            raise NegativeError(
                "ATOM-8010",
                f"no set of '{shown}' is in the store",
                note="a set is there once something was fetched from it",
                hint=f"git atom list {shell(shown)}\ngit atom fetch {shell(f'{shown}::<name>')}",
            )
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
