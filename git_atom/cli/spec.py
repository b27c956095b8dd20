"""The shape of a command, from which parser, `-h`, man SYNOPSIS and OPTIONS, and completion are all made.

The tables themselves stand in `cli/atom/__init__.py`, `cli/compose/__init__.py` and `cli/build/__init__.py`, one `Command` a
subcommand; `Command.module` names the module with its `run(ask)`.
"""

from __future__ import annotations

from typing import NamedTuple


class Opt(NamedTuple):
    """An option. kind: flag (bool), value (str or None), list (repeatable, list of str), int."""

    names: tuple[str, ...]  # ("-n", "--dry-run")
    help: str
    kind: str = "flag"
    metavar: str = ""
    choices: tuple[str, ...] = ()
    default: str | int | None = None
    complete: str = ""  # what its value is, as in Arg

    @property
    def takes_value(self) -> bool:
        """Whether a value follows it."""
        return self.kind != "flag"

    @property
    def dest(self) -> str:
        """Name under which the parsed value is found."""
        return self.names[-1].lstrip("-").replace("-", "_")


class Arg(NamedTuple):
    """A positional argument. nargs: "" exactly one, "?" at most one, "*" any number, "+" at least one, "..." the rest verbatim."""

    name: str
    help: str
    nargs: str = ""
    complete: str = ""  # "file", "dir", "atom", "composition", "record" or "" for nothing

    @property
    def dest(self) -> str:
        """Name under which the parsed value is found."""
        return self.name.replace("-", "_")

    @property
    def least(self) -> int:
        """How many words it needs at least."""
        return 1 if self.nargs in ("", "+", "...") else 0


class Command(NamedTuple):
    """One subcommand of one tool. A name of two words ("import debian") is a subcommand of a subcommand."""

    name: str
    summary: str  # one line, imperative, lower case, no full stop
    args: tuple[Arg, ...] = ()
    opts: tuple[Opt, ...] = ()
    module: str = ""  # module under git_atom.cli.<tool>; default: the name with - and space as _
    lists: bool = False  # lists things: has -z and --format beside --json
    writes: bool = False  # changes something: has -n/--dry-run

    @property
    def all_opts(self) -> tuple[Opt, ...]:
        """The options, those every command has included."""
        extra: tuple[Opt, ...] = ()
        if self.writes:
            extra += (Opt(("-n", "--dry-run"), "show what would be done, change nothing"),)
        extra += (Opt(("--json",), "print one JSON document of a versioned schema"),)
        if self.lists:
            extra += (
                Opt(("-z",), "end each line with NUL instead of a newline"),
                Opt(("--format",), "print each item by this template, e.g. '%(name)'", "value", "<template>"),
            )
        return self.opts + extra + (Opt(("-q", "--quiet"), "say nothing on standard error but errors"),)

    @property
    def module_name(self) -> str:
        """The module under git_atom.cli.<tool> that has its `run`."""
        return self.module or self.name.replace(" ", "_").replace("-", "_")


class Tool(NamedTuple):
    """One of the three commands: name (`atom`), summary, its subcommands; `default` is run when the first word names none."""

    name: str
    summary: str
    commands: tuple[Command, ...]
    default: str = ""

    def called(self, command: Command) -> str:
        """What a person types to run it: `git atom list`; the default command is the tool itself."""
        return f"git {self.name}" + (f" {command.name}" if command.name != self.default else "")

    def page(self, command: Command) -> str:
        """The name of its manual page, without the section: `git-atom-list`."""
        return self.called(command).replace(" ", "-")

    def group(self, word: str) -> tuple[Command, ...]:
        """The commands of two words that begin with this one."""
        return tuple(c for c in self.commands if c.name.startswith(word + " "))
