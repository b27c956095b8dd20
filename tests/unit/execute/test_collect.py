"""Outputs are copied into new files: links kept, bits and kinds that must not survive dropped or refused by name."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from git_atom.core.digest import Oid, of_bytes
from git_atom.core.tree import tree_digest
from git_atom.errors import MalformedError
from git_atom.execute import collect


def test_harvest_and_leaves(tmp_path: Path) -> None:
    source, target = tmp_path / "from", tmp_path / "to"
    (source / "d/empty").mkdir(parents=True)
    target.mkdir()
    (source / "a").write_bytes(b"a")
    (source / "d/run").write_bytes(b"#!")
    (source / "d/run").chmod(0o4755)
    os.link(source / "a", source / "b")
    os.symlink("/etc/shadow", source / "link")
    (source / "closed").write_bytes(b"c")
    (source / "closed").chmod(0)
    assert collect.harvest(str(source), str(target)) == [("dropped", b"d/run", "set-id bits")]
    assert (target / "a").stat().st_nlink == 1 and (target / "a").stat().st_ino != (source / "a").stat().st_ino
    assert (target / "d/run").stat().st_mode & 0o7777 == 0o755 and os.readlink(target / "link") == "/etc/shadow"
    kept: list[bytes] = []

    def sink(data: bytes) -> tuple[object, Oid]:
        kept.append(data)
        return of_bytes(data), Oid("0" * 40)

    leaves = collect.leaves(str(target), sink)  # type: ignore[arg-type]
    assert [(x.path, oct(x.mode)) for x in leaves] == [
        (b"a", "0o100644"), (b"b", "0o100644"), (b"closed", "0o100644"), (b"d/empty", "0o40000"), (b"d/run", "0o100755"), (b"link", "0o120000"),
    ]  # fmt: skip
    assert sorted(kept) == [b"#!", b"/etc/shadow", b"a", b"a", b"c"]
    assert tree_digest(leaves)


def test_what_cannot_be_kept(tmp_path: Path) -> None:
    source, target = tmp_path / "from", tmp_path / "to"
    (source / ".GIT").mkdir(parents=True)
    target.mkdir()
    os.mkfifo(source / "fifo")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(source / "socket"))
        found = collect.harvest(str(source), str(target))
    assert found == [
        ("refused", b".GIT", "a git tree cannot hold this name"),
        ("refused", b"fifo", "a fifo"),
        ("refused", b"socket", "a socket"),
    ]
    assert os.listdir(target) == []
    (target / ".git").mkdir()
    (target / ".git/x").touch()
    with pytest.raises(MalformedError):
        collect.leaves(str(target), lambda data: (of_bytes(data), Oid("0" * 40)))


def test_depth_is_bounded(tmp_path: Path) -> None:
    deep = tmp_path / "from" / "/".join("d" * 1 for _ in range(collect.MAX_DEPTH + 3))
    deep.mkdir(parents=True)
    (tmp_path / "to").mkdir()
    assert any("deeper" in what for _, _, what in collect.harvest(str(tmp_path / "from"), str(tmp_path / "to")))
