"""Records are found again whatever was added when, and whatever happened to the files."""

from __future__ import annotations

import random
from pathlib import Path

from git_atom.core.digest import of_bytes
from git_atom.git.memory import Memory


def test_what_was_added_is_found(tmp_path: Path) -> None:
    chance, known = random.Random(1), {}
    for _ in range(200):
        fresh = {chance.randbytes(20).hex(): of_bytes(chance.randbytes(4)) for _ in range(chance.choice((1, 8, 300)))}
        Memory(str(tmp_path)).add(fresh)
        known |= fresh
    assert len(list(tmp_path.iterdir())) < 16
    memory = Memory(str(tmp_path))
    assert all(memory.get(oid) == digest for oid, digest in known.items())
    assert memory.get("0" * 40) is None and memory.get("f" * 64) is None


def test_what_is_damaged_counts_as_absent(tmp_path: Path) -> None:
    assert Memory(str(tmp_path / "none")).get("a" * 40) is None
    Memory(str(tmp_path)).add({"a" * 40: of_bytes(b"x")})
    (one,) = tmp_path.iterdir()
    one.write_bytes(one.read_bytes()[:-1])
    assert Memory(str(tmp_path)).get("a" * 40) is None
    one.write_bytes(b"")
    assert Memory(str(tmp_path)).get("a" * 40) is None
    Memory(str(tmp_path)).add({"a" * 40: of_bytes(b"x")})
    assert Memory(str(tmp_path)).get("a" * 40) == of_bytes(b"x")
    assert len(list(tmp_path.iterdir())) == 1
