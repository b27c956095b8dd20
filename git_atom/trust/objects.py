"""Signatures inside git objects, in git's own form (gitformat-signature(5)), so stock git checks ours and we check git's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, TypeVar

from git_atom.core.digest import of_bytes
from git_atom.errors import AtomError, RefusedError
from git_atom.trust import signature, sshsig
from git_atom.trust.keys import Signer
from git_atom.trust.publickey import PublicKey
from git_atom.trust.signature import Maker
from git_atom.trust.verified import Verified, vouch

# Who made what verified in this process, by the digest of payload and signature: a log and the releases in it are two questions
# about one signature, and whether it fits does not change. Whether its maker may sign is asked each time.
_GOOD: dict[bytes, PublicKey] = {}
_MANY = 500_000
T = TypeVar("T")
_HEADER = {"sha1": b"gpgsig", "sha256": b"gpgsig-sha256"}


class Signed(NamedTuple):
    """What was signed (the object without its signature) and by whom."""

    payload: bytes
    key: PublicKey


def sign_tag(raw: bytes, signer: Signer) -> bytes:
    """A tag object with its signature appended; `raw` is the object without one and ends in a newline."""
    return raw + signer.sign(sshsig.GIT, raw)


def sign_commit(raw: bytes, signer: Signer, fmt: str = "sha1") -> bytes:
    """A commit object with its signature as the last header."""
    head, blank, message = raw.partition(b"\n\n")
    lines = signer.sign(sshsig.GIT, raw).rstrip(b"\n").replace(b"\n", b"\n ")
    return head + b"\n" + _HEADER[fmt] + b" " + lines + blank + message


def split_tag(raw: bytes) -> tuple[bytes, bytes]:
    """Payload and signature of a tag; the signature is empty when there is none."""
    found = [at + 1 for at in (raw.find(b"\n" + begin + b"\n") for begin in signature.BEGINS) if at >= 0]
    return (raw[: min(found)], raw[min(found) :]) if found else (raw, b"")


def split_commit(raw: bytes) -> tuple[bytes, bytes]:
    """Payload and signature of a commit. Raises RefusedError ATOM-3001 when it carries more than one."""
    head, blank, message = raw.partition(b"\n\n")
    kept: list[bytes] = []
    taken: list[bytes] = []
    count, inside = 0, False
    for line in head.split(b"\n"):
        if line.startswith((b"gpgsig ", b"gpgsig-sha256 ")):
            inside = True
            count += 1
            taken.append(line.split(b" ", 1)[1])
        elif inside and line.startswith(b" "):
            taken.append(line[1:])
        else:
            inside = False
            kept.append(line)
    if count > 1:
        raise RefusedError("ATOM-3001", "the commit is malformed", note="it carries more than one signature")
    return b"\n".join(kept) + blank + message, b"\n".join([*taken, b""]) if taken else b""


def signer_of(raw: bytes, known: Iterable[PublicKey]) -> Maker:
    """Who is said to have signed a tag or a commit; `known` as in `signature.maker`. Raises RefusedError ATOM-3001."""
    return signature.maker((split_commit if raw.startswith(b"tree ") else split_tag)(raw)[1], known)


def aside(walk: Callable[[], T]) -> T | None:
    """What `walk` comes to, its Ed25519 signatures checked by another process meanwhile; None when one does not fit, or that cannot be had.

    Then nothing of what it verified counts, and it is to be done again without. Raises what `walk` raises when all its signatures fit.
    """
    from git_atom.trust import primitives

    with primitives.aside() as checker:
        try:
            made = walk()
            return made if checker.all_fit() else None
        except AtomError:
            if checker.all_fit():
                raise
            return None
        finally:
            if not checker.fit:
                _GOOD.clear()


def verify_tag(raw: bytes, keys: Collection[PublicKey]) -> Verified[Signed]:
    """Check a signed tag object against the keys that may have made it. Raises RefusedError ATOM-3001 to ATOM-3004, ATOM-3008."""
    return _verify("tag", *split_tag(raw), keys)


def verify_commit(raw: bytes, keys: Collection[PublicKey]) -> Verified[Signed]:
    """Check a signed commit object against the keys that may have made it. Raises as verify_tag."""
    return _verify("commit", *split_commit(raw), keys)


def _verify(what: str, payload: bytes, armored: bytes, keys: Collection[PublicKey]) -> Verified[Signed]:
    if not armored:
        raise RefusedError("ATOM-3008", f"the {what} is not signed")
    if not armored.startswith(signature.BEGINS):
        raise RefusedError("ATOM-3008", f"the {what} is not signed with a key of a kind known here")
    seen = of_bytes(b"%d " % len(payload) + payload + armored).raw
    made_by = _GOOD.get(seen)
    if made_by is None or made_by not in keys:
        said = signature.maker(armored, keys)
        if said.key is None or said.key not in keys:
            raise RefusedError(
                "ATOM-3004",
                f"the {what} is signed by a key that may not sign it",
                note=f"signed by {said.fingerprint}, allowed: {', '.join(k.fingerprint for k in keys) or 'none'}",
            )
        made_by = signature.check(armored, (said.key,), sshsig.GIT, payload)
        if len(_GOOD) < _MANY:
            _GOOD[seen] = made_by
    return vouch(Signed(payload, made_by))
