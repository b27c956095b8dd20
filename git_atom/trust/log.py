"""Verifying a set's log: one linear chain of signed commits, each entry judged by the state before it (design section 4).

What comes in is a reader of git objects and a head; what goes out is `Verified[Log]`, or an error. No refs are read or moved here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeGuard

from git_atom.core.digest import MODE_TREE, Digest, Oid, of_bytes
from git_atom.core.name import skeleton
from git_atom.core.statements import Charter, Claim, Entry, Release, Retraction, Revocation, name_folder, read_tag
from git_atom.errors import AtomError, RefusedError
from git_atom.git import beside
from git_atom.git.digests import TreeDigests
from git_atom.git.objects import Objects
from git_atom.trust.authority import Before, keys, wrong
from git_atom.trust.delta import File, Judged, check_release, judge, read_release
from git_atom.trust.objects import aside, signer_of, split_commit, split_tag, verify_commit
from git_atom.trust.publickey import PublicKey
from git_atom.trust.verified import Verified, vouch

_LOT = 128  # entries that are read together
_LONG = 64  # entries or versions from which on a process of its own checks signatures


class Log(NamedTuple):
    """A log up to one head: its set, where it stands, the charter in force, hex digests of the keys revoked so far."""

    anchor: Digest
    head: Oid
    tree: Oid
    seq: int
    message: Digest  # of the head's message
    charter: Charter
    revoked: frozenset[str] = frozenset()


class _Commit(NamedTuple):
    oid: Oid
    raw: bytes
    tree: Oid
    parent: Oid | None
    message: bytes


def verify(
    objects: Objects,
    digests: TreeDigests,
    head: Oid,
    *,
    anchor: Digest | None = None,
    floor: Verified[Log] | None = None,
    brings: int = 0,
) -> Verified[Log]:
    """Verify the log that ends at `head`, from its founding or, with `floor`, from a head verified before.

    `anchor`: the set it must be the log of. brings: how many versions its entries are expected to bring. Raises RefusedError ATOM-3010 (a rule is broken), 3011 (older than the floor), 3012 (not a
    continuation of the floor), 3013 (another set), 3014 (unknown kind) and those of signatures; MalformedError for damaged bytes.
    """
    chain, met = _chain(objects, head, floor)
    if floor is not None and not met:
        raise _moved_back(objects, head, floor.value)
    known = floor.value if floor is not None and met else None
    if anchor is not None and known is not None and known.anchor != anchor:
        raise _other_set(known.anchor, anchor)

    def walk() -> Log:
        return _walk(objects, digests, chain[::-1], known, anchor)

    log = aside(walk) if max(len(chain), brings) > _LONG and beside.processors() > 1 else None
    return vouch(log or walk())


def _walk(
    objects: Objects, digests: TreeDigests, chain: Sequence[Oid], known: Log | None, anchor: Digest | None
) -> Log:
    """The log that commits make of the one known before them, oldest first, each judged by those before it."""
    log, state = known, _State(objects, known)
    for lot in _lots(objects, chain, known.tree if known else None):
        stated: list[tuple[Entry, Oid]] = []
        with digests.ahead([commit.tree for commit in lot] if len(chain) <= _LOT else []):
            if log is not None:
                _ready(objects, log.tree, lot)
            try:
                for commit in lot:
                    if commit.parent != (log.head if log else None):
                        raise wrong(None, f"commit '{commit.oid}' does not follow the one before it")
                    log = _step(objects, state, log, commit, stated)
                    if anchor is not None and log.anchor != anchor:
                        raise _other_set(log.anchor, anchor)
            except AtomError:
                _settle(digests, stated)
                raise
            _settle(digests, stated)
    if log is None:
        raise wrong(None, "the log is empty")
    return log


def _settle(digests: TreeDigests, stated: Sequence[tuple[Entry, Oid]]) -> None:
    """Hold what entries state against their trees, oldest first: what is wrong with one is told before what is wrong after it."""
    for entry, tree in stated:
        if digests.of(tree) != entry.tree:
            raise wrong(entry, "its tree does not have the digest it states")


def _lots(objects: Objects, chain: Sequence[Oid], tree: Oid | None) -> Iterator[list[_Commit]]:
    """The commits of a chain, oldest first, some at a time, each lot together with what its trees have and `tree` has not."""
    for at in range(0, len(chain), _LOT):
        objects.keep(chain[at : at + _LOT])
        lot = [_read(objects, oid) for oid in chain[at : at + _LOT]]
        trees = [commit.tree for commit in lot]
        objects.warm(list(zip([tree, *trees], trees, strict=False)))
        yield lot
        tree = trees[-1]
        if len(chain) > _LOT:
            objects.cool()


def _ready(objects: Objects, tree: Oid, lot: Sequence[_Commit]) -> None:
    """Have what the names of some entries are judged by kept in few questions: mostly it stands in the tree before all of them."""
    names: set[str] = set()
    for commit in lot:
        try:
            names.update(item[0] for item in Entry.decode(commit.message).items if item)
        except AtomError:
            return  # left to the step that judges it
        if len(names) > _LOT * _LOT:
            return
    wanted = sorted(names)
    objects.keep(statements_in(objects, tree, wanted).values())
    objects.at_all(tree, [f"{name_folder(name)}/versions".encode() for name in wanted])


def remembered(objects: Objects, head: Oid) -> Verified[Log]:
    """A head that this user's store keeps as verified, without verifying it again: its own words are taken.

    For the store's own refs (`refs/sets/<anchor>/log`) alone; `git atom verify` goes through `verify` from the founding.
    """
    commit = _read(objects, head)
    entry = Entry.decode(commit.message)
    charter = _charter_in(objects, commit.tree)
    gone = frozenset(name.decode() for _, name, _ in _entries(objects, commit.tree, b"revocations"))
    return vouch(Log(entry.anchor, head, commit.tree, entry.seq, of_bytes(commit.message), charter, gone))


def release(
    objects: Objects, log: Verified[Log], name: str, version: str, ever: frozenset[PublicKey] | None = None
) -> tuple[Verified[Release], bytes] | None:
    """One release that the log holds, its tag's signature checked now, and the tag's bytes; None if none.

    The key is one that a claim of this name, in force now or before, has (`ever`, where the caller asked `holders` already): that it
    was in force then was judged with the log.
    """
    found = objects.at(log.value.tree, f"{name_folder(name)}/versions/{version}".encode())
    if found is None:
        return None
    tag = objects.read(found[1])[2]
    ever = holders(objects, log.value.tree, name) if ever is None else ever
    if not ever:
        raise wrong(None, f"name '{name}' is not claimed")
    made = read_release(tag, ever)
    check_release(made, log.value.anchor, log.value.charter, name, version)
    return vouch(made), tag


def holders(objects: Objects, tree: Oid, name: str) -> frozenset[PublicKey]:
    """Every key that a claim of a name, in force now or before, has."""
    return frozenset(key for claim in claims(objects, tree, name) for key in keys(claim.keys))


def signer(tag: bytes, ever: frozenset[PublicKey]) -> PublicKey:
    """The key that signed a release's tag, out of those that may have (`holders`). For a tag that was verified: nothing is checked here.

    Raises RefusedError ATOM-3004 when it is none of them.
    """
    made_by = signer_of(tag, ever)
    if made_by.key is None:
        raise RefusedError("ATOM-3004", "the tag is signed by a key that may not sign it", note=made_by.fingerprint)
    return made_by.key


def ahead(objects: Objects, tree: Oid, wanted: Sequence[tuple[str, str]]) -> list[Oid]:
    """Have what `release` reads of these (name, version) kept in few questions; returns the commits their tags name, unchecked."""
    paths = [f"{name_folder(name)}/versions/{version}".encode() for name, version in wanted]
    objects.at_all(tree, [f"{name_folder(name)}/retractions".encode() for name in {name for name, _ in wanted}])
    statements = statements_in(objects, tree, list({name: None for name, _ in wanted}))
    tags = [found[1] for found in objects.at_all(tree, paths) if found is not None]
    objects.keep([*tags, *statements.values()])
    named = (found[2][7:].split(b"\n", 1)[0].decode(errors="replace") for found in objects.many(tags) if found)
    return [Oid(text) for text in named if text.isalnum()]


def names(objects: Objects, tree: Oid) -> Iterator[str]:
    """Every claimed name in a log's tree, in no particular order."""
    shards = _entries(objects, tree, b"names")
    objects.load(shard for _, _, shard in shards)
    for _, _, shard in shards:
        for _, name, _ in objects.tree(shard):
            yield name.decode()


def versions(objects: Objects, tree: Oid, name: str) -> frozenset[str]:
    """The published versions of a name in a log's tree."""
    found = _entries(objects, tree, f"{name_folder(name)}/versions".encode())
    return frozenset(entry[1].decode() for entry in found)


def newest(objects: Objects, head: Oid, tree: Oid, names: Sequence[str]) -> dict[str, str | None]:
    """The newest release in log order of each of these names, or None where there is none; head and tree of one verified log.

    Entries are read from the newest back until all names were met, or until their tags are fewer than the entries read: of those, the
    release that no other one names as its predecessor.
    """
    objects.at_all(tree, [f"{name_folder(name)}/versions".encode() for name in names])
    known = {name: versions(objects, tree, name) for name in names}
    out: dict[str, str | None] = {name: None for name in names}
    missing = {name for name in names if known[name]}
    left, at = sum(len(known[name]) for name in missing), head
    while missing and left > 1 + len(missing):
        commit = _read(objects, at)
        entry = Entry.decode(commit.message)
        for name, version in (item for item in entry.items if entry.kind == "publish" and item[0] in missing):
            out[name] = version
            missing.discard(name)
            left -= len(known[name])
        left -= 1
        if commit.parent is None:
            break
        at = commit.parent
    return out | {name: _last(objects, tree, name, known[name]) for name in missing}


def _last(objects: Objects, tree: Oid, name: str, known: frozenset[str]) -> str | None:
    paths = [objects.at(tree, f"{name_folder(name)}/versions/{version}".encode()) for version in known]
    tags = objects.many([found[1] for found in paths if found])
    named = {read_tag(split_tag(tag[2])[0]).previous for tag in tags if tag}
    return min(known - named, default=None)


def claim_of(objects: Objects, log: Log, name: str) -> Claim | None:
    """The claim in force of a name, or None."""
    return claim_in(objects, log.tree, name)


def claimed_anchor(objects: Objects, head: Oid) -> Digest:
    """The set that a log's head says it is of; nothing is verified yet."""
    return Entry.decode(_read(objects, head).message).anchor


def added(objects: Objects, old: Oid | None, new: Oid) -> tuple[list[File], list[str]]:
    """Files a log's tree `new` has and `old` has not, and the paths that differ or are gone; both logs are verified by the caller."""
    return _diff(objects, old, new)


def entries(objects: Objects, head: Oid, until: Oid | None) -> list[Entry]:
    """The entries after `until` up to `head`, oldest first; `until` must be an ancestor of `head`, or None for all."""
    out: list[Entry] = []
    at: Oid | None = head
    while at is not None and at != until:
        commit = _read(objects, at)
        out.append(Entry.decode(commit.message))
        at = commit.parent
    return out[::-1]


def steps(objects: Objects, head: Oid, until: Oid) -> list[tuple[Entry, list[File]]]:
    """The entries after `until` up to `head`, oldest first, each with the files it added; the log is verified by the caller."""
    out: list[tuple[Entry, list[File]]] = []
    at = _read(objects, head)
    while at.oid != until and at.parent is not None:
        before = _read(objects, at.parent)
        out.append((Entry.decode(at.message), _diff(objects, before.tree, at.tree)[0]))
        at = before
    return out[::-1]


def _entries(objects: Objects, tree: Oid, path: bytes) -> list[tuple[int, bytes, Oid]]:
    found = objects.at(tree, path)
    return objects.tree(found[1]) if found is not None and found[0] == MODE_TREE else []


def _latest(objects: Objects, tree: Oid, folder: str) -> bytes | None:
    """The statement with the highest number below `<folder>/<n>/`."""
    numbers = [int(name) for _, name, _ in _entries(objects, tree, folder.encode()) if name.isdigit()]
    if not numbers:
        return None
    found = objects.at(tree, f"{folder}/{max(numbers)}/statement".encode())
    return objects.read(found[1])[2] if found else None


def _charter_in(objects: Objects, tree: Oid) -> Charter:
    statement = _latest(objects, tree, "charters")
    if statement is None:
        raise wrong(None, "the log holds no charter")
    return Charter.decode(statement)


def claim_in(objects: Objects, tree: Oid, name: str) -> Claim | None:
    """The claim in force of a name in a log's tree, or None."""
    statement = _latest(objects, tree, f"{name_folder(name)}/claims")
    return None if statement is None else Claim.decode(statement)


def statements_in(objects: Objects, tree: Oid, names: Sequence[str]) -> dict[str, Oid]:
    """The file with the claim in force of each of these names that has one, found in few questions."""
    there = objects.at_all(tree, [name_folder(name).encode() for name in names])
    below = {n: objects.at(found[1], b"claims") for n, found in zip(names, there, strict=True) if _is_tree(found)}
    folders = {name: found[1] for name, found in below.items() if _is_tree(found)}
    objects.load(folders.values())
    numbered: dict[str, Oid] = {}
    for name, folder in folders.items():
        numbers = {int(number): oid for _, number, oid in objects.tree(folder) if number.isdigit()}
        numbered |= {name: numbers[max(numbers)]} if numbers else {}
    objects.load(numbered.values())
    found_all = {name: objects.at(folder, b"statement") for name, folder in numbered.items()}
    return {name: found[1] for name, found in found_all.items() if found is not None}


def _is_tree(found: tuple[int, Oid] | None) -> TypeGuard[tuple[int, Oid]]:
    return found is not None and found[0] == MODE_TREE


def claims(objects: Objects, tree: Oid, name: str) -> list[Claim]:
    """Every claim of a name that was ever in force, oldest first."""
    return [Claim.decode(data) for data in _all(objects, tree, f"{name_folder(name)}/claims")]


def charters(objects: Objects, tree: Oid) -> list[Charter]:
    """Every charter of the set, the founding one first."""
    return [Charter.decode(data) for data in _all(objects, tree, "charters")]


def retraction(objects: Objects, tree: Oid, name: str, version: str) -> Retraction | None:
    """The retraction of a version, or None."""
    found = objects.at(tree, f"{name_folder(name)}/retractions/{version}/statement".encode())
    return Retraction.decode(objects.read(found[1])[2]) if found else None


def retracted(objects: Objects, tree: Oid, name: str) -> frozenset[str]:
    """The retracted versions of a name."""
    found = _entries(objects, tree, f"{name_folder(name)}/retractions".encode())
    return frozenset(entry[1].decode() for entry in found)


def stated_time(objects: Objects, tree: Oid, name: str, version: str) -> str:
    """The time that a version's release states; its signer's word."""
    return read_tag(split_tag(tag_of(objects, tree, name, version))[0]).time


def tag_of(objects: Objects, tree: Oid, name: str, version: str) -> bytes:
    """The bytes of a version's signed tag; empty when there is none."""
    found = objects.at(tree, f"{name_folder(name)}/versions/{version}".encode())
    return objects.read(found[1])[2] if found else b""


def revocation(objects: Objects, tree: Oid, key: PublicKey) -> Revocation | None:
    """The revocation of a key, or None."""
    found = objects.at(tree, f"revocations/{key.digest.hex}/statement".encode())
    return Revocation.decode(objects.read(found[1])[2]) if found else None


def state(objects: Objects, log: Log) -> Before:
    """What an entry after this log would be judged by."""
    return _State(objects, log).before(log)


def _all(objects: Objects, tree: Oid, folder: str) -> list[bytes]:
    numbers = sorted(int(name) for _, name, _ in _entries(objects, tree, folder.encode()) if name.isdigit())
    paths = [objects.at(tree, f"{folder}/{number}/statement".encode()) for number in numbers]
    return [objects.read(found[1])[2] for found in paths if found]


class _State:
    """What the entry at hand is judged by: the tree before it, and the looks of all names, kept up while the chain is walked."""

    def __init__(self, objects: Objects, log: Log | None) -> None:
        self._objects = objects
        self._looks: dict[str, str] | None = None if log else {}
        self._claims: dict[str, Claim | None] = {}  # in force of the names of the entry at hand
        self._read: dict[tuple[int, Oid], Claim] = {}  # in force, by the folder with all claims of a name

    def ready(self, log: Log, names: Sequence[str]) -> None:
        """Have the claims of names, and which versions they have, read in few questions."""
        folders = [name_folder(name) for name in names]
        paths = [f"{folder}/{inside}".encode() for inside in ("claims", "versions") for folder in folders]
        places = dict(zip(names, self._objects.at_all(log.tree, paths), strict=False))
        fresh = [name for name, place in places.items() if place is not None and place not in self._read]
        found = statements_in(self._objects, log.tree, fresh)
        for name, blob in zip(found, self._objects.many(list(found.values())), strict=True):
            if blob is not None and (place := places[name]) is not None:
                self._read[place] = Claim.decode(blob[2])
        self._claims = {name: self._read.get(place) if place else None for name, place in places.items()}

    def _claim(self, log: Log, name: str) -> Claim | None:
        return self._claims[name] if name in self._claims else claim_in(self._objects, log.tree, name)

    def before(self, log: Log | None) -> Before:
        """The state after `log`, as values and lookups."""
        if log is None:
            return Before(None, None, lambda name: None, lambda name: frozenset(), dict)
        return Before(
            log.anchor,
            log.charter,
            lambda name: self._claim(log, name),
            lambda name: versions(self._objects, log.tree, name),
            lambda: self._all_looks(log),
            lambda name, version: self._tag(log, name, version),
            lambda name, version: version in retracted(self._objects, log.tree, name),
            log.revoked,
        )

    def _tag(self, log: Log, name: str, version: str) -> bytes | None:
        found = self._objects.at(log.tree, f"{name_folder(name)}/versions/{version}".encode())
        return self._objects.read(found[1])[2] if found else None

    def _all_looks(self, log: Log) -> dict[str, str]:
        if self._looks is None:
            self._looks = {skeleton(name): name for name in names(self._objects, log.tree)}
        return self._looks

    def after(self, judged: Judged) -> None:
        """Take over what an entry brought."""
        if self._looks is not None:
            self._looks.update((skeleton(claim.name), claim.name) for claim in judged.claims)


def _read(objects: Objects, oid: Oid) -> _Commit:
    found, kind, raw = objects.read(oid)
    if kind != "commit":
        raise wrong(None, f"'{oid}' is a {kind}, not a commit")
    head, _, message = split_commit(raw)[0].partition(b"\n\n")
    fields = [line.split(b" ", 1) for line in head.split(b"\n")]
    words = [field[0] for field in fields]
    if words not in ([b"tree", b"author", b"committer"], [b"tree", b"parent", b"author", b"committer"]):
        raise wrong(None, f"commit '{oid}' has fields it should not have, or more than one parent")
    parent = Oid.parse(fields[1][1].decode()) if words[1] == b"parent" else None
    return _Commit(found, raw, Oid.parse(fields[0][1].decode()), parent, message)


def _chain(objects: Objects, head: Oid, floor: Verified[Log] | None) -> tuple[list[Oid], bool]:
    """The commits from head back to the founding or the floor (left out), newest first, and whether the floor was met.

    A long way is asked of git in one question. That only saves time: who walks the chain compares each commit's parent.
    """
    until = floor.value.head if floor is not None else None
    chain: list[Oid] = []
    at: Oid | None = head
    while at is not None and at != until:
        if len(chain) == _LOT and (rest := objects.ancestors(at, until)):
            return chain + rest, until is not None and _read(objects, rest[-1]).parent == until
        objects.keep([at])
        commit = _read(objects, at)
        chain.append(commit.oid)
        at = commit.parent
    return chain, until is not None and at == until


def _moved_back(objects: Objects, head: Oid, floor: Log) -> RefusedError:
    at: Oid | None = floor.head
    while at is not None and at != head:
        at = _read(objects, at).parent
    if at is not None:
        return RefusedError(
            "ATOM-3011",
            "the log shown is older than the one seen before",
            note=f"shown {head}, seen before {floor.head} (entry {floor.seq})",
            hint="ask whoever serves it; a mirror that lags behind shows an older log, so does an attacker",
        )
    return RefusedError(
        "ATOM-3012",
        "the log shown is not a continuation of the one seen before",
        note=f"shown {head}, seen before {floor.head} (entry {floor.seq})",
        hint="two different logs of one set exist; compare both heads with the set's owners",
    )


def _other_set(found: Digest, wanted: Digest) -> RefusedError:
    return RefusedError("ATOM-3012", "the log shown is that of another set", note=f"shown {found}, expected {wanted}")


def _step(objects: Objects, state: _State, log: Log | None, commit: _Commit, stated: list[tuple[Entry, Oid]]) -> Log:
    """The log after one more entry, whose tree is left to be held against what it states."""
    entry = Entry.decode(commit.message)
    if entry.seq != (log.seq + 1 if log else 0) or entry.previous != (log.message if log else None):
        raise wrong(entry, "it does not follow the entry before it")
    if log is not None and entry.anchor != log.anchor:
        raise wrong(entry, "it is an entry of another set")
    added, removed = _diff(objects, log.tree if log else None, commit.tree)
    if log is not None and len(entry.items) <= len(added):  # else the entry is wrong
        state.ready(log, [item[0] for item in entry.items])
    judged = judge(state.before(log), entry, added, removed)
    verify_commit(commit.raw, judged.signers)
    stated.append((entry, commit.tree))
    state.after(judged)
    gone = judged.revoked | (log.revoked if log else frozenset())
    return Log(entry.anchor, commit.oid, commit.tree, entry.seq, of_bytes(commit.message), judged.charter, gone)


def _diff(objects: Objects, old: Oid | None, new: Oid) -> tuple[list[File], list[str]]:
    """Files that `new` has and `old` has not, with their bytes, and the paths that are changed or gone."""
    found: list[tuple[str, int, Oid]] = []
    removed: list[str] = []
    _compare(objects, old, new, "", found, removed)
    blobs = objects.many([oid for _, _, oid in found])
    added = []
    for (path, mode, oid), blob in zip(found, blobs, strict=True):
        if blob is None or blob[1] != "blob":
            raise wrong(None, f"'{path}' ({oid}) is not there")
        added.append(File(path, mode, blob[2]))
    return added, removed


def _compare(
    objects: Objects,
    old: Oid | None,
    new: Oid | None,
    prefix: str,
    found: list[tuple[str, int, Oid]],
    removed: list[str],
) -> None:
    gone, fresh = objects.differ(old, new)
    before = {name: (mode, oid) for mode, name, oid in gone}
    after = {name: (mode, oid) for mode, name, oid in fresh}
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        path = prefix + name.decode(errors="backslashreplace")
        was_tree, now_tree = was is not None and was[0] == MODE_TREE, now is not None and now[0] == MODE_TREE
        if was is not None and not was_tree:
            removed.append(path)
        if was_tree or now_tree:
            inside_old = was[1] if was is not None and was_tree else None
            inside_new = now[1] if now is not None and now_tree else None
            _compare(objects, inside_old, inside_new, path + "/", found, removed)
        if now is not None and not now_tree and was is None or (was_tree and now is not None and not now_tree):
            found.append((path, now[0], now[1]))
