"""The commands of `git compose`."""

from git_atom.cli.spec import Arg, Command, Opt, Tool

_ = (Arg, Opt)

COMMANDS: tuple[Command, ...] = ()

TOOL = Tool("compose", "bind paths to digests: import, form, inspect and run environments", COMMANDS)
