"""Foreign sets as the solver meets them: logs are asked for once, and atoms come into the store in one fetch a set, verified.

Everything that is in the store already is read from there; nothing is asked of the network while that will do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import NamedTuple

from git_atom.app.atom import asking, atoms, forks, policies, sets
from git_atom.atom.objects import check_commit
from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core import refnames, uri
from git_atom.core.digest import Digest, Oid
from git_atom.core.host import Host
from git_atom.core.lock import Lock, LockedSet
from git_atom.core.manifest import Manifest
from git_atom.core.statements import Release, read_tag
from git_atom.core.version import Version
from git_atom.errors import AtomError, MalformedError, ManyErrors, RefusedError, UnavailableError
from git_atom.git import refs, remote
from git_atom.git import repo as repos
from git_atom.git.objects import Objects
from git_atom.git.refs import Change
from git_atom.git.repo import Repo
from git_atom.git.written import oid_of, write_loose
from git_atom.trust import log as logs
from git_atom.trust.log import Log
from git_atom.trust.objects import split_tag
from git_atom.trust.verified import Verified

Name = tuple[str, Version]


class Asked(NamedTuple):
    """Where a set may be found, and for messages where in the manifest that is written, and which lock names the set."""

    urls: tuple[str, ...]
    where: str = ""
    lock: str = ""


class Package(NamedTuple):
    """A published atom as choosing reads it. manifest and lock are None when this version cannot read them; `problem` says why."""

    release: Release
    manifest: Manifest | None
    lock: Lock
    problem: str = ""


class _Told(NamedTuple):
    """What places told in one run, whatever lock they were asked for."""

    sets: dict[str, tuple[Digest, Oid]]  # by place: the anchor and head of the log it serves
    failed: dict[str, AtomError]
    said: set[str]
    logs: dict[Digest, Verified[Log]]
    versions: dict[tuple[Digest, Oid, str], list[tuple[Version, str]]]  # by set, head of its log and name
    minimum: dict[Digest, int]  # the least age that the user's policy for a set asks for
    forked: dict[Digest, bool]  # whether two logs of a set were seen, and the user settled on neither
    refs: dict[str, Oid]  # of the store; empty when they are to be listed


class Stock:
    """The sets of one run. `offline`: the store alone. `old`: the lock whose sets and heads bind. A context manager."""

    def __init__(self, host: Host, old: Lock, *, offline: bool, consent: sets.Consent | None) -> None:
        self.host = host
        self.offline = offline
        self._consent = consent
        self._store = repos.store(host)
        self._objects = Objects(self._store)
        self._told = _Told({}, {}, set(), {}, {}, {}, {}, {})
        self._open = True
        self._bind(old)

    def _bind(self, old: Lock) -> None:
        self._old: dict[Digest, list[LockedSet]] = {}
        for one in old.sets:
            self._old.setdefault(Digest(one.anchor), []).append(one)
        self._asked: dict[Digest, str] = {}  # where a set was read from for this lock, the newest log
        self._serving: dict[Digest, list[str]] = {}  # every place that served the set for this lock
        self._checked: set[str] = set()  # places whose log holds what this lock was made from

    def beside(self, old: Lock, *, asked: bool = False) -> Stock:
        """The same stock with another lock that binds: what places told is not asked again. asked: nor is it whether they serve the sets."""
        other = copy(self)
        other._bind(old)
        other._open = False
        if asked:
            other._asked, other._serving = dict(self._asked), dict(self._serving)
        return other

    def __enter__(self) -> Stock:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            self._objects.close()

    # ---- sets ------------------------------------------------------------------------------------------------------------

    def anchor_of(self, url: str, where: str) -> Digest:
        """The set that a URL stands for: what the lock says, else what it serves. Raises what asking raises; offline ATOM-8706."""
        for anchor, known in self._old.items():
            if any(url in one.mirrors for one in known):
                return anchor
        place = asking.locate(self.host, url)
        if not self.offline:
            return self._fetch(place, where)
        held = sets.anchor_at(self.host, place)
        if held is None:
            raise _not_here(uri.redact(place), where)
        return held

    def log(self, anchor: Digest, asked: Asked) -> Log:
        """The newest verified log of a set: asked of its mirrors once a run, or with `offline` the store's."""
        if anchor not in self._serving and not self.offline:
            self._ask(anchor, asked)
        return self._held(anchor, asked).value

    def head(self, anchor: Digest) -> Oid:
        """The head of a set that choices of this run were made from."""
        return self._held(anchor, Asked(())).value.head

    def was_asked(self, anchor: Digest) -> bool:
        """Whether a mirror of the set was read in this run."""
        return anchor in self._asked

    def versions(self, anchor: Digest, name: str, asked: Asked) -> list[tuple[Version, str]]:
        """The versions of a name, newest first, each with the reason why it is not to be chosen anew, or ''.

        Offline these are only the ones whose content the store has.
        """
        log = self.log(anchor, asked)
        key = (anchor, log.head, name)
        if key not in self._told.versions:
            self._told.versions[key] = self._rows(anchor, log, name)
        return self._told.versions[key]

    def _rows(self, anchor: Digest, log: Log, name: str) -> list[tuple[Version, str]]:
        objects = self._objects
        found = [Version.parse(text) for text in logs.versions(objects, log.tree, name)]
        if self.offline:
            prefix = refnames.set_atom(anchor, name, "")
            here = {ref[len(prefix) :] for ref, _ in refs.listing(self._store, prefix)}
            found = [version for version in found if str(version) in here]
        gone = logs.retracted(objects, log.tree, name)
        if anchor not in self._told.minimum:
            self._told.minimum[anchor] = policies.policy_of(self.host, anchor).minimum_age
        minimum = self._told.minimum[anchor]
        ages = policies.Ages(self.host, objects, anchor, minimum)
        out = []
        for version in sorted(found, reverse=True):
            text, why = str(version), ""
            if text in gone:
                said = logs.retraction(objects, log.tree, name, text)
                why = f"retracted{f': {said.reason}' if said else ''}"
            elif minimum and ages.young(name, text, logs.stated_time(objects, log.tree, name, text)):
                why = "newer than atom.minimumReleaseAge allows"
            out.append((version, why))
        return out

    def names(self, anchor: Digest, asked: Asked) -> list[str]:
        """Every name of a set, in order."""
        return sorted(logs.names(self._objects, self.log(anchor, asked).tree))

    def _held(self, anchor: Digest, asked: Asked) -> Verified[Log]:
        if anchor not in self._told.logs:
            found = sets.floor_of(self._store, self._objects, anchor)[1]
            if found is None:
                raise _not_here(str(anchor), asked.where)
            self._told.logs[anchor] = found
        return self._told.logs[anchor]

    def _ask(self, anchor: Digest, asked: Asked) -> None:
        """Read the set's log from every place it is named at, or from those it was fetched from when none of them answers.

        A place that is dead or lags behind is told of when another one serves; one that shows another log or another set is an error.
        """
        named = list(dict.fromkeys(asking.locate(self.host, url) for url in asked.urls))
        shown = {uri.public(place) for place in named}
        known = [place for place in sets.known_mirrors(self.host).get(anchor, []) if place not in shown]
        failed: dict[str, AtomError] = {}
        serving = self._serve(anchor, named, asked, failed) or self._serve(anchor, known, asked, failed)
        if not serving:
            refused = [error for error in failed.values() if isinstance(error, RefusedError)]
            first: AtomError = next(iter((*refused, *failed.values())), None) or _not_here(str(anchor), asked.where)
            first.where = first.where or asked.where
            self._warn_of(error for error in failed.values() if error is not first)
            raise first
        # What did not hold the locked entry is looked at again beside a log that does: it lags behind, or it is another one.
        self._serve(anchor, [p for p, error in failed.items() if error.code == "ATOM-8703"], asked, failed)
        self._warn_of(failed.values())
        self._serving[anchor] = serving
        self._asked[anchor] = serving[-1]

    def _warn_of(self, errors: Iterable[AtomError]) -> None:
        """Tell once a run of each place that does not serve, with the reason why where it cannot be read."""
        for error in errors:
            if error.what not in self._told.said:
                self._told.said.add(error.what)
                why = error.note.partition("\n")[0] if isinstance(error, UnavailableError) else ""
                self.host.progress.say(f"warning: {error.what}{f': {why}' if why else ''}")

    def _serve(self, anchor: Digest, places: Sequence[str], asked: Asked, failed: dict[str, AtomError]) -> list[str]:
        """Those of some places that serve the set, the one with the newest log last. Raises for one that lies."""
        serving: list[str] = []
        log = refnames.set_log(anchor)
        for place in places:
            before = refs.get(self._store, log)
            try:
                served = self._fetch(place, asked.where)
            except AtomError as error:
                if not isinstance(error, UnavailableError) and error.code not in ("ATOM-3011", "ATOM-8703"):
                    raise
                failed[place] = error
                continue
            if served != anchor:
                raise RefusedError("ATOM-8702", f"'{uri.redact(place)}' serves another set than the locked one", where=asked.where,
                                   note=f"locked {anchor}\nserved {served}",
                                   hint="ask its owner; if the move is right, remove the dependency and add it again")  # fmt: skip
            serving.insert(0 if serving and refs.get(self._store, log) == before else len(serving), place)
        return serving

    def _fetch(self, place: str, where: str) -> Digest:
        """Read the log that a place serves, keep it, and say of which set it is; a place is read once a run."""
        if place in self._told.failed:
            failed: AtomError = self._told.failed[place]
            failed.where = where
            raise failed
        if place in self._told.sets:
            anchor, head = self._told.sets[place]
            if place not in self._checked:
                self._check_known(self._store, anchor, head, place, where)
        else:
            try:
                anchor, head = self._told.sets[place] = self._read_log(place, where)
            except UnavailableError as error:
                self._told.failed[place] = error
                raise
        self._checked.add(place)
        self._asked.setdefault(anchor, place)
        return anchor

    def _read_log(self, place: str, where: str) -> tuple[Digest, Oid]:
        with sets.fetched_log(self.host, place) as fetched:
            log = fetched.log.value
            self._check_known(fetched.incoming.repo, log.anchor, log.head, place, where)
            sets.require_trust(self.host, log, uri.redact(place), self._consent)
            sets.keep_log(self.host, fetched, [])
        self._told.logs.pop(log.anchor, None)
        self._told.forked.pop(log.anchor, None)
        return log.anchor, log.head

    def _check_known(self, repo: Repo, anchor: Digest, head: Oid, place: str, where: str) -> None:
        """A log must hold the entries that the lock was made from."""
        for known in self._old.get(anchor, ()):
            if not repos.is_ancestor(repo, known.head, head):
                raise RefusedError("ATOM-8703", f"the log at '{uri.redact(place)}' does not hold the entry that the lock was made from", where=where,
                                   note=f"locked {known.head}\nserved {head}",
                                   hint="a mirror that lags behind shows an older log, so does an attacker; ask whoever serves it")  # fmt: skip

    # ---- atoms -----------------------------------------------------------------------------------------------------------

    def packages(self, anchor: Digest, wanted: Sequence[Name], asked: Asked) -> list[Package]:
        """Published atoms with what they say, in order; what the store lacks is brought in one fetch.

        Raises MalformedError ATOM-8705 for a version that the set never published, and what bringing raises.
        """
        absent = [pair for pair in wanted if not self._stored(anchor, pair, asked)]
        if absent:
            self._bring(anchor, absent, asked)
        return [self._read(self._release(anchor, pair, asked)) for pair in wanted]

    def warn(self, anchor: Digest, release: Release) -> bool:
        """Say what speaks against a version that stays chosen (retracted, a revoked key), or refuse; whether there was anything."""
        log = self._held(anchor, Asked(())).value
        gone = logs.retraction(self._objects, log.tree, release.name, release.version)
        if gone is None and not log.revoked:
            if anchor not in self._told.forked:
                self._told.forked[anchor] = any(one.settled is None for one in forks.of(self._store, anchor))
            if self._told.forked[anchor]:
                forks.require_before(self.host, anchor, release)
            return False
        policies.warned(self.host, self._objects, log, release)
        return True

    def _tag(self, anchor: Digest, pair: Name, asked: Asked) -> bytes:
        name, version = pair[0], str(pair[1])
        while True:
            try:
                log: Log | None = self._held(anchor, asked).value
            except UnavailableError:
                if self.offline:
                    raise
                log = None
            if log is not None and version in logs.versions(self._objects, log.tree, name):
                return logs.tag_of(self._objects, log.tree, name, version)
            if self.offline or anchor in self._asked:
                raise MalformedError("ATOM-8705", f"'{name} {version}' is not a version that its set published", where=asked.lock or asked.where,
                                     note=f"set {anchor}", hint="the lock was edited, or its set is another; take a version of it that was committed")  # fmt: skip
            self._ask(anchor, asked)

    def _release(self, anchor: Digest, pair: Name, asked: Asked) -> Release:
        return read_tag(split_tag(self._tag(anchor, pair, asked))[0])

    def _stored(self, anchor: Digest, pair: Name, asked: Asked) -> bool:
        """Whether the store names the atom, by the very tag that the log holds: it was verified when it came in."""
        tag = self._tag(anchor, pair, asked)
        ref = refnames.set_atom(anchor, pair[0], str(pair[1]))
        return self._refs().get(ref) == oid_of("tag", tag, self._store.object_format)

    def _refs(self) -> dict[str, Oid]:
        if not self._told.refs:
            self._told.refs.update(refs.listing(self._store, refnames.SETS))
        return self._told.refs

    def _read(self, release: Release) -> Package:
        objects = self._objects
        tree = check_commit(objects.read(release.commit)[2], release)
        shown = f"{release.name} {release.version}"
        found = objects.at(tree, manifests.FILE.encode())
        try:
            manifest = manifests.parse(objects.read(found[1])[2], f"{shown}: {manifests.FILE}") if found else None
            lock = atoms.lock_of(objects, tree)
        except (MalformedError, ManyErrors) as error:
            return Package(release, None, locks.EMPTY, error.what)
        return Package(release, manifest, lock, "" if manifest else "it has no manifest")

    def _bring(self, anchor: Digest, wanted: Sequence[Name], asked: Asked) -> None:
        """Fetch atom commits and the sub-atoms they need into quarantine, verify each, and name them in the store."""
        if self.offline:
            raise atoms.missing(wanted[0][0], str(wanted[0][1]))
        failed: list[AtomError] = []
        for source in self._sources(anchor, asked):
            try:
                self._bring_from(source, anchor, wanted)
                return
            except UnavailableError as error:
                failed.append(error)
                self.host.progress.say(f"warning: '{uri.redact(source)}': {error.what}")
        gone: AtomError = failed[0]
        raise gone

    def _bring_from(self, source: str, anchor: Digest, wanted: Sequence[Name]) -> None:
        """As _bring, from one place. Raises UnavailableError when it is not reached or lacks something, RefusedError when it lies."""
        log = self._held(anchor, Asked(()))
        with remote.Incoming(self._store) as incoming:
            theirs = {refnames.atom_ref(n, str(v)): f"refs/incoming/atoms/{i}/it" for i, (n, v) in enumerate(wanted)}
            for name, version in wanted:
                self.host.progress.say(f"fetching {name} {version} from {uri.redact(source)}")
            found = incoming.fetch(source, theirs)
            changes: list[Change] = []
            tags: list[bytes] = []
            with Objects(incoming.repo) as inside:
                trees = []
                for name, version in wanted:
                    held = logs.release(inside, log, name, str(version))
                    if held is not None:
                        shown = found.get(refnames.atom_ref(name, str(version)))
                        atoms.check_shown(inside, shown, held[0].value, held[1], source)
                    if held is None or inside.get(held[0].value.commit) is None:
                        raise atoms.missing(name, str(version))
                    trees.append(atoms.check_content(inside, held[0].value))
                    tags.append(held[1])
                    changes.append(self._named(anchor, name, version, held[1]))
                changes += self._subs(incoming, inside, anchor, trees, source)
            incoming.accept()
            for tag in tags:
                write_loose(self._store, "tag", tag)
            refs.update(self._store, [c for c in changes if c.new != c.old], "git atom lock")
        self._told.refs.clear()

    def _subs(
        self, incoming: remote.Incoming, inside: Objects, anchor: Digest, trees: Sequence[Oid], source: str
    ) -> list[Change]:
        """The sub-atoms that the locks of atoms name, fetched together and each held against what its lock says."""
        wanted = {sub.object: sub for tree in trees for sub in atoms.lock_of(inside, tree).subs}
        if not wanted:
            return []
        found = incoming.fetch(source, {refnames.sub_ref(s): f"refs/incoming/subs/{s}" for s in wanted})
        changes = []
        for thing, sub in wanted.items():
            commit = found.get(refnames.sub_ref(thing))
            if commit is None:
                raise atoms.missing(f"sub-atom {thing}", "")
            atoms.check_sub(inside, commit, sub)
            ref = refnames.set_sub(anchor, thing)
            changes.append(Change(ref, commit, self._refs().get(ref)))
        return changes

    def _named(self, anchor: Digest, name: str, version: Version, tag: bytes) -> Change:
        ref = refnames.set_atom(anchor, name, str(version))
        return Change(ref, oid_of("tag", tag, self._store.object_format), self._refs().get(ref))

    def _sources(self, anchor: Digest, asked: Asked) -> list[str]:
        """Places that serve the set, the one with the newest log first."""
        if anchor not in self._serving:
            self._ask(anchor, asked)
        return self._serving[anchor][::-1]


def _not_here(what: str, where: str) -> UnavailableError:
    return UnavailableError("ATOM-8706", f"the set '{what}' is not in the store, and the network may not be used", where=where,
                            hint="run the same command once without --offline")  # fmt: skip
