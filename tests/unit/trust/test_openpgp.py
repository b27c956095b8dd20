"""OpenPGP keys and signatures: gpg's are accepted, and nothing that differs from them in a byte that counts; gpg is the oracle."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from gnupg import Gnupg, gnupg
from test_log import OTHER, OWNER
from test_log import key as word_key

from git_atom.core.statements import Claim
from git_atom.errors import AtomError
from git_atom.trust import authority, gpg, openpgp, openpgpkey, primitives, signature, sshsig, wire
from git_atom.trust import objects as signed
from git_atom.trust.keys import GpgKey
from git_atom.trust.publickey import PublicKey, of_blob, parse
from git_atom.trust.wire import string

GOLDEN = Path(__file__).parents[2] / "golden/openpgp"
pytestmark = pytest.mark.needs("gpg")
MESSAGE = b"object 4abbd2644bc3585e9be95deb277ccf48f6ed26ac\ntype commit\ntag a/1.0.0\n\nmessage\n"


@pytest.fixture(scope="module")
def ring() -> Iterator[Gnupg]:
    with gnupg() as made:
        made.make("ann")
        made.make("eve")
        yield made


@pytest.fixture
def ann(ring: Gnupg) -> GpgKey:
    return GpgKey(gpg.signing("ann", ring.env), ring.env)


def refused(code: str, armored: bytes, *keys: PublicKey, message: bytes = MESSAGE, namespace: str = sshsig.GIT) -> None:
    with pytest.raises(AtomError) as caught:
        signature.check(armored, keys, namespace, message)
    assert caught.value.code == code, caught.value


@pytest.mark.parametrize("kind", ["ed25519", "rsa3072", "nistp256", "nistp384", "nistp521"])
def test_both_ways_with_gpg(kind: str, ring: Gnupg, tmp_path: Path) -> None:
    ring.make(f"{kind}-person", kind)
    mine = GpgKey(gpg.signing(f"{kind}-person", ring.env), ring.env)
    assert mine.fingerprint in ring.fingerprints(f"{kind}-person") and parse(mine.public) == mine.key
    for namespace in (sshsig.GIT, sshsig.CLAIM):
        made = mine.sign(namespace, MESSAGE)
        assert signature.check(made, (OWNER.key, mine.key), namespace, MESSAGE) == mine.key
        refused("ATOM-3002", made, mine.key, message=MESSAGE + b"x", namespace=namespace)
        for name, data in (("sig", made), ("data", signature.to_sign(namespace, MESSAGE))):
            (tmp_path / name).write_bytes(data)
        done = ring("--status-fd", "1", "--verify", str(tmp_path / "sig"), str(tmp_path / "data"))
        assert f"VALIDSIG {mine.fingerprint}".encode() in done.stdout
    theirs = ring("--armor", "--digest-algo", "SHA512", "--detach-sign", "-u", mine.fingerprint, stdin=MESSAGE).stdout
    assert signature.check(theirs, (mine.key,), sshsig.GIT, MESSAGE) == mine.key


def test_the_subkey_that_signs(ring: Gnupg) -> None:
    primary = ring.make("sub", use="cert")
    with pytest.raises(AtomError) as caught:
        gpg.signing("sub", ring.env)
    assert caught.value.code == "ATOM-3005"
    first = ring.add(primary)
    assert gpg.signing("sub", ring.env).fingerprint == first == gpg.public(primary, ring.env).fingerprint
    made = GpgKey(gpg.signing(f"{first}!", ring.env), ring.env).sign(sshsig.GIT, MESSAGE)
    assert openpgp.parse(made).fingerprint == first
    body = next(body for tag, body in openpgp.packets(ring("--export", primary).stdout) if tag == 6)
    refused("ATOM-3004", made, openpgp.key_of_body(body))  # the primary key does not stand for its subkeys


def test_a_signature_is_of_its_namespace_and_its_key(ring: Gnupg, ann: GpgKey) -> None:
    eve = gpg.signing("eve", ring.env)
    for namespace in (sshsig.GIT, sshsig.CHARTER, sshsig.CLAIM):
        made = ann.sign(namespace, b"{}")
        for other in (sshsig.GIT, sshsig.CHARTER, sshsig.CLAIM):
            if other == namespace:
                assert signature.check(made, (ann.key,), other, b"{}") == ann.key
            else:
                refused("ATOM-3002", made, ann.key, message=b"{}", namespace=other)
        refused("ATOM-3004", made, eve, OWNER.key, message=b"{}", namespace=namespace)
        refused("ATOM-3004", made, message=b"{}", namespace=namespace)
    refused("ATOM-3004", OWNER.sign(sshsig.GIT, MESSAGE), ann.key)
    refused("ATOM-3004", ann.sign(sshsig.GIT, MESSAGE), OWNER.key)


def test_a_tag_and_a_commit(ann: GpgKey) -> None:
    tag = signed.sign_tag(MESSAGE, ann)
    assert signed.split_tag(tag)[0] == MESSAGE and signed.verify_tag(tag, (ann.key,)).value.key == ann.key
    assert signed.signer_of(tag, (OWNER.key, ann.key)) == (ann.fingerprint, ann.key)
    assert signed.signer_of(tag, (OWNER.key,)) == (ann.fingerprint, None)
    raw = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a> 0 +0000\ncommitter A <a> 0 +0000\n\nm\n"
    commit = signed.sign_commit(raw, ann)
    assert signed.verify_commit(commit, (ann.key,)).value.payload == raw
    for bad, code in (
        (tag.replace(b"message", b"massage"), "ATOM-3002"), (tag + b"\n", "ATOM-3001"), (tag + tag[len(MESSAGE) :], "ATOM-3001"),
        (OWNER.sign(sshsig.GIT, MESSAGE) and MESSAGE + OWNER.sign(sshsig.GIT, MESSAGE), "ATOM-3004"),
        (MESSAGE + OWNER.sign(sshsig.GIT, MESSAGE) + tag[len(MESSAGE) :], "ATOM-3001"),
        (tag + OWNER.sign(sshsig.GIT, MESSAGE), "ATOM-3001"), (MESSAGE, "ATOM-3008"),
    ):  # fmt: skip
        with pytest.raises(AtomError) as caught:
            signed.verify_tag(bad, (ann.key,))
        assert caught.value.code == code, bad


def test_every_byte_counts(ann: GpgKey) -> None:
    """Each byte of a signature changed in turn, armored anew; cut off anywhere; in another dress: refused."""
    made = ann.sign(sshsig.GIT, MESSAGE)
    packet = base64.b64decode(b"".join(made.split(b"\n")[2:-3]))
    for at in range(len(packet)):
        bad = bytearray(packet)
        bad[at] ^= 1
        with pytest.raises(AtomError) as caught:
            signature.check(openpgp.armor(bytes(bad)), (ann.key,), sshsig.GIT, MESSAGE)
        assert caught.value.exit == 2, at
    for end in range(len(packet)):
        refused("ATOM-3001", openpgp.armor(packet[:end]), ann.key)
    for text in (
        made[:-1], made + b"\n", b" " + made, made.replace(b"\n\n", b"\nComment: x\n\n"), made.replace(b"\n", b"\r\n"),
        made.replace(b"\n=", b"\n=A"), made + made, openpgp.armor(packet + packet), openpgp.armor(packet + b"\0"),
    ):  # fmt: skip
        refused("ATOM-3001", text, ann.key)


def crafted(ring: Gnupg, *options: str) -> bytes:
    return ring("--armor", *options, "--detach-sign", "-u", "ann", stdin=MESSAGE).stdout


@pytest.mark.parametrize(
    "options",
    [
        ["--digest-algo", "SHA1"], ["--digest-algo", "RIPEMD160"], ["--digest-algo", "SHA224"], ["--default-sig-expire", "1d"],
        ["--set-notation", "!must@example.org=understand"], ["--textmode"], ["--comment", "hello"], ["--emit-version"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_signatures_that_gpg_makes_and_nobody_should(options: list[str], ring: Gnupg, ann: GpgKey) -> None:
    made = crafted(ring, *options)
    refused("ATOM-3001", made, ann.key)
    good = crafted(ring, "--digest-algo", "SHA384", "--sig-notation", "may@example.org=be passed over")
    assert signature.check(good, (ann.key,), sshsig.GIT, MESSAGE) == ann.key


@pytest.mark.parametrize(
    ("kind", "code"), [("rsa2048", "ATOM-3006"), ("dsa2048", "ATOM-3006"), ("brainpoolP256r1", "ATOM-3006")]
)
def test_s01_keys_that_are_too_weak_or_not_known(kind: str, code: str, ring: Gnupg) -> None:
    ring.make(f"weak-{kind}", kind)
    with pytest.raises(AtomError) as caught:
        gpg.signing(f"weak-{kind}", ring.env)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("bits", "exponent", "good"),
    [(3072, 65537, True), (3071, 65537, False), (16385, 65537, False), (3072, 1 << 3000 | 1, False)],
)
def test_s01_rsa_keys_that_are_an_attack_to_verify_by(bits: int, exponent: int, good: bool) -> None:
    modulus = 1 << (bits - 1) | 1

    def mpi(value: int) -> bytes:
        return value.bit_length().to_bytes(2, "big") + value.to_bytes((value.bit_length() + 7) // 8, "big")

    for make in (
        lambda: openpgp.key_of_body(b"\4\0\0\0\0\1" + mpi(modulus) + mpi(exponent)),
        lambda: of_blob(string(b"ssh-rsa") + wire.mpint(exponent) + wire.mpint(modulus)),
    ):
        if good:
            assert make().kind in ("ssh-rsa", "openpgp")
            continue
        with pytest.raises(AtomError) as caught:
            make()
        assert caught.value.code == "ATOM-3006"


def test_key_lines_that_are_none(ann: GpgKey) -> None:
    body = ann.key.body
    for bad in (
        body + b"\0",
        body[:-1],
        b"\3" + body[1:],
        b"\6" + body[1:],
        body[:5] + b"\x11" + body[6:],
        b"",
        body.replace(b"\x40", b"\x41", 1),
    ):
        with pytest.raises(AtomError):
            openpgp.key_of_body(bad)
    blob = string(b"openpgp") + string(body)
    assert parse("openpgp " + base64.b64encode(blob).decode()) == ann.key
    with pytest.raises(AtomError):
        parse("ssh-ed25519 " + base64.b64encode(blob).decode())
    with pytest.raises(AtomError):
        parse("openpgp " + base64.b64encode(blob + b"x").decode())


def test_s08_one_key_in_two_dresses_counts_once(ann: GpgKey) -> None:
    body = ann.key.body
    later = openpgp.key_of_body(body[:1] + b"\0\0\0\1" + body[5:])
    point = openpgpkey.numbers(body).values[0][1:]
    blob = string(b"ssh-ed25519") + string(point)
    ssh = parse("ssh-ed25519 " + base64.b64encode(blob).decode())
    assert later.fingerprint != ann.fingerprint and later.digest != ann.key.digest
    for same in (later, ssh):
        assert not authority.distinct((ann.public, same.line)) and primitives.numbers_of(same) == primitives.numbers_of(
            ann.key
        )
    assert authority.distinct((ann.public, OWNER.public, OTHER.public, word_key("third").public))


@pytest.mark.parametrize("kind", ["ed25519", "rsa3072", "nistp256"])
def test_stored_bytes_stay(kind: str) -> None:
    """A claim and its signature made once by gpg, as they stand in a log."""
    statement = (GOLDEN / f"{kind}.statement").read_bytes()
    armored = (GOLDEN / f"{kind}.statement.asc").read_bytes()
    key = parse(Claim.decode(statement).keys[0])
    assert signature.check(armored, (key,), sshsig.CLAIM, statement) == key
    for namespace in (sshsig.GIT, sshsig.CHARTER):
        refused("ATOM-3002", armored, key, message=statement, namespace=namespace)
    refused("ATOM-3002", armored, key, message=statement.replace(b"curl", b"kurl"), namespace=sshsig.CLAIM)


def test_fingerprint_and_hash_names() -> None:
    assert openpgpkey.fingerprint(b"x") == hashlib.sha1(b"\x99\x00\x01x").hexdigest().upper()
    assert "sha1" not in openpgp.HASHES.values()


def test_a_gpg_that_is_missing_or_cannot(ring: Gnupg, ann: GpgKey, tmp_path: Path) -> None:
    empty = {**ring.env, "PATH": str(tmp_path)}
    made = ann.sign(sshsig.GIT, MESSAGE)
    for call, code in (
        (lambda: gpg.signing("ann", {**ring.env, "GNUPGHOME": str(tmp_path)}), "ATOM-3005"),
        (lambda: gpg.sign(ann.key, sshsig.GIT, MESSAGE, {**ring.env, "GNUPGHOME": str(tmp_path)}), "ATOM-3007"),
        (lambda: gpg.signing("nobody", ring.env), "ATOM-3005"),
    ):
        with pytest.raises(AtomError) as caught:
            call()
        assert caught.value.code == code
    os.symlink("/usr/bin/git", tmp_path / "git")
    with pytest.raises(AtomError) as caught:
        gpg.sign(ann.key, sshsig.GIT, MESSAGE, empty)
    assert caught.value.code == "ATOM-2001"
    assert signature.check(made, (ann.key,), sshsig.GIT, MESSAGE) == ann.key, "who verifies needs none"
