"""Who owns a set and its names: charter, claims, retractions and revocations, each a statement that enough keys must sign.

A statement that lacks signatures goes into a proposal file; whoever signs it last brings it into the log (design section 4).
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from git_atom.app.atom.publish import look_alike, one_at_a_time
from git_atom.app.atom.sets import OwnSet, own_set
from git_atom.app.atom.syncing import push_set, sync
from git_atom.atom import objects as making
from git_atom.atom.objects import Bench, Draft
from git_atom.core import refnames
from git_atom.core.digest import Digest, of_bytes
from git_atom.core.host import Host
from git_atom.core.name import check_name, skeleton
from git_atom.core.proposal import MAX_BYTES, Proposal
from git_atom.core.statements import (
    CHARTER,
    CLAIM,
    RETRACTION,
    Charter,
    Claim,
    Retraction,
    Revocation,
    check_reason,
    form_of,
)
from git_atom.core.text import shell
from git_atom.core.uri import Uri, redact
from git_atom.core.version import Version
from git_atom.errors import CannotError, ConflictError, MalformedError, NegativeError, RefusedError
from git_atom.git import config, refs, remote
from git_atom.git import repo as repos
from git_atom.git.refs import Change
from git_atom.trust import authority, gpg, signature
from git_atom.trust import log as logs
from git_atom.trust.authority import Need, Party
from git_atom.trust.keys import Signer, user_key
from git_atom.trust.publickey import PublicKey, parse

_TRIES = 8
Make = Callable[[OwnSet], bytes]


class How(NamedTuple):
    """How a change is to be made. push: a remote's name or URL, or ""; proposal: file for a statement that lacks signatures, or ""."""

    push: str = ""
    proposal: str = ""
    dry_run: bool = False


class Done(NamedTuple):
    """What became of a statement. how: `recorded` in the log, `proposed` in a file, `unchanged`; lacks: signatures still missing.

    With a dry run, what would become of it. file: where it is proposed, or once it is recorded the proposal that is needed no more.
    """

    how: str
    kind: str
    told: tuple[str, ...]
    lacks: str = ""
    file: str = ""
    head: str = ""
    pushed: str = ""


class Standing(NamedTuple):
    """The charter in force, how many there were, and the keys revoked."""

    anchor: Digest
    charter: Charter
    revoked: tuple[str, ...]  # fingerprints, of owners now or before


def standing(host: Host) -> Standing:
    """`git atom charter show`."""
    with own_set(host) as own:
        log = own.log.value
        ever = {parse(line) for charter in logs.charters(own.objects, log.tree) for line in charter.owners}
        gone = sorted(key.fingerprint for key in ever if key.digest.hex in log.revoked)
        return Standing(log.anchor, log.charter, tuple(gone))


def fingerprint(line: str) -> str:
    """A key's fingerprint, from its line."""
    return parse(line).fingerprint


# ---- what a user asks for, as statements -------------------------------------------------------------------------------


def add_owner(host: Host, text: str, how: How) -> Done:
    """A successor charter with one more owner."""
    line = key_of(host, text).line
    return _charter(host, how, lambda old: (tuple(sorted({*old.owners, line})), old.threshold))


def remove_owner(host: Host, text: str, how: How) -> Done:
    """A successor charter without one owner, named by key or fingerprint. Raises NegativeError ATOM-8027, CannotError ATOM-8025."""

    def without(old: Charter) -> tuple[tuple[str, ...], int]:
        gone = _among(host, text, old.owners)
        kept = tuple(line for line in old.owners if parse(line) != gone)
        return kept, old.threshold

    return _charter(host, how, without)


def threshold(host: Host, number: int, how: How) -> Done:
    """A successor charter with another threshold."""

    def changed(old: Charter) -> tuple[tuple[str, ...], int]:
        if not 1 <= number <= len(old.owners):
            raise CannotError("ATOM-8025", f"the threshold cannot be {number} of {len(old.owners)} owners")
        return old.owners, number

    return _charter(host, how, changed)


def _charter(host: Host, how: How, change: Callable[[Charter], tuple[tuple[str, ...], int]]) -> Done:
    def make(own: OwnSet) -> bytes:
        old, revoked = own.log.value.charter, own.log.value.revoked
        owners, least = change(old)
        owners = tuple(line for line in owners if parse(line).digest.hex not in revoked)
        if len(owners) < least:
            raise _too_few(len(owners), least)
        if (owners, least) == (old.owners, old.threshold):
            return b""
        previous = of_bytes(old.encode())
        new = old._replace(
            anchor=own.log.value.anchor, owners=owners, previous=previous, seq=old.seq + 1, threshold=least
        )
        return new.encode()

    return _bring(host, make, how)


def _too_few(left: int, least: int) -> CannotError:
    return CannotError(
        "ATOM-8025",
        f"{left} owners would be left, and the threshold is {least}",
        note="revoked keys do not count",
        hint="git atom charter add-owner <key>\ngit atom charter threshold <n>  # lower than now",
    )


def claim(host: Host, name: str, keys: Sequence[str], least: int | None, how: How) -> Done:
    """Claim a name for keys (the user's own when none is given), or hand it on when it is claimed."""
    name = check_name(name)

    def make(own: OwnSet) -> bytes:
        log = own.log.value
        chosen = {key_of(host, text).line for text in keys} or {user_key(host, own.repo).public}
        old = logs.claim_of(own.objects, log, name)
        if old is None:
            _check_new_name(own, name)
        count = (old.threshold if old and old.threshold <= len(chosen) else 1) if least is None else least
        if not 1 <= count <= len(chosen):
            raise CannotError("ATOM-8025", f"the threshold cannot be {count} of {len(chosen)} keys")
        made = Claim(log.anchor, tuple(sorted(chosen)), name, None, 0, count)
        if old is None:
            return made.encode()
        if (old.keys, old.threshold) == (made.keys, made.threshold):
            return b""
        return made._replace(previous=of_bytes(old.encode()), seq=old.seq + 1).encode()

    return _bring(host, make, how)


def _check_new_name(own: OwnSet, name: str) -> None:
    for other in logs.names(own.objects, own.log.value.tree):
        if skeleton(other) == skeleton(name):
            raise look_alike(name, other)


def retract(host: Host, text: str, reason: str, how: How) -> Done:
    """Retract one published version of the own set; once more for the same reason changes nothing.

    Raises NegativeError ATOM-8010, ConflictError ATOM-8022 for another reason.
    """
    check_reason(reason)
    asked = Uri.parse(text)

    def make(own: OwnSet) -> bytes:
        log = own.log.value
        known = logs.versions(own.objects, log.tree, asked.name) if not asked.source else frozenset()
        fit = [v for v in known if asked.requirement is None or asked.requirement.allows(Version.parse(v))]
        if len(fit) != 1:
            raise NegativeError(
                "ATOM-8010",
                f"'{text}' does not name one published version of this set",
                note=f"published: {', '.join(sorted(fit or known, key=Version.parse)) or 'none'}",
                hint=f"git atom retract {asked.name}@=<version> --reason <text>",
            )
        held = logs.release(own.objects, own.log, asked.name, fit[0])
        there = logs.retraction(own.objects, log.tree, asked.name, fit[0])
        if there is not None and there.reason == reason:
            return b""
        if there is not None:
            raise ConflictError(
                "ATOM-8022", f"'{asked.name} {fit[0]}' is retracted already", note=f"reason: {there.reason}"
            )
        if held is None:
            raise NegativeError("ATOM-8010", f"the log has no '{asked.name} {fit[0]}'", hint="git atom list")
        return Retraction(log.anchor, asked.name, reason, _now(), held[0].value.tree, fit[0]).encode()

    return _bring(host, make, how)


def revoke(host: Host, text: str, reason: str, how: How) -> Done:
    """Revoke a key for good: it signs nothing of the set from this entry on; what it signed before stays and is warned of."""
    check_reason(reason)

    def make(own: OwnSet) -> bytes:
        log = own.log.value
        lines = {line for charter in logs.charters(own.objects, log.tree) for line in charter.owners}
        for name in logs.names(own.objects, log.tree) if text.startswith("SHA256:") else ():
            lines |= {line for old in logs.claims(own.objects, log.tree, name) for line in old.keys}
        key = _among(host, text, tuple(sorted(lines))) if text.startswith("SHA256:") else key_of(host, text)
        return b"" if key.digest.hex in log.revoked else Revocation(log.anchor, key.line, reason, _now()).encode()

    return _bring(host, make, how)


def sign(host: Host, file: str, how: How) -> Done:
    """`git atom charter sign <file>`: add one's signature to a proposal; bring it into the log when there are enough."""
    path = os.path.join(host.cwd, file)
    with open(path, "rb") as handle:
        held = Proposal.decode(handle.read(MAX_BYTES + 1), file)
    return _bring(host, lambda own: held.statement, how._replace(proposal=how.proposal or file), held.signatures)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def key_of(host: Host, text: str) -> PublicKey:
    """A public key from a key line, from a file that holds one, or by its whole fingerprint out of the user's own gpg keyring.

    Raises CannotError ATOM-8024 and those of keys.
    """
    text = text.removeprefix("key::")
    if text.startswith(("ssh-", "ecdsa-", "sk-", "openpgp ")) and " " in text:
        return parse(text, "the key given")
    if gpg.FINGERPRINT.fullmatch(text):
        return gpg.public(text, host.environ)
    path = os.path.join(host.cwd, text.replace("~", host.home, 1) if text.startswith("~/") else text)
    for candidate in (path + ".pub", path):
        if os.path.isfile(candidate):
            with open(candidate, encoding="utf-8", errors="replace") as file:
                data = file.read(64 * 1024)
            if "PRIVATE KEY-----" not in data[:64]:
                return parse(data.strip(), text)
    raise CannotError(
        "ATOM-8024",
        f"'{text}' is no public key",
        hint="give a .pub file, 'ssh-ed25519 AAAA…' in quotes, or the 40 digits of a key that gpg has",
    )


def _among(host: Host, text: str, lines: Sequence[str]) -> PublicKey:
    """One of these keys, by fingerprint, line or file."""
    known = [parse(line) for line in lines]
    if text.startswith("SHA256:") or gpg.FINGERPRINT.fullmatch(text):
        hits = [key for key in known if key.fingerprint in (text, text.upper())]
    else:
        hits = [key for key in known if key == key_of(host, text)]
    if not hits:
        note = "\n".join(key.fingerprint for key in known)
        raise NegativeError("ATOM-8027", f"'{text}' is not one of these keys", note=note, hint="git atom charter show")
    return hits[0]


# ---- bringing a statement into the log ---------------------------------------------------------------------------------


def _bring(host: Host, make: Make, how: How, signatures: dict[str, bytes] | None = None) -> Done:
    """Sign a statement and record it, or where signatures are missing keep it in a file."""
    repo = repos.discover(host.cwd, host.environ)
    target = remote.url_of(repo, how.push) if how.push and not how.dry_run else ""
    for attempt in range(_TRIES):
        with one_at_a_time(repo, dry_run=how.dry_run), own_set(host) as own:
            own = sync(host, own, target, {}) if target else own
            try:
                done = _once(host, own, make(own), how, signatures or {})
            except ConflictError as error:
                if error.code != "ATOM-2010" or attempt == _TRIES - 1:
                    raise
                continue
            if not target or done.how == "proposed" or push_set(host, own, target):
                return done._replace(pushed=redact(how.push) if target and done.how != "proposed" else "")
        time.sleep(0.05 * (attempt + 1) + secrets.randbelow(100) / 1000)
    raise ConflictError(
        "ATOM-2010",
        f"the set at '{redact(how.push)}' moved each time it was pushed to",
        hint="run the same command again",
    )


def _once(host: Host, own: OwnSet, statement: bytes, how: How, signatures: dict[str, bytes]) -> Done:
    if not statement:
        return Done("unchanged", "", ())
    needed = _need(own, statement)
    if not needed.met(needed.allowed):
        raise CannotError(
            "ATOM-8031",
            f"too few keys are left in this set to sign '{' '.join((needed.kind, *needed.item))}'",
            note=f"{needed.lacks(needed.allowed)} at most; revoked keys do not count",
        )
    told = describe(own, statement)
    signer = user_key(host, own.repo)
    file = how.proposal or f"{'-'.join((needed.kind, *needed.item)).replace('/', '_').replace(':', '-')}.proposal"
    path = os.path.join(host.cwd, file)
    there = _proposed(path)
    if same := there is not None and there.statement == statement:
        signatures = there.signatures | signatures
    held = _held(needed, statement, signatures)
    begins = frozenset(key for way in needed.ways for key in way[0].keys)  # way[0] speaks for what is in force
    if signer.key not in (needed.allowed if signatures else begins):
        raise _not_yours(signer, needed)
    signed = held | {signer.key}
    lacks = "" if needed.met(signed) else needed.lacks(signed)
    owners = authority.owners(logs.state(own.objects, own.log.value))
    recorded = not lacks and signer.key in owners.keys | needed.entry
    if not recorded and not same and os.path.lexists(path):
        raise _in_the_way(file, there)
    _warn_of_the_end(host, needed, owners, how)
    if not how.dry_run:
        made = signatures | {signer.key_digest.hex: signer.sign(needed.namespace, statement)}
        if recorded:
            head = _record(host, own, needed, statement, made, signer)
            return Done("recorded", needed.kind, told, file=file if same else "", head=head)
        _keep(path, Proposal(statement, made).encode())
    return Done("recorded" if recorded else "proposed", needed.kind, told, lacks, "" if recorded else file)


def _warn_of_the_end(host: Host, needed: Need, owners: Party, how: How) -> None:
    """Say so when a revocation leaves fewer owners than have to sign. It is not refused: a stolen key has to go, whatever that costs (ADR 15)."""
    left = len(owners.keys - needed.entry)
    if not isinstance(needed.said, Revocation) or not left < owners.threshold <= len(owners.keys):
        return
    host.progress.say(
        f"warning: of the owners {left} would be left, and the threshold is {owners.threshold}: "
        "no owner, threshold or new name can ever be recorded after this"
    )
    if how.dry_run:
        lower = f", or git atom charter threshold {left}" if left else ""
        host.progress.say(f"hint: git atom charter add-owner <key> first{lower}")


def _proposed(path: str) -> Proposal | None:
    """The proposal that a file holds, or None."""
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as handle:
        try:
            return Proposal.decode(handle.read(MAX_BYTES + 1), path)
        except MalformedError:
            return None


def _in_the_way(file: str, there: Proposal | None) -> ConflictError:
    return ConflictError(
        "ATOM-8030",
        f"'{file}' is there already, and is not this proposal",
        note=f"it is another proposal, signed {len(there.signatures)} times" if there else "it is no proposal",
        hint="name another file with --proposal <file>"
        + (f", or rm {shell(file)} when nobody needs it" if there else ""),
    )


def _need(own: OwnSet, statement: bytes) -> Need:
    try:
        return authority.need(logs.state(own.objects, own.log.value), statement)
    except RefusedError as error:
        if error.code != "ATOM-3010":
            raise
        raise ConflictError(
            "ATOM-8023",
            "that does not fit the set as it stands",
            note=error.note,
            hint="git atom log  # then make the change again",
        ) from None


def _held(needed: Need, statement: bytes, signatures: dict[str, bytes]) -> frozenset[PublicKey]:
    """The keys whose signatures a proposal holds, each verified; one that does not count is refused by name."""
    by_digest = {key.digest.hex: key for key in needed.allowed}
    found = set()
    for name, armored in signatures.items():
        key = by_digest.get(name)
        if key is None:
            who = signature.maker(armored).fingerprint
            raise RefusedError("ATOM-3004", f"the proposal is signed by key {who}, which has no say in it")
        found.add(signature.check(armored, (key,), needed.namespace, statement))
    return frozenset(found)


def _not_yours(signer: Signer, needed: Need) -> RefusedError:
    allowed = "\n".join(f"allowed  {fingerprint}" for fingerprint in sorted(k.fingerprint for k in needed.allowed))
    what = "change the charter" if needed.kind == "charter" else f"{needed.kind} '{' '.join(needed.item)}'"
    return RefusedError(
        "ATOM-8017",
        f"your key may not {what} in this set",
        note=f"your key {signer.fingerprint}\n{allowed}",
        hint="sign with an allowed key (user.signingKey), or ask an owner of the set",
    )


def _record(
    host: Host, own: OwnSet, needed: Need, statement: bytes, signatures: dict[str, bytes], signer: Signer
) -> str:
    log = own.log.value
    bench = Bench(own.repo, own.objects, own.digests, signer, config.identity(own.repo))
    draft = Draft(log.anchor, log.head, log.tree, log.seq, log.message)
    draft = making.bring(bench, draft, needed.kind, needed.item, needed.folder, statement, signatures)
    verified = logs.verify(own.objects, own.digests, draft.head or log.head, floor=own.log)
    refs.update(own.repo, [Change(refnames.LOG, verified.value.head, log.head)], f"git atom {needed.kind}")
    own.digests.remember(verified.value.tree)
    return verified.value.head


def _keep(path: str, data: bytes) -> None:
    with open(path + ".new", "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def describe(own: OwnSet, statement: bytes) -> tuple[str, ...]:
    """What a statement changes, for the people who are to sign it."""
    form = form_of(statement)
    if form == CHARTER:
        new, old = Charter.decode(statement), own.log.value.charter
        return (*_changed("owner", old.owners, new.owners), *_count("threshold", old.threshold, new.threshold))
    if form == CLAIM:
        claimed = Claim.decode(statement)
        before = logs.claim_of(own.objects, own.log.value, claimed.name)
        least = before.threshold if before else 1
        return (
            f"name {claimed.name}" + (" (claimed before)" if before else ""),
            *_changed("key", before.keys if before else (), claimed.keys),
            *_count("threshold", least, claimed.threshold),
        )
    if form == RETRACTION:
        said = Retraction.decode(statement)
        return (f"{said.name} {said.version}", f"reason: {said.reason}")
    gone = Revocation.decode(statement)
    return (f"key {parse(gone.key).fingerprint}", f"reason: {gone.reason}")


def _changed(what: str, old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    added = tuple(f"+ {what} {parse(line).fingerprint}" for line in new if line not in old)
    return added + tuple(f"- {what} {parse(line).fingerprint}" for line in old if line not in new)


def _count(what: str, old: int, new: int) -> tuple[str, ...]:
    return (f"{what} {old} -> {new}",) if old != new else ()
