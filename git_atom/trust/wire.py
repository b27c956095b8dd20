"""Bytes that keys and signatures are read from: fields of one length each, all of them whole (RFC 4251 section 5)."""

from __future__ import annotations

from git_atom.errors import RefusedError

MIN_RSA_BITS, MAX_RSA_BITS = 3072, 16384
_MAX_EXPONENT_BITS = 64  # a longer one costs whoever verifies a hundred milliseconds a signature


class Reader:
    """Reads length-prefixed fields; every field must be whole and nothing may be left over. Raises RefusedError ATOM-3001."""

    __slots__ = ("_at", "_data", "_what")

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self._what = what

    def take(self, count: int) -> bytes:
        """Exactly this many bytes."""
        if count > len(self._data) - self._at:
            raise malformed(self._what, "it is cut off")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        """A uint32."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """A string: uint32 length and that many bytes."""
        return self.take(self.number())

    def mpint(self) -> int:
        """A non-negative multiple precision integer in its one shortest form."""
        raw = self.string()
        if raw and (raw[0] & 0x80 or (raw[0] == 0 and (len(raw) == 1 or not raw[1] & 0x80))):
            raise malformed(self._what, "an integer is not in its shortest form")
        return int.from_bytes(raw, "big")

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self._at == len(self._data)

    def end(self) -> None:
        """Nothing may follow."""
        if self._at != len(self._data):
            raise malformed(self._what, "bytes follow its end")


def string(data: bytes) -> bytes:
    """A string field."""
    return len(data).to_bytes(4, "big") + data


def mpint(value: int) -> bytes:
    """A non-negative integer field."""
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big") if value else b"")


def malformed(what: str, why: str) -> RefusedError:
    """The error for a key or signature whose bytes are not what they must be."""
    return RefusedError("ATOM-3001", f"{what} is malformed", note=why)


def check_rsa(modulus: int, exponent: int, hint: str) -> None:
    """Raise RefusedError ATOM-3006 for an RSA key that is too weak, or so large that verifying by it is an attack."""
    bits = modulus.bit_length()
    if bits < MIN_RSA_BITS:
        raise RefusedError(
            "ATOM-3006", f"an RSA key of {bits} bits is too weak", note=f"at least {MIN_RSA_BITS} bits", hint=hint
        )
    if bits > MAX_RSA_BITS or exponent.bit_length() > _MAX_EXPONENT_BITS:
        raise RefusedError(
            "ATOM-3006",
            f"an RSA key of {bits} bits with an exponent of {exponent.bit_length()} is too large",
            note=f"at most {MAX_RSA_BITS} and {_MAX_EXPONENT_BITS} bits",
            hint=hint,
        )
