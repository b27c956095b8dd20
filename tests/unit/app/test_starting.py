"""`git atom new` leaves nothing behind when it cannot be done."""

import errno
from pathlib import Path

import pytest

from git_atom.app import workdir
from git_atom.app.lock import starting
from git_atom.core.host import Host, Progress


def test_folders_that_were_made_go_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(workdir, "write", full)
    monkeypatch.setattr(starting, "suite", lambda host: "bookworm")
    (tmp_path / "old").mkdir()
    here = str(tmp_path)
    for folder in ("a/b", "old/c", "old"):
        with pytest.raises(OSError, match="No space"):
            starting.new(Host(here, {}, here, here, here, here, 0, Progress()), folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["old"]
