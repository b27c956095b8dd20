"""What the command tables say to people: usage lines, `-h`, and the errors for words no table knows. Pure text, no parsing."""

from __future__ import annotations

import os

from git_atom.cli.spec import Arg, Command, Opt, Tool
from git_atom.errors import UsageError

WIDTH = 80
_LEFT = 24  # width of the column that holds option names


def version() -> str:
    """The installed version of this distribution."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("git_atom")
    except PackageNotFoundError:
        return "0.0.0+source"


def arg_text(arg: Arg) -> str:
    """How an argument stands in a usage line."""
    name = f"<{arg.name}>"
    return {"": name, "?": f"[{name}]", "*": f"[{name}...]", "+": f"{name}...", "...": f"[--] {name}..."}[arg.nargs]


def metavar(opt: Opt) -> str:
    """How an option's value is written."""
    return opt.metavar or ("(" + "|".join(opt.choices) + ")" if opt.choices else f"<{opt.dest.replace('_', '-')}>")


def opt_text(opt: Opt) -> str:
    """How an option stands in a list: all its names, then its value."""
    return ", ".join(opt.names) + (f" {metavar(opt)}" if opt.takes_value else "")


def synopsis_words(command: Command) -> list[str]:
    """The parts of a usage line after the command's own name; none of them is broken over two lines."""
    words = []
    for opt in command.all_opts:
        name = opt.names[0] + (f" {metavar(opt)}" if opt.takes_value else "")
        words.append(f"[{name}]" + ("..." if opt.kind == "list" else ""))
    return words + [arg_text(arg) for arg in command.args]


def synopsis(tool: Tool, command: Command) -> str:
    """The usage line in one line, as in the manual page."""
    return " ".join([tool.called(command), *synopsis_words(command)])


def help_text(tool: Tool, command: Command) -> str:
    """What `-h` prints, within 80 columns."""
    first = f"usage: {tool.called(command)} "
    lines = [*_flow(synopsis_words(command), first, " " * len(first)), ""]
    lines += [*_flow(command.summary.split(), "    ", "    "), ""]
    rows = [(arg_text(arg), arg.help) for arg in command.args]
    rows += [(opt_text(opt), opt.help) for opt in command.all_opts]
    rows.append(("-h, --help", "show this help"))
    end = _commands(tool) if command.name == tool.default else [f"See 'git help {tool.page(command)}' for more."]
    return "\n".join([*lines, *_table(rows), "", *end]) + "\n"


def tool_help(tool: Tool) -> str:
    """What `git <tool> -h` prints: one line a subcommand. A tool with a default command shows that one's help as well."""
    default = next((c for c in tool.commands if c.name == tool.default), None)
    if default is not None:
        return help_text(tool, default)
    lines = [f"usage: git {tool.name} <command> [<args>]", "", f"    {tool.summary}", ""]
    return "\n".join([*lines, *_commands(tool)]) + "\n"


def group_help(tool: Tool, word: str) -> str:
    """What `git <tool> <word> -h` prints when the word alone is no command: the commands that begin with it."""
    lines = [f"usage: git {tool.name} {word} <what> [<args>]", ""]
    return "\n".join([*lines, *_table([(c.name, c.summary) for c in tool.group(word)])]) + "\n"


def _commands(tool: Tool) -> list[str]:
    rows = [(c.name, c.summary) for c in tool.commands if c.name != tool.default]
    more = f"See 'git {tool.name} <command> -h' or 'git help {tool.name}' for more."
    return [*(["commands:"] if tool.default else []), *_table(rows), "", more]


def _flow(words: list[str], first: str, rest: str) -> list[str]:
    """Words filled into lines of at most 80 columns; a word longer than a line stands alone."""
    lines, line = [], first.rstrip(" ") if not words else first
    for word in words:
        if len(line) + len(word) > WIDTH and line.strip() and line != first:
            lines.append(line.rstrip())
            line = rest
        line += word + " "
    return [*lines, line.rstrip()]


def _table(rows: list[tuple[str, str]]) -> list[str]:
    lines = []
    margin = " " * (_LEFT + 5)
    for left, right in rows:
        first = f"    {left:<{_LEFT}} "
        if len(left) > _LEFT:
            lines.append(f"    {left}")
            first = margin
        lines += _flow(right.split(), first, margin)
    return lines


def near(word: str, known: list[str], cutoff: float = 0.6) -> str:
    """The known word that is nearest to a mistyped one, or nothing."""
    import difflib

    found = difflib.get_close_matches(word, known, n=1, cutoff=cutoff)
    return found[0] if found else ""


def looks_like_typo(tool: Tool, argv: list[str]) -> bool:
    """Whether the first word is nearer to a subcommand's name than to a directory, a URI or an option."""
    word = argv[0] if argv else ""
    if not word or word.startswith("-") or "/" in word or ":" in word or os.path.exists(word):
        return False
    return bool(near(word, [c.name for c in tool.commands if c.name != tool.default], 0.75))


def unknown(tool: Tool, argv: list[str]) -> UsageError:
    """The error for a first word that is no subcommand."""
    if not argv:
        return UsageError("ATOM-9001", "no command given", hint=f"git {tool.name} -h")
    word = argv[0]
    group = tool.group(word)
    if group:
        names = ", ".join(f"'{c.name}'" for c in group)
        what = f"'git {tool.name} {' '.join(argv[:2])}' is not a command"
        return UsageError("ATOM-9001", what, note=f"known are {names}", hint=f"git {tool.name} {word} -h")
    kind = "option" if word.startswith("-") else "command"
    nearest = near(word, [c.name for c in tool.commands] if kind == "command" else ["--help", "--version"])
    return UsageError(
        "ATOM-9001",
        f"'{word}' is not a git {tool.name} {kind}",
        hint=f"did you mean 'git {tool.name} {nearest}'?" if nearest else f"git {tool.name} -h",
    )
