"""Two logs of one set (catalogue S13, F01, F02): refused, kept as evidence that anybody can check, and settled by the user alone."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from test_ownership import LOG, commit, write_atom

Run = Callable[..., "subprocess.CompletedProcess[str]"]


class Person:
    """Someone with a home, a store and a configuration of their own, who trusts one set."""

    def __init__(self, run: Run, home: Path, anchor: str = "") -> None:
        home.mkdir()
        self._run, self.home, self.store = run, home, home / "data/git-atom/store.git"
        self.env = {
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        }
        (home / ".gitconfig").write_text("[user]\n\tname = P\n\temail = p@example.org\n")
        if anchor:
            self.atom("trust", "add", anchor)

    def atom(self, *words: str | Path, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.git("atom", *words, status=status)

    def git(
        self, *words: str | Path, cwd: Path | None = None, status: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        return self._run("git", *words, cwd=cwd or self.home, status=status, **self.env)

    def refs(self) -> dict[str, str]:
        rows = self.git("for-each-ref", "--format=%(refname) %(objectname)", cwd=self.store).stdout.splitlines()
        return dict(row.split() for row in rows)

    def told(self) -> str:
        """Everything of the state but the refs."""
        seen = self.home / "data/git-atom/seen"
        notes = [p.read_text() for p in sorted(seen.iterdir())] if seen.exists() else []
        return "".join([(self.home / ".gitconfig").read_text(), (self.store / "config").read_text(), *notes])


class Split:
    """A set with a common beginning (zlib 1.0.0, entry 2) and two repositories that went on from there, each properly signed."""

    def __init__(self, run: Run, home: Path, project: Path) -> None:
        self.run = run
        write_atom(project / "zlib", "zlib", "1.0.0")
        commit(run, project)
        self.anchor = run("git", "atom", "init", cwd=project).stdout.strip()
        run("git", "atom", "publish", "zlib", cwd=project)
        self.old = self._bare(home / "old.git", project)
        shutil.copytree(project, home / "other")
        self.one = self._grown(home / "one.git", project, "1.1.0")
        self.two = self._grown(home / "two.git", home / "other", "1.2.0")
        self.project, self.other = project, home / "other"

    def _grown(self, bare: Path, repo: Path, version: str) -> Path:
        write_atom(repo / "zlib", "zlib", version, version)
        commit(self.run, repo)
        self.run("git", "atom", "publish", "zlib", cwd=repo)
        return self._bare(bare, repo)

    def _bare(self, bare: Path, repo: Path) -> Path:
        self.run("git", "clone", "-q", "--mirror", repo, bare)
        return bare

    def head(self, repo: Path) -> str:
        return self.run("git", "rev-parse", LOG, cwd=repo).stdout.strip()


@pytest.fixture
def split(run: Run, home: Path, project: Path, key: Path) -> Split:
    return Split(run, home, project)


def test_f01_an_older_log(split: Split, home: Path, run: Run) -> None:
    ann = Person(run, home / "ann", split.anchor)
    ann.atom("fetch", f"{split.old}::zlib")
    ann.atom("fetch", f"{split.one}::zlib")  # a newer one is what is expected
    before = ann.refs(), ann.told()
    for _ in range(2):
        done = ann.atom("fetch", f"{split.old}::zlib", status=2)
        assert (
            "ATOM-3011" in done.stderr and split.head(split.old) in done.stderr and split.head(split.one) in done.stderr
        )
        assert (ann.refs(), ann.told()) == before


def test_f02_two_clones_were_given_different_logs(split: Split, home: Path, run: Run) -> None:
    """Each is content with what it was given, until one meets the other's; what both then hold convinces a third one."""
    ann, bob = Person(run, home / "ann", split.anchor), Person(run, home / "bob", split.anchor)
    ann.atom("fetch", f"{split.one}::zlib")
    bob.atom("fetch", f"{split.two}::zlib")
    one, two = split.head(split.one), split.head(split.two)
    for person, theirs, seen, shown in ((ann, split.two, one, two), (bob, split.one, two, one)):
        refs, told = person.refs(), person.told()
        prefix = f"refs/sets/{split.anchor.removeprefix('blake3:')}/forks/{shown}"
        for command in (("list", theirs), ("fetch", f"{theirs}::zlib"), ("fetch", f"{theirs}::zlib@=1.0.0")):
            done = person.atom(*command, status=2)
            assert (
                "ATOM-3019" in done.stderr
                and one in done.stderr
                and two in done.stderr
                and "after entry 2" in done.stderr
            )
            assert person.refs() == refs | {f"{prefix}/seen": seen, f"{prefix}/shown": shown}
            assert person.told() == told
        rows = json.loads(person.atom("log", "--forks", "--json").stdout)["items"]
        assert rows == [
            {"anchor": split.anchor, "after": "2", "seen": seen, "seen-seq": "3", "shown": shown, "shown-seq": "3", "settled": ""}
        ]  # fmt: skip
    # the evidence is whole: it outlives collection, and both logs verify with nothing but it
    ann.git("gc", "-q", "--prune=now", cwd=ann.store)
    cara = Person(run, home / "cara", split.anchor)
    prefix = f"refs/sets/{split.anchor.removeprefix('blake3:')}/forks/{two}"
    for part in ("seen", "shown"):
        cara.git("init", "-q", "--bare", part)
        cara.git("fetch", "-q", ann.store, f"{prefix}/{part}:{LOG}", cwd=cara.home / part)
        cara.git("fsck", "--strict", cwd=cara.home / part)
    assert "zlib 1.1.0" in cara.atom("list", cara.home / "seen").stdout  # of a trusted set the log is kept
    assert "ATOM-3019" in cara.atom("list", cara.home / "shown", status=2).stderr and len(cara.refs()) == 3


def test_f02_a_log_that_does_not_hold_is_no_evidence(split: Split, home: Path, run: Run) -> None:
    """Anybody can make another log; only one that the set's own keys signed says something about them."""
    ann = Person(run, home / "ann", split.anchor)
    ann.atom("fetch", f"{split.one}::zlib")
    before = ann.refs(), ann.told()
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "mallory")
    message = run("git", "log", "-1", "--format=%B", LOG, cwd=split.two).stdout.strip() + "\n"
    forged = run(
        "git", "-c", f"user.signingKey={home}/mallory", "commit-tree", "-S", "-p", f"{LOG}~1", "-m", message, f"{LOG}^{{tree}}",
        cwd=split.two,
    ).stdout.strip()  # fmt: skip
    good = split.head(split.two)
    run("git", "update-ref", LOG, forged, cwd=split.two)
    done = ann.atom("list", split.two, status=2)
    assert "ATOM-3004" in done.stderr and "ATOM-3019" not in done.stderr
    assert (ann.refs(), ann.told()) == before
    run("git", "update-ref", LOG, good, cwd=split.two)
    assert "ATOM-3019" in ann.atom("list", split.two, status=2).stderr


def test_s13_both_are_refused_beyond_the_fork_until_the_user_settles_it(split: Split, home: Path, run: Run) -> None:
    ann = Person(run, home / "ann", split.anchor)
    ann.atom("fetch", f"{split.one}::zlib")
    ann.atom("fetch", f"{split.one}::zlib@=1.0.0")
    assert ann.atom("trust", "explain", "zlib@=1.1.0").stdout.startswith("accepted")
    ann.atom("list", split.two, status=2)
    # what only one of them has is not used, what both have is
    assert "ATOM-3019" in ann.atom("fetch", f"{split.one}::zlib", status=2).stderr
    assert "ATOM-3019" in ann.atom("get", "zlib@=1.1.0", "out", status=2).stderr and not (ann.home / "out").exists()
    ann.atom("get", "zlib@=1.0.0", "out")
    explained = ann.atom("trust", "explain", "zlib@=1.1.0", status=2).stdout
    assert explained.startswith("refused") and split.head(split.two) in explained and "  no       fork" in explained
    assert "warning  fork" in ann.atom("trust", "explain", "zlib@=1.0.0").stdout
    assert "warning: two logs of this set" in ann.atom("log", split.one).stderr
    # only one of the two heads settles it
    before = ann.refs()
    assert "ATOM-8029" in ann.atom("trust", "add", split.anchor, "--head", split.head(split.old), status=128).stderr
    ann.atom("trust", "add", "-n", split.anchor, "--head", split.head(split.two))
    assert ann.refs() == before
    ann.atom("trust", "add", split.anchor, "--head", split.head(split.two))
    assert ann.atom("fetch", f"{split.two}::zlib").stdout.startswith("zlib 1.2.0")
    assert ann.atom("trust", "explain", f"{split.two}::zlib@=1.2.0").stdout.startswith("accepted")
    # the other one is still refused, and is not counted as another fork
    known = ann.refs()
    assert "ATOM-3019" in ann.atom("list", split.one, status=2).stderr
    assert ann.refs() == known and len(json.loads(ann.atom("log", "--forks", "--json").stdout)["items"]) == 1


def test_s13_a_lock_does_not_choose_beyond_a_fork(split: Split, home: Path, run: Run) -> None:
    ann = Person(run, home / "ann", split.anchor)
    app = ann.home / "app"
    app.mkdir()
    ann.git("init", "-q", app)
    (app / "atom.toml").write_text(
        f'[atom]\nid = "app"\nversion = "1.0.0"\ntype = "package"\n[deps.zlib]\nurl = "{split.one}"\n'
    )
    ann.atom("fetch", f"{split.one}::zlib")
    ann.atom("list", split.two, status=2)
    assert "ATOM-3019" in ann.git("atom", "lock", cwd=app, status=2).stderr and not (app / "atom.lock").exists()
    ann.atom("trust", "add", split.anchor, "--head", split.head(split.one))
    ann.git("atom", "lock", cwd=app)
    assert 'version = "1.1.0"' in (app / "atom.lock").read_text()


def test_f02_a_publisher_meets_another_log_of_the_own_set(split: Split, home: Path, run: Run) -> None:
    """What one remote accepted may not be contradicted by another, whichever clone it was published from."""
    run("git", "atom", "publish", "zlib", "--push", split.one, cwd=split.project)
    store = home / ".local/share/git-atom/store.git"

    def refs() -> dict[str, str]:
        return dict(line.split() for line in run("git", "for-each-ref", "--format=%(refname) %(objectname)", cwd=store).stdout.splitlines())  # fmt: skip

    before, own = refs(), run("git", "for-each-ref", cwd=split.project).stdout
    done = run("git", "atom", "publish", "zlib", "--push", split.two, cwd=split.project, status=2)
    assert "ATOM-3019" in done.stderr and run("git", "for-each-ref", cwd=split.project).stdout == own
    assert (
        sorted(set(refs().values()) - set(before.values())) == [split.head(split.two)]
        and len(refs()) == len(before) + 2
    )
    # a clone that never saw the accepted one is warned by the user's store all the same
    done = run("git", "atom", "publish", "zlib", "--push", split.two, cwd=split.other, status=2)
    assert "ATOM-3019" in done.stderr and len(refs()) == len(before) + 2


def test_a_mirror_that_lags_is_brought_up_by_a_push(split: Split, home: Path, run: Run) -> None:
    run("git", "atom", "publish", "zlib", "--push", split.one, cwd=split.project)
    done = run("git", "atom", "publish", "zlib", "--push", split.old, cwd=split.project)
    assert "older log" in done.stderr and split.head(split.old) == split.head(split.one)


def test_other_content_under_one_version_names_both_digests(split: Split, home: Path, run: Run) -> None:
    ann = Person(run, home / "ann", split.anchor)
    digests = []
    for repo, bare in ((split.project, split.one), (split.other, split.two)):
        write_atom(repo / "zlib", "zlib", "2.0.0", f"{repo}\n")
        commit(run, repo)
        digests.append(run("git", "atom", "publish", "zlib", cwd=repo).stdout.split()[2])
        run("git", "fetch", "-q", repo, "+refs/*:refs/*", cwd=bare)
    ann.atom("fetch", f"{split.one}::zlib")
    told = ann.atom("fetch", f"{split.two}::zlib", status=2).stderr
    assert "ATOM-3019" in told and "'zlib 2.0.0'" in told and all(digest in told for digest in digests)


def test_f03_the_same_log_for_too_long(split: Split, home: Path, run: Run) -> None:
    ann = Person(run, home / "ann", split.anchor)
    ann.atom("fetch", f"{split.old}::zlib")
    note = next((ann.home / "data/git-atom/seen").iterdir())
    when, head = note.read_text().split()
    note.write_text(f"{int(when) - 40 * 86400} {head}\n")
    assert ann.atom("fetch", f"{split.old}::zlib").stderr.find("warning") < 0, "it is the user's to ask for"
    ann.git("config", "--global", "atom.maximumLogAge", "30d")
    assert "same log as 40 days ago" in ann.atom("fetch", f"{split.old}::zlib").stderr
    ann.git("config", "--global", f"atom.{split.anchor}.staleLog", "refuse")
    before = ann.refs(), ann.told()
    assert (
        "ATOM-3017" in ann.atom("fetch", f"{split.old}::zlib", status=2).stderr and (ann.refs(), ann.told()) == before
    )
    ann.git("config", "--global", "atom.maximumLogAge", "41d")
    ann.atom("fetch", f"{split.old}::zlib")
    ann.git("config", "--global", "atom.maximumLogAge", "30d")
    ann.atom("fetch", f"{split.one}::zlib")  # one that went on is what was wanted
