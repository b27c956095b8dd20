"""One set from several places: one that is dead or lags behind is told of, one that lies is an error (catalogue F04, F06)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from test_forks import Person
from test_ownership import LOG, commit, write_atom

Run = Callable[..., "subprocess.CompletedProcess[str]"]


class Places:
    """A set with zlib and curl, served from two places, and someone whose project needs one atom from each."""

    def __init__(self, run: Run, home: Path, project: Path) -> None:
        self.run, self.project = run, project
        self.anchor = ""
        self.one, self.two = home / "one.git", home / "two.git"
        self.publish("1.0.0")
        run("git", "clone", "-q", "--mirror", project, self.one)
        run("git", "clone", "-q", "--mirror", project, self.two)
        self.ann = Person(run, home / "ann", self.anchor)
        self.app = self.ann.home / "app"
        self.app.mkdir()
        self.ann.git("init", "-q", self.app)
        self.write(self.one, self.two)

    def write(self, zlib: Path, curl: Path) -> None:
        (self.app / "atom.toml").write_text(
            '[atom]\nid = "app"\nversion = "1.0.0"\ntype = "package"\n'
            f'[deps.zlib]\nurl = "{zlib}"\n[deps.curl]\nurl = "{curl}"\n'
        )

    def publish(self, version: str) -> None:
        for name in ("zlib", "curl"):
            write_atom(self.project / name, name, version, f"{name} {version}\n")
        commit(self.run, self.project)
        self.anchor = self.run("git", "atom", "init", "-q", cwd=self.project).stdout.strip()
        self.run("git", "atom", "publish", "--all", cwd=self.project)

    def mirror(self, *bares: Path) -> None:
        for bare in bares:
            self.run("git", "fetch", "-q", self.project, "+refs/*:refs/*", cwd=bare)

    def lock(self, *words: str, status: int | None = 0) -> str:
        return self.ann.git("atom", *(words or ("update",)), cwd=self.app, status=status).stderr

    def locked(self) -> list[str]:
        return [line for line in (self.app / "atom.lock").read_text().splitlines() if line.startswith('version = "')]


@pytest.fixture
def places(run: Run, home: Path, project: Path, key: Path) -> Places:
    made = Places(run, home, project)
    made.lock("lock")
    return made


def test_a_dead_mirror_only_warns(places: Places, home: Path) -> None:
    places.publish("1.1.0")
    places.mirror(places.two)
    places.one.rename(home / "away")
    told = places.lock()
    assert f"warning: '{places.one}' cannot be read: " in told
    assert places.locked().count('version = "1.1.0"') == 2
    places.two.rename(home / "away too")
    before = (places.app / "atom.lock").read_bytes()
    assert "ATOM-2011" in places.lock(status=6) and (places.app / "atom.lock").read_bytes() == before


@pytest.mark.parametrize("behind", ["one", "two"])
def test_a_mirror_that_lags_only_warns(places: Places, behind: str) -> None:
    """The newer log is used, whichever place is asked first; alone, the older one is a rollback."""
    places.publish("1.1.0")
    places.mirror(places.two if behind == "one" else places.one)
    places.lock()
    assert places.locked().count('version = "1.1.0"') == 2
    late = getattr(places, behind)
    assert f"warning: the log that '{late}' shows is older than the one seen before" in places.lock()
    # when nothing else is left, both are told
    other = places.two if behind == "one" else places.one
    other.rename(other.with_suffix(".away"))
    places.write(other, other)
    told = places.lock(status=2)
    assert f"the log that '{late}' shows is older" in told and f"warning: '{other}' cannot be read" in told
    other.with_suffix(".away").rename(other)
    places.write(late, late)
    (places.app / "atom.lock").unlink()
    assert "ATOM-3011" in places.lock("lock", status=2)


def test_mirrors_that_lie_are_errors(places: Places, home: Path, run: Run) -> None:
    places.publish("1.1.0")
    places.mirror(places.one)
    good = (places.app / "atom.lock").read_bytes()
    aside = home / "aside.git"
    places.two.rename(aside)

    def refused(code: str, *said: str) -> None:
        told = places.lock(status=2)
        assert code in told and all(word in told for word in said), told
        assert (places.app / "atom.lock").read_bytes() == good
        shutil.rmtree(places.two)

    other = home / "other"
    run("git", "init", "-q", other)
    write_atom(other / "curl", "curl", "1.0.0")
    commit(run, other)
    anchor = run("git", "atom", "init", "-q", cwd=other).stdout.strip()
    run("git", "atom", "publish", "curl", cwd=other)
    places.ann.atom("trust", "add", anchor)
    run("git", "clone", "-q", "--mirror", other, places.two)
    refused("ATOM-8702", anchor, places.anchor)

    aside.rename(places.two)
    places.lock()
    good = (places.app / "atom.lock").read_bytes()
    assert places.locked().count('version = "1.1.0"') == 2


def test_fetch_asks_other_places_of_the_set(places: Places, home: Path) -> None:
    ann = places.ann
    places.publish("1.1.0")
    places.mirror(places.two)
    places.one.rename(home / "away")
    done = ann.atom("fetch", f"{places.one}::zlib@^1.1")
    assert "warning" in done.stderr and "cannot be read" in done.stderr and done.stdout.startswith("zlib 1.1.0 ")
    # another place that serves another set is no place of this one
    shutil.rmtree(places.two)
    assert "ATOM-2011" in ann.atom("fetch", f"{places.one}::zlib@^2", status=6).stderr


def test_f04_f06_a_version_ref_that_is_not_what_the_log_holds(places: Places, run: Run, home: Path) -> None:
    ann = places.ann
    places.publish("1.1.0")
    places.mirror(places.one, places.two)
    two, before = places.two, ann.refs()
    good = run("git", "rev-parse", "refs/atoms/zlib/1.1.0", cwd=two).stdout.strip()
    for served in ("refs/atoms/zlib/1.0.0", "refs/atoms/curl/1.1.0", "refs/heads/main"):
        run("git", "update-ref", "refs/atoms/zlib/1.1.0", served, cwd=two)
        told = ann.atom("fetch", f"{two}::zlib", status=2).stderr
        assert "ATOM-8019" in told and "signed blake3:" in told and "served " in told
        assert ann.refs() == before
    run("git", "update-ref", "-d", "refs/atoms/zlib/1.1.0", cwd=two)  # not there is not a lie; another place has it
    done = ann.atom("fetch", f"{two}::zlib")
    assert "asking other places" in done.stderr and done.stdout.startswith("zlib 1.1.0 ")
    assert run("git", "rev-parse", "refs/sets/" + places.anchor.removeprefix("blake3:") + "/log", cwd=ann.store).stdout == run("git", "rev-parse", LOG, cwd=two).stdout  # fmt: skip
    # the same through a lock, and the control
    ann.git("update-ref", "-d", f"refs/sets/{places.anchor.removeprefix('blake3:')}/atoms/curl/1.1.0", cwd=ann.store)
    for place in (places.one, two):
        run("git", "update-ref", "refs/atoms/curl/1.1.0", "refs/atoms/curl/1.0.0", cwd=place)
    assert "ATOM-8019" in places.lock(status=2)
    places.mirror(places.one, two)
    places.lock()
    assert run("git", "rev-parse", "refs/atoms/zlib/1.1.0", cwd=two).stdout.strip() == good
    assert places.locked().count('version = "1.1.0"') == 2
