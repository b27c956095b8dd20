"""What each kind of log entry may change, and who may sign it, judged by the state before it (design section 4).

Pure: state and changes are values. `trust/log.py` reads them from git and asks `judge`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from git_atom.core.digest import MODE_FILE, Digest, atom_id, of_bytes
from git_atom.core.name import check_name, skeleton
from git_atom.core.statements import Charter, Claim, Entry, Release, read_tag, shard
from git_atom.core.version import Version
from git_atom.errors import RefusedError
from git_atom.trust import signature, sshsig
from git_atom.trust.authority import Before, Need, Party, alive, distinct, keys, need, wrong
from git_atom.trust.objects import verify_tag
from git_atom.trust.publickey import PublicKey


class File(NamedTuple):
    """One file a log entry adds: where, git mode, bytes."""

    path: str
    mode: int
    data: bytes


class Judged(NamedTuple):
    """What an entry brought: who may sign its commit, the charter in force after it, claimed names, released
    versions, hex digests of the keys it revoked."""

    signers: frozenset[PublicKey]
    charter: Charter
    claims: tuple[Claim, ...] = ()
    releases: tuple[Release, ...] = ()
    revoked: frozenset[str] = frozenset()


def judge(before: Before, entry: Entry, added: Sequence[File], removed: Sequence[str]) -> Judged:
    """Judge one entry by the state before it. Raises RefusedError ATOM-3010, 3014 and those of signatures."""
    rule = _RULES.get(entry.kind)
    if rule is None:
        raise RefusedError(
            "ATOM-3014",
            f"entry {entry.seq} of the log is of kind '{entry.kind}'",
            note="this version does not know that kind",
            hint="install a newer git_atom",
        )
    if removed:
        raise wrong(entry, f"it changes or removes '{removed[0]}'")
    for file in added:
        if file.mode != MODE_FILE:
            raise wrong(entry, f"'{file.path}' is not a plain file")
    if (entry.kind == "found") != (before.charter is None):
        raise wrong(entry, "a log has one founding entry, its first")
    return rule(before, entry, added)


def _found(before: Before, entry: Entry, added: Sequence[File]) -> Judged:
    files = {file.path: file.data for file in added}
    statement = files.pop("charters/0/statement", None)
    if statement is None:
        raise wrong(entry, "it holds no charter")
    charter = Charter.decode(statement)
    if charter.seq != 0 or of_bytes(statement) != entry.anchor or entry.items:
        raise wrong(entry, "its charter is not the one its anchor is the digest of")
    if not distinct(charter.owners):
        raise wrong(entry, "its charter names one key twice")
    owners = Party("the owners", keys(charter.owners), charter.threshold)
    _count(entry, Need("found", (), "charters/0", sshsig.CHARTER, ((owners,),)), files, statement)
    return Judged(owners.keys, charter)


def _statements(before: Before, entry: Entry, added: Sequence[File]) -> Judged:
    """A charter, claims, retractions or a revocation: each a statement with its detached signatures, by the table of `authority`."""
    charter = _charter(before)
    speakers = alive(before, charter.owners)
    may_enter: frozenset[PublicKey] | None = None
    items, claims, revoked = [], [], set()
    for folder, files in sorted(_groups(entry, added).items()):
        statement = files.pop(f"{folder}/statement", b"")
        needed = need(before, statement)
        if needed.kind != entry.kind or needed.folder != folder:
            raise wrong(entry, f"the statement at '{folder}' is for another place")
        _count(entry, needed, files, statement)
        may_enter = needed.entry if may_enter is None else may_enter & needed.entry
        items.append(needed.item)
        if isinstance(needed.said, Charter):
            charter = needed.said
        elif isinstance(needed.said, Claim):
            claims.append(needed.said)
        elif entry.kind == "revoke":
            revoked.add(folder.rpartition("/")[2])
    if entry.kind in ("charter", "revoke") and len(items) != 1:
        raise wrong(entry, "it brings more than one statement")
    _look_alike(before, entry, claims)
    _items(entry, items)
    return Judged(speakers | (may_enter or frozenset()), charter, tuple(claims), revoked=frozenset(revoked))


def _groups(entry: Entry, added: Sequence[File]) -> dict[str, dict[str, bytes]]:
    """The added files by the folder of their statement; each must be the statement or a signature beside it."""
    groups: dict[str, dict[str, bytes]] = {}
    for file in added:
        folder, _, name = file.path.rpartition("/")
        if name != "statement" or not folder:
            folder, _, last = folder.rpartition("/")
            if last != "signatures" or not folder:
                raise wrong(entry, f"it does not bring '{file.path}'")
        groups.setdefault(folder, {})[file.path] = file.data
    return groups


def _look_alike(before: Before, entry: Entry, claims: Sequence[Claim]) -> None:
    """A name claimed for the first time may not look like another one of the set."""
    looks: dict[str, str] | None = None
    for claim in claims:
        if claim.seq == 0:
            looks = dict(before.looks()) if looks is None else looks
            if (same := looks.setdefault(skeleton(claim.name), claim.name)) != claim.name:
                raise wrong(entry, f"name '{claim.name}' looks like '{same}'")


def _publish(before: Before, entry: Entry, added: Sequence[File]) -> Judged:
    charter = _charter(before)
    everyone: frozenset[PublicKey] | None = None
    releases = []
    for file in added:
        parts = file.path.split("/")
        if len(parts) != 5 or parts[0] != "names" or parts[3] != "versions" or parts[1] != shard(parts[2]):
            raise wrong(entry, f"a publication does not bring '{file.path}'")
        name, version = parts[2], str(Version.parse(parts[4]))
        claim = before.claim(check_name(name, exact=True))
        if claim is None:
            raise wrong(entry, f"name '{name}' is not claimed")
        allowed = alive(before, claim.keys)
        release = read_release(file.data, allowed)
        check_release(release, _anchor(before), charter, name, version)
        known = before.versions(name)
        if (release.previous is None) != (not known) or (
            release.previous is not None and release.previous not in known
        ):
            raise wrong(entry, f"release '{name} {version}' does not name a release before it")
        everyone = allowed if everyone is None else everyone & allowed
        releases.append(release)
    _items(entry, [(r.name, r.version) for r in releases])
    if len({r.name for r in releases}) != len(releases):
        raise wrong(entry, "it brings two versions of one name")
    return Judged(alive(before, charter.owners) | (everyone or frozenset()), charter, releases=tuple(releases))


_RULES: dict[str, Callable[[Before, Entry, Sequence[File]], Judged]] = {
    "found": _found,
    "charter": _statements,
    "claim": _statements,
    "publish": _publish,
    "retract": _statements,
    "revoke": _statements,
}


def read_release(tag: bytes, allowed: frozenset[PublicKey]) -> Release:
    """The release in a signed tag object made by one of these keys. Raises as verify_tag, and MalformedError ATOM-1030."""
    return read_tag(verify_tag(tag, allowed).value.payload)


def check_release(release: Release, anchor: Digest, charter: Charter, name: str, version: str) -> None:
    """A release must speak of this set, name and version. Raises RefusedError ATOM-3010."""
    said = (release.anchor, release.name, release.version, release.id)
    if said != (anchor, name, version, atom_id(charter.root, name)):
        raise RefusedError(
            "ATOM-3010",
            f"the tag shown for '{name} {version}' is for another atom",
            note=f"it says {release.name} {release.version} of set {release.anchor}",
        )


def _charter(before: Before) -> Charter:
    if before.charter is None:
        raise wrong(None, "there is no charter before it")
    return before.charter


def _anchor(before: Before) -> Digest:
    if before.anchor is None:
        raise wrong(None, "there is no charter before it")
    return before.anchor


def _items(entry: Entry, brought: list[tuple[str, ...]]) -> None:
    if not brought or tuple(sorted(brought)) != entry.items:
        raise wrong(entry, "what it says it brings is not what it brings")


def _count(entry: Entry, needed: Need, files: Mapping[str, bytes], statement: bytes) -> None:
    """Count the detached signatures beside a statement by distinct key; every file must be one, named by its key's digest."""
    signed: set[PublicKey] = set()
    by_path = {f"{needed.folder}/signatures/{key.digest.hex}": key for key in needed.allowed}
    for path, data in files.items():
        key = by_path.get(path)
        if key is None:
            raise wrong(entry, f"'{path}' is not the signature of a key that may sign there")
        signature.check(data, (key,), needed.namespace, statement)
        signed.add(key)
    if not needed.met(signed):
        raise wrong(entry, f"'{needed.folder}' has {needed.lacks(signed)}")
