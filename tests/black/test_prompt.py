"""What a person meets at the prompt, through git itself: dispatch, exit codes, completion of names, start-up, and broken pipes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
Run = Callable[..., "subprocess.CompletedProcess[str]"]
# what no command that answers at the prompt may load, even with something to show
SLOW = {
    "argparse",
    "asyncio",
    "cryptography",
    "dataclasses",
    "inspect",
    "pygit2",
    "rich",
    "sh",
    "tomlkit",
    "urllib.request",
    "ssl",
}


@pytest.fixture
def published(project: Path, key: Path, run: Run) -> Path:
    """The project with two versions of `hello` and one of `other` published."""
    for version in ("1.0.0", "1.1.0"):
        for name in ("hello", "other") if version == "1.0.0" else ("hello",):
            (project / name).mkdir(exist_ok=True)
            text = f'[atom]\nid = "{name}"\nversion = "{version}"\ntype = "package"\n'
            (project / name / "atom.toml").write_text(text)
        run("git", "add", ".", cwd=project)
        run("git", "commit", "-qm", version, cwd=project)
        run("git", "atom", "init", "-q", cwd=project)
        run("git", "atom", "publish", "-q", "--all", cwd=project)
    return project


def test_git_passes_commands_and_exit_codes_through(project: Path, run: Run) -> None:
    assert run("git", "atom", "-h").stdout.startswith("usage: git atom <command>")
    assert re.fullmatch(r"git-atom \d+\.\d+\.\d+\n", run("git", "atom", "--version").stdout)
    for tool in ("atom", "compose", "build"):
        done = run("git", tool, "no-such-thing", "--no-such-option", status=129)
        assert not done.stdout and done.stderr.startswith("error[ATOM-9001]: ")
    assert run("git", "atom", "lits", status=129).stderr.endswith("hint: did you mean 'git atom list'?\n")
    assert json.loads(run("git", "atom", "list", "--nope", "--json", status=129).stderr)["code"] == "ATOM-9001"


def test_git_knows_the_commands(home: Path, run: Run) -> None:
    listed = run("git", "help", "-a").stdout
    assert all(re.search(rf"^\s+{tool}$", listed, re.M) for tool in ("atom", "compose", "build"))


def test_lists_in_every_form(published: Path, run: Run) -> None:
    assert run("git", "atom", "list", cwd=published).stdout == "hello 1.0.0\nhello 1.1.0\nother 1.0.0\n"
    assert run("git", "atom", "list", "-z", "--format=%(name)", cwd=published).stdout == "hello\0hello\0other\0"
    document = json.loads(run("git", "atom", "list", "--json", cwd=published).stdout)
    assert document["schema"] == "git-atom-list/1" and len(document["items"]) == 3
    done = run("git", "atom", "list", "--format=%(colour)", cwd=published, status=129)
    assert "'%(colour)' is not a field" in done.stderr and "%(name)" in done.stderr


def test_bash_completes_names_of_atoms(published: Path, run: Run) -> None:
    script = (
        f"source {ROOT}/completions/bash/git-atom; COMP_WORDS=(git-atom show h) COMP_CWORD=2; __git_atom_main;"
        " printf '%s|' \"${COMPREPLY[@]}\""
    )
    assert run("bash", "--norc", "-c", script, cwd=published).stdout == "hello |"


def test_git_hands_its_completion_to_ours(published: Path, run: Run) -> None:
    """As `git atom <TAB>` does: git's completion sets cur, words, cword and __git_cmd_idx and calls _git_atom."""
    script = (
        f"source {ROOT}/completions/bash/git-atom; words=(git -C . atom sh) cword=4 cur=sh prev=atom __git_cmd_idx=3;"
        " _git_atom; printf '%s|' \"${COMPREPLY[@]}\""
    )
    assert run("bash", "--norc", "-c", script, cwd=published).stdout == "show |"


@pytest.mark.parametrize("argv", [("list",), ("list", "-z"), ("show", "hello")], ids=" ".join)
def test_prompt_commands_load_little(argv: tuple[str, ...], published: Path) -> None:
    code = "import sys; from git_atom.cli.main import main; sys.exit(main('atom', sys.argv[1:]))"
    command = [sys.executable, "-X", "importtime", "-c", code, *argv]
    done = subprocess.run(command, cwd=published, capture_output=True, text=True, check=True)
    loaded = set(re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", done.stderr, re.M))
    assert done.stdout and "git_atom.cli.main" in loaded
    assert not {m for m in loaded if m in SLOW or m.split(".")[0] in SLOW}


def test_a_reader_that_goes_away_is_no_error(published: Path, run: Run) -> None:
    done = run("bash", "-c", "git atom list | true; echo ${PIPESTATUS[0]}", cwd=published)
    assert done.stdout.strip() in ("0", "141") and not done.stderr


def test_paths_and_names_with_escapes_do_not_reach_the_terminal(project: Path, run: Run) -> None:
    done = run("git", "atom", "show", "\x1b[2Jx\u202e", cwd=project, status=None)
    assert done.returncode not in (0, 1) and "\x1b" not in done.stderr and "\u202e" not in done.stderr


def test_locale_and_encoding_change_nothing(published: Path, run: Run) -> None:
    plain = run("git", "atom", "list", cwd=published).stdout
    for locale in ("C", "POSIX", "C.UTF-8", "de_DE.ISO-8859-1"):
        assert run("git", "atom", "list", cwd=published, LC_ALL=locale, PYTHONIOENCODING="").stdout == plain


def test_help_is_found_in_the_installation(home: Path, run: Run) -> None:
    """The pages of an installed suite are found from its bin directory on PATH alone."""
    prefix = Path(sys.executable).parents[1]
    if not (prefix / "share/man/man1/git-atom.1").exists() or not os.path.exists("/usr/bin/man"):
        pytest.skip("pages are not installed here, or man is not")
    done = run("git", "help", "atom", MANPAGER="cat", GIT_PAGER="cat", status=None)
    assert done.returncode == 0 and "GIT-ATOM(1)" in done.stdout
