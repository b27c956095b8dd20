"""`git atom fsck`: everything of sets that one repository holds, judged anew from the bytes; nothing is written, no network is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from git_atom.app.atom import atoms
from git_atom.atom.objects import sub_content
from git_atom.core import refnames
from git_atom.core.digest import Digest, Oid
from git_atom.core.host import Host
from git_atom.core.refnames import Place
from git_atom.core.version import Version
from git_atom.errors import AtomError, CannotError, ManyErrors
from git_atom.git import refs
from git_atom.git import repo as repos
from git_atom.git.digests import TreeDigests
from git_atom.git.objects import Objects
from git_atom.git.repo import Repo
from git_atom.git.written import oid_of
from git_atom.trust import log as logs
from git_atom.trust.log import Log
from git_atom.trust.verified import Verified

_PREFIXES = (refnames.ATOMS, refnames.SUBS, "refs/atoms-log/", refnames.SETS)


class Finding(NamedTuple):
    """One thing that is not as it should be. kind: `error`, or `note` for what may well be; exit: what the error alone would end with."""

    kind: str
    code: str
    subject: str
    what: str
    exit: int


class Report(NamedTuple):
    """What fsck found, and how much it looked at."""

    findings: list[Finding]
    sets: int
    versions: int
    refs: int

    @property
    def exit(self) -> int:
        """0 without errors, 2 when one of them is a matter of trust, else 7."""
        exits = {found.exit for found in self.findings if found.kind == "error"}
        return 2 if 2 in exits else 7 if exits else 0


def fsck(host: Host) -> Report:
    """Check every log, version, tag, sub-atom and ref of sets in the repository at hand. Raises ATOM-8006 when there is none of them."""
    repo = repos.discover(host.cwd, host.environ)
    there = dict(refs.listing(repo, *_PREFIXES))
    broken = refs.unreadable(repo, _PREFIXES, there)
    if not there and not broken:
        raise CannotError("ATOM-8006", "this repository has no set of atoms yet", hint="git atom init")
    check = _Check(repo, there)
    for ref in broken:
        check.told("ATOM-8517", ref, "it points to nothing that is here")
    places = check.places()
    with Objects(repo) as objects:
        owners = sorted({place.set for place in places.values()})
        for owner in owners:
            mine = {ref: place for ref, place in places.items() if place.set == owner}
            _check_set(check, objects, owner, mine)
    return Report(check.findings, len(owners), check.versions, len(there) + len(broken))


class _Check:
    """The findings so far, and what they are about."""

    def __init__(self, repo: Repo, there: dict[str, Oid]) -> None:
        self.repo = repo
        self.there = there
        self.findings: list[Finding] = []
        self.versions = 0

    def told(self, code: str, subject: str, what: str, *, exit: int = 7, kind: str = "error") -> None:
        self.findings.append(Finding(kind, code, subject, what, exit))

    def judge(self, subject: str, act: Callable[[], object]) -> bool:
        """Whether something is in order; what it raises is a finding."""
        try:
            act()
        except AtomError as error:
            for one in error.errors if isinstance(error, ManyErrors) else [error]:
                self.told(one.code, subject, one.what, exit=one.exit)
            return False
        return True

    def places(self) -> dict[str, Place]:
        """What each ref's name says; a ref whose name says nothing is foreign."""
        found: dict[str, Place] = {}
        for ref in self.there:
            try:
                found[ref] = refnames.read(ref)
            except AtomError as error:
                self.told(error.code, ref, f"it is not a ref of a set: {error.what}")
        return found


def _check_set(check: _Check, objects: Objects, owner: str, mine: dict[str, Place]) -> None:
    anchor = Digest(f"blake3:{owner}") if owner else None
    ref = refnames.set_log(anchor) if anchor else refnames.LOG
    head = check.there.get(ref)
    log: list[Verified[Log]] = []
    if head is not None and check.judge(
        ref, lambda: log.append(logs.verify(objects, TreeDigests(objects, None), head, anchor=anchor))
    ):
        needed = _check_versions(check, objects, log[0], anchor)
        _check_refs(check, objects, mine, log[0], needed)
    elif head is None:
        for other in sorted(set(mine) - {ref}):
            check.told("ATOM-8509", other, "there is no log to judge it by", exit=2)


def _check_versions(check: _Check, objects: Objects, log: Verified[Log], anchor: Digest | None) -> set[Oid]:
    """Every version of a log: its signature, its ref, its content and sub-atoms. The sub-atoms that are needed."""
    needed: set[Oid] = set()
    for name, version in _versions(objects, log.value.tree):
        check.versions += 1
        ref = refnames.set_atom(anchor, name, version) if anchor else refnames.atom_ref(name, version)
        check.judge(ref, lambda: _check_version(check, objects, log, anchor, (name, version), ref, needed))  # noqa: B023 - called at once
    return needed


def _versions(objects: Objects, tree: Oid) -> Iterator[tuple[str, str]]:
    for name in sorted(logs.names(objects, tree)):
        for version in sorted(map(Version.parse, logs.versions(objects, tree, name))):
            yield name, str(version)


def _check_version(
    check: _Check,
    objects: Objects,
    log: Verified[Log],
    anchor: Digest | None,
    which: tuple[str, str],
    ref: str,
    needed: set[Oid],
) -> None:
    held = logs.release(objects, log, *which)
    if held is None:
        return
    release, tag = held[0].value, held[1]
    now = check.there.get(ref)
    here = objects.get(release.commit) is not None
    if now is None and (anchor or not here):
        if not anchor:
            check.told("ATOM-8018", ref, "it is in the log, and its content is not here", exit=0, kind="note")
        return
    joined = now is None and not check.repo.bare  # a clone from the same disk has all objects and none of these refs
    if now is None:
        kind, exit = ("note", 0) if joined else ("error", 7)
        check.told(
            "ATOM-8506", ref, "it is in the log and its content is here, and no ref names it", exit=exit, kind=kind
        )
    elif now != oid_of("tag", tag, check.repo.object_format):
        check.told("ATOM-8019", ref, f"it points to {now}, which is not the tag that the log holds", exit=2)
    else:
        objects.read(now)
    tree = atoms.check_content(objects, release)
    for sub in atoms.lock_of(objects, tree).subs:
        needed.add(sub.object)
        name = refnames.set_sub(anchor, sub.object) if anchor else refnames.sub_ref(sub.object)
        commit = check.there.get(name)
        if commit is None and not joined:
            check.told("ATOM-8507", name, f"'{which[0]} {which[1]}' needs this sub-atom, and no ref names it")
        elif commit is not None:
            atoms.check_sub(objects, commit, sub)


def _check_refs(check: _Check, objects: Objects, mine: dict[str, Place], log: Verified[Log], needed: set[Oid]) -> None:
    """Refs that the log says nothing of: versions that are not in it, sub-atoms that nothing needs."""
    for ref, place in sorted(mine.items()):
        if place.kind == "atom":
            if place.version not in logs.versions(objects, log.value.tree, place.name):
                check.told("ATOM-8505", ref, "it is not in the log, so it counts for nothing", exit=2)
        elif place.kind == "sub":
            thing = Oid(place.thing)
            if check.judge(ref, lambda: sub_content(objects, check.there[ref], thing)) and thing not in needed:  # noqa: B023 - called at once
                check.told("ATOM-8028", ref, "no version that is here needs this sub-atom", exit=0, kind="note")
