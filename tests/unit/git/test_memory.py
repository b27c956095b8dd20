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
    assert memory.several([*known, "0" * 40]) == known


def test_ids_that_lie_close_together_are_found(tmp_path: Path) -> None:
    """Somebody may look for objects whose ids begin alike."""
    known = {f"{n:040x}": of_bytes(b"%d" % n) for n in range(0, 3000, 2)}
    known |= {f"{2**160 - 1 - n:040x}": of_bytes(b"-%d" % n) for n in range(0, 3000, 2)}
    Memory(str(tmp_path)).add(known)
    memory = Memory(str(tmp_path))
    assert memory.several(known) == known
    assert not memory.several([f"{n:040x}" for n in range(1, 3000, 2)] + ["8" * 40])


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
