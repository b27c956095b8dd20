"""Debian source packages out of an archive of our own making: every link of the chain, broken one at a time."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from git_atom.core.digest import of_bytes
from git_atom.core.host import Progress
from git_atom.errors import AtomError
from git_atom.ingest import debsource
from git_atom.ingest.debsource import Checked, Source


class Archive:
    """A pool directory with one source package, and apt's two answers about it."""

    def __init__(self, where: Path, version: str = "1.0-1", copyright: str = "Format: x\n", form: str = "orig") -> None:
        self.pool = where / "pool/main/z/zed"
        self.pool.mkdir(parents=True)
        upstream = version.rpartition("-")[0]
        self.files = {f"zed_{upstream}.{form}.tar.gz": b"a tarball", f"zed_{version}.debian.tar.gz": _tar(copyright)}
        if form == "orig":
            self.files[f"zed_{upstream}.orig-docs.tar.gz"] = b"a component"
        self.dsc = f"zed_{version}.dsc"
        self.version = version
        self.write_dsc()

    def sums(self, **changed: bytes) -> str:
        return "".join(f" {hashlib.sha256(d).hexdigest()} {len(d)} {n}\n" for n, d in self.files.items())

    def write_dsc(self) -> None:
        text = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nFormat: 3.0 (quilt)\nSource: zed\nChecksums-Sha256:\n{self.sums()}\n"
        self.files.pop(self.dsc, None)
        self.files[self.dsc] = text.encode()
        for name, data in self.files.items():
            (self.pool / name).write_bytes(data)

    def apt(self, argv: list[str]) -> bytes:
        if argv[-1] != "zed":
            return b""
        if argv[0] == "apt-get":
            rows = [
                f"'file://{self.pool}/{n}' {n} {len(d)} SHA256:{hashlib.sha256(d).hexdigest()}\n"
                for n, d in self.files.items()
            ]
            return "".join(rows).encode()
        old = (
            "Package: zed\nVersion: 0.1-1\nDirectory: pool/old\nChecksums-Sha256:\n "
            + "0" * 64
            + " 1 zed_0.1-1.dsc\n\n"
        )
        now = f"Package: zed\nVersion: {self.version}\nDirectory: pool/main/z/zed\nChecksums-Sha256:\n{self.sums()}"
        return (old + now).encode()

    def take(self, where: Path) -> tuple[Source, Checked]:
        return debsource.bring("zed", "suite", self.apt, str(where), {"PATH": os.environ["PATH"]}, Progress())


def _tar(copyright: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in (("debian/rules", "x"), ("debian/copyright", copyright)):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def test_takes_what_is_vouched_for(tmp_path: Path) -> None:
    source, checked = Archive(tmp_path).take(tmp_path / "c")
    assert source.version == "1.0-1" and [p.path.rpartition("/")[2] for p in source.origs] == [
        "zed_1.0.orig-docs.tar.gz",
        "zed_1.0.orig.tar.gz",
    ]
    assert [f.digest for _, f in checked.files] == [of_bytes(b"a component"), of_bytes(b"a tarball")]
    assert checked.repacked == "" and checked.proof.startswith("signed Release, Sources, SHA-256")
    assert [debsource.component(p.path) for p in source.origs] == ["docs", ""]


@pytest.mark.parametrize("version", ["1:1.2.13.dfsg-1", "1.0+dfsg1-2", "2.0~ds-1", "1.0+repack-1", "1.0+ds1.1-1"])
def test_repacked_by_version(tmp_path: Path, version: str) -> None:
    archive = Archive(tmp_path, version.partition(":")[2] or version)
    archive.version = version
    assert "its version says" in archive.take(tmp_path / "c")[1].repacked


def test_repacked_by_copyright(tmp_path: Path) -> None:
    archive = Archive(tmp_path, copyright="Format: x\nFiles-Excluded: contrib/*\n\nFiles: *\n")
    assert "Files-Excluded" in archive.take(tmp_path / "c")[1].repacked


def code(archive: Archive, where: Path) -> str:
    with pytest.raises(AtomError) as caught:
        archive.take(where)
    return caught.value.code


class TwoArchives(Archive):
    """A newer version that the index names and the pool lacks, beside one that is there; their tarballs are the same or not."""

    def __init__(self, where: Path, same: bool = True) -> None:
        super().__init__(where)
        self.updates = where / "pool/updates/z/zed"
        self.newer = {f"zed_1.0{rest}": data for rest, data in ((".orig.tar.gz", b"a tarball" if same else b"another"), (".orig-docs.tar.gz", b"a component"),
                                                             ("-1+u1.debian.tar.gz", b"x"), ("-1+u1.dsc", b"y"))}  # fmt: skip

    def apt(self, argv: list[str]) -> bytes:
        rows = "".join(f" {hashlib.sha256(d).hexdigest()} {len(d)} {n}\n" for n, d in self.newer.items())
        if argv[0] == "apt-cache":
            # the security archive repeats versions of the main one, and its pool need not have them
            repeated = super().apt([*argv[:-1], "zed"]).split(b"\n\n")[1].replace(b"pool/main/z", b"pool/updates/z")
            new = f"\n\nPackage: zed\nVersion: 1.0-1+u1\nDirectory: pool/updates/z/zed\nChecksums-Sha256:\n{rows}"
            return repeated + b"\n\n" + super().apt([*argv[:-1], "zed"]) + new.encode()
        if argv[-1] == "zed":
            there = (f"'file://{self.updates}/{n.replace('+', '%2b')}' {n} {len(d)} SHA256:{hashlib.sha256(d).hexdigest()}\n" for n, d in self.newer.items())  # fmt: skip
            return "".join(there).encode()
        return super().apt([*argv[:-1], "zed"]) if argv[-1] == "zed=1.0-1" else b""


def test_another_version_with_the_same_tarballs_will_do(tmp_path: Path) -> None:
    source, checked = TwoArchives(tmp_path).take(tmp_path / "c")
    assert source.version == "1.0-1" and source.dsc.path == "pool/main/z/zed/zed_1.0-1.dsc"
    assert [f.digest for _, f in checked.files] == [of_bytes(b"a component"), of_bytes(b"a tarball")]


def test_an_older_version_with_other_tarballs_will_not(tmp_path: Path) -> None:
    assert code(TwoArchives(tmp_path, same=False), tmp_path / "c") == "ATOM-5025"


def test_unknown(tmp_path: Path) -> None:
    with pytest.raises(AtomError) as caught:
        debsource.find("nosuch", "suite", Archive(tmp_path).apt)
    assert caught.value.code == "ATOM-5033"


def test_other_tarball_than_the_index_says(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    (archive.pool / "zed_1.0.orig.tar.gz").write_bytes(b"a tarbalL")
    assert code(archive, tmp_path / "c") == "ATOM-5022"


def test_other_dsc_than_the_index_says(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    (archive.pool / archive.dsc).write_bytes(b"x" * len(archive.files[archive.dsc]))
    assert code(archive, tmp_path / "c") == "ATOM-5022"


def test_dsc_vouches_for_another_tarball(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.files["zed_1.0.orig.tar.gz"] = b"swapped in the index and the pool, not in the .dsc"
    (archive.pool / "zed_1.0.orig.tar.gz").write_bytes(archive.files["zed_1.0.orig.tar.gz"])
    assert code(archive, tmp_path / "c") == "ATOM-5035"


def test_directory_that_leads_out(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    honest = archive.apt
    archive.apt = lambda argv: honest(argv).replace(b"pool/main/z/zed\n", b"pool/../../etc\n")  # type: ignore[method-assign]
    assert code(archive, tmp_path / "c") == "ATOM-5034"
