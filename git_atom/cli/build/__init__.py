"""The commands of `git build`."""

from git_atom.cli.spec import Arg, Command, Opt, Tool

_ = (Arg, Opt)

COMMANDS: tuple[Command, ...] = ()

TOOL = Tool("build", "build atoms hermetically and look at what came of it", COMMANDS, default="build")
