"""apt's private state against an archive of our own: signed by its keyring or refused, moved on or tampered with and noticed."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from git_atom.app.world import imports
from git_atom.core.host import Host, Progress
from git_atom.errors import AtomError, CannotError, MalformedError, NoSolutionError, RefusedError, UnavailableError
from git_atom.ingest import apt
from git_atom.ingest.apt import AptState, Origin

pytestmark = [pytest.mark.slow, pytest.mark.needs("apt-get", "gpg")]


class Archive:
    """A Debian archive in a directory, signed by a key of its own."""

    def __init__(self, place: Path) -> None:
        self.root, self.gnupg, self.keyring = place / "archive", place / "gnupg", place / "archive.gpg"
        self.dists = self.root / "dists/bookworm"
        self.pool = self.root / "pool"
        self.pool.mkdir(parents=True)
        self.clock = int(time.time()) - 3600
        self.gnupg.mkdir(mode=0o700)
        self.gpg("--quick-generate-key", "Archive <archive@example.org>", "ed25519", "sign", "never")
        self.keyring.write_bytes(self.gpg("--export"))

    def gpg(self, *argv: str) -> bytes:
        front = [
            "gpg",
            "--agent-program",
            shutil.which("gpg-agent") or "gpg-agent",
            "--homedir",
            str(self.gnupg),
            "--batch",
            "--yes",
            "--passphrase",
            "",
            "--pinentry-mode",
            "loopback",
        ]
        return subprocess.run([*front, *argv], check=True, capture_output=True).stdout

    def add(self, name: str, version: str, content: str, depends: str = "", more: str = "") -> Path:
        """A package with one file, in the place of any other version of it."""
        for old in self.pool.glob(f"{name}_*"):
            old.unlink()
        tree = self.root.parent / f"tree-{name}-{version}"
        shutil.rmtree(tree, ignore_errors=True)
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "usr/share").mkdir(parents=True)
        (tree / "usr/share" / name).write_text(content)
        control = (
            f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
        )
        (tree / "DEBIAN/control").write_text(control + (f"Depends: {depends}\n" if depends else "") + more)
        path = self.pool / f"{name}_{version.replace(':', '%3a')}_all.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, path], check=True, capture_output=True)
        return path

    def publish(self, *, sign: bool = True) -> None:
        """Write and sign the index of what is in the pool."""
        rows = []
        for path in sorted(self.pool.glob("*.deb")):
            control = subprocess.run(["dpkg-deb", "-f", path], check=True, capture_output=True, text=True).stdout
            data = path.read_bytes()
            rows.append(f"{control}Filename: pool/{path.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n")  # fmt: skip
        machine = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True).stdout.strip()
        index = f"main/binary-{machine}/Packages.gz"
        (self.dists / index).parent.mkdir(parents=True, exist_ok=True)
        packed = gzip.compress("\n".join(rows).encode(), mtime=0)
        plain = "\n".join(rows).encode()
        (self.dists / index).write_bytes(packed)
        (self.dists / index).with_suffix("").write_bytes(plain)
        sums = "".join(
            f" {hashlib.sha256(d).hexdigest()} {len(d)} {n}\n" for d, n in ((packed, index), (plain, index[:-3]))
        )
        release = f"Origin: x\nCodename: bookworm\nSuite: bookworm\nArchitectures: {machine} all\nComponents: main\n"
        release += f"Date: {subprocess.check_output(['date', '-uR'], text=True).strip().replace('+0000', 'UTC')}\nSHA256:\n{sums}"
        (self.dists / "Release").write_text(release)
        (self.dists / "InRelease").unlink(missing_ok=True)
        if sign:
            self.gpg("--clearsign", "-o", str(self.dists / "InRelease"), str(self.dists / "Release"))
            self.clock += 60  # apt asks whether a file changed by its time in whole seconds
            os.utime(self.dists / "InRelease", (self.clock, self.clock))


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    made = Archive(tmp_path)
    origin = Origin(f"copy:{made.root}", "bookworm", ("main",), str(made.keyring))
    monkeypatch.setattr(apt, "_machine_origins", lambda: iter([origin]))
    made.add("tool", "1:1.0", "tool one\n", "library (>= 2)")
    made.add("library", "2.0", "library two\n")
    made.publish()
    return made


@pytest.fixture
def host(home: Path) -> Host:
    return Host(str(home), os.environ, str(home), str(home / "cache"), str(home / "data"), "", os.getuid(), Progress())


def test_closure_import_and_again(archive: Archive, host: Host) -> None:
    debs = AptState(host, "bookworm").closure(["tool"])
    assert [(d.name, d.version, d.architecture) for d in debs] == [("library", "2.0", "all"), ("tool", "1:1.0", "all")]
    made = imports.import_debian(host, ["tool"], "bookworm", "world")
    assert (made.unpacked, made.cached, made.files) == (2, False, 2)
    assert imports.import_debian(host, ["tool"], "bookworm", "world") == made._replace(unpacked=0, cached=True)


def test_an_archive_without_the_right_signature_is_refused(archive: Archive, host: Host, tmp_path: Path) -> None:
    archive.publish(sign=False)
    with pytest.raises(RefusedError) as caught:
        AptState(host, "bookworm").closure(["tool"])
    assert caught.value.code == "ATOM-5007"
    archive.publish()
    (tmp_path / "other").mkdir()
    archive.keyring.write_bytes(Archive(tmp_path / "other").keyring.read_bytes())
    with pytest.raises(RefusedError) as caught:
        AptState(host, "bookworm").closure(["tool"])
    assert caught.value.code == "ATOM-5007"


def test_an_index_that_is_not_the_signed_one_is_refused(archive: Archive, host: Host) -> None:
    for path in archive.dists.glob("main/*/Packages*"):
        path.unlink()
        path.with_suffix("").write_text("Package: tool\nVersion: 9\nArchitecture: all\nFilename: pool/x.deb\nSize: 1\n")
    with pytest.raises(AtomError) as caught:
        AptState(host, "bookworm").closure(["tool"])
    assert caught.value.code in ("ATOM-5002", "ATOM-5007")


def test_a_package_that_is_not_the_signed_one_is_refused(archive: Archive, host: Host) -> None:
    (deb,) = archive.pool.glob("library_*")
    data = deb.read_bytes()
    deb.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises((UnavailableError, MalformedError)) as caught:
        imports.import_debian(host, ["tool"], "bookworm", "world")
    assert caught.value.code in ("ATOM-5005", "ATOM-5006")
    deb.write_bytes(data)
    assert imports.import_debian(host, ["tool"], "bookworm", "world").unpacked == 2


def test_news_come_when_asked_for(archive: Archive, host: Host) -> None:
    first = imports.import_debian(host, ["tool"], "bookworm", "world")
    archive.add("library", "2.1", "library two and one\n")
    archive.publish()
    assert imports.import_debian(host, ["tool"], "bookworm", "world").root == first.root
    news = imports.import_debian(host, ["tool"], "bookworm", "world", fresh=True)
    assert [p.version for p in news.packages] == ["2.1", "1:1.0"]
    assert news.unpacked == 1


def test_a_lock_finds_its_packages_again_or_says_that_they_are_gone(archive: Archive, host: Host) -> None:
    first = imports.import_debian(host, ["tool"], "bookworm", "world")
    shutil.rmtree(host.data)
    for name in ("imports", "debs", "listings", "generations"):
        shutil.rmtree(os.path.join(host.cache, name), ignore_errors=True)
    assert imports.restore(host, "bookworm", first.root, first.packages).root == first.root

    archive.add("library", "2.1", "library two and one\n")
    archive.publish()
    newer = imports.import_debian(host, ["tool"], "bookworm", "newer", fresh=True)
    shutil.rmtree(host.data)
    shutil.rmtree(host.cache)
    with pytest.raises(UnavailableError) as caught:
        imports.restore(host, "bookworm", first.root, first.packages)
    assert caught.value.code == "ATOM-5008" and "library" in caught.value.note
    assert imports.restore(host, "bookworm", newer.root, newer.packages).view == newer.view

    shutil.rmtree(host.data)
    shutil.rmtree(host.cache)
    archive.add("library", "2.1", "another library under the same version\n")
    archive.publish()
    with pytest.raises(RefusedError) as refused:
        imports.restore(host, "bookworm", newer.root, newer.packages)
    assert refused.value.code == "ATOM-6020"


def test_what_cannot_be_together_is_told(archive: Archive, host: Host) -> None:
    archive.add("wants", "1", "x", "library (<< 2)")
    archive.publish()
    with pytest.raises(AtomError) as caught:
        AptState(host, "bookworm").closure(["wants", "tool"])
    assert caught.value.code == "ATOM-5003" and "library" in caught.value.note


def test_lists_that_are_older_than_the_mirror_are_fetched_anew(archive: Archive, host: Host) -> None:
    state = AptState(host, "bookworm")
    debs = state.closure(["library"])
    archive.add("library", "2.1", "newer\n")
    archive.publish()
    try:
        state.download(debs)
    except UnavailableError as error:
        assert error.code == "ATOM-5005"
    assert [d.version for d in state.closure(["library"])] == ["2.1"]


def test_our_solver_imports_the_same_composition(archive: Archive, host: Host) -> None:
    archive.add("tool", "1:1.0", "tool one\n", "library (>= 2), virtual, gone | chosen", "Conflicts: rival\n")
    archive.add("chosen", "1", "x\n")
    archive.add("virtue", "1", "x\n", more="Provides: virtual\n")
    archive.publish()
    theirs = imports.import_debian(host, ["tool"], "bookworm", "theirs")
    ours = imports.import_debian(host, ["tool"], "bookworm", "ours", solver="own")
    assert ours.root == theirs.root and ours.packages == theirs.packages
    assert [p.name for p in ours.packages] == ["chosen", "library", "tool", "virtue"]
    asked = ["tool=1:1.0", "chosen"]
    assert imports.resolve(host, asked, "bookworm", solver="own") == imports.resolve(host, asked, "bookworm")
    shutil.rmtree(host.cache)
    assert imports.import_debian(host, ["tool"], "bookworm", "again", solver="own").root == theirs.root


def test_our_solver_refuses_what_cannot_be_had(archive: Archive, host: Host) -> None:
    archive.add("rival", "1", "x\n", more="Conflicts: virtual\n")
    archive.add("virtue", "1", "x\n", more="Provides: virtual\n")
    archive.add("breaker", "1", "x\n", more="Breaks: library (<< 3)\n")
    archive.publish()
    for packages, said in (
        (["rival", "virtue"], ["rival 1 conflicts with virtual"]),
        (["breaker", "tool"], ["breaker 1 breaks library (<< 3)", "tool 1:1.0 requires library (>= 2)"]),
    ):
        with pytest.raises(NoSolutionError) as refused:
            imports.import_debian(host, packages, "bookworm", "world", solver="own")
        assert refused.value.code == "ATOM-1060"
        assert all(text in refused.value.note for text in said), refused.value.note
        with pytest.raises(CannotError):
            imports.import_debian(host, packages, "bookworm", "world")
    for package, hint in (("libary", "did you mean 'library'?"), ("tool=2", "it has tool=1:1.0"), ("tool;x", "<name>")):
        with pytest.raises(CannotError) as unknown:
            imports.import_debian(host, [package], "bookworm", "world", solver="own")
        assert unknown.value.code == "ATOM-5004" and hint in unknown.value.hint
    archive.publish(sign=False)
    shutil.rmtree(host.cache)
    with pytest.raises(RefusedError) as unsigned:
        imports.import_debian(host, ["tool"], "bookworm", "world", solver="own")
    assert unsigned.value.code == "ATOM-5007"
