"""An index as a file, and the scan that is kept of it: the same answers with and without, and never those of another file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_atom.core import debindex
from git_atom.core.debindex import Index, decode_scan, encode_scan, scan
from git_atom.ingest import indexfile
from git_atom.ingest.indexfile import open_index

TEXT = "Package: a\nVersion: 1\nProvides: x (= 1), y\n\nPackage: b\nVersion: 2\nProvides: y\n\nPackage: a\nVersion: 3\n"
LINE = st.sampled_from(
    [
        "Package: a",
        "Package: b",
        "Package:",
        "Provides: x, y (= 1)",
        "Provides: x",
        "Provides: ",
        " y,",
        "",
        "Version: 1",
    ]
)


class Scans:
    """How often an index was scanned."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made = 0
        monkeypatch.setattr(indexfile, "scan", self._scan)

    def _scan(self, data: debindex.Data) -> debindex.Scan:
        self.made += 1
        return scan(data)


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> Scans:
    return Scans(monkeypatch)


def told(path: Path, kept: Path | str = "") -> list[list[str]]:
    with open_index(str(path), str(kept)) as index:
        return [
            [p.version for p in index.packages("a")],
            [p.version for p in index.packages("b")],
            [p.name for p in index.providers("y")],
            index.names(),
        ]


def test_a_kept_scan_answers_as_a_fresh_one(tmp_path: Path, scans: Scans) -> None:
    path, kept = tmp_path / "one_Packages", tmp_path / "scans"
    path.write_text(TEXT)
    fresh = told(path)
    assert fresh == [["1", "3"], ["2"], ["a", "b"], ["a", "b"]]
    assert [told(path, kept) for _ in range(3)] == [fresh] * 3
    assert scans.made == 2
    assert [entry.name for entry in kept.iterdir()] == ["one_Packages"]


def test_a_scan_of_another_file_is_none(tmp_path: Path, scans: Scans) -> None:
    path, kept = tmp_path / "one_Packages", tmp_path / "scans"
    path.write_text(TEXT)
    told(path, kept)
    other = tmp_path / "other"
    other.write_text(TEXT.replace("Package: b", "Package: c"))
    seen = path.stat()
    os.utime(other, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    os.replace(other, path)  # of the same size and time
    assert told(path, kept) == [["1", "3"], [], ["a", "c"], ["a", "c"]]
    path.write_text(TEXT)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # the same file, written over
    assert told(path, kept) == [["1", "3"], ["2"], ["a", "b"], ["a", "b"]]
    assert scans.made == 3


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-1], lambda data: data[:-9] + b"\1" + data[-8:]]
)
def test_a_damaged_scan_is_none(damage, tmp_path: Path, scans: Scans) -> None:  # type: ignore[no-untyped-def]
    path, kept = tmp_path / "one_Packages", tmp_path / "scans"
    path.write_text(TEXT)
    fresh = told(path, kept)
    file = kept / "one_Packages"
    file.write_bytes(damage(file.read_bytes()))
    assert told(path, kept) == fresh == told(path, kept)
    assert scans.made == 2


def test_any_number_of_an_inode_will_do(tmp_path: Path, scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    path, kept = tmp_path / "one_Packages", tmp_path / "scans"
    path.write_text(TEXT)
    real = os.fstat(os.open(path, os.O_RDONLY))
    odd = os.stat_result((real.st_mode, 2**64 - 1, 2**64 - 1, *real[3:]), {"st_mtime_ns": -1, "st_ctime_ns": -1})
    monkeypatch.setattr(os, "fstat", lambda fd: odd)
    assert told(path, kept) == told(path, kept) == told(path)
    assert scans.made == 2


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "one_Packages"
    path.write_text(TEXT)
    (tmp_path / "file").touch()
    assert told(path, tmp_path / "file") == told(path)
    path.write_text("")
    assert told(path, tmp_path / "scans")[3] == []


@given(st.lists(LINE).map("\n".join))
def test_what_is_written_is_read(text: str) -> None:
    found = scan(text.encode())
    assert decode_scan(encode_scan(found)) == found
    index, again = Index(text.encode()), Index(text.encode(), decode_scan(encode_scan(found)))
    assert index.names() == again.names()


@given(st.integers(0, 200), st.integers(0, 255), st.integers(0, 300))
def test_what_nobody_wrote_is_refused_or_read(at: int, byte: int, size: int) -> None:
    data = bytearray(encode_scan(scan(TEXT.encode()))[:size])
    data[at : at + 1] = bytes([byte])
    found = decode_scan(bytes(data))
    assert found is None or len(found) == 2
