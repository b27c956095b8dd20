"""Work beside this process: its result comes back, or nothing does, and it never outlives the one who asked."""

from __future__ import annotations

import os
import signal
import time
from typing import NoReturn

import pytest

from git_atom.git.beside import Beside


def fails() -> NoReturn:
    raise ValueError


def test_the_result_comes_back() -> None:
    with Beside(lambda: ["x" * 10] * 100_000) as other:
        assert other.result() == ["x" * 10] * 100_000


def test_a_failure_is_no_result(capfd: pytest.CaptureFixture[str]) -> None:
    with Beside(fails) as other:
        assert other.result() is None
    assert capfd.readouterr() == ("", "")


def test_killed_is_no_result() -> None:
    with Beside(lambda: time.sleep(600)) as other:
        os.kill(other._pid, signal.SIGKILL)
        assert other.result() is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_it_ends_with_the_block(error: type[BaseException]) -> None:
    started = time.monotonic()
    with pytest.raises(error), Beside(lambda: time.sleep(600)) as other:
        raise error
    assert time.monotonic() - started < 60 and not os.path.exists(f"/proc/{other._pid}")


def test_it_has_nothing_that_is_open_here() -> None:
    reader, writer = os.pipe()
    with Beside(
        lambda: sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}"))
    ) as other:
        found = other.result()
    assert found is not None and [fd for fd in found if fd > 2 and fd in (reader, writer)] == []
    os.close(reader)
    os.close(writer)
