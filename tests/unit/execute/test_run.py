"""What the supervisor's process leaves of ours, whatever happens while it starts, and what is swept of those that are gone."""

import errno
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from git_atom.errors import CannotError
from git_atom.execute import run


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def test_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    before = descriptors(), signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(CannotError, match="could not be set up"):
        run._Supervisor({})
    assert (descriptors(), signal.pthread_sigmask(signal.SIG_BLOCK, ())) == before


def test_a_signal_that_waited_still_ends_it() -> None:
    """Ctrl-C while it is being started is heard inside the `with`: no child is left, no descriptor, no signal held back."""
    before = descriptors(), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(KeyboardInterrupt), run._Supervisor({}) as supervisor:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        supervisor.hear()
    with pytest.raises(ChildProcessError):
        os.waitpid(supervisor.pid, os.WNOHANG)
    assert (descriptors(), signal.pthread_sigmask(signal.SIG_BLOCK, ())) == before


def test_a_block_that_ends_before_it_listens() -> None:
    """As where another thread of the process has noted the signal already."""
    before = descriptors(), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(KeyboardInterrupt), run._Supervisor({}):
        raise KeyboardInterrupt
    assert (descriptors(), signal.pthread_sigmask(signal.SIG_BLOCK, ())) == before


def test_what_the_dead_left_is_swept_also_when_their_number_lives_again(tmp_path: Path) -> None:
    mine = run.fresh_work(str(tmp_path))
    pid = os.path.basename(mine).partition("-")[0]
    left = tmp_path / "work" / f"{pid}-1-1"
    left.mkdir()
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / f"work/{gone.pid}-1-1").mkdir()
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    born = Path(f"/proc/{ended.pid}/stat").read_text().rpartition(")")[2].split()[19]
    (tmp_path / f"work/{ended.pid}-{born}-1").mkdir()
    (tmp_path / "work/other").mkdir()
    again = run.fresh_work(str(tmp_path))
    ended.wait()
    assert sorted(os.listdir(tmp_path / "work")) == sorted([os.path.basename(mine), os.path.basename(again), "other"])
