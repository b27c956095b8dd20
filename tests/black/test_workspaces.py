"""`git atom lock` and `git atom update` over many atoms of one repository, apart and together, and publishing what they lock."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from projects import Run, commit
from servers import Backend, http
from test_choosing import locked, need
from test_lock import atom, published

__all__ = ["published"]
Publish = Callable[..., str]


def locks(project: Path) -> dict[str, bytes]:
    """Every lock of a work tree, by its directory."""
    return {str(path.parent.relative_to(project)): path.read_bytes() for path in sorted(project.rglob("atom.lock"))}


def local(path: str, wanted: str = "*") -> str:
    return f'[deps.{Path(path).name}]\npath = "{path}"\nversion = "{wanted}"\n'


@pytest.fixture
def layered(project: Path, published: Publish) -> Path:
    """Atoms in an order that is not that of their names: app -> lib -> zbase, tool's data hold lib; zed comes from elsewhere."""
    url = published("zed", ("zed", "1.0.0", ""), ("fmt", "2.0.0", ""))
    atom(project / "app", "app", more=local("../lib", "^1") + need(url, "zed"))
    atom(project / "lib", "lib", "1.2.0", local("../nested/zbase") + need(url, "fmt"))
    atom(project / "nested/zbase", "zbase")
    atom(project / "a-tool", "tool", more='[srcs.data]\npath = "../lib"\n')
    return project


def test_all_gives_what_each_alone_gives(home: Path, run: Run, layered: Path) -> None:
    twin = home / "twin"
    shutil.copytree(layered, twin)
    for name in ("nested/zbase", "lib", "app", "a-tool"):
        run("git", "atom", "lock", name, cwd=twin)
    done = run("git", "atom", "lock", "--all", "-n", cwd=layered / "lib")
    assert "would write '../app/atom.lock'" in done.stderr and not locks(layered)
    done = run("git", "atom", "lock", "--all", cwd=layered)
    assert done.stdout.split() == ["a-tool/atom.lock", "app/atom.lock", "lib/atom.lock", "nested/zbase/atom.lock"]
    assert locks(layered) == locks(twin) and len(locks(twin)) == 4
    # unchanged, in every way of asking; a clone that committed it agrees
    assert "all 4 locks are up to date" in run("git", "atom", "lock", "--all", "--locked", cwd=layered).stderr
    run("git", "atom", "lock", "--all", "--frozen", cwd=layered)
    commit(run, layered)
    run("git", "clone", "-q", layered, home / "clone")
    run("git", "atom", "lock", "--all", "--locked", "--offline", cwd=home / "clone")
    shutil.rmtree(home / ".cache/git-atom")
    run("git", "atom", "lock", "--all", "--locked", "--offline", cwd=layered)
    # a change at the bottom goes up through all of them in one command, as it does step by step
    for place in (layered, twin):
        (place / "nested/zbase/x").write_text("x")
        atom(place / "nested/zbase", "zbase", "1.1.0")
    refused = run("git", "atom", "lock", "--all", "--locked", cwd=layered, status=1)
    told = [line for line in refused.stderr.splitlines() if line.startswith("error")]
    assert len(told) == 3 and all("ATOM-8044" in line for line in told)
    before = locks(layered)
    run("git", "atom", "lock", "--all", cwd=layered)
    for name in ("nested/zbase", "lib", "app", "a-tool"):
        run("git", "atom", "lock", name, cwd=twin)
    assert locks(layered) == locks(twin) and before != locks(twin)
    # some by name: what is needed comes first although it was named last, and what is not named is not touched
    (layered / "nested/zbase/x").write_text("y")
    done = run("git", "atom", "lock", "app", "lib", "nested/zbase", "lib/", cwd=layered)
    assert done.stdout.split() == ["app/atom.lock", "lib/atom.lock", "nested/zbase/atom.lock"]
    run("git", "atom", "lock", "app", "lib", "--locked", cwd=layered)
    assert (
        "'a-tool/atom.lock' would change"
        in run("git", "atom", "lock", "--all", "--locked", cwd=layered, status=1).stderr
    )
    (layered / "nested/zbase/x").write_text("z")
    done = run("git", "atom", "lock", "app", cwd=layered, status=128)
    assert "ATOM-8042" in done.stderr and "git atom lock lib" in done.stderr


def test_many_in_a_chain(home: Path, run: Run, project: Path, published: Publish) -> None:
    """So many that git is asked once for all files; each has the next in its tree or needs it, and the last is below all of them."""
    url = published("zed", ("zed", "1.0.0", ""))
    for at in range(12):
        more = local(f"../a{at + 1}") if at < 11 else need(url, "zed")
        atom(project / f"a{at}", f"a{at}", more=more + ('[srcs.x]\npath = "../a11/atom.lock"\n' if at == 3 else ""))
    (project / "a9/ünï cödé").write_text("x")
    twin = home / "twin"
    shutil.copytree(project, twin)
    run("git", "atom", "lock", "--all", cwd=project)
    for at in reversed(range(12)):
        run("git", "atom", "lock", f"a{at}", cwd=twin)
    assert locks(project) == locks(twin) and len(locks(twin)) == 12
    published("zed", ("zed", "1.1.0", ""))
    run("git", "atom", "update", "--all", "zed", cwd=project)
    for at in reversed(range(12)):
        run("git", "atom", "update", "zed", cwd=twin / f"a{at}")
    assert locks(project) == locks(twin) and locked(project / "a0")["zed"] == "1.1.0"


def test_outside_of_a_repository(home: Path, run: Run, published: Publish) -> None:
    url = published("zed", ("zed", "1.0.0", ""))
    for name in ("a", "b"):
        atom(home / name, name, more=need(url, "zed"))
    run("git", "atom", "lock", "a", "b", "--together")
    run("git", "atom", "lock", "a", "b", "--locked")
    assert locked(home / "b") == {"zed": "1.0.0"}
    assert "ATOM-2003" in run("git", "atom", "lock", "--all", status=128).stderr


def test_one_that_is_killed_leaves_whole_locks(home: Path, run: Run, layered: Path) -> None:
    """Each lock is the old one or the new one, and the same command finishes the work."""
    run("git", "atom", "lock", "--all", cwd=layered)
    old = locks(layered)
    atom(layered / "nested/zbase", "zbase", "1.1.0")
    run("git", "atom", "lock", "--all", cwd=layered)
    new = locks(layered)
    assert all(old[name] != new[name] for name in ("app", "lib", "a-tool"))
    for how in (signal.SIGKILL, signal.SIGINT):
        for pause in range(0, 500, 50):
            for name, data in old.items():
                (layered / name / "atom.lock").write_bytes(data)
            going = subprocess.Popen(["git-atom", "lock", "--all"], cwd=layered, stdout=-3, stderr=-3)
            time.sleep(pause / 1000)
            going.send_signal(how)
            going.wait()
            assert all(data in (old[name], new[name]) for name, data in locks(layered).items())
            run("git", "atom", "lock", "--all", cwd=layered)
            assert locks(layered) == new


def test_every_lock_binds(home: Path, run: Run, project: Path, published: Publish) -> None:
    """A log that is older than what one of the locks was made from is refused, although it is new enough for the others."""
    url = published("zed", ("zed", "1.0.0", ""))
    for name in ("a", "b"):
        atom(project / name, name, more=need(url, "zed"))
    run("git", "atom", "lock", "a", cwd=project)
    shutil.copytree(home / "zed.git", home / "old.git")
    published("zed", ("zed", "1.1.0", ""))
    run("git", "atom", "lock", "b", cwd=project)
    assert (locked(project / "a"), locked(project / "b")) == ({"zed": "1.0.0"}, {"zed": "1.1.0"})
    # what is chosen together from two locks stands on the newer log, asked for or not
    whole = locks(project)
    run("git", "atom", "lock", "--all", "--together", "--offline", cwd=project)
    assert locks(project)["a"] == locks(project)["b"] == whole["b"]
    (project / "a/atom.lock").write_bytes(whole["a"])
    shutil.rmtree(home / "zed.git")
    (home / "old.git").rename(home / "zed.git")
    shutil.rmtree(home / ".local/share/git-atom/store.git")
    shutil.rmtree(home / ".cache/git-atom")
    run("git", "atom", "lock", "a", cwd=project)  # positive control
    for more in ((), ("--together",)):
        done = run("git", "atom", "update", "--all", *more, cwd=project, status=2)
        assert "ATOM-8703" in done.stderr and locks(project) == whole


def test_a_lock_that_git_ignores_is_no_part_of_a_tree(home: Path, run: Run, layered: Path) -> None:
    (layered / ".gitignore").write_text("lib/atom.lock\n")
    twin = home / "twin"
    shutil.copytree(layered, twin)
    run("git", "atom", "lock", "--all", cwd=layered)
    for name in ("nested/zbase", "lib", "app", "a-tool"):
        run("git", "atom", "lock", name, cwd=twin)
    assert locks(layered) == locks(twin) and len(locks(twin)) == 4
    run("git", "atom", "lock", "--all", "--locked", cwd=layered)
    (layered / "lib/atom.lock").unlink()  # no tree tells that it is gone, and yet nothing is up to date
    assert "ATOM-8042" in run("git", "atom", "lock", "app", "--locked", cwd=layered, status=128).stderr
    assert (
        "'lib/atom.lock' would change" in run("git", "atom", "lock", "--all", "--locked", cwd=layered, status=1).stderr
    )


def test_what_a_note_says_holds_where_it_was_made(home: Path, run: Run, layered: Path) -> None:
    """An unchanged lock is known by manifest, lock and what lies around; moved, copied or behind a link, it is looked at again."""
    run("git", "atom", "lock", "--all", cwd=layered)
    shutil.copytree(layered, home / "copy")
    (home / "copy/nested/zbase/x").write_text("x")
    assert "ATOM-8042" in run("git", "atom", "lock", "app", "--locked", cwd=home / "copy", status=128).stderr
    (layered / "lib").rename(layered / "real")
    (layered / "lib").symlink_to("real")
    run("git", "atom", "lock", "app", "--locked", cwd=layered)
    (layered / "real/y").write_text("y")
    assert "lib" in run("git", "atom", "lock", "app", "--locked", cwd=layered, status=1).stderr
    run("git", "atom", "lock", "app", cwd=layered)
    shutil.copytree(layered / "real", layered / "another")
    (layered / "another/y").write_text("z")
    (layered / "lib").unlink()
    (layered / "lib").symlink_to("another")
    assert "lib" in run("git", "atom", "lock", "app", "--locked", cwd=layered, status=1).stderr


def test_one_that_cannot_be_leaves_all_as_they_were(home: Path, run: Run, layered: Path, published: Publish) -> None:
    url = published("zed")
    run("git", "atom", "lock", "--all", cwd=layered)
    before = locks(layered)
    atom(layered / "nested/zbase", "zbase", "1.1.0")
    atom(layered / "app", "app", more=local("../lib", "^1") + need(url, "zed", "^9"))
    done = run("git", "atom", "lock", "--all", cwd=layered, status=3)
    assert "app/atom.toml:9" in done.stderr and locks(layered) == before
    hint = next(line.removeprefix("hint: ") for line in done.stderr.splitlines() if line.startswith("hint: "))
    assert hint == f"git -C app atom add '{url}::zed@^1.0.0'"
    # every manifest that is wrong is told, each by its name; --frozen tells of every lock
    (layered / "lib/atom.toml").write_text("[atom\n")
    (layered / "app/atom.toml").write_text("[atom]\n")
    done = run("git", "atom", "lock", "--all", cwd=layered, status=7)
    assert "lib/atom.toml:1" in done.stderr and "app/atom.toml" in done.stderr and locks(layered) == before
    atom(layered / "lib", "lib", "1.2.0")
    atom(layered / "app", "app")
    done = run("git", "atom", "lock", "--all", "--frozen", cwd=layered, status=1)
    assert done.stderr.count("ATOM-8045") == 2 and "hint: git atom lock lib" in done.stderr
    # an error that has no place of its own gets that of the manifest
    atom(layered / "app", "app", more='[srcs.x]\nurl = "file:///nowhere/x.tar"\n')
    done = run("git", "atom", "lock", "--all", cwd=layered, status=None)
    assert done.returncode and "app/atom.toml" in done.stderr and locks(layered) == before
    run("git", "atom", "lock", "--all", "app", cwd=layered, status=129)
    run("git", "init", "-q", home / "empty")
    assert "ATOM-8040" in run("git", "atom", "lock", "--all", cwd=home / "empty", status=128).stderr


def test_circles_and_what_holds_itself(project: Path, run: Run) -> None:
    atom(project / "a", "a", more=local("../b"))
    atom(project / "b", "b", more=local("../c"))
    atom(project / "c", "c", more=local("../a"))
    done = run("git", "atom", "lock", "--all", cwd=project, status=128)
    assert "ATOM-8701" in done.stderr and not locks(project)
    chain = next(line.removeprefix("note: ") for line in done.stderr.splitlines() if line.startswith("note: ")).split(
        " -> "
    )
    after = {"a": "b", "b": "c", "c": "a"}
    assert len(chain) == 4 and all(after[one] == other for one, other in zip(chain, chain[1:], strict=False))
    # by way of a source, the digests would go round as well
    atom(project / "c", "c", more='[srcs.x]\npath = "../a"\n')
    assert "ATOM-8701" in run("git", "atom", "lock", "--all", cwd=project, status=128).stderr
    shutil.rmtree(project / "c")
    atom(project / "b", "b")
    atom(project / "a/example", "example", more='[deps.a]\npath = ".."\n')
    assert "ATOM-8051" in run("git", "atom", "lock", "--all", cwd=project, status=128).stderr
    assert "ATOM-8051" in run("git", "atom", "lock", "a/example", cwd=project, status=128).stderr
    assert not locks(project)
    atom(project / "a/example", "example", more=local("../../b"))  # positive control; a's tree holds the example's lock
    run("git", "atom", "lock", "--all", cwd=project)
    atom(project / "d", "d", more=local("../a"))
    run("git", "atom", "lock", "--all", cwd=project)
    run("git", "atom", "lock", "d", "--locked", cwd=project)


class Counting(Backend):
    seen: Counter[str] = Counter()
    guard = threading.Lock()

    def do_POST(self) -> None:  # noqa: N802
        with self.guard:
            self.seen[self.path.partition("?")[0]] += 1
        super().do_POST()

    do_GET = do_POST  # noqa: N815


@pytest.fixture
def web(home: Path) -> Iterator[str]:
    Counting.seen.clear()
    with http(home, Counting) as url:
        yield url


def test_sets_are_asked_once_for_all(home: Path, run: Run, project: Path, published: Publish, web: str) -> None:
    published("zed", ("zed", "1.0.0", ""), ("fmt", "1.0.0", ""))
    url = f"{web}/zed.git"
    for name in ("a", "b", "c", "d"):
        atom(project / name, name, more=need(url, "zed" if name in "ab" else "fmt"))
    run("git", "atom", "lock", "a", "c", cwd=project)  # both atoms are in the store now
    (project / "a/atom.lock").unlink()
    (project / "c/atom.lock").unlink()
    Counting.seen.clear()
    run("git", "atom", "lock", "a", cwd=project)
    alone = sum(Counting.seen.values())
    (project / "a/atom.lock").unlink()
    Counting.seen.clear()
    run("git", "atom", "lock", "--all", cwd=project)
    assert alone and sum(Counting.seen.values()) == alone
    Counting.seen.clear()
    run("git", "atom", "lock", "--all", cwd=project)
    assert not Counting.seen
    for more in ((), ("--together",)):
        Counting.seen.clear()
        run("git", "atom", "update", "--all", *more, cwd=project)
        assert sum(Counting.seen.values()) == alone


def test_together_one_version_of_a_name(home: Path, run: Run, project: Path, published: Publish) -> None:
    zlib = published("zlib", ("zlib", "1.2.0", ""))
    published("zlib", ("zlib", "1.3.0", ""))
    web = published("web", ("web", "1.0.0", need(zlib, "zlib", "^1.2")), lock=True)
    published("zlib", ("zlib", "1.4.0", ""))
    fmt = published("fmt", ("fmt", "1.0.0", ""))
    atom(project / "old", "old", more=need(zlib, "zlib", "<1.4"))
    atom(project / "new", "new", more=need(web, "web") + local("../old"))
    atom(project / "other", "other", more=need(fmt, "fmt"))
    run("git", "atom", "lock", "--all", cwd=project)
    apart = locks(project)
    assert locked(project / "old") == {"zlib": "1.3.0"}
    atom(project / "new", "new", more=need(web, "web"))
    run("git", "atom", "update", "--all", cwd=project)
    assert locked(project / "new") == {"web": "1.0.0", "zlib": "1.4.0"} and locked(project / "old") == {"zlib": "1.3.0"}
    before = locks(project)
    refused = run("git", "atom", "lock", "--all", "--together", "--locked", cwd=project, status=1)
    assert "'new/atom.lock' would change" in refused.stderr and "zlib 1.4.0 -> 1.3.0" in refused.stderr
    run("git", "atom", "lock", "--all", "--together", "-n", cwd=project)
    assert locks(project) == before
    got = json.loads(run("git", "atom", "lock", "--all", "--together", "--json", cwd=project).stdout)
    assert (got["schema"], got["changed"], got["together"], got["dry-run"]) == ("git-atom-locks/1", True, True, False)
    assert {row["path"]: row["changed"] for row in got["locks"]} == {
        "new/atom.lock": True, "old/atom.lock": False, "other/atom.lock": False,
    }  # fmt: skip
    assert locked(project / "new") == {"web": "1.0.0", "zlib": "1.3.0"}
    assert locked(project / "other") == {"fmt": "1.0.0"}, "each lock holds its own part alone"
    assert locks(project)["old"] == apart["old"]
    # what is locked stays, however it is asked, with a cache or without one
    together = locks(project)
    for more in (["new"], ["--all"], ["--all", "--together"], ["new", "old", "--together", "--offline"]):
        run("git", "atom", "lock", *more, "--locked", cwd=project)
    shutil.rmtree(home / ".cache/git-atom")
    run("git", "atom", "lock", "--all", "--together", "--locked", cwd=project)
    run("git", "atom", "lock", "--all", "--locked", cwd=project)
    assert locks(project) == together
    # chosen anew apart it is the newest again; together the newest that suits all of them
    run("git", "atom", "update", "--dir", "new", "zlib", cwd=project)
    assert locked(project / "new")["zlib"] == "1.4.0"
    run("git", "atom", "update", "--all", "--together", "zlib", cwd=project)
    assert locks(project) == together
    # one that depends on another by path goes along
    atom(project / "new", "new", more=need(web, "web") + local("../old"))
    atom(project / "old", "old", more=need(zlib, "zlib", "<1.3"))
    run("git", "atom", "lock", "--all", "--together", cwd=project)
    assert locked(project / "new") == {"web": "1.0.0", "zlib": "1.2.0", "old": "1.0.0"}
    run("git", "atom", "lock", "--all", "--locked", cwd=project)
    run("git", "atom", "lock", "--all", "--together", "--minimise", "--locked", cwd=project)


def test_together_the_fewest_atoms(home: Path, run: Run, project: Path, published: Publish) -> None:
    deep = published("deep", ("deep", "1.0.0", ""))
    web = published("web", ("web", "1.0.0", ""))
    published("web", ("web", "1.1.0", need(deep, "deep")), lock=True)
    atom(project / "a", "a", more=need(web, "web"))
    atom(project / "b", "b", more=need(web, "web", ">=1.1") + need(deep, "deep"))
    atom(project / "c", "c")
    run("git", "atom", "lock", "--all", cwd=project)
    # what --locked refuses, its hint does: chosen as it was asked for
    done = run("git", "atom", "lock", "a", "--minimise", "--locked", cwd=project, status=1)
    assert "hint: git atom lock --minimise a\n" in done.stderr
    run("git", "atom", "lock", "--minimise", "a", cwd=project)
    run("git", "atom", "lock", "a", "--minimise", "--locked", cwd=project)
    assert locked(project / "a") == {"web": "1.0.0"} and locked(project / "b") == {"web": "1.1.0", "deep": "1.0.0"}
    done = run("git", "atom", "lock", "--all", "--together", "--minimise", "--locked", cwd=project / "c", status=1)
    assert "hint: git atom lock --all --together --minimise\n" in done.stderr
    done = run("git", "atom", "lock", "a", "b", "--together", "--minimise", "--locked", cwd=project, status=1)
    assert "hint: git atom lock --together --minimise a b\n" in done.stderr
    run("git", "atom", "lock", "--all", "--together", "--minimise", cwd=project)
    assert locked(project / "a") == locked(project / "b") == {"web": "1.1.0", "deep": "1.0.0"}
    atom(project / "b", "b", more=need(web, "web"))
    run("git", "atom", "lock", "c", "b", "a", "--together", "--minimise", cwd=project)
    assert locked(project / "a") == locked(project / "b") == {"web": "1.0.0"}
    run("git", "atom", "update", "--dir", "c", "--dir", "a", "--dir", "b", "--together", "web", cwd=project)
    assert locked(project / "a") == locked(project / "b") == {"web": "1.1.0", "deep": "1.0.0"}


def test_together_without_a_solution_tells_each_by_its_file(
    home: Path, run: Run, project: Path, published: Publish
) -> None:
    zlib = published("zlib", ("zlib", "1.2.0", ""))
    published("zlib", ("zlib", "1.3.0", ""))
    web = published("web", ("web", "1.0.0", need(zlib, "zlib", "^1.3")), lock=True)
    atom(project / "old", "old", more=need(zlib, "zlib", "<1.3"))
    atom(project / "new", "new", more=need(web, "web"))
    done = run("git", "atom", "lock", "new", "old", "--together", cwd=project, status=3)
    assert [line for line in done.stderr.splitlines() if not line.startswith("fetching")][:5] == [
        "error[ATOM-8041]: the dependencies of 'new', 'old' cannot be had together",
        "  --> new/atom.toml:6",
        "note: new/atom.toml:6: new requires web *",
        "note:   web 1.0.0 requires zlib ^1.3",
        "note: old/atom.toml:6: old requires zlib <1.3",
    ]
    assert not locks(project)
    hints = [line.removeprefix("hint: ") for line in done.stderr.splitlines() if line.startswith("hint: ")]
    assert f"git -C old atom add '{zlib}::zlib@^1.3.0'" in hints and "git -C new atom remove web" in hints
    texts = {name: (project / name / "atom.toml").read_text() for name in ("old", "new")}
    for hint in hints:  # every way out leads out
        run("sh", "-c", hint, cwd=project)
        run("git", "atom", "lock", "--all", "--together", cwd=project)
        for name, text in texts.items():
            (project / name / "atom.toml").write_text(text)
            (project / name / "atom.lock").unlink()
    run("git", "atom", "lock", "new", "old", cwd=project)  # apart there is nothing against it


def test_update_of_several(home: Path, run: Run, project: Path, published: Publish) -> None:
    zed = published("zed", ("zed", "1.0.0", ""), ("fmt", "1.0.0", ""))
    atom(project / "a", "a", more=need(zed, "zed") + need(zed, "fmt"))
    atom(project / "b", "b", more=need(zed, "zed"))
    run("git", "atom", "lock", "--all", cwd=project)
    published("zed", ("zed", "1.1.0", ""), ("fmt", "1.1.0", ""))
    run("git", "atom", "lock", "--all", "--locked", cwd=project)
    done = run("git", "atom", "update", "--all", "zde", cwd=project, status=1)
    assert "ATOM-8708" in done.stderr and "did you mean 'zed'?" in done.stderr
    done = run("git", "atom", "update", "--dir", "b", "--dir", "a", "fmt", cwd=project)
    assert done.stdout.split() == ["b/atom.lock", "a/atom.lock"]
    assert locked(project / "a") == {"zed": "1.0.0", "fmt": "1.1.0"} and locked(project / "b") == {"zed": "1.0.0"}
    run("git", "atom", "update", "--all", cwd=project)
    assert locked(project / "a") == {"zed": "1.1.0", "fmt": "1.1.0"} and locked(project / "b") == {"zed": "1.1.0"}


def test_published_in_order(home: Path, run: Run, key: Path, layered: Path) -> None:
    """What a lock names by path is published before, or with, what needs it, and with the very content that was locked."""
    run("git", "init", "-q", "--bare", home / "served.git")
    run("git", "remote", "add", "origin", f"file://{home}/served.git", cwd=layered)
    run("git", "atom", "lock", "--all", cwd=layered)
    commit(run, layered)
    run("git", "atom", "init", cwd=layered)
    refused = run("git", "atom", "publish", "app", cwd=layered, status=128)
    assert "ATOM-8009" in refused.stderr and "'app' needs 'lib 1.2.0'" in refused.stderr
    assert "ATOM-8009" in run("git", "atom", "publish", "app", "lib", cwd=layered, status=128).stderr
    assert not run("git", "for-each-ref", "refs/atoms", cwd=layered).stdout
    run("git", "atom", "publish", "nested/zbase", cwd=layered)
    run("git", "atom", "publish", "--all", "--push", "origin", cwd=layered)
    assert run("git", "atom", "list", f"file://{home}/served.git", "--format", "%(name)", cwd=layered).stdout.split() == [
        "app", "lib", "tool", "zbase",
    ]  # fmt: skip
    # content that changed under its version is refused, whoever's lock names it
    (layered / "nested/zbase/x").write_text("x")
    run("git", "atom", "lock", "--all", cwd=layered)
    commit(run, layered)
    assert "ATOM-8007" in run("git", "atom", "publish", "--all", cwd=layered, status=5).stderr
    for folder in ("app", "lib", "a-tool"):
        path = layered / folder / "atom.toml"
        path.write_text(
            path.read_text().replace('version = "1.0.0"', 'version = "1.0.1"').replace('"1.2.0"', '"1.2.1"')
        )
    run("git", "atom", "lock", "--all", cwd=layered)
    commit(run, layered)
    assert "ATOM-8016" in run("git", "atom", "publish", "lib", cwd=layered, status=5).stderr
    atom(layered / "nested/zbase", "zbase", "1.0.1")
    run("git", "atom", "lock", "--all", cwd=layered)
    commit(run, layered)
    run("git", "atom", "publish", "--all", "--push", "origin", cwd=layered)
