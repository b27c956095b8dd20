"""Entry points of the three commands: find the subcommand, parse, run it, and turn every ending into an exit code.

This is the only place that translates exceptions; nothing below it exits or prints an error.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from git_atom.cli.spec import Command, Tool
from git_atom.errors import AtomError


def git_atom() -> int:
    """Run `git atom`."""
    return main("atom", sys.argv[1:])


def git_compose() -> int:
    """Run `git compose`."""
    return main("compose", sys.argv[1:])


def git_build() -> int:
    """Run `git build`."""
    return main("build", sys.argv[1:])


def main(tool_name: str, argv: list[str]) -> int:
    """Run one tool on its arguments and return the exit code."""
    tool: Tool = import_module(f"git_atom.cli.{tool_name}").TOOL
    try:
        return _dispatch(tool, argv)
    except AtomError as error:
        from git_atom.cli.render import report

        report(error, json="--json" in argv)
        return error.exit
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except OSError as error:
        from git_atom.cli.render import report_os

        return report_os(error)
    except RecursionError:
        from git_atom.cli.render import report
        from git_atom.errors import MalformedError

        report(MalformedError("ATOM-1003", "the input is nested too deeply"))
        return 7


def find(tool: Tool, argv: list[str]) -> tuple[Command | None, list[str]]:
    """The subcommand that argv names (two words before one) and the arguments left for it."""
    for words in (2, 1):
        name = " ".join(argv[:words])
        for command in tool.commands:
            if command.name == name and len(argv) >= words:
                return command, argv[words:]
    return None, argv


def _dispatch(tool: Tool, argv: list[str]) -> int:
    from git_atom.cli import parser

    if argv and argv[0] in ("-h", "--help", "help") and not (argv[0] == "help" and len(argv) > 1):
        sys.stdout.write(parser.tool_help(tool))
        return 0
    if argv and argv[0] == "--version":
        sys.stdout.write(f"git-{tool.name} {parser.version()}\n")
        return 0
    command, rest = find(tool, argv)
    if command is None and tool.default and not parser.looks_like_typo(tool, argv):
        command = next(c for c in tool.commands if c.name == tool.default)
    if command is None:
        raise parser.unknown(tool, argv)
    asked = parser.parse(tool, command, rest)
    if asked is None:
        return 0
    module = command.module or command.name.replace(" ", "_").replace("-", "_")
    result: int = import_module(f"git_atom.cli.{tool.name}.{module}").run(asked)
    sys.stdout.flush()
    return result
