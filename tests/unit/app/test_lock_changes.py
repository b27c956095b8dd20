"""What is told of a lock that became another one."""

from __future__ import annotations

import pytest

from git_atom.app.lock.intent import differences
from git_atom.core.digest import Oid, of_bytes
from git_atom.core.lock import Fetch, Lock, LockedAtom, LockedDep, LockedPin, LockedSet, LockedToolchain
from git_atom.core.version import Version

SET, OTHER = of_bytes(b"a charter"), of_bytes(b"another")
OLD = Lock(
    sets=(LockedSet(SET, Oid("1" * 40), ("https://a.example/zlib",)),),
    deps=(LockedDep("zlib", (SET, "zlib"), ("build", "run")),),
    atoms=(LockedAtom(SET, "zlib", Version.parse("1.2.13"), Oid("2" * 40), of_bytes(b"zlib")),),
    pins=(LockedPin("certs", "https://a.example/certs", "2025", "", Oid("3" * 40), of_bytes(b"certs")),),
    fetches=(Fetch("src", "https://a.example/curl.tar.xz", of_bytes(b"curl"), 4),),
    toolchains=(LockedToolchain("x86_64-linux", of_bytes(b"root"), "bookworm", ("gcc", "make")),),
)


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (OLD, []),
        (OLD._replace(sets=(OLD.sets[0]._replace(mirrors=("https://b.example/zlib",)),)),
         [f"~ set {SET[7:19]} https://a.example/zlib -> https://b.example/zlib"]),
        (OLD._replace(deps=(OLD.deps[0]._replace(uses=("run",)),)), ["~ dependency zlib build, run -> run"]),
        (OLD._replace(deps=(OLD.deps[0]._replace(key="z"),)), ["+ dependency z build, run", "- dependency zlib build, run"]),
        (OLD._replace(pins=(OLD.pins[0]._replace(ref="v2025"),)),
         ["~ pin certs https://a.example/certs 2025 -> https://a.example/certs v2025"]),
        (OLD._replace(fetches=(OLD.fetches[0]._replace(url="https://b.example/curl.tar.xz"),)),
         ["~ source src https://a.example/curl.tar.xz -> https://b.example/curl.tar.xz"]),
        (OLD._replace(toolchains=(OLD.toolchains[0]._replace(debian=("gcc",)),)),
         ["~ toolchain x86_64-linux bookworm gcc make -> bookworm gcc"]),
        # what an atom's own line tells is not told twice
        (OLD._replace(sets=(), deps=(), atoms=()), ["- atom zlib 1.2.13"]),
    ],
)  # fmt: skip
def test_every_change_has_a_line(new: Lock, told: list[str]) -> None:
    assert [str(change) for change in differences(OLD, new)] == told
