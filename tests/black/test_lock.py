"""`git atom new`, `lock` and `uri` through the installed command: real repositories, published dependencies, and what goes wrong."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from projects import Run, commit


def atom(folder: Path, name: str, version: str = "1.0.0", more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "atom.toml").write_text(f'[atom]\nid = "{name}"\nversion = "{version}"\n{more}')
    return folder


@pytest.fixture
def published(home: Path, run: Run, key: Path) -> Callable[..., str]:
    """Publish atoms {name: (version, more)} from a repository of their own; gives its URL, and trusts its set."""

    def make(repo_name: str, *atoms: tuple[str, str, str], lock: bool = False) -> str:
        repo, bare = home / repo_name, home / f"{repo_name}.git"
        if not repo.exists():
            run("git", "init", "-q", repo)
            (repo / "README").write_text(repo_name)
            commit(run, repo)
            run("git", "init", "-q", "--bare", bare)
            run("git", "remote", "add", "origin", f"file://{bare}", cwd=repo)
            anchor = json.loads(run("git", "atom", "init", "--json", cwd=repo).stdout)["anchor"]
            run("git", "atom", "trust", "add", anchor)
        for name, version, more in atoms:
            folder = atom(repo / name, name, version, more)
            if lock:
                run("git", "atom", "lock", folder, cwd=repo)
        commit(run, repo)
        run("git", "atom", "publish", "--all", "--push", "origin", cwd=repo)
        return f"file://{bare}"

    return make


# ---- new -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sign", "command"),
    [
        ("configure", "./configure --prefix=/usr"), ("configure.ac", "autoreconf -fi"), ("CMakeLists.txt", "cmake -S . -B _build"),
        ("meson.build", "meson setup _build"), ("Makefile", "make -j${jobs}"), ("pyproject.toml", "pip install"), ("other", "cp -r ."),
    ],
)  # fmt: skip
def test_new_guesses_and_says_so(home: Path, run: Run, sign: str, command: str) -> None:
    (home / "curl").mkdir()
    (home / "curl" / sign).write_text("")
    done = run("git", "atom", "new", "curl")
    assert done.stdout == "curl/atom.toml\n"
    text = (home / "curl/atom.toml").read_text()
    assert command in text and 'id = "curl"' in text
    run("git", "atom", "new", "curl", status=5)
    assert (home / "curl/atom.toml").read_text() == text


def test_new_types_and_names(home: Path, run: Run) -> None:
    for kind in ("package", "environment", "generator"):
        run("git", "atom", "new", f"a-{kind}", "--type", kind)
    run("git", "atom", "new", "7zip", status=7)
    run("git", "atom", "new", "7zip", "--id", "sevenzip")
    run("git", "atom", "new", "x", "--type", "packge", status=129)
    run("git", "atom", "new", "dry", "-n")
    assert not (home / "dry").exists() and not (home / "x").exists()


# ---- lock ------------------------------------------------------------------------------------------------------------


def test_lock_without_anything_to_lock(home: Path, run: Run) -> None:
    atom(home / "a", "a")
    assert run("git", "atom", "lock", "a").stdout == "a/atom.lock\n"
    assert (home / "a/atom.lock").read_bytes() == b"# Written by git atom lock; do not edit.\nformat = 1\n"
    assert "up to date" in run("git", "atom", "lock", "a", "--locked").stderr
    run("git", "atom", "lock", "a", "--frozen")
    run("git", "atom", "lock", "nowhere", status=128)


def test_path_dependencies(project: Path, run: Run) -> None:
    atom(project / "base", "base", "0.3.0")
    atom(project / "lib", "libx", "1.2.0", '[deps.base]\npath = "../base"\n')
    atom(project / "app", "app", "1.0.0", '[deps.local]\npath = "../lib"\nversion = "^1"\n')
    done = run("git", "atom", "lock", "app", cwd=project, status=128)
    assert (
        "ATOM-8042" in done.stderr and "git atom lock lib" in done.stderr and not (project / "app/atom.lock").exists()
    )
    assert "hint: git atom lock ../lib\n" in run("git", "atom", "lock", cwd=project / "app", status=128).stderr
    for name in ("base", "lib", "app"):
        run("git", "atom", "lock", name, cwd=project)
    text = (project / "app/atom.lock").read_text()
    assert 'name = "libx"' in text and 'name = "base"' in text and "commit" not in text and str(project) not in text
    # the same bytes from anywhere, and after committing what was locked
    commit(run, project)
    run("git", "atom", "lock", "--locked", cwd=project / "app")
    clone = project.parent / "clone"
    run("git", "clone", "-q", project, clone)
    run("git", "atom", "lock", "app", "--locked", "--offline", cwd=clone)
    # a change below is noticed, link by link
    (project / "base/x").write_text("x")
    assert "'base' has changed since" in run("git", "atom", "lock", "app", cwd=project, status=128).stderr
    run("git", "atom", "lock", "lib", cwd=project)
    changed = run("git", "atom", "lock", "app", "--locked", cwd=project, status=1)
    assert "ATOM-8044" in changed.stderr and "base" in changed.stderr
    assert (project / "app/atom.lock").read_text() == text
    assert "~ atom libx" in run("git", "atom", "lock", "app", cwd=project).stderr


def test_path_dependency_mistakes(project: Path, run: Run) -> None:
    atom(project / "a", "a", more='[deps.b]\npath = "../b"\n')
    assert "ATOM-8040" in run("git", "atom", "lock", "a", cwd=project, status=128).stderr
    # what to type is told from where one stands
    assert "hint: git atom new ../b\n" in run("git", "atom", "lock", cwd=project / "a", status=128).stderr
    (project / "a/src").mkdir()
    assert "hint: cd ..\n" in run("git", "atom", "lock", cwd=project / "a/src", status=128).stderr
    assert "hint: git atom new .\n" in run("git", "atom", "lock", cwd=project, status=128).stderr
    atom(project / "b", "b")
    run("git", "atom", "lock", "b", cwd=project)
    run("git", "atom", "lock", "a", cwd=project)
    atom(project / "b", "b", more='[deps.a]\npath = "../a"\n')
    done = run("git", "atom", "lock", "b", cwd=project, status=128)
    assert "ATOM-8701" in done.stderr and "b -> a -> b" in done.stderr
    atom(project / "b", "b", more='[deps.a]\npath = "../b"\n')
    assert "ATOM-8046" in run("git", "atom", "lock", "b", cwd=project, status=128).stderr
    atom(project / "a", "a", more='[deps.b]\npath = "../../elsewhere"\n')
    assert "ATOM-8043" in run("git", "atom", "lock", "a", cwd=project, status=128).stderr
    atom(project / "c", "c", "2.0.0")
    atom(project / "a", "a", more='[deps.c]\npath = "../c"\nversion = "^1"\n')
    done = run("git", "atom", "lock", "a", cwd=project, status=3)
    assert "a/atom.toml:6" in done.stderr and "2.0.0" in done.stderr


def test_published_dependency(home: Path, run: Run, project: Path, published: Callable[..., str]) -> None:
    url = published("zed", ("zed", "1.0.0", ""))
    published("zed", ("zed", "1.2.0", ""))
    atom(project, "app", more=f'[deps.zed]\nurl = "{url}"\nversion = "^1"\n')
    done = run("git", "atom", "lock", cwd=project)
    assert "+ atom zed 1.2.0" in done.stderr
    text = (project / "atom.lock").read_text()
    # a newer one appears: what is locked stays, and nothing is asked of the network
    published("zed", ("zed", "1.3.0", ""))
    run("git", "atom", "lock", "--locked", cwd=project)
    run("git", "atom", "lock", "--offline", cwd=project)
    (project / "atom.lock").unlink()
    assert "+ atom zed 1.3.0" in run("git", "atom", "lock", cwd=project).stderr
    # the manifest moves on
    (project / "atom.lock").write_text(text)
    atom(project, "app", more=f'[deps.zed]\nurl = "{url}"\nversion = "=1.0.0"\n')
    assert (
        "asks for =1.0.0, and 1.2.0 is locked" in run("git", "atom", "lock", "--frozen", cwd=project, status=1).stderr
    )
    assert "~ atom zed 1.2.0 -> 1.0.0" in run("git", "atom", "lock", cwd=project).stderr
    atom(project, "app")
    assert "- atom zed 1.0.0" in run("git", "atom", "lock", cwd=project).stderr


def test_published_dependency_mistakes(home: Path, run: Run, project: Path, published: Callable[..., str]) -> None:
    url = published("zed", ("zed", "1.0.0", ""))
    for tail, status, code in (
        (f'[deps.zed]\nurl = "{url}"\nversion = "^2"\n', 3, "ATOM-8048"),
        (f'[deps.zedd]\nurl = "{url}"\n', 3, "did you mean 'zed'"),
        (f'[deps.zed]\nurl = "file://{home}/nowhere.git"\n', 6, "ATOM-2011"),
    ):
        atom(project, "app", more=tail)
        assert code in run("git", "atom", "lock", cwd=project, status=status).stderr
        assert not (project / "atom.lock").exists()
    atom(project, "app", more=f'[deps.zed]\nurl = "{url}"\n')
    other = home / "other"
    other.mkdir()
    env = {
        "HOME": str(other),
        "XDG_DATA_HOME": str(other / "d"),
        "XDG_CACHE_HOME": str(other / "c"),
        "GIT_CONFIG_GLOBAL": str(other / "g"),
    }
    assert "trust" in run("git", "atom", "lock", cwd=project, status=2, **env).stderr
    assert run("git", "atom", "lock", "--offline", cwd=project, status=6, **env)


def test_closure_of_published_locks(home: Path, run: Run, project: Path, published: Callable[..., str]) -> None:
    base = published("base", ("base", "1.0.0", ""))
    need = f'[deps.base]\nurl = "{base}"\nversion = "^1"\n'
    one = published("one", ("one", "1.0.0", need), lock=True)
    published("base", ("base", "1.1.0", ""))
    # what `one` was locked to binds nobody else: its manifest says ^1, and the newest of that is chosen
    atom(project, "app", more=need + f'[deps.one]\nurl = "{one}"\n')
    run("git", "atom", "lock", cwd=project)
    text = (project / "atom.lock").read_text()
    assert text.count('name = "base"') == 1 and 'version = "1.1.0"' in text
    # two whose own locks differ are had together
    two = published("two", ("two", "1.0.0", need), lock=True)
    atom(project, "app", more=f'[deps.one]\nurl = "{one}"\n[deps.two]\nurl = "{two}"\n')
    (project / "atom.lock").unlink()
    run("git", "atom", "lock", cwd=project)
    assert (project / "atom.lock").read_text().count("[[atoms]]") == 3
    (project / "atom.lock").unlink()
    # two whose manifests cannot agree are told as two chains, with a way out that holds
    published("base", ("base", "2.0.0", ""))
    three = published("three", ("three", "1.0.0", need.replace("^1", "^2")), lock=True)
    published("three", ("three", "0.9.0", need), lock=True)
    atom(project, "app", more=f'[deps.one]\nurl = "{one}"\n[deps.three]\nurl = "{three}"\nversion = "^1"\n')
    done = run("git", "atom", "lock", cwd=project, status=3)
    assert "ATOM-8041" in done.stderr and "atom.toml:4: app requires one *" in done.stderr
    assert "one 1.0.0 requires base ^1" in done.stderr and "three 1.0.0 requires base ^2" in done.stderr
    assert not (project / "atom.lock").exists()
    way = next(line for line in done.stderr.splitlines() if "three@^0.9.0" in line).removeprefix("hint: ")
    run("sh", "-c", way, cwd=project)
    assert 'version = "0.9.0"' in (project / "atom.lock").read_text()


def test_siblings_of_a_published_atom(home: Path, run: Run, project: Path, published: Callable[..., str]) -> None:
    url = published("pair", ("low", "1.0.0", ""), ("high", "1.0.0", '[deps.low]\npath = "../low"\n'), lock=True)
    atom(project, "app", more=f'[deps.high]\nurl = "{url}"\n')
    run("git", "atom", "lock", cwd=project)
    text = (project / "atom.lock").read_text()
    assert text.count("[[atoms]]") == 2 and text.count("commit = ") == 2 and text.count("[[sets]]") == 1


def test_publishing_holds_the_lock_against_the_manifest(
    home: Path, run: Run, project: Path, published: Callable[..., str]
) -> None:
    """A lock that is older than the manifest, or that leads to places of this machine alone, is published nowhere."""
    url = published("zed", ("zed", "1.0.0", ""))
    published("zed", ("zed", "2.0.0", ""))
    run("git", "atom", "init", cwd=project)
    atom(project, "app", more=f'[deps.zed]\nurl = "{url}"\nversion = "^1"\n')
    run("git", "atom", "lock", cwd=project)
    good = (project / "atom.lock").read_bytes()
    atom(project, "app", more=f'[deps.zed]\nurl = "{url}"\nversion = "^2"\n')
    commit(run, project)
    before = run("git", "for-each-ref", cwd=project).stdout
    done = run("git", "atom", "publish", cwd=project, status=1)
    assert "ATOM-8045" in done.stderr and "'zed' asks for ^2, and 1.0.0 is locked" in done.stderr
    assert "hint: git atom lock" in done.stderr and "--> atom.lock" in done.stderr
    assert run("git", "for-each-ref", cwd=project).stdout == before
    assert (project / "atom.lock").read_bytes() == good
    run("git", "atom", "lock", cwd=project)
    commit(run, project)
    before = run("git", "for-each-ref", cwd=project).stdout
    run("git", "remote", "add", "far", "https://localhost:1/app.git", cwd=project)
    done = run("git", "atom", "publish", "--push", "far", cwd=project, status=128)
    assert "ATOM-8009" in done.stderr and f"'{url}'" in done.stderr
    assert run("git", "for-each-ref", cwd=project).stdout == before
    # a place of this machine is told of what lies on this machine
    run("git", "init", "-q", "--bare", home / "app.git")
    run("git", "remote", "add", "near", home / "app.git", cwd=project)
    run("git", "atom", "publish", "--push", "near", cwd=project)


# ---- sources ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        info = tarfile.TarInfo("app-1.0.0/configure")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"#!x"))
    (tmp_path / "www").mkdir()
    (tmp_path / "www/app-1.0.0.tar.gz").write_bytes(data.getvalue())

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path / "www"))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_url_source(home: Path, run: Run, server: str) -> None:
    atom(home / "a", "a", more=f'[srcs.src]\nurl = "{server}/app-${{version}}.tar.gz"\n')
    run("git", "atom", "lock", "a", "--offline", status=6)
    run("git", "atom", "lock", "a")
    text = (home / "a/atom.lock").read_text()
    assert f'url = "{server}/app-1.0.0.tar.gz"' in text and "size = " in text
    run("git", "atom", "lock", "a", "--locked", "--offline")
    atom(home / "a", "a", "1.0.1", f'[srcs.src]\nurl = "{server}/app-${{version}}.tar.gz"\n')
    assert "404" in run("git", "atom", "lock", "a", status=6).stderr
    assert (home / "a/atom.lock").read_text() == text


def test_path_source(project: Path, run: Run) -> None:
    (project / "shared/data").mkdir(parents=True)
    (project / "shared/data/x").write_text("x")
    (project / "shared/one").write_text("one")
    more = '[srcs.tests]\npath = "../shared/data"\nfor = ["test"]\n[srcs.one]\npath = "../shared/one"\n'
    atom(project / "a", "a", more=more)
    run("git", "atom", "lock", "a", cwd=project)
    commit(run, project)
    text = (project / "a/atom.lock").read_text()
    for spot in ("HEAD:shared/data", "HEAD:shared/one"):
        assert f'object = "{run("git", "rev-parse", spot, cwd=project).stdout.strip()}"' in text
    for path, code in (("../nothing", "8052"), ("..", "8051"), (".", "8051"), ("../../x", "8043")):
        atom(project / "a", "a", more=f'[srcs.x]\npath = "{path}"\n')
        assert f"ATOM-{code}" in run("git", "atom", "lock", "a", cwd=project, status=128).stderr


# ---- broken locks and manifests ----------------------------------------------------------------------------------------


def test_broken_texts(home: Path, run: Run) -> None:
    folder = atom(home / "a", "a")
    run("git", "atom", "lock", "a")
    good = (folder / "atom.lock").read_text()
    for bad, code in (
        (good + "x = 1\n", "1033"),
        (good.replace("format = 1", "format = 9"), "1032"),
        ("<<<<<<< HEAD\n" + good, "1033"),
    ):
        (folder / "atom.lock").write_text(bad)
        assert f"ATOM-{code}" in run("git", "atom", "lock", "a", status=7).stderr
        assert (folder / "atom.lock").read_text() == bad
    (folder / "atom.lock").write_text(good)
    (folder / "atom.toml").write_text('[atom]\nid = "A B"\nversion = "1"\ntyp = "package"\n')
    done = run("git", "atom", "lock", "a", status=7)
    assert (
        done.stderr.count("error[") == 3 and "a/atom.toml:2:1" in done.stderr and "did you mean 'type'?" in done.stderr
    )


def test_json_and_dry_run(home: Path, run: Run, project: Path) -> None:
    atom(project / "b", "b")
    run("git", "atom", "lock", "b", cwd=project)
    atom(project / "a", "a", more='[deps.b]\npath = "../b"\n')
    got = json.loads(run("git", "atom", "lock", "a", "-n", "--json", cwd=project).stdout)
    assert got["schema"] == "git-atom-lock/1" and got["changed"] and got["changes"][0]["name"] == "b"
    assert not (project / "a/atom.lock").exists()


def test_interrupted_write_leaves_the_old_lock(home: Path, run: Run) -> None:
    folder = atom(home / "a", "a")
    run("git", "atom", "lock", "a")
    before = hashlib.sha256((folder / "atom.lock").read_bytes()).digest()
    atom(folder, "a", more='[srcs.s]\nurl = "file:///nowhere"\n')
    run("git", "atom", "lock", "a", status=128)
    assert hashlib.sha256((folder / "atom.lock").read_bytes()).digest() == before
    assert sorted(p.name for p in folder.iterdir()) == ["atom.lock", "atom.toml"]


# ---- uri -------------------------------------------------------------------------------------------------------------


def test_uri(home: Path, run: Run) -> None:
    run("git", "config", "--global", "atom.alias.work", "https://git.example.org/team")
    run("git", "config", "--global", "atom.alias.deep", "+work/deeper")
    run("git", "config", "--global", "atom.alias.loop", "+pool/x")
    run("git", "config", "--global", "atom.alias.pool", "+loop/y")
    assert run("git", "atom", "uri", "+work:repo::zlib@^1").stdout == "https://git.example.org/team/repo::zlib@^1\n"
    assert run("git", "atom", "uri", "+deep/x::zlib").stdout == "https://git.example.org/team/deeper/x::zlib\n"
    assert "+loop -> +pool -> +loop" in run("git", "atom", "uri", "+loop::z", status=7).stderr
    assert "atom.alias.nope" in run("git", "atom", "uri", "+nope/x::z", status=128).stderr
    assert "***" in run("git", "atom", "uri", "https://u:secret@h.example/x::y").stdout
    run("git", "atom", "uri", "ext::sh -c id::y", status=7)


# ---- Debian ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_debian_source(home: Path, run: Run) -> None:
    atom(
        home / "z",
        "zlib",
        "1.2.13",
        '[srcs.src]\ndebian = "zlib"\n[toolchain]\nsuite = "bookworm"\ndebian = ["dash"]\n',
    )
    done = run("git", "atom", "lock", "z")
    text = (home / "z/atom.lock").read_text()
    assert 'url = "debian:pool/main/z/zlib/zlib_1.2.13.dfsg.orig.tar.bz2"' in text and "repacked = true" in text
    assert "repacked by Debian" in done.stderr and "signed Release" in done.stderr
    assert 'name = "dash"' in text and 'suite = "bookworm"' in text and "http" not in text
    run("git", "atom", "lock", "z", "--locked", "--offline")
    (home / "z/atom.lock").unlink()
    run("git", "atom", "lock", "z")
    assert (home / "z/atom.lock").read_text() == text
