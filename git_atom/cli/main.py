"""Entry points of the three commands: find the subcommand, parse, run it, and turn every ending into an exit code.

This is the only place that translates exceptions; nothing below it exits or prints an error. It imports nothing at the top that
is not loaded already, so that Ctrl-C is ours to answer from the first moment on.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from git_atom.cli.spec import Command, Tool

_AGAIN = 1.0  # seconds after which another Ctrl-C is one more
_GARBAGE = 100_000  # values made before cycles are looked for: most of what is imported and read lives to the end
_NO_READER = 141  # 128 + SIGPIPE: what a shell shows for a git command whose reader went away


def git_atom() -> int:
    """Run `git atom`."""
    return _from_shell("atom")


def git_compose() -> int:
    """Run `git compose`."""
    return _from_shell("compose")


def git_build() -> int:
    """Run `git build`."""
    return _from_shell("build")


def _from_shell(tool_name: str) -> int:
    code = 130
    try:
        _answer_once()
        import gc

        gc.set_threshold(_GARBAGE)
        code = main(tool_name, sys.argv[1:])
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, AttributeError):  # told already; there is nowhere to tell it, or no stream
                pass
    except KeyboardInterrupt:
        pass
    os._exit(code)  # what is in memory need not be taken apart first


def _answer_once() -> None:
    """Let the Ctrl-C that git passes on to us, which the terminal has sent us already, not stop us from cleaning up after the first."""
    if TYPE_CHECKING:
        import signal
    else:
        import _signal as signal  # the same without enum, which takes longer to import than all of ours
    from time import monotonic

    last = float("-inf")

    def interrupted(number: int, frame: FrameType | None) -> None:
        nonlocal last
        earlier, last = last, monotonic()
        if last - earlier > _AGAIN:
            signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupted)


def main(tool_name: str, argv: list[str]) -> int:
    """Run one tool on its arguments and return the exit code."""
    try:
        try:
            _open_streams()
            code = _dispatch(tool_name, argv)
            _told()
            return code
        except BrokenPipeError:
            raise
        except Exception as error:
            return _failed(error, argv)
    except KeyboardInterrupt:
        if (leftovers := sys.modules.get("git_atom.git.leftovers")) is not None:
            leftovers.remove_own()
        sys.stderr.write("\ninterrupted\n")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _NO_READER


def _told() -> None:
    try:
        sys.stdout.flush()
    except OSError as error:
        error.filename = "standard output"
        raise


def find(tool: Tool, argv: list[str]) -> tuple[Command | None, list[str]]:
    """The subcommand that argv names (two words before one) and the arguments left for it."""
    for words in (2, 1):
        name = " ".join(argv[:words])
        for command in tool.commands:
            if command.name == name and len(argv) >= words:
                return command, argv[words:]
    return None, argv


def _open_streams() -> None:
    """Write UTF-8 whatever the locale says, as git does, and never fail on a character; stand in for closed streams."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _dispatch(tool_name: str, argv: list[str]) -> int:
    from importlib import import_module

    from git_atom.cli import usage

    tool: Tool = import_module(f"git_atom.cli.{tool_name}").TOOL
    if argv == ["--version"]:
        sys.stdout.write(f"git-{tool.name} {usage.version()}\n")
        return 0
    if argv[:1] == ["help"]:
        argv = [*argv[1:], "-h"]
    if argv in (["-h"], ["--help"]):
        sys.stdout.write(usage.tool_help(tool))
        return 0
    command, rest = find(tool, argv)
    if command is None and len(argv) == 2 and argv[1] in ("-h", "--help") and tool.group(argv[0]):
        sys.stdout.write(usage.group_help(tool, argv[0]))
        return 0
    if command is None and tool.default and not usage.looks_like_typo(tool, argv):
        command = next((c for c in tool.commands if c.name == tool.default), None)
    if command is None:
        raise usage.unknown(tool, argv)
    from git_atom.cli import parser

    asked = parser.parse(tool, command, rest)
    if asked is None:
        return 0
    result: int = import_module(f"git_atom.cli.{tool.name}.{command.module_name}").run(asked)
    return result


def _failed(error: Exception, argv: list[str]) -> int:
    """Say what went wrong, as far as there is somewhere to say it, and return the exit code."""
    from git_atom.cli import render
    from git_atom.errors import AtomError

    told = error if isinstance(error, AtomError) else render.translate(error)
    options = argv[: argv.index("--")] if "--" in argv else argv
    for number, say in ((1, sys.stdout.flush), (2, lambda: render.report(told, json="--json" in options))):
        try:
            say()
        except BrokenPipeError:
            raise
        except OSError:  # a full disk, a terminal that is gone: what is still to be written goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    return told.exit


if __name__ == "__main__":
    sys.exit(git_atom())
