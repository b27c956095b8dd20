"""`git atom add`, `remove`, `update`, `tree`, `why`, `outdated`: real sets of several repositories, and everything that can be wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_lock import atom, commit, published

__all__ = ["published"]
Publish = Callable[..., str]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

MANIFEST = """\
# the app
[atom]
id = "app"          # a name
version = "1.0.0"

# what it needs
[deps.zed]          # zed!
url     = "%s"
version = "^1"      # keep me

# the end
[test]
run = [ "true" ]
"""


def need(url: str, name: str, wanted: str = "*") -> str:
    return f'[deps.{name}]\nurl = "{url}"\nversion = "{wanted}"\n'


def locked(folder: Path) -> dict[str, str]:
    """Names and versions in a lock."""
    import tomllib

    rows = tomllib.loads((folder / "atom.lock").read_text()).get("atoms", [])
    return {row["name"]: row["version"] for row in rows}


# ---- add, remove -------------------------------------------------------------------------------------------------------


def test_add_keeps_every_other_byte(home: Path, run: Run, project: Path, published: Publish) -> None:
    url = published("zed", ("zed", "1.0.0", ""), ("low", "0.3.1", ""))
    other = published("other", ("fmt", "10.2.0", ""))
    (project / "atom.toml").write_text(MANIFEST % url)
    run("git", "atom", "lock", cwd=project)
    done = run("git", "atom", "add", f"{url}::low", f"{other}::fmt@>=10, <11", cwd=project)
    assert (
        done.stdout == "atom.toml\natom.lock\n" and "+ atom fmt 10.2.0" in done.stderr and "+ atom low" in done.stderr
    )
    added = f'\n[deps.low]\nurl = "{url}"\nversion = "^0.3.1"\n\n[deps.fmt]\nurl = "{other}"\nversion = ">=10, <11"\n'
    assert (project / "atom.toml").read_text() == (MANIFEST % url).replace("# keep me\n", "# keep me\n" + added)
    assert locked(project) == {"zed": "1.0.0", "low": "0.3.1", "fmt": "10.2.0"}
    run("git", "atom", "lock", "--locked", cwd=project)
    assert "nothing was changed" in run("git", "atom", "add", f"{url}::low", cwd=project).stderr
    # the requirement of one that is there, in place
    run("git", "atom", "add", "zed@=1.0.0", cwd=project)
    assert 'version = "=1.0.0"      # keep me' in (project / "atom.toml").read_text()
    run("git", "atom", "add", "zed@^1", cwd=project)
    # and away again
    done = run("git", "atom", "remove", "low", "fmt", cwd=project)
    assert "- atom fmt 10.2.0" in done.stderr
    assert (project / "atom.toml").read_text() == MANIFEST % url and locked(project) == {"zed": "1.0.0"}
    assert "did you mean 'zed'" in run("git", "atom", "remove", "zet", cwd=project, status=1).stderr


def test_add_says_only_what_is_said(home: Path, run: Run, project: Path, published: Publish) -> None:
    """A requirement that nobody named is neither added to one that is there, nor does '*' become another."""
    url = published("zed", ("zed", "1.0.0", ""), ("low", "0.3.1", ""))
    atom(project, "app", more=f'[deps.zed]\nurl = "{url}"\n')
    run("git", "atom", "add", "zed", "--for", "build", cwd=project)
    assert (project / "atom.toml").read_text().endswith(f'[deps.zed]\nurl = "{url}"\nfor = ["build"]\n')
    run("git", "atom", "add", f"{url}::low@*", cwd=project)
    assert (project / "atom.toml").read_text().endswith(f'\n[deps.low]\nurl = "{url}"\nversion = "*"\n')
    run("git", "atom", "add", f"{url}::low", "--for", "run", cwd=project)
    assert (project / "atom.toml").read_text().endswith(f'url = "{url}"\nversion = "*"\nfor = ["run"]\n')
    run("git", "atom", "lock", "--locked", cwd=project)


def test_add_by_name_alias_and_path(home: Path, run: Run, project: Path, published: Publish) -> None:
    url = published("zed", ("zed", "1.0.0", ""))
    atom(project / "lib", "libx", "1.2.0")
    atom(project / "app", "app")
    app = project / "app"
    # a name alone: this repository first, then the sets that are known and trusted
    run("git", "atom", "lock", "lib", cwd=project)
    run("git", "atom", "add", "libx", cwd=app)
    assert 'path = "../lib"' in (app / "atom.toml").read_text() and locked(app) == {"libx": "1.2.0"}
    done = run("git", "atom", "add", "nothing@^1", cwd=app, status=1)
    assert "ATOM-8709" in done.stderr and "nothing" not in (app / "atom.toml").read_text()
    run("git", "atom", "add", "zed@^1", "--for", "build", cwd=app)
    assert f'url = "{url}"' in (app / "atom.toml").read_text() and 'for = ["build"]' in (app / "atom.toml").read_text()
    assert "did you mean 'zed'" in run("git", "atom", "add", "zad", cwd=app, status=1).stderr
    # aliases are expanded, credentials left out, both before anything is written
    run("git", "atom", "remove", "zed", "libx", cwd=app)
    run("git", "config", "--global", "atom.alias.near", url.removesuffix("/zed.git"))
    run("git", "atom", "add", "+near/zed.git::zed", cwd=app)
    assert f'url = "{url}"' in (app / "atom.toml").read_text() and "+" not in (app / "atom.toml").read_text()
    text = (app / "atom.toml").read_text()
    done = run("git", "atom", "add", "https://me:secret@localhost:1/x::x", cwd=app, status=6)
    assert "secret" not in done.stderr and (app / "atom.toml").read_text() == text
    run("git", "atom", "add", "../lib::liby", cwd=app, status=7)
    run("git", "atom", "add", "../lib::libx@^1", cwd=app)
    assert 'path = "../lib"\nversion = "^1"' in (app / "atom.toml").read_text()
    # another repository of this machine
    run("git", "atom", "remove", "zed", cwd=app)
    run("git", "atom", "add", "../../zed.git::zed", cwd=app)
    assert f'url = "{home}/zed.git"' in (app / "atom.toml").read_text()


def test_nothing_is_written_when_it_cannot_be(home: Path, run: Run, project: Path, published: Publish) -> None:
    url = published("zed", ("zed", "1.0.0", ""))
    (project / "atom.toml").write_text(MANIFEST % url)
    run("git", "atom", "lock", cwd=project)
    before = {p.name: p.read_bytes() for p in project.iterdir() if p.is_file()}
    for argv, status, code in (
        (["add", f"{url}::zed@^2"], 3, "ATOM-8048"), (["add", f"{url}::zet"], 3, "ATOM-8700"),
        (["add", f"{url}::zet"], 3, "did you mean 'zed'"),
        (["add", f"file://{home}/nowhere.git::x"], 6, "ATOM-2011"), (["add", "ext::sh -c id::y"], 7, "ATOM-1014"),
        (["add", f"{url}::zed@^1^"], 7, "ATOM-1012"), (["update", "zet"], 1, "ATOM-8708"), (["remove", "app"], 1, "ATOM-8708"),
        (["add", f"{url}::zed@=1.0.0", "-n"], 0, "would write"), (["remove", "zed", "-n"], 0, "- atom zed"),
    ):  # fmt: skip
        assert code in run("git", "atom", *argv, cwd=project, status=status).stderr
        assert {p.name: p.read_bytes() for p in project.iterdir() if p.is_file()} == before
    (project / "atom.toml").chmod(0o640)
    run("git", "atom", "add", f"{url}::zed@=1.0.0", cwd=project)
    assert (project / "atom.toml").stat().st_mode & 0o777 == 0o640


@pytest.mark.slow
def test_an_add_that_is_killed_can_be_given_again(home: Path, run: Run, project: Path, published: Publish) -> None:
    url = published("zed", ("zed", "1.0.0", ""), ("low", "0.3.1", ""))
    (project / "atom.toml").write_text(MANIFEST % url)
    run("git", "atom", "lock", cwd=project)
    old = {name: (project / name).read_bytes() for name in ("atom.toml", "atom.lock")}
    run("git", "atom", "add", f"{url}::low", cwd=project)
    new = {name: (project / name).read_bytes() for name in old}
    for how in (signal.SIGKILL, signal.SIGINT):
        for pause in range(0, 400, 40):
            for name, data in old.items():
                (project / name).write_bytes(data)
            going = subprocess.Popen(["git-atom", "add", f"{url}::low"], cwd=project, stdout=-3, stderr=-3)
            time.sleep(pause / 1000)
            going.send_signal(how)
            going.wait()
            for name in old:
                assert (project / name).read_bytes() in (old[name], new[name])
            run("git", "atom", "add", f"{url}::low", cwd=project)
            assert {name: (project / name).read_bytes() for name in old} == new


# ---- choosing ------------------------------------------------------------------------------------------------------------


def test_a_graph_on_which_greed_fails(home: Path, run: Run, project: Path, published: Publish) -> None:
    """The newest of each does not fit the newest of the others; the same inputs give the same bytes."""
    base = published("base", ("base", "1.0.0", ""))
    published("base", ("base", "2.0.0", ""))
    left = published("left", ("left", "1.0.0", need(base, "base", "^1")), lock=True)
    published("left", ("left", "2.0.0", need(base, "base", "^2")), lock=True)
    right = published("right", ("right", "1.0.0", need(base, "base", "^1")), lock=True)
    atom(project, "app", more=need(left, "left") + need(right, "right"))
    run("git", "atom", "lock", cwd=project)
    assert locked(project) == {"base": "1.0.0", "left": "1.0.0", "right": "1.0.0"}
    text = (project / "atom.lock").read_bytes()
    for _ in range(2):
        (project / "atom.lock").unlink()
        shutil.rmtree(home / ".cache", ignore_errors=True)
        run("git", "atom", "lock", cwd=project)
        assert (project / "atom.lock").read_bytes() == text
    run("git", "atom", "lock", "--locked", "--offline", cwd=project)
    # what a dependency was built or tested with is a scope of its own, and binds nobody
    uses = f'[deps.base]\nurl = "{base}"\nversion = "^1"\nfor = ["build"]\n[deps.left]\nurl = "{left}"\nversion = "^1"\nfor = ["test"]\n'
    gen = published("gen", ("gen", "1.0.0", uses), lock=True)
    atom(project, "app", more=need(gen, "gen") + need(base, "base", "^2"))
    run("git", "atom", "lock", cwd=project)
    assert locked(project) == {"base": "2.0.0", "gen": "1.0.0"}


def test_what_is_locked_stays(home: Path, run: Run, project: Path, published: Publish) -> None:
    base = published("base", ("base", "1.0.0", ""))
    atom(project, "app", more=need(base, "base"))
    run("git", "atom", "lock", cwd=project)
    published("base", ("base", "1.5.0", ""))
    one = published("one", ("one", "1.0.0", need(base, "base", "^1")), lock=True)
    run("git", "atom", "add", f"{one}::one", cwd=project)
    assert locked(project) == {"base": "1.0.0", "one": "1.0.0"}
    two = published("two", ("two", "1.0.0", need(base, "base", "^1.2")), lock=True)
    done = run("git", "atom", "add", f"{two}::two", cwd=project)
    assert "~ atom base 1.0.0 -> 1.5.0" in done.stderr
    # update: one name, then all
    published("base", ("base", "1.6.0", ""))
    published("one", ("one", "1.1.0", need(base, "base", "^1")), lock=True)
    run("git", "atom", "update", "one", cwd=project)
    assert locked(project) == {"base": "1.5.0", "one": "1.1.0", "two": "1.0.0"}
    rows = run("git", "atom", "outdated", cwd=project).stdout
    assert rows == "base 1.5.0 -> 1.6.0, newest 1.6.0\n"
    run("git", "atom", "update", "-n", cwd=project)
    assert locked(project)["base"] == "1.5.0"
    run("git", "atom", "update", cwd=project)
    assert locked(project)["base"] == "1.6.0"
    assert run("git", "atom", "outdated", cwd=project).stdout == ""


def test_minimise_chooses_the_fewest_atoms(home: Path, run: Run, project: Path, published: Publish) -> None:
    """The newest release grew a dependency, which has one of its own; an older one needs neither."""
    deep = published("deep", ("deep", "1.0.0", ""))
    base = published("base", ("base", "1.0.0", need(deep, "deep")), lock=True)
    published("base", ("base", "1.1.0", need(deep, "deep")), lock=True)
    web = published("web", ("web", "1.0.0", ""))
    published("web", ("web", "1.1.0", ""))
    published("web", ("web", "1.2.0", need(base, "base")), lock=True)
    atom(project, "app", more=need(web, "web"))
    run("git", "atom", "lock", cwd=project)
    assert locked(project) == {"web": "1.2.0", "base": "1.1.0", "deep": "1.0.0"}
    before = (project / "atom.lock").read_bytes()
    done = run("git", "atom", "lock", "--locked", "--minimise", cwd=project, status=1)
    assert "ATOM-8044" in done.stderr and (project / "atom.lock").read_bytes() == before
    done = run("git", "atom", "lock", "--minimise", cwd=project)
    assert "~ atom web 1.2.0 -> 1.1.0" in done.stderr and "- atom deep 1.0.0" in done.stderr
    assert locked(project) == {"web": "1.1.0"}
    small = (project / "atom.lock").read_bytes()
    run("git", "atom", "lock", "--locked", cwd=project)  # what is locked stays
    run("git", "atom", "update", cwd=project)
    assert (project / "atom.lock").read_bytes() == before
    run("git", "atom", "update", "--minimise", cwd=project)
    assert (project / "atom.lock").read_bytes() == small
    # what has to be there is there, and an impossible wish is told like any other
    atom(project, "app", more=need(web, "web", "^1.2"))
    run("git", "atom", "lock", "--minimise", cwd=project)
    assert locked(project) == {"web": "1.2.0", "base": "1.1.0", "deep": "1.0.0"}
    atom(project, "app", more=need(web, "web", "^2"))
    before = (project / "atom.lock").read_bytes()
    assert "ATOM-8048" in run("git", "atom", "lock", "--minimise", cwd=project, status=3).stderr
    assert (project / "atom.lock").read_bytes() == before


def test_a_minimum_release_age(home: Path, run: Run, project: Path, published: Publish) -> None:
    """What is too young is not chosen anew, is told as the reason, and stays where it is locked already."""
    url = published("zed", ("zed", "1.0.0", ""))
    atom(project, "app", more=need(url, "zed"))
    run("git", "config", "--global", "atom.minimumReleaseAge", "30d")
    done = run("git", "atom", "lock", cwd=project, status=3)
    assert "ATOM-8048" in done.stderr and "1.0.0 (newer than atom.minimumReleaseAge allows)" in done.stderr
    assert not (project / "atom.lock").exists()
    run("git", "config", "--global", "atom.minimumReleaseAge", "0")
    run("git", "atom", "lock", cwd=project)
    text = (project / "atom.lock").read_bytes()
    run("git", "config", "--global", "atom.minimumReleaseAge", "30d")
    published("zed", ("zed", "1.1.0", ""))
    run("git", "atom", "lock", "--locked", cwd=project)
    rows = run("git", "atom", "outdated", cwd=project)
    assert "1.1.0" not in rows.stdout, rows.stdout
    (project / "atom.toml").write_text((project / "atom.toml").read_text() + "# touched\n")
    run("git", "atom", "lock", cwd=project)
    assert (project / "atom.lock").read_bytes() == text
    run("git", "config", "--global", "atom.minimumReleaseAge", "0")
    run("git", "atom", "update", cwd=project)
    assert locked(project) == {"zed": "1.1.0"}


def test_retracted_versions(home: Path, run: Run, project: Path, published: Publish) -> None:
    url = published("zed", ("zed", "1.0.0", ""))
    published("zed", ("zed", "1.1.0", ""))
    atom(project, "app", more=need(url, "zed", "^1"))
    run("git", "atom", "lock", cwd=project)
    text = (project / "atom.lock").read_text()
    run("git", "atom", "retract", "zed@=1.1.0", "--reason", "it deletes files", "--push", "origin", cwd=home / "zed")
    assert "retracted: it deletes files" in run("git", "atom", "outdated", cwd=project).stdout
    done = run("git", "atom", "lock", cwd=project)
    assert "warning: 'zed 1.1.0' is retracted: it deletes files" in done.stderr
    assert (project / "atom.lock").read_text() == text and locked(project) == {"zed": "1.1.0"}
    run("git", "atom", "update", cwd=project)
    assert locked(project) == {"zed": "1.0.0"}
    (project / "atom.lock").unlink()
    run("git", "atom", "lock", cwd=project)
    assert locked(project) == {"zed": "1.0.0"}
    atom(project, "app", more=need(url, "zed", "=1.1.0"))
    done = run("git", "atom", "lock", cwd=project, status=3)
    assert "retracted: it deletes files" in done.stderr and "git atom add" in done.stderr


def test_explanations(home: Path, run: Run, project: Path, published: Publish) -> None:
    zlib = published("zlib", ("zlib", "1.2.13", ""))
    published("zlib", ("zlib", "1.3.0", ""))
    parser = published("parser", ("parser", "2.1.0", need(zlib, "zlib", "<1.3")), lock=True)
    web = published("web", ("web", "3.0.0", need(parser, "parser", "^2")), lock=True)
    text = f'[atom]\nid = "app"\nversion = "1.0.0"\n\n{need(zlib, "zlib", "^1.3")}\n{need(web, "web", "^3")}'
    (project / "atom.toml").write_text(text)
    done = run("git", "atom", "lock", cwd=project, status=3)
    assert [line for line in done.stderr.splitlines() if not line.startswith("fetching")][:6] == [
        "error[ATOM-8041]: the dependencies of 'app' cannot be had together",
        "  --> atom.toml:11",
        "note: atom.toml:11: app requires web ^3",
        "note:   web 3.0.0 requires parser ^2",
        "note:     parser 2.1.0 requires zlib <1.3",
        "note: atom.toml:7: app requires zlib ^1.3",
    ]
    hints = [line.removeprefix("hint: ") for line in done.stderr.splitlines() if line.startswith("hint: ")]
    assert f"git atom add '{zlib}::zlib@^1.2.13'" in hints and "git atom remove web" in hints and len(hints) <= 3
    for hint in hints:  # every way out leads out
        (project / "atom.toml").write_text(text)
        run("sh", "-c", hint, cwd=project)
        run("git", "atom", "lock", "--locked", cwd=project)
        (project / "atom.lock").unlink()
    # what is being added is not taken back by a hint, and the hint adds it too
    (project / "atom.toml").write_text(text.replace(need(web, "web", "^3"), ""))
    run("git", "atom", "lock", cwd=project)
    done = run("git", "atom", "add", f"{web}::web@^3", cwd=project, status=3)
    hint = next(line.removeprefix("hint: ") for line in done.stderr.splitlines() if line.startswith("hint: "))
    assert "remove web" not in done.stderr and f"{web}::web@^3" in hint
    run("sh", "-c", hint, cwd=project)
    assert locked(project) == {"zlib": "1.2.13", "parser": "2.1.0", "web": "3.0.0"}


def test_ways_out_name_what_their_source_has_and_go_in_an_order_that_works(
    home: Path, run: Run, project: Path, published: Publish
) -> None:
    def hints(*argv: str) -> list[str]:
        done = run("git", "atom", *argv, cwd=project, status=3)
        return [line.removeprefix("hint: ") for line in done.stderr.splitlines() if line.startswith("hint: ")]

    # two sets have a zlib: the version that would do is of the one that is not asked for
    one = published("one", ("zlib", "1.3.1", ""), ("zst", "1.0.0", ""))
    words = need(one, "zlib") + need(one, "zst") + '[provide]\ncomp = ["zlib", "zst", "none"]\n'
    other = published("other", ("zlib", "9.0.0", ""), ("old", "1.0.0", need(one, "zlib", "^1")), ("var", "1.0.0", words), lock=True)  # fmt: skip
    published("other", ("v2", "1.0.0", need(other, "var") + 'with = ["comp=zst"]\n'), lock=True)
    atom(project, "app")
    run("git", "atom", "add", f"{other}::old", cwd=project)
    found = hints("add", f"{other}::zlib")
    assert found == [f"git atom remove old && git atom add {other}::zlib"]
    run("sh", "-c", found[0], cwd=project)
    assert locked(project) == {"zlib": "9.0.0"}
    # what is asked of the atom that is there has to change before what needs that is added
    (project / "atom.lock").unlink()
    atom(project, "app")
    run("git", "atom", "add", "--with", "comp=none", f"{other}::var", cwd=project)
    text = (project / "atom.toml").read_text()
    found = hints("add", "--for", "run", f"{other}::v2")
    assert f"git atom add {other}::var --with comp=zst && git atom add {other}::v2 --for run" in found
    for hint in found:
        (project / "atom.toml").write_text(text)
        run("sh", "-c", hint, cwd=project)
        assert locked(project)["v2"] == "1.0.0" and 'for = ["run"]' in (project / "atom.toml").read_text()
    # and what is asked of it now is not taken back, nor forgotten
    atom(project, "app")
    run("git", "atom", "add", f"{other}::v2", cwd=project)
    found = hints("add", "--with", "comp=none", f"{other}::var")
    assert found == [f"git atom remove v2 && git atom add {other}::var --with comp=none"]
    run("sh", "-c", found[0], cwd=project)
    assert locked(project) == {"var": "1.0.0"}
    # nothing locks between two commands that are needed both: one that does without
    text = need(one, "zlib", "^9") + need(other, "v2") + need(other, "var") + 'with = ["comp=none"]\n'
    atom(project, "app", more=text)
    for hint in (found := hints("lock")):
        atom(project, "app", more=text)
        run("sh", "-c", hint, cwd=project)
    assert found and all("&&" not in hint for hint in found)


# ---- what can be wrong ---------------------------------------------------------------------------------------------------


def test_hostile_and_broken_sets(home: Path, run: Run, project: Path, published: Publish) -> None:
    url = published("zed", ("zed", "1.0.0", ""))
    shutil.copytree(home / "zed.git", home / "old.git")
    published("zed", ("zed", "1.1.0", ""))
    other = published("other", ("zed", "9.0.0", ""))
    atom(project, "app", more=need(url, "zed"))
    run("git", "atom", "lock", cwd=project)
    text = (project / "atom.lock").read_bytes()
    bare, aside = home / "zed.git", home / "aside.git"

    def refused(code: str, status: int, *argv: str, **env: str) -> None:
        done = run("git", "atom", *(argv or ("update",)), cwd=project, status=status, **env)
        assert code in done.stderr and (project / "atom.lock").read_bytes() == text

    bare.rename(aside)
    refused("ATOM-2011", 6)
    run("git", "atom", "lock", "--locked", cwd=project)  # what is locked and in the store needs no network
    shutil.copytree(other.removeprefix("file://"), bare)
    refused("ATOM-8702", 2)
    shutil.rmtree(bare)
    (home / "old.git").rename(bare)
    refused("ATOM-3011", 2)
    # a machine that never saw the newer log: the lock itself tells that this one is older
    fresh = home / "fresh"
    shutil.copytree(home / ".ssh", fresh / ".ssh")
    shutil.copy(home / ".gitconfig", fresh / ".gitconfig")
    env = {"HOME": str(fresh), "XDG_DATA_HOME": str(fresh / "d"), "XDG_CACHE_HOME": str(fresh / "c"), "XDG_CONFIG_HOME": str(fresh / "k"), "GIT_CONFIG_GLOBAL": str(fresh / ".gitconfig")}  # fmt: skip
    refused("ATOM-8703", 2, "lock", **env)
    refused("ATOM-8706", 6, "lock", "--offline", **env)


def test_locks_edited_by_hand(home: Path, run: Run, project: Path, published: Publish) -> None:
    base = published("base", ("base", "1.0.0", ""))
    published("base", ("base", "1.1.0", ""))
    one = published("one", ("one", "1.0.0", need(base, "base", "^1")), lock=True)
    atom(project, "app", more=need(one, "one") + need(base, "base"))
    run("git", "atom", "lock", cwd=project)
    good = (project / "atom.lock").read_text()
    commit_line = next(line for line in good.splitlines() if line.startswith("commit = "))
    for bad, code in (
        (good.replace('version = "1.1.0"', 'version = "1.0.0"'), "ATOM-8050"),
        (good.replace('version = "1.1.0"', 'version = "1.7.0"'), "ATOM-8705"),
        (good.replace(commit_line, f'commit = "{"0" * 40}"'), "ATOM-8050"),
        (good.replace("format = 1", "format = 2"), "ATOM-1032"),
        (good.replace("[[deps]]", "[[deps]] # mine", 1), "ATOM-1033"),
    ):
        assert bad != good
        (project / "atom.lock").write_text(bad)
        done = run("git", "atom", "lock", cwd=project, status=7)
        assert code in done.stderr and "--> atom.lock" in done.stderr
        assert (project / "atom.lock").read_text() == bad
    (project / "atom.lock").write_text(good)
    edge = next(line for line in good.splitlines() if line.startswith("    ") and "::base" in line)
    (project / "atom.lock").write_text(good.replace(f"run = [\n{edge}\n]\n", ""))
    done = run("git", "atom", "lock", cwd=project, status=7)
    assert "ATOM-8707" in done.stderr and "'one 1.0.0' needs nothing, and its manifest says base" in done.stderr
    assert "--> atom.lock" in done.stderr
    # and it is not published either, though the lock fits the manifest
    run("git", "atom", "init", cwd=project)
    rows = good.partition("[[atoms]]")
    tree = next(line for line in rows[2].splitlines() if line.startswith("tree = "))
    (project / "atom.lock").write_text(good.replace(tree, f'tree = "blake3:{"0" * 64}"', 1))
    commit(run, project)
    done = run("git", "atom", "publish", cwd=project, status=7)
    assert (
        "ATOM-8050" in done.stderr
        and "--> atom.lock" in done.stderr
        and "one" not in run("git", "atom", "list", cwd=project).stdout
    )
    (project / "atom.lock").write_text(good)
    commit(run, project)
    run("git", "atom", "publish", cwd=project)


def test_a_frozen_lock_has_to_fit(home: Path, run: Run, project: Path, published: Publish) -> None:
    url = published("zed", ("zed", "1.0.0", ""), ("low", "0.3.1", ""))
    atom(project, "app", more=need(url, "zed"))
    done = run("git", "atom", "lock", "--frozen", cwd=project, status=1)
    assert "ATOM-8045" in done.stderr and not (project / "atom.lock").exists()
    run("git", "atom", "lock", cwd=project)
    text = (project / "atom.lock").read_bytes()
    run("git", "atom", "lock", "--frozen", cwd=project)
    atom(project, "app", more=need(url, "zed") + need(url, "low"))
    done = run("git", "atom", "lock", "--frozen", cwd=project, status=1)
    assert "ATOM-8045" in done.stderr and "low" in done.stderr and (project / "atom.lock").read_bytes() == text
    done = run("git", "atom", "lock", "--locked", cwd=project, status=1)
    assert "ATOM-8044" in done.stderr and (project / "atom.lock").read_bytes() == text


def test_names_that_could_be_several_or_are_another(home: Path, run: Run, project: Path, published: Publish) -> None:
    published("one", ("zed", "1.0.0", ""))
    published("two", ("zed", "2.0.0", ""))
    for folder in ("lib", "copy"):
        atom(project / folder, "libx")
    atom(project / "app", "app")
    text = (project / "app/atom.toml").read_bytes()
    for name, status, code in (
        ("libx", 5, "ATOM-8710"), ("../lib::liby", 7, "ATOM-8711"), ("zed", 5, "ATOM-8710"),
    ):  # fmt: skip
        done = run("git", "atom", "add", name, cwd=project / "app", status=status)
        assert code in done.stderr and "hint: git atom add" in done.stderr
        assert (project / "app/atom.toml").read_bytes() == text and not (project / "app/atom.lock").exists()
    run("git", "atom", "add", "../lib::libx", cwd=project / "app")  # as the hint says
    shutil.rmtree(project / "copy")
    done = run("git", "atom", "add", ".::libx", cwd=project / "app", status=7)
    assert "ATOM-8711" in done.stderr and "hint: git atom add ../lib::libx" in done.stderr
    done = run("git", "atom", "add", "../lib::libx@^1", "../lib::libx@^2", cwd=project / "app", status=129)
    assert "note: ../lib::libx@^1\nnote: ../lib::libx@^2\n" in done.stderr


def test_circles(home: Path, run: Run, project: Path, published: Publish) -> None:
    # no lock can be made that has a circle; it takes versions that were locked to older ones of each other
    b = published("b", ("b", "0.9.0", ""))
    a = published("a", ("a", "1.0.0", ""))
    atom(home / "a/a", "a", "1.1.0", need(b, "b"))
    run("git", "atom", "lock", "a", cwd=home / "a")
    published("b", ("b", "1.0.0", need(a, "a", "^1")), lock=True)
    published("a", ("a", "1.1.0", need(b, "b")))
    atom(project, "app", more=need(b, "b"))
    done = run("git", "atom", "lock", cwd=project, status=128)
    assert "ATOM-8701" in done.stderr and "1.1.0 -> b 1.0.0 -> a 1.1.0" in done.stderr
    assert not (project / "atom.lock").exists()
    # the atom at hand comes back as what it needs
    own = published("mine", ("app", "1.0.0", ""))
    lib = published("lib", ("lib", "1.0.0", need(own, "app")), lock=True)
    atom(home / "mine/app", "app", "1.1.0", need(lib, "lib"))
    assert "ATOM-8046" in run("git", "atom", "lock", cwd=home / "mine/app", status=128).stderr


# ---- looking -------------------------------------------------------------------------------------------------------------


def test_tree_and_why(home: Path, run: Run, project: Path, published: Publish) -> None:
    base = published("base", ("base", "1.0.0", ""), ("deep", "0.1.0", ""))
    published("base", ("base", "1.1.0", need(base, "deep")), lock=True)
    left = published("left", ("left", "1.0.0", need(base, "base", "^1")), lock=True)
    right = published("right", ("right", "1.0.0", need(base, "base", "^1") + need(left, "left")), lock=True)
    run("git", "atom", "tree", cwd=project, status=128)
    atom(project, "app", more=need(left, "left", "^1") + need(right, "right"))
    assert "ATOM-8712" in run("git", "atom", "tree", cwd=project, status=128).stderr
    run("git", "atom", "lock", cwd=project)
    shutil.rmtree(home / ".local")  # from the lock alone
    assert run("git", "atom", "tree", cwd=project).stdout.splitlines() == [
        "app 1.0.0", "├── left 1.0.0", "│   └── base 1.1.0", "│       └── deep 0.1.0", "└── right 1.0.0", "    ├── base 1.1.0 (*)", "    └── left 1.0.0 (*)",
    ]  # fmt: skip
    assert run("git", "atom", "tree", "-i", "base", cwd=project).stdout.splitlines() == [
        "base 1.1.0", "├── left 1.0.0", "│   └── right 1.0.0", "└── right 1.0.0",
    ]  # fmt: skip
    assert run("git", "atom", "tree", "right", cwd=project).stdout.splitlines()[0] == "right 1.0.0"
    assert (
        run("git", "atom", "why", "deep", cwd=project).stdout
        == "app 1.0.0 -> left 1.0.0 (^1) -> base 1.1.0 -> deep 0.1.0\n"
    )
    every = run("git", "atom", "why", "deep", "--all", cwd=project).stdout.splitlines()
    assert len(every) == 3 and len(every[0]) < len(every[2])
    assert "did you mean 'deep'" in run("git", "atom", "why", "dep", cwd=project, status=1).stderr
    rows = json.loads(run("git", "atom", "tree", "--json", cwd=project).stdout)
    assert rows["schema"] == "git-atom-tree/1" and rows["items"][1]["requirement"] == "^1"


# ---- merging -------------------------------------------------------------------------------------------------------------


def test_colours_only_where_they_are_wanted(home: Path, run: Run, project: Path, published: Publish) -> None:
    url = published("zed", ("zed", "1.0.0", ""))
    atom(project, "app")
    run("git", "config", "--global", "color.ui", "always")
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"}
    argv = [
        shutil.which("git-atom", path=f"{Path(sys.executable).parent}:{env['PATH']}") or "git-atom",
        "add",
        f"{url}::zed",
    ]
    done = subprocess.run(argv, cwd=project, env=env, capture_output=True, text=True, check=True)
    assert "\x1b[32m  + atom zed 1.0.0" in done.stderr or "\x1b[32m" in done.stderr
    assert "\x1b" not in done.stdout
