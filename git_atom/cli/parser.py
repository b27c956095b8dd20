"""From a `Command` and the words after it to the parsed request, by the conventions of gitcli(7).

Options and arguments may be mixed; `--` ends the options; a value follows its option as the next word, after `=`, or right after
a one-letter option; one-letter flags may be written together (`-nq`); nothing may be shortened. In a command that ends in
another program's command line (nargs "...") our options end at that program's name. ADR 0060 says why this is not argparse.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from git_atom.cli import usage
from git_atom.cli.out import Out
from git_atom.cli.spec import Command, Opt, Tool
from git_atom.core.host import Host
from git_atom.errors import CannotError, UsageError


class Ask:
    """What the user asked: parsed values by name, the host, and where to speak."""

    __slots__ = ("host", "out", "values")

    def __init__(self, values: dict[str, Any], host: Host, out: Out) -> None:
        self.values = values
        self.host = host
        self.out = out

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def parse(tool: Tool, command: Command, argv: list[str]) -> Ask | None:
    """Parse the arguments of one subcommand; prints its help and returns None for -h. Raises UsageError (ATOM-9001)."""
    values = parse_values(tool, command, argv)
    if values is None:
        sys.stdout.write(usage.help_text(tool, command))
        return None
    out = Out(json=values["json"], quiet=values["quiet"], nul=bool(values.get("z")), template=values.get("format"))
    return Ask(values, host(out), out)


def parse_values(tool: Tool, command: Command, argv: list[str]) -> dict[str, Any] | None:
    """The values of options and arguments by name, or None when help was asked for. Pure. Raises UsageError (ATOM-9001)."""
    words = _Words(tool, command, argv)
    if words.help:
        return None
    return words.values | _spread(tool, command, words.free)


class _Words:
    """One pass over the words: option values by name, and the words that are no options."""

    __slots__ = ("argv", "call", "command", "free", "help", "opts", "values", "verbatim")

    def __init__(self, tool: Tool, command: Command, argv: list[str]) -> None:
        self.call = tool.called(command)
        self.command = command
        self.argv = list(argv)
        self.help = False
        self.free: list[str] = []
        self.opts = {name: opt for opt in command.all_opts for name in opt.names}
        self.values: dict[str, Any] = {
            o.dest: False if o.kind == "flag" else [] if o.kind == "list" else o.default for o in command.all_opts
        }
        ends = bool(command.args) and command.args[-1].nargs == "..."
        self.verbatim = (
            len(command.args) - 1 if ends else -1
        )  # how many free words stand before the other program's own
        self._run()

    def _run(self) -> None:
        while self.argv and not self.help:
            word = self.argv.pop(0)
            if word == "--" or (len(self.free) == self.verbatim and not _is_option(word)):
                self.free += self.argv if word == "--" else [word, *self.argv]
                self.argv = []
            elif word in ("-h", "--help"):
                self.help = True
            elif word.startswith("--"):
                name, equals, value = word.partition("=")
                self._set(self._known(name), name, value if equals else None)
            elif _is_option(word):
                self._letters(word)
            else:
                self.free.append(word)

    def _letters(self, word: str) -> None:
        rest = word[1:]
        while rest:
            name, rest = f"-{rest[0]}", rest[1:]
            if name == "-h":
                self.help = True
                return
            opt = self._known(name, word)
            if opt.takes_value:
                self._set(opt, name, rest or None)
                return
            self._set(opt, name, None)

    def _known(self, name: str, word: str = "") -> Opt:
        opt = self.opts.get(name)
        if opt is not None:
            return opt
        nearest = usage.near(name, list(self.opts)) if name.startswith("--") else ""
        hint = f"did you mean '{nearest}'?" if nearest else f"{self.call} -h"
        note = f"in '{word}'" if len(word) > 2 else ""
        raise UsageError("ATOM-9001", f"'{self.call}' has no option '{name}'", note=note, hint=hint)

    def _set(self, opt: Opt, name: str, value: str | None) -> None:
        if not opt.takes_value:
            if value is not None:
                raise UsageError("ATOM-9001", f"option '{name}' takes no value", hint=f"{self.call} -h")
            self.values[opt.dest] = True
            return
        if value is None:
            if not self.argv:
                raise UsageError("ATOM-9001", f"option '{name}' needs a value", hint=f"{name} {usage.metavar(opt)}")
            value = self.argv.pop(0)
        if opt.choices and value not in opt.choices:
            known = ", ".join(f"'{c}'" for c in opt.choices)
            raise UsageError("ATOM-9001", f"option '{name}' cannot be '{value}'", hint=f"one of {known}")
        if opt.kind == "list":
            self.values[opt.dest].append(value)
        else:
            self.values[opt.dest] = _number(name, value) if opt.kind == "int" else value


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise UsageError("ATOM-9001", f"option '{name}' needs a whole number, not '{value}'")
    return int(value)


def _spread(tool: Tool, command: Command, free: list[str]) -> dict[str, Any]:
    """Free words given to the arguments from left to right, each taking as much as leaves enough for those after it."""
    values: dict[str, Any] = {}
    there = len(free)
    for arg in command.args:
        if there < arg.least:
            what = f"'{tool.called(command)}' needs {usage.arg_text(arg).replace('[--] ', '')}"
            raise UsageError("ATOM-9001", what, note=arg.help, hint=f"{tool.called(command)} -h")
        there -= arg.least
    for index, arg in enumerate(command.args):
        spare = len(free) - sum(later.least for later in command.args[index + 1 :])
        take = min(1, spare) if arg.nargs in ("", "?") else spare
        taken, free = free[:take], free[take:]
        if arg.nargs in ("", "?"):
            values[arg.dest] = taken[0] if taken else None
        else:
            values[arg.dest] = taken
    if free:
        what = f"unexpected argument '{free[0]}'"
        raise UsageError("ATOM-9001", what, hint=f"usage: {usage.synopsis(tool, command)}")
    return values


def host(out: Out) -> Host:
    """The host as this process sees it; XDG base directories with their defaults (relative ones are ignored, as XDG says)."""
    env = os.environ
    home = env.get("HOME") or os.path.expanduser("~")
    base = {}
    for key, name, default in (
        ("cache", "XDG_CACHE_HOME", ".cache"),
        ("data", "XDG_DATA_HOME", ".local/share"),
        ("config", "XDG_CONFIG_HOME", ".config"),
    ):
        path = env.get(name, "")
        base[key] = path if path.startswith("/") else f"{home}/{default}"
    return Host(
        _working_directory(),
        env,
        home,
        f"{base['cache']}/git-atom",
        f"{base['data']}/git-atom",
        f"{base['config']}/git-atom",
        os.getuid(),
        out,
    )


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError as error:
        raise CannotError("ATOM-9003", "the working directory no longer exists", hint="cd to another one") from error
