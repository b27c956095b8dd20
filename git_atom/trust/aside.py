"""Ed25519 signatures checked by a process of their own, while the one that asks goes on reading (RFC 8032).

A long log costs about as much in signatures as in everything else, and this interpreter runs one thread at a time. What is
asked is taken for good until `all_fit` says so; who gets another answer asks again, one signature after the other.
"""

from __future__ import annotations

import os
import socket
from struct import Struct
from types import TracebackType

from git_atom.git import beside

_HEAD = Struct("<32s64sI")  # public key, signature, length of the message that follows
_LOT = 1 << 15  # bytes that are sent at a time
FIT, UNFIT = b"y", b"n"


class Aside:
    """One process that checks; it ends with the `with` block, and when the process that asks does."""

    def __init__(self) -> None:
        self.fit = False  # whether all that was asked is known to fit
        self._waiting = bytearray()
        self._socket, theirs = socket.socketpair()
        self._pid = beside.fork(lambda: _serve(theirs), theirs.fileno())
        theirs.close()

    def __enter__(self) -> Aside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        os.waitpid(self._pid, 0)

    def ask(self, key: bytes, signature: bytes, message: bytes) -> bool:
        """Have a signature of 64 bytes by a key of 32 checked; False when one that was asked about is known not to fit."""
        self._waiting += _HEAD.pack(key, signature, len(message)) + message
        return len(self._waiting) < _LOT or self._send()

    def all_fit(self) -> bool:
        """Whether every signature fits; nothing may be asked after that."""
        try:
            if self._send():
                self._socket.shutdown(socket.SHUT_WR)
                self.fit = self._socket.recv(1) == FIT
        except OSError:
            pass  # not known to
        return self.fit

    def _send(self) -> bool:
        try:
            self._socket.sendall(self._waiting, socket.MSG_NOSIGNAL)
            self._waiting.clear()
            return self._socket.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == FIT
        except BlockingIOError:
            return True  # nothing to tell yet
        except OSError:
            return False


def _serve(asked: socket.socket) -> None:
    """Check what is asked until there is no more, and answer. An asker who dies ends it as well."""
    asked.sendall(FIT if _check_all(asked) else UNFIT, socket.MSG_NOSIGNAL)


def _check_all(asked: socket.socket) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    known: dict[bytes, Ed25519PublicKey] = {}
    with asked.makefile("rb") as stream:
        while head := stream.read(_HEAD.size):
            raw, signature, size = _HEAD.unpack(head)
            message = stream.read(size)
            try:
                key = known.get(raw)
                if key is None:
                    key = known[raw] = Ed25519PublicKey.from_public_bytes(raw)
                key.verify(signature, message)
            except (InvalidSignature, ValueError):
                return False
    return True
