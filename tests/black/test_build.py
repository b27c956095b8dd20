"""Building from outside: cached and built anew, failing, with locks absent or stale, read, compared, composed and run."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from conftest import Scene

pytestmark = pytest.mark.slow
LIBRARY = {
    "Makefile": "libone.so.1: one.c\n\tcc -shared -fPIC -Wl,-soname,libone.so.1 -o $@ one.c\n"
    "install: libone.so.1\n\tmkdir -p $(DESTDIR)/usr/lib $(DESTDIR)/usr/include\n"
    "\tcp libone.so.1 $(DESTDIR)/usr/lib/\n\tln -s libone.so.1 $(DESTDIR)/usr/lib/libone.so\n\tcp one.h $(DESTDIR)/usr/include/\n",
    "one.c": "int one(void) { return 41; }\n",
    "one.h": "int one(void);\n",
}
PROGRAM = {
    "Makefile": "main: main.c\n\tcc -o $@ main.c -lone\n"
    "install: main\n\tmkdir -p $(DESTDIR)/usr/bin\n\tcp main $(DESTDIR)/usr/bin/\n",
    "main.c": '#include <one.h>\n#include <stdio.h>\nint main(void) { printf("%d\\n", one() + 1); return 0; }\n',
}


def atom(scene: Scene, name: str, files: dict[str, str], extra: str = "", run: str = "") -> Path:
    """An atom with the toolchain of `tiny`."""
    folder = scene.project / name
    folder.mkdir()
    text = (scene.project / "tiny/atom.toml").read_text().replace('id = "tiny"', f'id = "{name}"')
    head, build = text.split("[build]")
    (folder / "atom.toml").write_text(f"{head}{extra}[build]{run or build}")
    for path, content in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(content)
    return folder


def pair(scene: Scene) -> None:
    """A library, and a program that needs it."""
    atom(scene, "one", LIBRARY)
    atom(scene, "main", PROGRAM, '[deps.one]\npath = "../one"\n')
    scene.run("git", "atom", "lock", "one")
    scene.run("git", "atom", "lock", "main")


def built(scene: Scene, *argv: str | Path) -> dict[str, str]:
    """Name of each atom -> how it was come by."""
    return {row["name"]: row["how"] for row in scene.document("git", "build", *argv)["built"]}


def test_a_graph_is_built_then_served_then_composed_and_run(scene: Scene) -> None:
    pair(scene)
    assert built(scene, "main") == {"one": "built", "main": "built"}
    assert built(scene, "main") == {"one": "cached", "main": "cached"}
    assert built(scene, "one") == {"one": "cached"}
    shown = scene.run("git", "build", "main").stdout
    assert "libone.so.1: 1 symbol" in shown and "usr/bin/main: needs libone.so.1, libc.so.6" in shown
    scene.run("git", "compose", "new", "env", "main")
    assert scene.run("git", "compose", "run", "env", "--", "main").stdout == "42\n"
    certificate = scene.document("git", "compose", "show", "env")["certificate"]
    assert certificate["missing"] == [] and certificate["layer"] == "environment"
    providers = {row["name"]: row["provider"] for row in certificate["bindings"] if row["space"] == "soname"}
    assert providers["libone.so.1"] == "one 1.0.0" and providers["libc.so.6"].startswith("libc6 ")
    origins = [entry["origin"] for entry in scene.document("git", "compose", "show", "env")["entries"]]
    assert not any(" gcc " in origin or " make " in origin for origin in origins)


def test_what_is_missing_at_run_time_is_named(scene: Scene) -> None:
    folder = atom(
        scene,
        "script",
        {"tool": "#!/usr/bin/perl\n"},
        run='\nrun = ["mkdir -p ${out}/usr/bin", "cp tool ${out}/usr/bin/ && chmod +x ${out}/usr/bin/tool"]\n',
    )
    scene.run("git", "atom", "lock", "script")
    scene.run("git", "build", folder)
    done = scene.run("git", "compose", "new", "env", "script", status=1)
    assert "missing: /usr/bin/perl (script), needed by usr/bin/tool of script 1.0.0" in done.stderr


def test_only_what_changed_is_built_again(scene: Scene) -> None:
    pair(scene)
    scene.run("git", "build", "main")
    with open(scene.project / "main/main.c", "a") as file:
        file.write("/* a comment changes no output */\n")
    assert built(scene, "main") == {"one": "cached", "main": "built"}
    before = scene.document("git", "build", "show", "main")
    # the library's text changes, its output does not: the program's action is new, its execution is known
    with open(scene.project / "one/one.c", "a") as file:
        file.write("/* nor does this one */\n")
    assert "has changed since it was locked" in scene.run("git", "build", "main", status=128).stderr
    scene.run("git", "atom", "lock", "main")
    assert built(scene, "main") == {"one": "built", "main": "shared"}
    after = scene.document("git", "build", "show", "main")
    assert before["action"] != after["action"] and before["request"] == after["request"]


def test_what_is_no_part_of_a_build_rebuilds_nothing(scene: Scene) -> None:
    folder = atom(scene, "tested", LIBRARY | {"tests/a": "1\n"}, '[test]\nfiles = ["tests/**"]\n')
    scene.run("git", "atom", "lock", "tested")
    assert built(scene, "tested") == {"tested": "built"}
    (folder / "tests/a").write_text("2\n")
    (folder / "atom.toml").write_text("# a comment\n" + (folder / "atom.toml").read_text())
    assert built(scene, "tested") == {"tested": "cached"}


def test_a_failing_build_leaves_a_log_and_no_record(scene: Scene) -> None:
    atom(scene, "bad", {"x": ""}, run='\nrun = ["echo before", "false", "echo after"]\n')
    scene.run("git", "atom", "lock", "bad")
    for _ in range(2):
        done = scene.run("git", "build", "bad", status=4)
        assert "error[ATOM-7020]: the build of 'bad' failed with status 1" in done.stderr and "before" in done.stderr
        assert "after" not in done.stderr.split("+ false")[-1]
    kept = done.stderr.split("--> ")[1].splitlines()[0]
    assert "before" in Path(kept).read_text()
    assert "is not built" in scene.run("git", "build", "show", "bad", status=1).stderr
    refs = scene.run("git", f"--git-dir={scene.store}", "for-each-ref", "--format=%(refname)", "refs/builds").stdout
    assert len(refs.splitlines()) == 1  # tiny's


def test_locks_that_are_absent_or_stale(scene: Scene) -> None:
    folder = atom(scene, "fresh", LIBRARY)
    done = scene.run("git", "build", "fresh", status=128)
    assert "error[ATOM-7002]: 'fresh' has no lock" in done.stderr and "hint: git atom lock fresh" in done.stderr
    scene.run("git", "atom", "lock", "fresh")
    scene.run("git", "build", "fresh")
    text = (folder / "atom.toml").read_text()
    (folder / "atom.toml").write_text(text.replace('"sed"', '"sed", "gawk"'))
    done = scene.run("git", "build", "fresh", status=128)
    assert "does not fit its manifest" in done.stderr and "hint: git atom lock fresh" in done.stderr
    (folder / "atom.toml").write_text(text)
    assert built(scene, "fresh") == {"fresh": "cached"}


def test_a_damaged_lock_a_broken_manifest_and_a_directory_without_one(scene: Scene) -> None:
    folder = atom(scene, "odd", LIBRARY)
    (folder / "atom.lock").write_text("<<<<<<< ours\n")
    assert "error[ATOM-1033]" in scene.run("git", "build", "odd", status=7).stderr
    (folder / "atom.toml").write_text("[atom]\nid = 3\n")
    assert "atom.toml:" in scene.run("git", "build", "odd", status=7).stderr
    (scene.project / "empty").mkdir()
    assert "there is no 'empty/atom.toml'" in scene.run("git", "build", "empty", status=128).stderr
    assert "is not inside a git repository" in scene.run("git", "build", "tiny", cwd=copy(scene), status=128).stderr


def copy(scene: Scene) -> Path:
    """The atom outside of any repository."""
    place = scene.home / "outside"
    shutil.copytree(scene.project / "tiny", place / "tiny")
    return place


def test_written_out_whole_or_not_at_all(scene: Scene) -> None:
    scene.run("git", "build", "tiny", "-o", "out")
    assert os.access(scene.project / "out/usr/bin/tiny", os.X_OK)
    done = scene.run("git", "build", "tiny", "-o", "out", status=128)
    assert "is there and not empty" in done.stderr


def test_building_again_and_comparing(scene: Scene) -> None:
    scene.run("git", "build", "tiny", "--check")
    atom(scene, "random", {"x": ""}, run='\nrun = ["head -c 16 /dev/urandom > ${out}/noise"]\n')
    scene.run("git", "atom", "lock", "random")
    scene.run("git", "build", "random")
    done = scene.run("git", "build", "random", "--check", status=1)
    assert "error[ATOM-7021]" in done.stderr and done.stderr.count("blake3:") == 2


def test_what_was_read_and_what_was_not(scene: Scene) -> None:
    pair(scene)
    scene.run("git", "build", "main")
    rows = scene.document("git", "build", "reads", "main")["items"]
    by_package = {row["package"] for row in rows}
    assert {"one", "libc6", "libc6-dev", "make", "gcc-12"} <= by_package or "one" in by_package
    assert {"package": "one", "path": "usr/include/one.h"} in rows
    assert any(row["path"] == "build/atom/main.c" for row in rows)
    bloat = {row["package"]: row for row in scene.document("git", "build", "bloat", "main", status=None)["items"]}
    assert "sed" in bloat and "one" not in bloat
    assert "usr/bin/gcc" in bloat["gcc"]["linked"].split()
    assert "only building without proves it" in scene.run("git", "build", "bloat", "main", status=None).stderr


def test_a_record_is_found_by_every_name_it_has(scene: Scene) -> None:
    first = scene.document("git", "build", "show", "tiny")
    for name in (first["action"], first["output"], first["output"][7:19], first["action"][7:19], "./tiny"):
        assert scene.document("git", "build", "show", name)["action"] == first["action"]
    assert scene.run("git", "build", "show", "nothing-of-the-kind", status=1).stderr.startswith("error[ATOM-7030]")
    assert "cc" in scene.run("git", "build", "log", "tiny").stdout


def test_stock_git_accepts_what_is_stored(scene: Scene) -> None:
    scene.run("git", f"--git-dir={scene.store}", "fsck", "--strict", "--no-dangling")
    record = scene.document("git", "build", "show", "tiny")
    key = (scene.data / "builder/id_ed25519.pub").read_text()
    (scene.home / "signers").write_text(f"* {key}")
    tag = scene.run("git", f"--git-dir={scene.store}", "rev-parse", record["ref"]).stdout.strip()
    scene.run(
        "git", f"--git-dir={scene.store}", "-c", f"gpg.ssh.allowedSignersFile={scene.home}/signers", "verify-tag", tag
    )


def test_verify_takes_nothing_from_the_cache(scene: Scene) -> None:
    assert scene.run("git", "build", "verify", "tiny").stdout.startswith("good ")
    ref = scene.document("git", "build", "show", "tiny")["ref"]
    other = ref.rsplit("/", 1)[0] + "/" + "0" * 64
    tag = scene.run("git", f"--git-dir={scene.store}", "rev-parse", ref).stdout.strip()
    scene.run("git", f"--git-dir={scene.store}", "update-ref", other, tag)
    rows = scene.document("git", "build", "verify", "tiny")["witnesses"]
    assert sorted(row["good"] for row in rows) == [False, True]
    scene.run("git", f"--git-dir={scene.store}", "update-ref", "-d", ref)
    assert scene.document("git", "build", "verify", "tiny", status=None)["witnesses"][0]["good"] is False


def test_a_builder_that_is_not_accepted_is_not_served(scene: Scene) -> None:
    for name in ("id_ed25519", "id_ed25519.pub"):
        (scene.data / "builder" / name).unlink()
    scene.run(
        "git",
        "compose",
        "import",
        "debian",
        *("gcc", "libc6-dev", "make", "dash", "coreutils", "sed", "grep"),
        "--as",
        "toolchain",
    )
    done = scene.run("git", "build", "tiny")
    assert "not served" in done.stderr and "(built," in done.stdout


def test_analyze_of_outputs_files_and_directories(scene: Scene) -> None:
    pair(scene)
    scene.run("git", "build", "main", "-o", "out")
    told = scene.run("git", "build", "analyze", "one").stdout
    assert "usr/lib/libone.so.1: libone.so.1, 64-bit" in told and "provides 1 symbols" in told
    by_name, by_path = (scene.document("git", "build", "analyze", what)["elf"] for what in ("main", "out"))
    assert by_name == by_path
    assert scene.document("git", "build", "analyze", "out/usr/bin/main")["elf"][0]["needed"] == [
        "libone.so.1",
        "libc.so.6",
    ]
    (scene.project / "bad.so").write_bytes(b"\x7fELF" + bytes(100))
    assert scene.document("git", "build", "analyze", "bad.so", status=7)["problems"]


def test_json_is_whole_and_named(scene: Scene) -> None:
    for argv, schema in (
        (("tiny",), "git-build/1"),
        (("show", "tiny"), "git-build-show/1"),
        (("reads", "tiny"), "git-build-reads/1"),
    ):
        value = json.loads(scene.run("git", "build", *argv, "--json").stdout)
        assert value["schema"] == schema


def test_serving_what_is_built_loads_nothing_slow(scene: Scene) -> None:
    program = "import sys; from git_atom.cli.main import main; main('build', ['tiny'])"
    scene.run("git", "build", "tiny")
    done = scene.run(sys.executable, "-X", "importtime", "-c", program)
    loaded = set(re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", done.stderr, re.M))
    slow = {
        "argparse",
        "asyncio",
        "cryptography",
        "dataclasses",
        "elftools",
        "inspect",
        "pygit2",
        "rich",
        "sh",
        "tempfile",
        "tomlkit",
        "tomllib",
        "urllib",
    }
    assert "(cached)" in done.stdout and not {name.split(".")[0] for name in loaded} & slow


def test_a_hit_asks_git_four_times_at_most(scene: Scene) -> None:
    log = scene.home / "trace"
    scene.run("git-build", "tiny")
    scene.run("git-build", "tiny", GIT_TRACE=str(log))
    assert len([line for line in log.read_text().splitlines() if "built-in: git" in line]) <= 4
