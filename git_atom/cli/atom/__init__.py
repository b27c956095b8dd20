"""The commands of `git atom`."""

from git_atom.cli.spec import Arg, Command, Opt, Tool

_ = (Arg, Opt)

COMMANDS: tuple[Command, ...] = ()

TOOL = Tool("atom", "publish, find, verify and fetch signed source packages kept in git", COMMANDS)
