"""DSSE envelopes (secure-systems-lab/dsse, envelope and protocol 1.0): the type is signed with the payload, verify before parsing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from typing import NamedTuple

from git_atom.core import canon
from git_atom.errors import MalformedError, RefusedError
from git_atom.trust.keys import Signer
from git_atom.trust.publickey import PublicKey
from git_atom.trust.verified import Verified, vouch


class Opened(NamedTuple):
    """What an envelope holds, and the key that vouches for it."""

    payload_type: str
    payload: bytes
    key: PublicKey


def pre_auth(payload_type: str, payload: bytes) -> bytes:
    """PAE, the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def envelope(payload_type: str, payload: bytes, signer: Signer) -> bytes:
    """A signed envelope as canonical JSON."""
    signature = signer.sign_raw(pre_auth(payload_type, payload))
    return canon.encode(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": signer.fingerprint, "sig": base64.b64encode(signature).decode()}],
        }
    )


def open_envelope(data: bytes, keys: Collection[PublicKey], payload_type: str = "") -> Verified[Opened]:
    """Check an envelope against the keys that may have signed it; with `payload_type`, it must be of that type.

    Raises MalformedError ATOM-1003 for what is no envelope, RefusedError ATOM-3004 (no accepted key) or ATOM-3002 (bad signature).
    """
    kind, payload, rows = _parts(data)
    if payload_type and kind != payload_type:
        raise RefusedError("ATOM-3003", f"the envelope is of type '{kind}', not '{payload_type}'")
    known = {key.fingerprint: key for key in keys}
    from git_atom.trust.primitives import verify_raw

    tried = False
    for keyid, signature in rows:
        if keyid in known:
            tried = True
            if verify_raw(known[keyid], signature, pre_auth(kind, payload)):
                return vouch(Opened(kind, payload, known[keyid]))
    if tried:
        raise RefusedError("ATOM-3002", "the signature does not fit what it is said to sign", note=f"of type {kind}")
    raise RefusedError(
        "ATOM-3004", "the envelope is signed by no accepted key", note=", ".join(str(row[0]) for row in rows)
    )


def _parts(data: bytes) -> tuple[str, bytes, list[tuple[str, bytes]]]:
    """Type, payload and signatures (key id, bytes) of an envelope; raises MalformedError ATOM-1003."""
    value = canon.decode(data)
    try:
        kind, payload = value["payloadType"], base64.b64decode(value["payload"], validate=True)
        rows = [(row["keyid"], base64.b64decode(row["sig"], validate=True)) for row in value["signatures"]]
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise _malformed() from None
    sound = set(value) == {"payload", "payloadType", "signatures"} and all(
        set(r) == {"keyid", "sig"} for r in value["signatures"]
    )
    if not sound or not rows or not isinstance(kind, str):
        raise _malformed()
    return kind, payload, rows


def _malformed() -> MalformedError:
    return MalformedError("ATOM-1003", "this is not a DSSE envelope")
