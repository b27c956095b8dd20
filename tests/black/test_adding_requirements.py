"""`git atom add` and `git atom remove` over pins, sources, sub-atoms and packages of the toolchain: what is written, and when nothing is."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Scene, suite
from projects import Run, everything
from test_choosing import locked
from test_lock import published, server
from test_pins import Upstream, up, url

__all__ = ["published", "server", "up", "url"]
Publish = Callable[..., str]

MANIFEST = """\
# the app
[atom]
id = "app"          # a name
version = "1.0.0"

# the end
[test]
run = [ "true" ]
"""


@pytest.fixture
def app(project: Path) -> Path:
    (project / "atom.toml").write_text(MANIFEST)
    return project


def values(folder: Path, name: str = "atom.toml") -> dict[str, Any]:
    return tomllib.loads((folder / name).read_text())


def test_a_pin_comes_changes_and_goes(app: Path, run: Run, up: Upstream, url: str) -> None:
    dry = run("git", "atom", "add", "--pin", f"certs={url}@2025", "-n", cwd=app)
    assert "would write 'atom.toml'" in dry.stderr and (app / "atom.toml").read_text() == MANIFEST
    assert not (app / "atom.lock").exists()
    done = run("git", "atom", "add", "--pin", f"certs={url}@2025", "--entry", "certs/a.pem", cwd=app)
    assert done.stdout.split() == ["atom.toml", "atom.lock"]
    assert f"+ pin certs = {url}@2025 certs/a.pem" in done.stderr and "+ pin certs " in done.stderr
    table = f'[pins.certs]\ngit = "{url}"\nref = "2025"\nentry = "certs/a.pem"\n'
    assert (app / "atom.toml").read_text() == MANIFEST.replace("# the end", f"{table}\n# the end")
    assert values(app, "atom.lock")["pins"][0]["commit"] == up.first
    run("git", "atom", "lock", "--locked", "--offline", cwd=app)
    assert "nothing was changed" in run("git", "atom", "add", "--pin", f"certs={url}@2025", cwd=app).stderr
    # what is said anew is changed, the rest stays; @ref alone is of the repository that it has
    second = up.commit("second")
    up.push("main")
    got = json.loads(run("git", "atom", "add", "--pin", "certs=@main", "--json", cwd=app).stdout)
    assert got["schema"] == "git-atom-edit/1" and got["edits"] == [f"~ pin certs = {url}@main certs/a.pem"]
    assert values(app, "atom.lock")["pins"][0]["commit"] == second
    assert (app / "atom.toml").read_text() == MANIFEST.replace(
        "# the end", table.replace("2025", "main") + "\n# the end"
    )
    # without a ref it is what the repository shows first
    run("git", "atom", "add", "--pin", f"all={url}", cwd=app)
    assert values(app)["pins"]["all"] == {"git": url, "ref": "HEAD"}
    run("git", "atom", "remove", "certs", "all", cwd=app)
    assert (app / "atom.toml").read_text() == MANIFEST and b"pins" not in (app / "atom.lock").read_bytes()


def test_sources_of_every_form(app: Path, run: Run, server: str) -> None:
    (app / "data").mkdir()
    (app / "data/x").write_text("x")
    (app / "nested").mkdir()
    (app / "nested/atom.toml").write_text(MANIFEST)
    nested = app / "nested"
    done = run(
        "git",
        "atom",
        "add",
        "--src",
        f"src={server}/app-${{version}}.tar.gz",
        "tests=../data/",
        "--for",
        "test",
        cwd=nested,
    )
    assert f"+ source src = {server}/app-1.0.0.tar.gz for test" in done.stderr
    assert values(nested)["srcs"] == {
        "src": {"url": f"{server}/app-${{version}}.tar.gz", "for": ["test"]}, "tests": {"path": "../data", "for": ["test"]},
    }  # fmt: skip
    lock = values(nested, "atom.lock")
    assert lock["fetches"][0]["url"] == f"{server}/app-1.0.0.tar.gz" and lock["subs"][0]["name"] == "tests"
    run("git", "atom", "lock", "--locked", "--offline", cwd=nested)
    # another form of the same source leaves nothing of the form before
    run("git", "atom", "add", "--src", "src=../data/x", cwd=nested)
    assert values(nested)["srcs"]["src"] == {"path": "../data/x", "for": ["test"]}
    (app / "Cargo.lock").write_text("version = 4\n")
    run("git", "atom", "add", "--src", "src=../Cargo.lock", "--adopt", "cargo", "--for", "build", cwd=nested)
    assert values(nested)["srcs"]["src"] == {"path": "../Cargo.lock", "for": ["build"], "adopt": "cargo"}
    run("git", "atom", "add", "--src", f"src={server}/app-${{version}}.tar.gz", cwd=nested)
    assert values(nested)["srcs"]["src"] == {"url": f"{server}/app-${{version}}.tar.gz", "for": ["build"]}
    run("git", "atom", "update", "tests", "src", cwd=nested)
    run("git", "atom", "remove", "src", "tests", cwd=nested)
    assert (nested / "atom.toml").read_text() == MANIFEST


def test_nothing_is_written_when_it_cannot_be(
    home: Path, app: Path, run: Run, up: Upstream, url: str, server: str
) -> None:
    run("git", "atom", "lock", cwd=app)
    (home / "elsewhere").mkdir()
    before = everything(app)

    def refused(code: str, status: int, *words: str) -> str:
        done = run("git", "atom", *words, cwd=app, status=status)
        assert f"error[{code}]" in done.stderr and everything(app) == before, done.stderr
        return str(done.stderr)

    assert "did you mean '2025'?" in refused("ATOM-8721", 3, "add", "--pin", f"certs={url}@2024")
    refused("ATOM-8726", 7, "add", "--pin", f"certs={url}@2025", "--entry", "certs/b.pem")
    refused("ATOM-1024", 7, "add", "--pin", f"certs={url}@2025", "--entry", "../x")
    refused("ATOM-1024", 7, "add", "--pin", f"atom={url}@2025")
    refused("ATOM-8720", 6, "add", "--pin", f"certs={url}@2025", "--offline")
    refused("ATOM-1014", 7, "add", "--pin", "certs=ext::sh -c id@1")
    refused("ATOM-9001", 129, "add", "--pin", f"{url}@2025")
    refused("ATOM-9001", 129, "add", "--pin", "certs=@2025")
    refused("ATOM-9001", 129, "add", "--pin", f"a={url}", f"b={url}", "--entry", "x")
    refused("ATOM-9001", 129, "add", "--pin", "--src", f"a={url}")
    refused("ATOM-9001", 129, "add", "--debian", "make", "--for", "test")
    refused("ATOM-9001", 129, "add", "zed", "--suite", "bookworm")
    for kind, word in (("--pin", f"a={url}"), ("--src", "a=x"), ("--debian", "gcc")):
        refused("ATOM-9001", 129, "add", kind, word, "--with", "http3")
    refused("ATOM-5021", 6, "add", "--src", f"src={server}/other.tar.gz")
    refused("ATOM-1024", 7, "add", "--src", f"src={server}/${{name}}.tar.gz")
    refused("ATOM-8043", 128, "add", "--src", f"src={home}/elsewhere")
    refused("ATOM-8052", 128, "add", "--src", "src=nothing")
    refused("ATOM-8051", 128, "add", "--src", "src=.")
    refused("ATOM-1024", 7, "add", "--src", "src=debian:zlib")  # there is no suite
    refused("ATOM-1024", 7, "add", "--src", "a=nothing", "--for", "run")
    refused("ATOM-1024", 7, "add", "--debian", "Make!")
    assert "it has none" in refused("ATOM-8708", 1, "remove", "zed")


def test_credentials_are_never_written(app: Path, run: Run, up: Upstream, url: str, server: str) -> None:
    secret = url.replace("://", "://me:hush@")
    done = run("git", "atom", "add", "--pin", f"certs={secret}@2025", cwd=app)
    said = done.stderr
    done = run(
        "git", "atom", "add", "--src", f"src={server.replace('://', '://me:hush@')}/app-${{version}}.tar.gz", cwd=app
    )
    assert "credentials are not written down" in said and "credentials are not written down" in done.stderr
    for word in (secret, f"=x{secret}", f"certs={secret}/nothing@1", f"=https://me:hush@h/x@{secret}"):
        said += run("git", "atom", "add", "--pin", word, cwd=app, status=None).stderr
    texts = (app / "atom.toml").read_text() + (app / "atom.lock").read_text() + said + done.stderr
    assert "hush" not in texts and values(app)["pins"]["certs"]["git"] == url
    # an alias is this user's own word
    run("git", "config", "--global", "atom.alias.up", url.removesuffix("/up.git"))
    run("git", "atom", "add", "--pin", "again=+up/up.git@2025", cwd=app)
    assert values(app)["pins"]["again"] == {"git": url, "ref": "2025"}


def test_a_name_of_several_tables(app: Path, run: Run, published: Publish, up: Upstream, url: str, server: str) -> None:
    zed = published("zed", ("zed", "1.0.0", ""), ("certs", "1.0.0", ""))
    run("git", "atom", "add", f"{zed}::certs", cwd=app)
    run("git", "atom", "add", "--pin", f"certs={url}@2025", cwd=app)
    before = (app / "atom.toml").read_text()
    done = run("git", "atom", "remove", "certs", cwd=app, status=5)
    assert "ATOM-8731" in done.stderr and "note: [deps.certs]\nnote: [pins.certs]" in done.stderr
    assert "hint: git atom remove --pin certs" in done.stderr and (app / "atom.toml").read_text() == before
    assert "did you mean 'certs'?" in run("git", "atom", "remove", "cert", cwd=app, status=1).stderr
    assert "ATOM-8708" in run("git", "atom", "remove", "--src", "certs", cwd=app, status=1).stderr
    run("git", "atom", "remove", "--pin", "--dep", "certs", cwd=app, status=129)
    run("git", "atom", "remove", "--pin", "certs", cwd=app)
    assert locked(app) == {"certs": "1.0.0"} and "pins" not in values(app)
    run("git", "atom", "remove", "--dep", "certs", cwd=app)
    assert (app / "atom.toml").read_text() == MANIFEST


def test_packages_of_the_toolchain(scene: Scene) -> None:
    """In the shared project, whose toolchain is locked: every package is one that it has, so that nothing new is fetched."""
    folder = scene.project / "small"
    folder.mkdir()
    text = '[atom]\nid = "small"\nversion = "1.0.0"\n[build]\nrun = ["true"]\n'
    (folder / "atom.toml").write_text(text)
    done = scene.run("git", "atom", "add", "--debian", "dash", "coreutils", cwd=folder)
    assert "+ package dash" in done.stderr and f"+ suite {suite()}" in done.stderr and "+ toolchain " in done.stderr
    assert values(folder)["toolchain"] == {"suite": suite(), "debian": ["dash", "coreutils"]}
    path = folder / "atom.toml"
    path.write_text(
        path.read_text().replace('["dash", "coreutils"]', '[\n  "dash",      # a shell\n  "coreutils", # cp\n]')
    )
    scene.run("git", "atom", "lock", "--locked", cwd=folder)
    before = path.read_text()
    scene.run("git", "atom", "add", "--debian", "sed", "dash", cwd=folder)
    assert path.read_text() == before.replace("# cp\n", '# cp\n  "sed",\n')
    assert values(folder, "atom.lock")["toolchains"][0]["debian"] == ["coreutils", "dash", "sed"]
    scene.run("git", "atom", "lock", "--locked", "--offline", cwd=folder)
    # one that there is not, another's environment, and updating one alone
    whole = path.read_text(), (folder / "atom.lock").read_bytes()
    done = scene.run("git", "atom", "add", "--debian", "coreutlis", cwd=folder, status=128)
    assert "ATOM-5004" in done.stderr and "did you mean 'coreutils'?" in done.stderr
    done = scene.run("git", "atom", "update", "dash", cwd=folder, status=1)
    assert "git atom update toolchain" in done.stderr
    assert (path.read_text(), (folder / "atom.lock").read_bytes()) == whole
    done = scene.run("git", "atom", "remove", "sed", cwd=folder)
    assert path.read_text() == before and "- package sed" in done.stderr
    scene.run("git", "atom", "remove", "--debian", "dash", "coreutils", cwd=folder)
    assert path.read_text().replace("\n\n", "\n") == text and b"toolchain" not in (folder / "atom.lock").read_bytes()
    path.write_text(text + '[toolchain]\nenvironment = "tools"\nurl = "https://git.example.org/tools"\n')
    done = scene.run("git", "atom", "add", "--debian", "dash", cwd=folder, status=5)
    assert "ATOM-8730" in done.stderr and "environment 'tools'" in done.stderr


def test_tree_why_and_outdated_know_sources_and_packages(scene: Scene, server: str) -> None:
    """As above, over packages that the shared toolchain has."""
    folder = scene.project / "shown"
    (folder / "data").mkdir(parents=True)
    (folder / "data/x").write_text("x")
    (folder / "atom.toml").write_text('[atom]\nid = "shown"\nversion = "1.0.0"\n[build]\nrun = ["true"]\n')
    scene.run("git", "atom", "add", "--src", f"src={server}/app-${{version}}.tar.gz", "tests=data", cwd=folder)
    scene.run("git", "atom", "add", "--debian", "dash", "sed", cwd=folder)
    lock = values(folder, "atom.lock")
    packages = {row["name"]: row["version"] for row in lock["toolchains"][0]["packages"]}
    world = f"toolchain debian {suite()}"
    platform = lock["toolchains"][0]["platform"]

    def said(*words: str, status: int = 0) -> list[str]:
        return str(scene.run("git", "atom", *words, cwd=folder, status=status).stdout).splitlines()

    short = {
        row["name"]: row[key][7:19] for kind, key in (("fetches", "digest"), ("subs", "tree")) for row in lock[kind]
    }
    assert said("tree") == [
        "shown 1.0.0",
        f"├── src {short['src']}",
        f"├── tests {short['tests']}",
        f"└── {world} ({platform}, {len(packages) - 2} packages not shown)",
        f"    ├── dash {packages['dash']}",
        f"    └── sed {packages['sed']}",
    ]
    assert said("tree", "-i", "libc6", "src") == [
        f"libc6 {packages['libc6']}",
        f"└── {world} ({platform})",
        f"src {short['src']}",
    ]
    rows = json.loads("\n".join(said("tree", "--json")))
    assert rows["schema"] == "git-atom-tree/1"
    assert [row["kind"] for row in rows["items"]] == ["atom", "source", "source", "toolchain", "package", "package"]
    text = (folder / "atom.toml").read_text().splitlines()
    line = {
        word: next(at for at, row in enumerate(text, 1) if row.startswith(word)) for word in ("[srcs.src]", "debian")
    }
    (told,) = said("why", "src")
    assert told == f"shown 1.0.0 -> src {short['src']} ({server}/app-1.0.0.tar.gz, atom.toml:{line['[srcs.src]']})"
    assert said("why", "dash") == [
        f"shown 1.0.0 -> {world} ({platform}) -> dash {packages['dash']} (atom.toml:{line['debian']})"
    ]
    (told,) = said("why", "libc6", "--all")
    assert told.endswith(f"libc6 {packages['libc6']} (in the closure of dash, sed at atom.toml:{line['debian']})")
    done = scene.run("git", "atom", "why", "libc7", cwd=folder, status=1)
    assert "ATOM-8708" in done.stderr and "did you mean 'libc6'?" in done.stderr
    assert said("outdated") == []
    # as if it had been locked a while ago
    old = (folder / "atom.lock").read_text()
    for name in ("dash", "libc6"):
        row = f'name = "{name}"\nversion = "{packages[name]}"'
        assert row in old
        old = old.replace(row, f'name = "{name}"\nversion = "0.1"')
    (folder / "atom.lock").write_text(old)
    newer = f"{packages['dash']}, newest {packages['dash']}"
    count = f"{world} -> debian {suite()}, newest debian {suite()}  1 other package is newer"
    for words in (("outdated",), ("outdated", "--offline")):
        assert said(*words) == [f"dash 0.1 -> {newer}", count]
    shutil.rmtree(scene.cache / "apt")
    assert said("outdated", "--offline") == []
