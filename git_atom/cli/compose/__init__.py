"""The commands of `git compose`."""

from git_atom.cli.spec import Arg, Command, Opt, Tool

_ = (Arg, Opt)

COMMANDS: tuple[Command, ...] = (
    Command(
        "import debian",
        "import packages of a Debian suite and all they need as a composition",
        (Arg("package", "name of a binary package, or name=version", "+"),),
        (
            Opt(("--as",), "name of the composition; default: one made of suite and root", "value", "<name>"),
            Opt(("--suite",), "codename of the suite; default: the machine's own", "value", "<suite>"),
            Opt(("--update",), "fetch the package lists anew"),
        ),
    ),
)

TOOL = Tool("compose", "bind paths to digests: import, form, inspect and run environments", COMMANDS)
