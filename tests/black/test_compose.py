"""`git compose` from outside: forming, looking, checking over bytes, running; tampering and conflicts are told."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def tiny(home: Path) -> Path:
    """A root of this machine's shell, cat and ls with the libraries they load."""
    root = home / "tiny"
    (root / "usr/bin").mkdir(parents=True)
    for program in ("sh", "cat", "ls"):
        shutil.copy(f"/bin/{program}", root / "usr/bin")
        told = subprocess.run(["ldd", f"/bin/{program}"], capture_output=True, text=True, check=True).stdout
        for library in re.findall(r"(/\S+) \(0x", told):
            place = root / "usr" / library.removeprefix("/usr").lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)
    for name in ("bin", "lib", "lib64"):
        if (root / "usr" / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    return root


def document(run: Run, *argv: str, **kwargs: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(run("git", "compose", *argv, "--json", **kwargs).stdout)
    return value


def store(home: Path) -> Path:
    return home / ".local/share/git-atom/store.git"


def test_form_look_and_run(run: Run, home: Path, tiny: Path) -> None:
    first = run("git", "compose", "new", "tiny", "dir:tiny").stdout.split()
    assert first[0] == "tiny" and re.fullmatch("blake3:[0-9a-f]{64}", first[1])
    head = run("git", "--git-dir", store(home), "rev-parse", "refs/compositions/tiny").stdout
    again = run("git", "compose", "new", "tiny", f"dir:{tiny}")
    assert again.stdout.split() == first and "unchanged: 'tiny'" in again.stderr
    assert run("git", "--git-dir", store(home), "rev-parse", "refs/compositions/tiny").stdout == head
    run("git", "--git-dir", store(home), "fsck", "--strict")

    shown = document(run, "show", "tiny")
    assert {"root", "view", "files", "bytes", "entries"} <= set(shown)
    assert shown["root"] == first[1] and shown["entries"][0]["origin"] == "dir tiny"
    for spec in ("tiny@{0}", first[1]):
        assert document(run, "show", spec) == shown
    shutil.rmtree(home / ".cache")
    assert document(run, "show", "tiny") == shown
    assert run("git", "compose", "verify", "tiny").stdout.endswith(" verified\n")
    assert run("git", "compose", "list").stdout == f"tiny {first[1]}\n"

    assert run("git", "compose", "run", "tiny", "--", "sh", "-c", "echo in; exit 7", status=7).stdout == "in\n"
    assert run("git", "compose", "run", "tiny", "cat", stdin="through").stdout == "through"
    assert run("git", "compose", "run", "tiny", "sh", "-c", "kill -9 $$", status=137).stdout == ""
    told = run("git", "compose", "run", "--json", "tiny", "sh", "-c", "echo in; exit 7", status=7)
    value = json.loads(told.stdout)
    assert value["schema"] == "git-compose-run/1" and value["status"] == 7 and told.stderr == "in\n"
    assert "ATOM-6009" in run("git", "compose", "run", "tiny", "nosuch", status=4).stderr


def test_what_is_shared_is_what_was_asked_for(run: Run, home: Path, tiny: Path) -> None:
    run("git", "compose", "new", "tiny", "dir:tiny")
    (home / "mine").mkdir()
    (home / "mine/file").write_text("content\n")
    alone = run(
        "git",
        "compose",
        "run",
        "tiny",
        "--",
        "sh",
        "-c",
        f"pwd; ls; ls {home} 2>&1; echo x >/usr/x",
        cwd=home / "mine",
        status=None,
    )
    assert alone.returncode != 0 and alone.stdout.splitlines()[0] == "/build" and "content" not in alone.stdout
    told = run(
        "git", "compose", "run", "--cwd", "tiny", "--", "sh", "-c", "pwd; cat file; echo made > made", cwd=home / "mine"
    )
    assert told.stdout == "/build/cwd\ncontent\n"
    assert (home / "mine/made").read_text() == "made\n" and (home / "mine/made").stat().st_uid == os.getuid()
    count = 'while read line; do echo "$line"; done < /proc/net/dev'
    closed = run("git", "compose", "run", "tiny", "--", "sh", "-c", count).stdout
    assert len(closed.splitlines()) == 3, closed  # two lines of heading, and lo


def test_generations(run: Run, home: Path, tiny: Path) -> None:
    (home / "more").mkdir()
    (home / "more/tool").write_text("#!/bin/sh\necho tool\n")
    (home / "more/tool").chmod(0o755)
    run("git", "compose", "new", "tiny", "dir:tiny")
    run("git", "compose", "new", "tiny", "tiny", "usr/bin=dir:more", "opt/t=dir:more/tool", "-n")
    assert len(run("git", "compose", "log", "tiny").stdout.splitlines()) == 1
    run("git", "compose", "new", "tiny", "tiny", "usr/bin=dir:more", "opt/t=dir:more/tool")
    log = run("git", "compose", "log", "tiny").stdout.splitlines()
    assert [line.split()[0] for line in log] == ["tiny@{0}", "tiny@{1}"] and " +2 -0 " in log[0]
    assert run("git", "compose", "run", "tiny", "tool").stdout == "tool\n"
    assert run("git", "compose", "run", "tiny@{1}", "tool", status=4).stdout == ""
    told = run("git", "compose", "diff", "tiny@{1}", "tiny", status=1).stdout.splitlines()
    assert "A /opt/t" in told and "A /usr/bin/tool" in told and any(line.startswith("+ /usr/bin ") for line in told)
    assert run("git", "compose", "diff", "tiny", "tiny@{0}").stdout == ""
    old = document(run, "show", "tiny@{1}")
    assert document(run, "show", old["root"])["commit"] == old["commit"]
    run("git", "compose", "new", "part", "tiny/more")
    assert [e["origin"] for e in document(run, "show", "part")["entries"]] == ["dir more"]
    run("git", "compose", "delete", "tiny", "-n")
    run("git", "compose", "delete", "tiny")
    run("git", "compose", "show", "tiny", status=1)
    run("git", "compose", "delete", "tiny", status=1)


def test_conflicts_name_both_sides(run: Run, home: Path) -> None:
    for name, content in (("one", "1"), ("two", "2"), ("same", "1")):
        (home / name / "usr/lib").mkdir(parents=True)
        (home / name / "usr/lib/x").write_text(content)
    run("git", "compose", "new", "both", "dir:one", "dir:same")
    told = run("git", "compose", "new", "bad", "dir:one", "dir:two", status=5).stderr
    assert "'/usr/lib/x'" in told and "'dir one'" in told and "'dir two'" in told
    (home / "alias").mkdir()
    (home / "alias/usr").symlink_to("elsewhere")
    assert "'/usr'" in run("git", "compose", "new", "bad", "dir:one", "dir:alias", status=5).stderr
    assert run("git", "compose", "list").stdout.startswith("both ")
    run("git", "compose", "new", "good", "dir:one", "opt/two=dir:two")


def test_bad_input(run: Run, home: Path) -> None:
    (home / "fifo").mkdir()
    os.mkfifo(home / "fifo/pipe")
    (home / "repo/.git").mkdir(parents=True)
    (home / "repo/.git/x").write_text("x")
    (home / "file").write_text("x")
    for argv, status in (
        (["new", "x", "dir:nosuch"], 128),
        (["new", "x", "dir:fifo"], 7),
        (["new", "x", "dir:repo"], 7),
        (["new", "x", "dir:file"], 129),
        (["new", "x/y", "dir:fifo"], 7),
        (["new", "x", "=dir:fifo"], 129),
        (["new", "x", "../y=dir:file"], 7),
        (["show", "nosuch"], 1),
        (["show", "blake3:" + "0" * 64], 1),
        (["show", "blake3:short"], 7),
        (["verify", "nosuch@{3}"], 1),
        (["show", "-"], 7),
        (["run", "nosuch", "sh"], 1),
        (["log", "nosuch"], 1),
        (["diff", "nosuch", "nosuch"], 1),
    ):
        told = run("git", "compose", *argv, status=status).stderr
        assert re.match(r"error\[ATOM-\d{4}\]: ", told), told
    assert run("git", "compose", "list").stdout == ""


def _forge(run: Run, home: Path, change: Callable[[str], str]) -> None:
    """Make a generation whose raw commit is `change` of the newest one's, and let the ref name it."""
    git = ("git", "--git-dir", str(store(home)))
    raw = run(*git, "cat-file", "commit", "refs/compositions/tiny").stdout
    made = run(*git, "hash-object", "-t", "commit", "-w", "--stdin", stdin=change(raw)).stdout.strip()
    run(*git, "update-ref", "refs/compositions/tiny", made)


def _tree_with(run: Run, home: Path, path: str, content: str) -> str:
    """The id of the newest generation's tree with one file replaced."""
    git = ("git", "--git-dir", str(store(home)))
    index = {"GIT_INDEX_FILE": str(home / "index")}
    blob = run(*git, "hash-object", "-w", "--stdin", stdin=content).stdout.strip()
    run(*git, "read-tree", "refs/compositions/tiny^{tree}", **index)
    run(*git, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", **index)
    return run(*git, "write-tree", **index).stdout.strip()


@pytest.mark.parametrize("warm", [True, False])
def test_tampering_is_seen(run: Run, home: Path, tiny: Path, warm: bool) -> None:
    run("git", "compose", "new", "tiny", "dir:tiny")
    if not warm:
        shutil.rmtree(home / ".cache")
    git = ("git", "--git-dir", str(store(home)))
    good = run(*git, "rev-parse", "refs/compositions/tiny").stdout.strip()
    tree = run(*git, "rev-parse", f"{good}^{{tree}}").stdout.strip()

    other = _tree_with(run, home, "merged/usr/bin/evil", "evil")
    _forge(run, home, lambda raw: raw.replace(tree, other))  # another tree under the old signature
    for command in ("verify", "show"):
        assert "error[ATOM-3" in run("git", "compose", command, "tiny", status=2).stderr
    run(*git, "update-ref", "refs/compositions/tiny", good)
    ref = Path(git[2]) / "refs/compositions/tiny"
    ref.write_text("1" * 40 + "\n")
    assert "error[ATOM-6004]" in run("git", "compose", "show", "tiny", status=7).stderr
    ref.write_text(good + "\n")
    _forge(run, home, lambda raw: re.sub(r"gpgsig .*?-----END SSH SIGNATURE-----\n", "", raw, flags=re.S))
    assert "ATOM-3008" in run("git", "compose", "verify", "tiny", status=2).stderr
    run(*git, "update-ref", "refs/compositions/tiny", good)
    run("git", "compose", "verify", "tiny")


def _resign(run: Run, home: Path, tree: str) -> None:
    """A generation over another tree, with the old message, truly signed by the builder key."""
    git = ("git", "--git-dir", str(store(home)))
    raw = run(*git, "cat-file", "commit", "refs/compositions/tiny").stdout
    bare = re.sub(r"gpgsig .*?-----END SSH SIGNATURE-----\n", "", raw, flags=re.S)
    bare = re.sub(r"^tree .*", f"tree {tree}", bare)
    (home / "bare").write_text(bare)
    key = home / ".local/share/git-atom/builder/id_ed25519"
    run("ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", key, home / "bare")
    signature = (home / "bare.sig").read_text().rstrip("\n").replace("\n", "\n ")
    fields, message = bare.split("\n\n", 1)
    made = run(
        *git, "hash-object", "-t", "commit", "-w", "--stdin", stdin=f"{fields}\ngpgsig {signature}\n\n{message}"
    ).stdout.strip()
    run(*git, "update-ref", "refs/compositions/tiny", made)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("merged/usr/bin/evil", "ATOM-6004"),
        ("manifest.toml", "ATOM-6004"),
        ("certificate.json", "ATOM-6004"),
        ("entries/{}/usr/bin/evil", "ATOM-6006"),
        ("entries/" + "0" * 64 + "/x", "ATOM-6004"),
        ("surprise", "ATOM-6004"),
    ],
)
def test_content_is_bound_by_blake3_and_not_by_the_signed_tree_id_alone(
    run: Run, home: Path, tiny: Path, path: str, code: str
) -> None:
    """As if SHA-1 were broken: a true signature over a tree id that now stands for other content."""
    run("git", "compose", "new", "tiny", "dir:tiny")
    digest = document(run, "show", "tiny")["entries"][0]["digest"].removeprefix("blake3:")
    _resign(run, home, _tree_with(run, home, path.format(digest), "evil"))
    assert f"error[{code}]" in run("git", "compose", "verify", "tiny", status=7).stderr


def test_a_damaged_cache_is_made_anew(run: Run, home: Path, tiny: Path) -> None:
    run("git", "compose", "new", "tiny", "dir:tiny")
    shown = document(run, "show", "tiny")
    for folder in ("listings", "generations"):
        for file in (home / ".cache/git-atom" / folder).iterdir():
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.write_bytes(data)
        assert document(run, "show", "tiny") == shown
        assert run("git", "compose", "run", "tiny", "sh", "-c", "echo ok").stdout == "ok\n"


def test_another_builder_is_accepted_only_when_named(run: Run, home: Path, tiny: Path) -> None:
    run("git", "compose", "new", "tiny", "dir:tiny")
    builder = home / ".local/share/git-atom/builder"
    public = (builder / "id_ed25519.pub").read_text().strip()
    shutil.rmtree(builder)
    assert "ATOM-3004" in run("git", "compose", "show", "tiny", status=2).stderr
    run("git", "config", "--global", "--add", "atom.builder", public)
    run("git", "compose", "verify", "tiny")
    run("git", "compose", "new", "tiny", "dir:tiny")  # the same again, by another key: a generation of its own
    assert len(run("git", "compose", "log", "tiny").stdout.splitlines()) == 2
