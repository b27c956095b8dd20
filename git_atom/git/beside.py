"""Work done by a process of its own beside this one, for as long as this one wants it: fork(2), since this interpreter runs one thread at a time."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from types import TracebackType
from typing import IO, Generic, TypeVar

T = TypeVar("T")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def fork(work: Callable[[], None], keep: int) -> int:
    """The id of a new process that does `work` and ends, whatever becomes of it.

    It has the standard streams and the descriptor `keep` and nothing else that is open here. A Ctrl-C is for this process alone, which is
    to close its end of `keep`.
    """
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pid = os.fork()
        if pid == 0:
            try:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                os.closerange(3, keep)
                os.closerange(keep + 1, 1 << 20)
                work()
            finally:
                os._exit(0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
    return pid


class Beside(Generic[T]):
    """What `work` comes to, worked out by another process meanwhile; a context manager that ends that process."""

    def __init__(self, work: Callable[[], T]) -> None:
        reader, writer = os.pipe()
        try:
            self._pid = fork(lambda: _tell(work(), writer), writer)
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self._answer: IO[bytes] = open(reader, "rb")

    def __enter__(self) -> Beside[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answer.close()
        if kind is not None:
            os.kill(self._pid, signal.SIGTERM)
        os.waitpid(self._pid, 0)

    def result(self) -> T | None:
        """The result once it is there; None when it raised or was killed, and the caller does it itself."""
        try:
            made: T = pickle.loads(self._answer.read())
        except (EOFError, pickle.UnpicklingError):
            return None
        return made


def _tell(made: object, writer: int) -> None:
    with open(writer, "wb") as stream:
        pickle.dump(made, stream)
