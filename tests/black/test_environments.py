"""Toolchains that are published environment atoms: locked with what they stand on and are put together from, and built in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Scene
from projects import commit
from test_build import LIBRARY, PROGRAM, atom, built

pytestmark = pytest.mark.slow


def toolchain(scene: Scene) -> str:
    """The table [toolchain] of `tiny`."""
    text = (scene.project / "tiny/atom.toml").read_text()
    return "[toolchain]" + text.split("[toolchain]")[1].split("[build]")[0]


def environment(scene: Scene, name: str, version: str, more: str) -> Path:
    folder = scene.project / name
    folder.mkdir(exist_ok=True)
    (folder / "atom.toml").write_text(f'[atom]\nid = "{name}"\nversion = "{version}"\ntype = "environment"\n{more}')
    return folder


def publish(scene: Scene, *names: str) -> None:
    for name in names:
        scene.run("git", "atom", "lock", name)
    commit(scene.run, scene.project)
    scene.run("git", "atom", "publish", *names, "--push", "origin")


def within(scene: Scene, name: str = "tools", version: str = "^1") -> str:
    return f'[toolchain]\nenvironment = "{name}"\nurl = "{scene.server}"\nversion = "{version}"\n'


def consumer(scene: Scene, table: str, name: str = "main", more: str = "") -> Path:
    folder = scene.project / name
    folder.mkdir(exist_ok=True)
    build = (scene.project / "tiny/atom.toml").read_text().split("[build]")[1]
    (folder / "atom.toml").write_text(f'[atom]\nid = "{name}"\nversion = "1.0.0"\n{more}{table}[build]{build}')
    for path, content in PROGRAM.items():
        (folder / path).write_text(content)
    return folder


@pytest.fixture
def tools(scene: Scene) -> Scene:
    """A published environment `tools` 1.0.0: the toolchain of `tiny` with the library `one`."""
    atom(scene, "one", LIBRARY)
    environment(scene, "tools", "1.0.0", '[deps.one]\npath = "../one"\n' + toolchain(scene))
    publish(scene, "one", "tools")
    return scene


def test_what_is_built_in_an_environment(tools: Scene) -> None:
    folder = consumer(tools, within(tools))
    done = tools.run("git", "atom", "lock", "main")
    assert "+ atom tools 1.0.0" in done.stderr and "+ atom one 1.0.0" in done.stderr
    first = (folder / "atom.lock").read_bytes()
    lock, own = first.decode(), (tools.project / "tools/atom.lock").read_text()
    assert f'environment = "{tools.shared.anchor}::tools"' in lock and "debian = [" not in lock
    # the world is the one that the environment was published with, package by package
    assert lock.partition("[[toolchains.packages]]")[2] == own.partition("[[toolchains.packages]]")[2]
    for flags in (("--locked", "--offline"), ("--frozen",), ()):
        tools.run("git", "atom", "lock", "main", *flags)
    (folder / "atom.lock").unlink()
    tools.run("git", "atom", "lock", "main", "--offline")
    assert (folder / "atom.lock").read_bytes() == first
    assert built(tools, "main") == {"one": "built", "main": "built"}
    assert built(tools, "main") == {"one": "cached", "main": "cached"}
    tools.run("git", "compose", "new", "env", "main")
    assert tools.run("git", "compose", "run", "env", "--", "main").stdout == "42\n"
    tree = tools.run("git", "atom", "tree", cwd=folder).stdout.splitlines()
    assert [line.strip() for line in tree[:3]] == ["main 1.0.0", "└── tools 1.0.0", "├── one 1.0.0"]
    assert tree[3].startswith("    └── toolchain debian ") and len(tree) == 4
    told = tools.run("git", "atom", "why", "libc6", cwd=folder).stdout.strip()
    assert told.startswith("main 1.0.0 -> tools 1.0.0 (^1) -> toolchain debian ") and told.endswith(
        "(in the closure of tools)"
    )
    assert (
        tools.run("git", "atom", "why", "one", cwd=folder).stdout.strip()
        == "main 1.0.0 -> tools 1.0.0 (^1) -> one 1.0.0"
    )


def test_the_same_world_is_the_same_action(scene: Scene) -> None:
    """Packages named by an environment or by the manifest itself: what is built of them is one thing."""
    environment(scene, "tools", "1.0.0", toolchain(scene))
    publish(scene, "tools")
    text = (scene.project / "tiny/atom.toml").read_text()
    (scene.project / "tiny/atom.toml").write_text(text.replace(toolchain(scene), within(scene)))
    scene.run("git", "atom", "lock", "tiny")
    assert built(scene, "tiny") == {"tiny": "cached"}


def test_an_environment_moves_on_when_asked(tools: Scene) -> None:
    folder = consumer(tools, within(tools))
    tools.run("git", "atom", "lock", "main")
    (tools.project / "one/one.c").write_text("int one(void) { return 6; }\n")
    text = (tools.project / "one/atom.toml").read_text()
    (tools.project / "one/atom.toml").write_text(text.replace("1.0.0", "1.1.0"))
    environment(tools, "tools", "1.1.0", '[deps.one]\npath = "../one"\n' + toolchain(tools))
    publish(tools, "one", "tools")
    assert not json.loads(tools.run("git", "atom", "lock", "main", "--json").stdout)["changes"]
    rows = tools.run("git", "atom", "outdated", cwd=folder).stdout
    assert "tools 1.0.0 -> 1.1.0" in rows
    done = tools.run("git", "atom", "update", "toolchain", cwd=folder)
    assert "~ atom tools 1.0.0 -> 1.1.0" in done.stderr and "~ atom one 1.0.0 -> 1.1.0" in done.stderr
    assert built(tools, "main") == {"one": "built", "main": "built"}
    tools.run("git", "compose", "new", "env", "main")
    assert tools.run("git", "compose", "run", "env", "--", "main").stdout == "7\n"


def test_an_environment_may_stand_on_another(tools: Scene) -> None:
    environment(tools, "more", "1.0.0", within(tools))
    publish(tools, "more")
    folder = consumer(tools, within(tools, "more"))
    tools.run("git", "atom", "lock", "main")
    assert '::more"' in (folder / "atom.lock").read_text() and 'name = "one"' in (folder / "atom.lock").read_text()
    assert built(tools, "main") == {"one": "built", "main": "built"}


def test_dependencies_and_environment_are_one_world(tools: Scene) -> None:
    """One version of a name: what the environment holds is not there a second time, and what cannot be had together is told."""
    consumer(tools, within(tools), more='[deps.one]\npath = "../one"\n')
    done = tools.run("git", "atom", "lock", "main", status=3)
    assert "ATOM-8041" in done.stderr and "main/atom.toml:" in done.stderr
    consumer(
        tools, within(tools), more=f'[deps.one]\nurl = "{tools.server}"\n'
    )  # its positive control: of the same set
    tools.run("git", "atom", "lock", "main")
    assert (tools.project / "main/atom.lock").read_text().count('name = "one"') == 1


def test_what_is_built_in_one_is_published_and_fetched(tools: Scene) -> None:
    consumer(tools, within(tools))
    publish(tools, "main")
    uri = f"{tools.server}::main"
    assert built(tools, uri) == {"one": "built", "main": "built"}
    consumer(tools, within(tools), "user", f'[deps.main]\nurl = "{tools.server}"\n')
    tools.run("git", "atom", "lock", "user")
    assert built(tools, "user") == {"one": "cached", "main": "cached", "user": "built"}


def test_what_is_no_environment(tools: Scene) -> None:
    environment(tools, "bare", "1.0.0", '[deps.one]\npath = "../one"\n')
    publish(tools, "bare")
    folder = tools.project / "main"
    for table, code, status, words in (
        (within(tools, "one"), "8727", 128, "'one 1.0.0' is no environment"),
        (within(tools, "bare"), "8727", 128, "environment 'bare 1.0.0' has no toolchain of its own"),
        (within(tools, "tool"), "8700", 3, "did you mean 'tools'?"),
        (within(tools, version="^2"), "8048", 3, "nothing satisfies 'tools ^2'"),
        (within(tools).replace(".git", ".gone"), "2011", 6, "cannot be read"),
    ):
        consumer(tools, table)
        done = tools.run("git", "atom", "lock", "main", status=status)
        assert f"ATOM-{code}" in done.stderr and words in done.stderr, done.stderr
        assert code == "2011" or "main/atom.toml:" in done.stderr
        assert "git atom remove" not in done.stderr and not (folder / "atom.lock").exists()
    consumer(tools, within(tools))
    tools.run("git", "atom", "lock", "main")
    consumer(tools, within(tools, version="^2"))
    done = tools.run("git", "atom", "lock", "main", "--frozen", status=1)
    assert "toolchain 'tools' asks for ^2, and 1.0.0 is locked" in done.stderr
    assert "ATOM-7002" in tools.run("git", "build", "main", status=128).stderr
