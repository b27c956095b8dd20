"""Sets whose keys are gpg's, from outside: founded, published, pushed to a server with the hook, and verified by who has no gpg at all."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from forging import Forger, accepted
from gnupg import Gnupg, gnupg
from projects import LOG, Refused, Run, anchor_of, commit, everything, refs, trusting, write_atom

from git_atom.atom import objects as making
from git_atom.trust import gpg
from git_atom.trust.keys import GpgKey

pytestmark = pytest.mark.needs("gpg", "gpg-agent")


@pytest.fixture
def ring(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gnupg]:
    """The user's keyring, with a key of ann, which git and we sign with, and one of eve."""
    with gnupg() as made:
        monkeypatch.setenv("GNUPGHOME", made.home)
        made.env["GNUPGHOME"] = made.home
        ann = made.make("ann")
        made.make("eve")
        run("git", "config", "--global", "gpg.format", "openpgp")
        run("git", "config", "--global", "user.signingKey", ann)
        yield made


@pytest.fixture
def founded(project: Path, bare: Path, ring: Gnupg, run: Run) -> Path:
    """A project with a set of gpg's key, zlib 1.0.0 of it at the server with the hook."""
    write_atom(project / "zlib", "zlib", "1.0.0")
    commit(run, project)
    run("git", "atom", "init", cwd=project)
    run("git", "remote", "add", "origin", bare, cwd=project)
    run("git", "config", "--global", "atom.receiveAnchor", anchor_of(run, project))
    run("git", "atom", "publish", "zlib", "--push", "origin", cwd=project)
    return project


def gpg_key(ring: Gnupg, who: str) -> GpgKey:
    return GpgKey(gpg.signing(who, ring.env), ring.env)


def no_gpg(tmp_path: Path) -> str:
    """A PATH on which there is everything but gpg."""
    place = tmp_path / "bin"
    place.mkdir()
    for folder in reversed(os.environ["PATH"].split(":")):
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if not name.startswith("gpg"):
                (place / name).unlink(missing_ok=True)
                (place / name).symlink_to(Path(folder) / name)
    return str(place)


def test_founded_published_and_verified_without_gpg(
    founded: Path, bare: Path, ring: Gnupg, run: Run, stranger: dict[str, str], tmp_path: Path
) -> None:
    ann = ring.fingerprints("ann")[0]
    assert ann in run("git", "atom", "charter", cwd=founded).stdout
    assert "Good signature" in run("git", "verify-tag", "refs/atoms/zlib/1.0.0", cwd=founded).stderr
    assert (
        run("git", "log", "--format=%G?%GF", LOG, cwd=founded).stdout.split() == [f"U{ann}"] * 3
        or run("git", "log", "--format=%GF", LOG, cwd=founded).stdout.split() == [ann] * 3
    )
    run("git", "fsck", "--strict", cwd=bare)
    other = stranger | {"PATH": no_gpg(tmp_path), "GNUPGHOME": str(tmp_path / "none")}
    assert shutil.which("gpg", path=other["PATH"]) is None
    there = Path(stranger["HOME"])
    trusting(run, bare, other)
    bare.rename(bare.with_name("gone"))
    assert run("git", "atom", "verify", "zlib", cwd=there, **other).stdout.startswith("good zlib 1.0.0")
    assert run("git", "atom", "get", "zlib", "out", cwd=there, **other) and (there / "out/atom.toml").exists()
    told = run("git", "atom", "trust", "explain", "zlib", cwd=there, **other).stdout
    assert told.startswith("accepted") and ann in told
    bare.with_name("gone").rename(bare)
    write_atom(founded / "zlib", "zlib", "1.1.0")
    commit(run, founded)
    run("git", "atom", "publish", "zlib", "--push", "origin", cwd=founded)
    run("git", "atom", "retract", "zlib@=1.0.0", "--reason", "old", "--push", "origin", cwd=founded)
    assert run("git", "atom", "fetch", f"{bare}::zlib", cwd=there, **other).stdout.startswith("zlib 1.1.0")
    assert ann in run("git", "atom", "show", "zlib", cwd=founded).stdout


def test_another_key_and_no_gpg_to_sign_with(founded: Path, bare: Path, ring: Gnupg, run: Run, tmp_path: Path) -> None:
    write_atom(founded / "zlib", "zlib", "1.1.0")
    commit(run, founded)
    before = everything(bare), refs(run, founded)
    eve = ("git", "-c", f"user.signingKey={ring.fingerprints('eve')[0]}", "atom", "publish", "zlib", "--push", "origin")
    assert "ATOM-8017" in run(*eve, cwd=founded, status=2).stderr
    path = no_gpg(tmp_path)
    assert "ATOM-2001" in run("git", "atom", "publish", "zlib", cwd=founded, status=None, PATH=path).stderr
    gone = run("git", "-c", "user.signingKey=nobody@example.org", "atom", "publish", "zlib", cwd=founded, status=128)
    assert "ATOM-3005" in gone.stderr and "nobody@example.org" in gone.stderr
    run("git", "config", "gpg.program", "/nowhere/gpg", cwd=founded)  # a repository names no programs
    assert (everything(bare), refs(run, founded)) == before
    run("git", "atom", "publish", "zlib", "--push", "origin", cwd=founded)


def test_the_hook_judges_tags_of_gpg(forger: Forger, refused: Refused, bare: Path, ring: Gnupg) -> None:
    """A set that chose ssh is given gpg's tags; a name that is claimed for a gpg key, tags that are not properly signed by it."""
    ann, eve = gpg_key(ring, "ann"), gpg_key(ring, "eve")
    start = forger.draft
    made = forger.publish(forger.tag(forger.release("b", "1.0.0"), ann))[0]
    refused("ATOM-3004", *forger.specs(made))
    forger.draft = start
    made = forger.publish(forger.tag(forger.release("b", "1.0.0")), who=ann)[0]  # the entry
    refused("ATOM-3004", *forger.specs(made))
    forger.draft = start
    forger.claim_for("theirs", ann)
    accepted(forger, bare, f"{forger.head}:{LOG}")
    start, release = forger.draft, forger.release("theirs", "1.0.0")
    raw = making.tag_head(release, "A U Thor <author@example.org> 1700000000 +0000")

    def by_gpg(*options: str, data: bytes = raw) -> bytes:
        return ring("--armor", *options, "--detach-sign", "-u", ann.fingerprint, stdin=data).stdout

    for tag, code in (
        (forger.tag(release, eve), "ATOM-3004"), (forger.tag(release), "ATOM-3004"), (raw, "ATOM-3008"),
        (raw + by_gpg("--digest-algo", "SHA1"), "ATOM-3001"), (raw + by_gpg(data=raw + b"x"), "ATOM-3002"),
        (raw + ann.sign("atom-claim-v1", raw), "ATOM-3002"), (raw + by_gpg()[:-40], "ATOM-3001"),
        (raw + by_gpg("--default-sig-expire", "1d"), "ATOM-3001"),
    ):  # fmt: skip
        forger.draft = start
        made = forger.publish(tag)[0]
        refused(code, *forger.specs(made))
    forger.draft = start
    accepted(forger, bare, *forger.specs(forger.publish(raw + by_gpg("--digest-algo", "SHA256"))[0]))


def test_what_a_certificate_says_of_its_key_is_not_asked(
    founded: Path, bare: Path, ring: Gnupg, run: Run, home: Path
) -> None:
    """Decision 127: the log alone decides. A key that expired says nothing new, because gpg does not; what it said stays said."""
    short = ring.make("short")
    run("git", "atom", "claim", "mine", "--key", short, "--push", "origin", cwd=founded)
    write_atom(founded / "mine", "mine", "1.0.0")
    commit(run, founded)
    as_short = ("git", "-c", f"user.signingKey={short}", "atom")
    run(*as_short, "publish", "mine", "--push", "origin", cwd=founded)
    ring("--quick-set-expire", short, "seconds=1")
    time.sleep(2)
    write_atom(founded / "mine", "mine", "1.1.0")
    commit(run, founded)
    before = refs(run, founded)
    assert "ATOM-3005" in run(*as_short, "publish", "mine", cwd=founded, status=128).stderr
    assert refs(run, founded) == before
    assert run("git", "atom", "fetch", f"{bare}::mine", cwd=home).stdout.startswith("mine 1.0.0")
    assert "good mine 1.0.0" in run("git", "atom", "verify", "mine", cwd=founded).stdout
    # the log's own revocation is what counts: from its entry on, the key signs nothing
    run("git", "atom", "charter", "revoke", short, "--reason", "expired", "--push", "origin", cwd=founded)
    done = run("git", "atom", "fetch", f"{bare}::mine", cwd=home)
    assert "revoked later: expired" in done.stderr
    ring("--quick-set-expire", short, "0")
    assert "ATOM-8017" in run(*as_short, "publish", "mine", cwd=founded, status=2).stderr
    run("git", "atom", "claim", "mine", "--push", "origin", cwd=founded)
    run("git", "atom", "publish", "mine", "--push", "origin", cwd=founded)


def test_owners_of_both_kinds(founded: Path, bare: Path, ring: Gnupg, run: Run, home: Path) -> None:
    """Two of two, one by ssh and one by gpg; and from one kind to the other."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "bob")
    as_bob = ("git", "-c", "gpg.format=ssh", "-c", f"user.signingKey={home}/bob.pub", "atom")
    run("git", "atom", "charter", "add-owner", home / "bob.pub", "--push", "origin", cwd=founded)
    run("git", "atom", "charter", "threshold", "2", cwd=founded)
    file = founded / "charter-2.proposal"
    before = refs(run, founded)
    eve = ("git", "-c", f"user.signingKey={ring.fingerprints('eve')[0]}", "atom", "charter", "sign", file)
    assert "ATOM-8017" in run(*eve, cwd=founded, status=2).stderr
    text = file.read_text()
    file.write_text(text.replace('"threshold": 2', '"threshold": 1'))
    assert "ATOM-3002" in run(*as_bob, "charter", "sign", file, cwd=founded, status=2).stderr
    file.write_text(text)
    assert refs(run, founded) == before
    assert run(*as_bob, "charter", "sign", file, "--push", "origin", cwd=founded).stdout == "recorded\n"
    run("git", "atom", "verify", "--all", cwd=founded)
    one = gpg_key(ring, "ann").key.line
    assert one in run("git", "cat-file", "blob", f"{LOG}:charters/2/statement", cwd=bare).stdout
