"""OpenPGP bytes of any kind: taken or refused, nothing else; and what is taken has no second form."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from git_atom.core.statements import Claim
from git_atom.errors import RefusedError
from git_atom.trust import openpgp, openpgpkey, signature, sshsig
from git_atom.trust.publickey import parse

GOLDEN = Path(__file__).parents[1] / "golden/openpgp"
KINDS = ("ed25519", "nistp256", "rsa3072")
STATEMENTS = {kind: (GOLDEN / f"{kind}.statement").read_bytes() for kind in KINDS}
ARMORED = {kind: (GOLDEN / f"{kind}.statement.asc").read_bytes() for kind in KINDS}
KEYS = {kind: parse(Claim.decode(data).keys[0]) for kind, data in STATEMENTS.items()}


def taken(call: object, *args: object) -> bool:
    try:
        list(call(*args)) if call is openpgp.packets else call(*args)  # type: ignore[operator]
    except RefusedError:
        return False
    return True


@given(st.binary(max_size=400))
def test_anything(data: bytes) -> None:
    taken(openpgp.packets, data)
    taken(openpgpkey.numbers, data)
    assert not taken(openpgp.parse, data)
    taken(openpgp.parse, openpgp.armor(data))


@given(st.sampled_from(KINDS), st.data())
def test_a_changed_signature_or_statement_does_not_hold(kind: str, data: st.DataObject) -> None:
    armored, statement = ARMORED[kind], STATEMENTS[kind]
    at = data.draw(st.integers(0, len(armored) + len(statement) - 1))
    byte = bytes([data.draw(st.integers(0, 255))])
    whole = armored + statement
    changed = whole[:at] + byte + whole[at + 1 :]
    bad = changed[: len(armored)], changed[len(armored) :]
    holds = taken(signature.check, bad[0], (KEYS[kind],), sshsig.CLAIM, bad[1])
    assert holds == (changed == whole)


@given(st.sampled_from(KINDS), st.binary(min_size=1, max_size=3), st.integers(0, 600))
def test_a_key_with_bytes_put_in_is_another_or_none(kind: str, more: bytes, at: int) -> None:
    body = KEYS[kind].body
    other = body[:at] + more + body[at:]
    if taken(openpgp.key_of_body, other):
        assert openpgp.key_of_body(other) != KEYS[kind] and openpgp.fingerprint(other) != KEYS[kind].fingerprint
