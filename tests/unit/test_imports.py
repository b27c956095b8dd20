"""What answers at the prompt loads little: no git or cryptography library, nothing that is slow to import."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from git_atom.cli.spec import Tool

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/manual"))

import tables  # noqa: E402

SLOW = {
    "argparse", "asyncio", "cryptography", "dataclasses", "difflib", "elftools", "email", "gettext", "http", "importlib.metadata",
    "inspect", "logging", "multiprocessing", "packaging", "pygit2", "pysat", "rich", "sh", "socket", "ssl", "tarfile", "tempfile",
    "tomlkit", "unittest", "urllib", "xml", "zipfile",
}  # fmt: skip
# The heavier parts of the standard library that a command which only shows its help does not need either.
HELP_SLOW = SLOW | {
    "json",
    "subprocess",
    "tomllib",
    "selectors",
    "threading",
    "hashlib",
    "blake3",
    "pathlib",
    "shutil",
    "random",
}
PROGRAM = "import sys; from git_atom.cli.main import main; main(sys.argv[1], sys.argv[2:])"


def loaded(*argv: str, cwd: Path | None = None) -> set[str]:
    """The modules a command imports, beyond those of the interpreter's own start."""
    command = [sys.executable, "-X", "importtime", "-c", PROGRAM, *argv]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return set(re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", done.stderr, re.M))


def slow(modules: set[str], forbidden: set[str]) -> set[str]:
    return {m for m in modules if m in forbidden or m.split(".")[0] in forbidden}


@pytest.mark.parametrize("tool", tables.tools(), ids=lambda t: t.name)
def test_help_loads_nothing_slow(tool: Tool) -> None:
    assert not slow(loaded(tool.name, "-h"), HELP_SLOW)
    for command in tool.commands[:1]:
        assert not slow(loaded(tool.name, *command.name.split(), "-h"), HELP_SLOW)


@pytest.mark.parametrize("argv", [("atom", "list"), ("atom", "show", "zlib"), ("compose", "list")], ids=" ".join)
def test_hot_commands_load_nothing_slow(argv: tuple[str, ...], project: Path) -> None:
    """Outside any set and with an empty store; the same commands with something to show are held by the black-box tests."""
    assert not slow(loaded(*argv, cwd=project), SLOW - {"difflib"})


def test_nothing_of_ours_is_loaded_before_main_can_answer() -> None:
    code = "import sys; before = set(sys.modules); import git_atom.cli.main; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"git_atom", "git_atom.cli", "git_atom.cli.main", "__future__"}
