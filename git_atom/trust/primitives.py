"""Raw signatures and key files. Door: cryptography (imported when first needed)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from git_atom.trust import openpgpkey
from git_atom.trust.openpgpkey import Numbers
from git_atom.trust.publickey import ED25519, OPENPGP, SK_ECDSA, SK_ED25519, PublicKey, of_blob
from git_atom.trust.wire import Reader, malformed, mpint, string

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from git_atom.trust.aside import Aside

_HASHES = {"ecdsa-sha2-nistp256": "SHA256", "ecdsa-sha2-nistp384": "SHA384", "ecdsa-sha2-nistp521": "SHA512"}
_RSA = {b"rsa-sha2-256": "SHA256", b"rsa-sha2-512": "SHA512"}
USER_PRESENT = 1
_aside: Aside | None = None  # who checks the signatures that are asked about now


@contextmanager
def aside() -> Iterator[Aside]:
    """Have Ed25519 signatures checked by another process meanwhile; what `verify` says of one counts only once `all_fit` was asked."""
    global _aside
    from git_atom.trust.aside import Aside

    with Aside() as checker:
        _aside = checker
        try:
            yield checker
        finally:
            _aside = None


def ready() -> None:
    """Load what checks signatures, for one who waits for something else and is going to check some."""
    from cryptography.exceptions import InvalidSignature  # noqa: F401
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: F401


def verify(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether an SSH signature blob (`string type, string signature`) over a message is this key's.

    Raises RefusedError ATOM-3001 when the blob is malformed or of a type this key does not make (`ssh-rsa` with SHA-1 included).
    """
    if key.kind == OPENPGP:
        raise malformed("the signature", "an OpenPGP key does not make SSH signatures")
    if key.kind == "ssh-ed25519" and signature.startswith(ED25519) and len(signature) == len(ED25519) + 64:
        kind, raw = b"ssh-ed25519", signature[-64:]
        if _aside is not None:
            return _aside.ask(_fields(key)[0], raw, message)
    else:
        reader = Reader(signature, "the signature")
        kind, raw = reader.string(), reader.string()
        if key.kind in (SK_ED25519, SK_ECDSA):
            flags, counter = reader.take(1), reader.take(4)
            application = _fields(key)[-1]
            message = hashlib.sha256(application).digest() + flags + counter + hashlib.sha256(message).digest()
            if not flags[0] & USER_PRESENT:
                reader.end()
                return False
        reader.end()
    if kind.decode(errors="replace") != key.kind and not (key.kind == "ssh-rsa" and kind in _RSA):
        raise malformed("the signature", f"a {key.kind} key does not make '{kind.decode(errors='replace')}' signatures")
    from cryptography.exceptions import InvalidSignature

    try:
        _verify(key, kind, raw, message)
    except InvalidSignature:
        return False
    return True


def verify_numbers(key: Numbers, hash_name: str, digest: bytes, values: Sequence[bytes]) -> bool:
    """Whether the numbers of an OpenPGP signature over a digest are this key's (RFC 4880 section 5.2.2, RFC 6637 section 5)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    algorithm = Prehashed(getattr(hashes, hash_name.upper())())
    try:
        if key.algorithm == openpgpkey.EDDSA:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

            if max(map(len, values)) > 32:
                return False
            raw = b"".join(value.rjust(32, b"\0") for value in values)
            Ed25519PublicKey.from_public_bytes(key.values[0][1:]).verify(raw, digest)
        elif key.algorithm == openpgpkey.ECDSA:
            from cryptography.hazmat.primitives.asymmetric import ec
            from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

            curves: dict[int, ec.EllipticCurve] = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}
            curve = curves[openpgpkey.CURVES[key.curve]]
            r, s = (int.from_bytes(value, "big") for value in values)
            point = ec.EllipticCurvePublicKey.from_encoded_point(curve, key.values[0])
            point.verify(encode_dss_signature(r, s), digest, ec.ECDSA(algorithm))
        else:
            from cryptography.hazmat.primitives.asymmetric import padding, rsa

            n, e = (int.from_bytes(value, "big") for value in key.values)
            whole = rsa.RSAPublicNumbers(e, n).public_key()
            whole.verify(values[0].rjust((n.bit_length() + 7) // 8, b"\0"), digest, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    except ValueError:
        raise malformed("the OpenPGP key", "its numbers are none of its kind") from None
    return True


def numbers_of(key: PublicKey) -> tuple[str, bytes]:
    """What makes a key the key it is, whatever it is written as: its algorithm and its point or modulus."""
    if key.kind == OPENPGP:
        known = openpgpkey.numbers(key.body)
        first = known.values[0]
        kind = {openpgpkey.RSA: "rsa", openpgpkey.EDDSA: "ed25519"}.get(known.algorithm, "ecdsa")
        return kind, first[1:] if known.algorithm == openpgpkey.EDDSA else first
    fields = _fields(key)
    if key.kind in ("ssh-ed25519", SK_ED25519):
        return "ed25519", fields[0]
    return ("rsa", fields[1].lstrip(b"\0")) if key.kind == "ssh-rsa" else ("ecdsa", fields[1])


@lru_cache(1024)  # few keys sign many things
def _fields(key: PublicKey) -> tuple[bytes, ...]:
    """The fields of a key's wire bytes after its type."""
    reader = Reader(key.blob, "the public key")
    count = {"ssh-ed25519": 2, SK_ECDSA: 4}.get(key.kind, 3)
    return tuple([reader.string() for _ in range(count)][1:])


@lru_cache(1024)
def _ed25519(raw: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(raw)


def _verify(key: PublicKey, kind: bytes, raw: bytes, message: bytes) -> None:
    fields = _fields(key)
    if key.kind in ("ssh-ed25519", SK_ED25519):
        if len(raw) != 64:
            raise malformed("the signature", "an Ed25519 signature has 64 bytes")
        _ed25519(fields[0]).verify(raw, message)
    elif key.kind == "ssh-rsa":
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding, rsa

        numbers = rsa.RSAPublicNumbers(int.from_bytes(fields[0], "big"), int.from_bytes(fields[1], "big"))
        numbers.public_key().verify(raw, message, padding.PKCS1v15(), getattr(hashes, _RSA[kind])())
    else:
        curve_key, algorithm = _ecdsa(key, fields[1])
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        pair = Reader(raw, "the signature")
        r, s = pair.mpint(), pair.mpint()
        pair.end()
        curve_key.verify(encode_dss_signature(r, s), message, algorithm)


def _ecdsa(key: PublicKey, point: bytes) -> tuple[EllipticCurvePublicKey, ECDSA]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    curves: dict[str, ec.EllipticCurve] = {"SHA256": ec.SECP256R1(), "SHA384": ec.SECP384R1(), "SHA512": ec.SECP521R1()}
    hash_name = _HASHES.get(key.kind, "SHA256")
    try:
        loaded = ec.EllipticCurvePublicKey.from_encoded_point(curves[hash_name], point)
    except ValueError:
        raise malformed("the public key", "its point is not on its curve") from None
    return loaded, ec.ECDSA(getattr(hashes, hash_name)())


class PrivateKey:
    """An unencrypted private key in memory."""

    __slots__ = ("_key", "public")

    def __init__(self, key: Any) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
        from cryptography.hazmat.primitives.serialization import ssh as _  # noqa: F401 - loads the encoder

        self._key = key
        line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        import base64

        self.public = of_blob(base64.b64decode(line.split()[1]))

    def sign(self, message: bytes) -> bytes:
        """An SSH signature blob over a message (RSA with SHA-512)."""
        kind = self.public.kind
        if kind == "ssh-ed25519":
            return string(kind.encode()) + string(self._key.sign(message))
        from cryptography.hazmat.primitives import hashes

        if kind == "ssh-rsa":
            from cryptography.hazmat.primitives.asymmetric import padding

            return string(b"rsa-sha2-512") + string(self._key.sign(message, padding.PKCS1v15(), hashes.SHA512()))
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(getattr(hashes, _HASHES[kind])())))
        return string(kind.encode()) + string(mpint(r) + mpint(s))

    def sign_raw(self, message: bytes) -> bytes:
        """The bare 64 signature bytes; only of an Ed25519 key."""
        if self.public.kind != "ssh-ed25519":
            raise malformed("the key", "only an Ed25519 key signs envelopes")
        return cast(bytes, self._key.sign(message))

    def file_bytes(self) -> bytes:
        """The key as an OpenSSH private key file, unencrypted."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return cast(bytes, self._key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


def load(data: bytes) -> PrivateKey | None:
    """A private key from the bytes of its file; None when a passphrase is needed or the form is not one we read ourselves."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    for loader in (load_ssh_private_key, load_pem_private_key):
        try:
            key = loader(data, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            return PrivateKey(key)
    return None


def generate() -> PrivateKey:
    """A new Ed25519 key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return PrivateKey(Ed25519PrivateKey.generate())


def verify_raw(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether bare signature bytes over a message are this Ed25519 key's."""
    if key.kind != "ssh-ed25519":
        return False
    return verify(key, string(b"ssh-ed25519") + string(signature), message)
