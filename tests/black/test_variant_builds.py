"""What variants come to in a build: variables its commands find, other dependencies, other packages of the toolchain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Scene
from projects import commit
from test_build import LIBRARY, PROGRAM, atom, built
from test_environments import consumer, environment, publish, toolchain, within

pytestmark = pytest.mark.slow

# a library whose answer is settled by its variants, and by one of two other libraries
SWITCHED = LIBRARY | {
    "Makefile": LIBRARY["Makefile"].replace("cc -shared", "cc $(FLAGS) -shared"),
    "one.c": "#ifndef BASE\n#define BASE 10\n#endif\n#ifdef SMALL\n#define MORE 1\n#else\n#define MORE 2\n#endif\nint one(void) { return BASE + MORE; }\n",
}
FLAGS = (
    '\nrun = ["make libone.so.1 FLAGS=\\"${base} ${small:+-DSMALL}\\"", "make install DESTDIR=${out}"]\n'
    '[support]\nbase = ["-DBASE=20", "-O1"]\nsmall = false\n'
)
WITH = "int %s(void) { return %d; }\n"


def answers(scene: Scene, name: str, number: int) -> None:
    """A library `name` of one function, which answers a number."""
    files = {path: text.replace("one", name) for path, text in LIBRARY.items() if path != "one.c"}
    atom(
        scene,
        name,
        {path.replace("one", name): text for path, text in files.items()} | {f"{name}.c": WITH % ("answer", number)},
    )


def middle(scene: Scene, url: str = "") -> None:
    """A program `mid` that says what the candidate says which it is linked to."""
    deps = "".join(
        f"[deps.{name}]\n" + (f'url = "{url}"\n' if url else f'path = "../{name}"\n') for name in ("aa", "bb")
    )
    run = '\nrun = ["cc -o mid mid.c ${impl:+-l${impl} -DHAS}", "mkdir -p ${out}/usr/bin", "cp mid ${out}/usr/bin/"]\n'
    main = '#include <stdio.h>\n#ifdef HAS\nint answer(void);\n#else\nint answer(void) { return 0; }\n#endif\nint main(void) { printf("%d\\n", answer()); return 0; }\n'
    atom(scene, "mid", {"mid.c": main}, deps + '[provide]\nimpl = ["aa", "bb", "none"]\n', run)


def two_candidates(scene: Scene) -> None:
    """`mid` and both that it can be linked to, locked."""
    answers(scene, "aa", 1)
    answers(scene, "bb", 2)
    middle(scene)
    for name in ("aa", "bb", "mid"):
        scene.run("git", "atom", "lock", name)


def says(scene: Scene, *what: str, program: str = "mid", cwd: Path | None = None) -> str:
    scene.run("git", "compose", "new", "env", *what, cwd=cwd)
    return scene.run("git", "compose", "run", "env", "--", program, cwd=cwd).stdout.strip()


def test_commands_find_what_is_switched_on(scene: Scene) -> None:
    atom(scene, "one", SWITCHED, run=FLAGS)
    folder = atom(scene, "main", PROGRAM, '[deps.one]\npath = "../one"\n')
    text = (folder / "atom.toml").read_text()
    scene.run("git", "atom", "lock", "one")
    seen = set()
    for asks, number in ([], "13"), (["base"], "23"), (["base", "small"], "22"), (["small"], "12"):
        (folder / "atom.toml").write_text(
            text.replace('path = "../one"\n', f'path = "../one"\nwith = {json.dumps(asks)}\n')
        )
        scene.run("git", "atom", "lock", "main")
        assert built(scene, "main")["one"] == ("built" if number not in seen else "cached")
        assert says(scene, "main", program="main") == number
        seen.add(number)
    assert built(scene, "one") == {"one": "cached"}  # as nobody asks for anything it was built first
    record = scene.document("git", "build", "show", "one")
    assert record["parameters"]["run"][:2] == ["base=''", "small=''"]
    # an atom without variants is built as ever
    assert scene.document("git", "build", "show", "tiny")["parameters"]["run"][0] == "make -j${jobs}"


def test_a_candidate_is_built_with(scene: Scene) -> None:
    two_candidates(scene)
    assert built(scene, "mid") == {"aa": "built", "mid": "built"} and says(scene, "mid") == "1"
    folder = atom(
        scene, "top", {"x": ""}, '[deps.mid]\npath = "../mid"\nwith = ["impl=bb"]\n', '\nrun = ["mid > ${out}/said"]\n'
    )
    scene.run("git", "atom", "lock", "top")
    done = scene.run("git", "atom", "tree", cwd=folder).stdout.splitlines()
    assert done[1:3] == ["├── mid 1.0.0 with impl=bb", "│   └── bb 1.0.0 (impl=bb)"]
    assert built(scene, "top") == {"bb": "built", "mid": "built", "top": "built"}
    assert built(scene, "top") == {"bb": "cached", "mid": "cached", "top": "cached"}
    (folder / "atom.toml").write_text((folder / "atom.toml").read_text().replace("impl=bb", "impl=none"))
    scene.run("git", "atom", "lock", "top")
    assert built(scene, "top") == {"mid": "built", "top": "built"}
    assert says(scene, "mid") == "1"


def test_what_was_published_is_built_as_a_consumer_of_another_set_has_it(scene: Scene) -> None:
    two_candidates(scene)
    commit(scene.run, scene.project)
    scene.run("git", "atom", "publish", "aa", "bb", "mid", "--push", "origin")
    other = scene.home / "other"
    scene.run("git", "init", "-q", other, cwd=scene.home)
    folder = other / "top"
    folder.mkdir()
    (folder / "x").write_text("")
    head = (scene.project / "tiny/atom.toml").read_text().split("[build]")[0].replace("tiny", "top")
    for asks, number, atoms in (
        (["impl=bb"], "2", {"mid", "bb"}),
        ([], "2", {"mid", "bb"}),
        (["impl=aa"], "1", {"mid", "aa"}),
        (["impl=none"], "0", {"mid"}),
    ):
        dep = f'[deps.mid]\nurl = "{scene.server}"\nwith = {json.dumps(asks)}\n'
        (folder / "atom.toml").write_text(
            head + dep + f'[build]\nrun = ["test $(mid) = {number}", "mid > ${{out}}/said"]\n'
        )
        scene.run("git", "atom", "lock", cwd=folder)
        scene.run("git", "atom", "lock", "--frozen", cwd=folder)
        assert {row["name"] for row in scene.document("git", "build", "top", cwd=other)["built"]} == atoms | {"top"}


def test_a_candidate_that_is_a_package_of_the_toolchain(scene: Scene) -> None:
    folder = atom(
        scene,
        "tool",
        {"x": ""},
        '[provide]\ncompiler = ["gcc", "clang"]\n',
        '\nrun = ["${compiler} --version > ${out}/said"]\n',
    )
    text = (folder / "atom.toml").read_text()
    (folder / "atom.toml").write_text(text.replace('"gcc", ', "", 1))
    done = scene.run("git", "atom", "lock", "tool")
    assert "+ variant compiler gcc" in done.stderr
    assert '\n    "gcc",\n' in (folder / "atom.lock").read_text()
    assert built(scene, "tool") == {"tool": "built"}
    scene.run("git", "atom", "lock", "tool", "--frozen")
    (folder / "atom.toml").write_text(text.replace('"gcc", ', "", 1).replace('["gcc", "clang"]', '["clang"]'))
    assert "ATOM-7002" in scene.run("git", "build", "tool", status=128).stderr
    # whoever depends on it cannot have it in another world than its own
    (folder / "atom.toml").write_text(text.replace('"gcc", ', "", 1))
    user = atom(
        scene, "user", {"x": ""}, '[deps.tool]\npath = "../tool"\nwith = ["compiler=clang"]\n', '\nrun = ["true"]\n'
    )
    done = scene.run("git", "atom", "lock", "user", status=3)
    assert "which only its publisher can choose" in done.stderr
    (user / "atom.toml").write_text((user / "atom.toml").read_text().replace("=clang", "=gcc"))
    scene.run("git", "atom", "lock", "user")
    assert built(scene, "user") == {"tool": "cached", "user": "built"}


def test_an_environment_with_another_version_of_what_a_candidate_needs(scene: Scene) -> None:
    """What is built with other candidates has one version of a name in its world, or is refused."""
    answers(scene, "aa", 1)
    environment(scene, "tools", "1.0.0", '[deps.aa]\npath = "../aa"\n' + toolchain(scene))
    publish(scene, "aa", "tools")
    answers(scene, "bb", 2)
    text = (scene.project / "bb/atom.toml").read_text()
    (scene.project / "bb/atom.toml").write_text(
        text.replace("[build]", f'[deps.aa]\nurl = "{scene.server}"\nversion = "^2"\n[build]')
    )
    (scene.project / "aa/atom.toml").write_text((scene.project / "aa/atom.toml").read_text().replace("1.0.0", "2.0.0"))
    (scene.project / "aa/aa.c").write_text("int other(void) { return 3; }\n")
    publish(scene, "aa")
    publish(scene, "bb")
    variants = f'[deps.bb]\nurl = "{scene.server}"\n[provide]\nimpl = ["none", "bb"]\n'
    mid = consumer(scene, within(scene), "mid", variants)
    publish(scene, "mid")
    assert "bb 1.0.0" not in scene.run("git", "atom", "tree", cwd=mid).stdout
    folder = atom(
        scene, "top", {"x": ""}, f'[deps.mid]\nurl = "{scene.server}"\nwith = ["impl=bb"]\n', '\nrun = ["true"]\n'
    )
    scene.run("git", "atom", "lock", "top")
    assert "aa 2.0.0" in scene.run("git", "atom", "tree", cwd=folder).stdout
    done = scene.run("git", "build", "top", status=128)
    assert "ATOM-7007" in done.stderr and "another 'aa'" in done.stderr
