"""How a command speaks and ends: streams, escapes, JSON, colours, exit codes of every ending."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_atom import errors
from git_atom.cli import main, render
from git_atom.cli.out import Out
from git_atom.cli.spec import Command, Tool
from git_atom.errors import MalformedError, ManyErrors, UsageError
from git_atom.git import proc

HOSTILE = "a\x1b[31mred\x07\r\nnext\u202eevil\u200b\udcff\x9b"
PROGRAM = "import sys; from git_atom.cli.main import main; sys.exit(main(sys.argv[1], sys.argv[2:]))"


def start(*argv: str, code: str = PROGRAM, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=False, **kwargs)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], int]], None]:
    """Make `git atom probe` run the given function."""

    def put(function: Callable[[Any], int]) -> None:
        from git_atom.cli import atom

        module = type(sys)("git_atom.cli.atom.probe")
        module.run = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(atom, "TOOL", Tool("atom", "a tool", (Command("probe", "try it", lists=True),)))

    return put


def ending(put: Any, error: BaseException, *argv: str) -> int:
    def run(ask: Any) -> int:
        raise error

    put(run)
    return main.main("atom", ["probe", *argv])


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main("atom", ["--version"]) == 0
    assert capsys.readouterr().out.startswith("git-atom ")
    for tool in ("atom", "compose", "build"):
        assert main.main(tool, ["-h"]) == main.main(tool, ["--help"]) == main.main(tool, ["help"]) == 0
        out, err = capsys.readouterr()
        assert out.startswith(f"usage: git {tool}") and not err


def test_usage_errors_end_with_129(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in ([], ["no-such-command"], ["--no-such-option"]):
        assert main.main("atom", argv) == 129
        out, err = capsys.readouterr()
        assert not out and err.startswith("error[ATOM-9001]: ") and "\nhint: " in err


@pytest.mark.parametrize(
    "kind",
    [
        v
        for v in vars(errors).values()
        if isinstance(v, type) and issubclass(v, errors.AtomError) and v is not ManyErrors
    ],
)
def test_every_class_ends_with_its_code(kind: Any, command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(command, kind("ATOM-1003", "it went wrong", where="f:1:2", note="why", hint="try\nthis")) == kind.exit
    assert capsys.readouterr().err == (
        "error[ATOM-1003]: it went wrong\n  --> f:1:2\nnote: why\nhint: try\nhint: this\n"
    )


def test_errors_as_json(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    many = ManyErrors(
        [MalformedError("ATOM-1001", HOSTILE, hint="h"), UsageError("ATOM-9001", "b", where="w", note="n")]
    )
    assert ending(command, many, "--json") == 7
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first == {
        "schema": "git-atom-error/1",
        "code": "ATOM-1001",
        "exit": 7,
        "what": HOSTILE,
        "where": "",
        "note": "",
        "hint": "h",
    }
    assert (second["where"], second["note"]) == ("w", "n")


def test_hostile_text_reaches_no_terminal(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ending(command, MalformedError("ATOM-1001", HOSTILE, where=HOSTILE, note=HOSTILE, hint=HOSTILE))
    out = Out()
    out.say(HOSTILE)
    out.line(HOSTILE)
    out.items([{"name": HOSTILE}], "%(name)", "s/1")
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert not {c for c in text if c != "\n" and (not c.isprintable() or ord(c) == 0x200B)}, text
    assert "\\x1b[31mred" in captured.out and "\\u{202e}" in captured.err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 6, "error[ATOM-9007]: no space left on device\n  --> /x/y\nhint: free"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 6, "error[ATOM-9007]: disk quota exceeded"),
        (PermissionError(errno.EACCES, "Permission denied", b"/x"), 128, "error[ATOM-9002]: permission denied\n  --> /x"),
        (RecursionError(), 7, "error[ATOM-9005]"),
        (MemoryError(), 6, "error[ATOM-9006]"),
        (KeyError("x"), 128, "error[ATOM-9004]: a fault in this program: KeyError: 'x'"),
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
    ],
)  # fmt: skip
def test_other_endings(
    error: BaseException, code: int, said: str, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending(command, error) == code
    told = capsys.readouterr().err
    assert told.startswith(said) and "Traceback" not in told


def test_a_full_disk_is_named_though_the_system_does_not_say_which(
    command: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(proc, "is_full", lambda place: place.startswith(str(tmp_path)))
    assert ending(command, OSError(errno.ENOSPC, "No space left on device")) == 6
    assert f"  --> {tmp_path}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("template", "what"),
    [("%(name", "'%(name' lacks its closing bracket"), ("%(NAME) x", "'%(NAME)' is no field")],
)
def test_a_template_that_is_none_is_refused_though_there_is_nothing_to_list(template: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        Out(template=template).items([], "%(name)", "s/1")
    assert caught.value.what == what


def test_a_fault_shows_its_way_when_asked(
    command: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOM_TRACE", "1")
    assert ending(command, KeyError("x")) == 128
    assert "Traceback" in capfd.readouterr().err


def test_closed_pipe_after_a_command_is_quiet() -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "atom", "-h"], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    _, told = process.communicate()
    assert process.returncode == 141 and not told


def test_ctrl_c_at_any_moment(tmp_path: Path) -> None:
    code = "import sys, git_atom.cli.main as m; m._dispatch = lambda *a: __import__('time').sleep(30); sys.exit(m.main('atom', []))"
    process = subprocess.Popen(
        [sys.executable, "-c", "print('up', flush=True); " + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "up\n"
    time.sleep(0.15)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=10)
    assert process.returncode == 130 and told == "\ninterrupted\n"


def test_closed_streams_and_foreign_locales_do_no_harm() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", sys.executable, "-c", PROGRAM, "atom", "-h"],
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0
    env = os.environ | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = start("atom", "häh", env=env)  # type: ignore[assignment]
    assert done.returncode == 129 and "häh" in str(done.stderr)


def test_a_working_directory_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); from git_atom.cli import parser; parser._working_directory()"
    done = start(code=code.replace("parser._", "from git_atom.cli.main import main; parser._"), cwd=gone)
    assert "CannotError" in done.stderr and "the working directory no longer exists" in done.stderr


# --- lists -----------------------------------------------------------------------------------------------------------

ROWS = [{"name": "zlib", "version": "1.3.1"}, {"name": "%(version)", "version": ""}]


def test_lists_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    Out().items(ROWS, "%(name) %(version)", "s/1")
    assert capsys.readouterr().out == "zlib 1.3.1\n%(version)\n"
    Out(template="%(version):%(name) ").items(ROWS, "", "s/1")
    assert capsys.readouterr().out == "1.3.1:zlib \n:%(version) \n"
    Out(nul=True).items(ROWS, "%(name)", "s/1")
    assert capsys.readouterr().out == "zlib\0%(version)\0"


def test_lists_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    Out(json=True).items(ROWS, "", "git-atom-list/1")
    assert json.loads(capsys.readouterr().out) == {"schema": "git-atom-list/1", "items": ROWS}


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(UsageError, match="not a field"):
        Out(template="%(nam)").items(ROWS, "", "s/1")


def test_quiet_keeps_talk_back(capsys: pytest.CaptureFixture[str]) -> None:
    Out(quiet=True).say("hello")
    assert capsys.readouterr().err == ""


# --- colour ----------------------------------------------------------------------------------------------------------


def colours(monkeypatch: pytest.MonkeyPatch, home: Path, **env: str) -> bool:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"TERM": "xterm"} | env).items():
        monkeypatch.setenv(name, value)
    return render._wants_colour()


def test_colour_follows_the_environment_and_git(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", type("T", (), {"isatty": lambda self: True})())
    assert colours(monkeypatch, home)
    assert not colours(monkeypatch, home, NO_COLOR="1")
    assert colours(monkeypatch, home, NO_COLOR="")
    assert not colours(monkeypatch, home, TERM="dumb")
    with (home / ".gitconfig").open("a") as config:
        config.write("[color]\n\tui = false\n")
    assert not colours(monkeypatch, home)


def test_no_colour_without_a_terminal(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", type("T", (), {"isatty": lambda self: False})())
    assert not colours(monkeypatch, home)
