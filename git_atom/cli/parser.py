"""From a `Command` to an argparse parser, its help text and the parsed request. Door: argparse."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, NoReturn

from git_atom.cli.out import Out
from git_atom.cli.spec import Arg, Command, Opt, Tool
from git_atom.core.host import Host
from git_atom.errors import UsageError


class Ask:
    """What the user asked: parsed values by name, the host, and where to speak."""

    __slots__ = ("host", "out", "values")

    def __init__(self, values: dict[str, Any], host: Host, out: Out) -> None:
        self.values = values
        self.host = host
        self.out = out

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError("ATOM-9001", message, hint=f"{self.prog.replace('git-', 'git ', 1)} -h")


def version() -> str:
    """The installed version of this distribution."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("git_atom")
    except PackageNotFoundError:
        return "0.0.0+source"


def synopsis(tool: Tool, command: Command) -> str:
    """The usage line, as in `-h` and the manual page."""
    words = [f"git {tool.name}" + (f" {command.name}" if command.name != tool.default else "")]
    for opt in command.all_opts:
        name = opt.names[0] + (f" {metavar(opt)}" if opt.kind != "flag" else "")
        words.append(f"[{name}]" + ("..." if opt.kind == "list" else ""))
    words += [_arg_text(arg) for arg in command.args]
    return " ".join(words)


def _arg_text(arg: Arg) -> str:
    name = f"<{arg.name}>"
    return {"": name, "?": f"[{name}]", "*": f"[{name}...]", "+": f"{name}...", "...": f"[--] {name}..."}[arg.nargs]


def metavar(opt: Opt) -> str:
    """How an option's value is written in the help."""
    return opt.metavar or ("(" + "|".join(opt.choices) + ")" if opt.choices else f"<{opt.dest.replace('_', '-')}>")


def help_text(tool: Tool, command: Command) -> str:
    """What `-h` prints."""
    lines = [f"usage: {synopsis(tool, command)}", "", f"    {command.summary}", ""]
    rows = [(_arg_text(a), a.help) for a in command.args]
    rows += [(", ".join(o.names) + (f" {metavar(o)}" if o.kind != "flag" else ""), o.help) for o in command.all_opts]
    rows.append(("-h, --help", "show this help"))
    for left, right in rows:
        lines.append(f"    {left:<24} {right}" if len(left) <= 24 else f"    {left}\n{'':29}{right}")
    return "\n".join(lines) + "\n"


def tool_help(tool: Tool) -> str:
    """What `git <tool> -h` prints: one line a subcommand."""
    lines = [f"usage: git {tool.name} <command> [<args>]", "", f"    {tool.summary}", ""]
    lines += [f"    {c.name:<16} {c.summary}" for c in tool.commands]
    return "\n".join([*lines, "", f"See 'git {tool.name} <command> -h' or 'git help {tool.name}' for more.", ""])


def build(tool: Tool, command: Command) -> argparse.ArgumentParser:
    """The argparse parser of one subcommand; names may not be shortened."""
    prog = f"git-{tool.name}" + (f" {command.name}" if command.name != tool.default else "")
    parser = _Parser(prog=prog, add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true", dest="help")
    for opt in command.all_opts:
        kwargs: dict[str, Any] = {"dest": opt.dest}
        if opt.kind == "flag":
            kwargs["action"] = "store_true"
        else:
            kwargs["default"] = [] if opt.kind == "list" else opt.default
            kwargs["metavar"] = metavar(opt)
            if opt.kind == "list":
                kwargs["action"] = "append"
            if opt.kind == "int":
                kwargs["type"] = int
            if opt.choices:
                kwargs["choices"] = opt.choices
        parser.add_argument(*opt.names, **kwargs)
    for arg in command.args:
        nargs = argparse.REMAINDER if arg.nargs == "..." else arg.nargs or None
        parser.add_argument(arg.name.replace("-", "_"), nargs=nargs, metavar=f"<{arg.name}>")
    return parser


def parse(tool: Tool, command: Command, argv: list[str]) -> Ask | None:
    """Parse the arguments of one subcommand; prints its help and returns None for -h. Raises UsageError (ATOM-9001)."""
    head = argv[: argv.index("--")] if "--" in argv else argv
    verbatim = next((i for i, a in enumerate(command.args) if a.nargs == "..."), None)
    if "-h" in head or "--help" in head:
        if verbatim is None or head and head[0] in ("-h", "--help"):
            sys.stdout.write(help_text(tool, command))
            return None
    parsed, extra = build(tool, command).parse_known_args(argv)
    if extra:
        import difflib

        known = [name for opt in command.all_opts for name in opt.names]
        near = difflib.get_close_matches(extra[0].split("=")[0], known, n=1)
        prog = f"git {tool.name}" + (f" {command.name}" if command.name != tool.default else "")
        raise UsageError(
            "ATOM-9001", f"unknown argument '{extra[0]}'", hint=f"did you mean '{near[0]}'?" if near else f"{prog} -h"
        )
    values = vars(parsed)
    for arg in command.args:
        if arg.nargs == "..." and values[arg.name.replace("-", "_")][:1] == ["--"]:
            values[arg.name.replace("-", "_")] = values[arg.name.replace("-", "_")][1:]
    out = Out(json=values["json"], quiet=values["quiet"], nul=bool(values.get("z")), template=values.get("format"))
    return Ask(values, host(out), out)


def host(out: Out) -> Host:
    """The host as this process sees it; XDG base directories with their defaults."""
    env = os.environ
    home = env.get("HOME") or os.path.expanduser("~")
    base = {
        k: env.get(v) or f"{home}/{d}"
        for k, v, d in (
            ("cache", "XDG_CACHE_HOME", ".cache"),
            ("data", "XDG_DATA_HOME", ".local/share"),
            ("config", "XDG_CONFIG_HOME", ".config"),
        )
    }
    return Host(
        os.getcwd(),
        env,
        home,
        f"{base['cache']}/git-atom",
        f"{base['data']}/git-atom",
        f"{base['config']}/git-atom",
        os.getuid(),
        out,
    )


def looks_like_typo(tool: Tool, argv: list[str]) -> bool:
    """Whether the first word is nearer to a subcommand's name than to a directory, a URI or an option."""
    import difflib

    word = argv[0] if argv else ""
    if not word or word.startswith("-") or "/" in word or ":" in word or os.path.exists(word):
        return False
    return bool(
        difflib.get_close_matches(word, [c.name for c in tool.commands if c.name != tool.default], n=1, cutoff=0.75)
    )


def unknown(tool: Tool, argv: list[str]) -> UsageError:
    """The error for a first word that is no subcommand."""
    import difflib

    if not argv:
        return UsageError("ATOM-9001", "no command given", hint=f"git {tool.name} -h")
    near = difflib.get_close_matches(argv[0], [c.name for c in tool.commands], n=1)
    return UsageError(
        "ATOM-9001",
        f"'{argv[0]}' is not a git {tool.name} command",
        hint=f"did you mean 'git {tool.name} {near[0]}'?" if near else f"git {tool.name} -h",
    )
