"""The commands of `git build`."""

from git_atom.cli.spec import Arg, Command, Opt, Tool

_ = (Arg, Opt)

COMMANDS: tuple[Command, ...] = (
    Command(
        "doctor",
        "show which sandbox, view and observation mechanisms this machine has",
    ),
)

TOOL = Tool("build", "build atoms hermetically and look at what came of it", COMMANDS, default="build")
