"""Who brings next to nothing is ended with all it started; who moves bytes or computes is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from git_atom.errors import AtomError
from git_atom.git import bounds, config

GIB = 1 << 30


@pytest.fixture
def patience(home: Path, run: object) -> object:
    def set_to(text: str) -> None:
        subprocess.run(["git", "config", "--global", bounds.STALL, text], check=True)
        config._ours.cache_clear()  # a process reads them once

    set_to("1s")
    return set_to


def within(*argv: str) -> bounds.Within:
    return bounds.run_within(argv, env=os.environ, stdin=b"", size=GIB, memory=GIB)


def test_a_silent_one_ends_with_its_children(patience: object, tmp_path: Path) -> None:
    began = time.monotonic()
    found = within("sh", "-c", f"sleep 600 & echo $! > {tmp_path}/pid; sleep 600; true")
    assert time.monotonic() - began < 8
    assert found.done.status < 0 and b"less than 1000 bytes a second for 1 seconds" in found.late
    pid = int((tmp_path / "pid").read_text())
    for _ in range(50):  # an orphan is reaped by whoever it came to
        if (
            not os.path.exists(f"/proc/{pid}")
            or Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        ):
            break
        time.sleep(0.1)
    else:
        pytest.fail("the child is still there")


@pytest.mark.parametrize(
    "code",
    [
        "import time\nfor _ in range(25): print('x' * 400, flush=True); time.sleep(0.1)",
        "import time\nend = time.monotonic() + 2.5\nwhile time.monotonic() < end: pass",
    ],
    ids=["moves", "computes"],
)
def test_one_that_is_at_work_is_left_alone(code: str, patience: object) -> None:
    found = within(sys.executable, "-c", code)
    assert found.done.status == 0 and found.late == b""


def test_a_short_one_is_not_asked_about(patience: object) -> None:
    patience("nonsense")  # type: ignore[operator]
    assert within("true").done.status == 0
    with pytest.raises(AtomError) as caught:
        within("sleep", "5")
    assert caught.value.code == "ATOM-2024"


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200)])
def test_patience(text: str, seconds: int, patience: object) -> None:
    patience(text)  # type: ignore[operator]
    assert bounds.patience(os.environ) == seconds
    for bad in ("0", "-1", "1d", "s", "1.5s", ""):
        patience(bad)  # type: ignore[operator]
        with pytest.raises(AtomError) as caught:
            bounds.patience(os.environ)
        assert caught.value.code == "ATOM-2024"
