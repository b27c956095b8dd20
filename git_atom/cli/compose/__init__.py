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
            Opt(
                ("--solver",),
                "who decides what is needed: apt, or own, which explains what does not fit; default: apt",
                "value",
                "<solver>",
                choices=("apt", "own"),
                default="apt",
            ),
            Opt(("--suite",), "codename of the suite; default: the machine's own", "value", "<suite>"),
            Opt(("--update",), "fetch the package lists anew"),
        ),
        writes=True,
    ),
    Command(
        "new",
        "form a composition from directories, compositions and what atoms were built to",
        (
            Arg("name", "name of the composition; a further generation when it exists"),
            Arg(
                "what", "[path=]what: dir:<path>, a composition, <composition>/<package>, or an atom that is built", "+"
            ),
        ),
        writes=True,
    ),
    Command("list", "list compositions", lists=True),
    Command(
        "show",
        "show what a composition is made of",
        (Arg("composition", "name, name@{n} or root digest", "", "composition"),),
    ),
    Command(
        "log",
        "list the generations of a composition",
        (Arg("composition", "name, name@{n} or root digest", "", "composition"),),
        lists=True,
    ),
    Command(
        "diff",
        "compare two compositions by entries and paths",
        (
            Arg("old", "name, name@{n} or root digest", "", "composition"),
            Arg("new", "name, name@{n} or root digest", "", "composition"),
        ),
    ),
    Command(
        "delete", "delete a composition and its history", (Arg("name", "its name", "", "composition"),), writes=True
    ),
    Command(
        "verify",
        "check a composition's signature, digests and merge over all its bytes",
        (Arg("composition", "name, name@{n} or root digest", "", "composition"),),
    ),
    Command(
        "run",
        "run a program inside a composition, isolated",
        (
            Arg("composition", "name, name@{n} or root digest", "", "composition"),
            Arg("command", "the program and its arguments", "..."),
        ),
        (
            Opt(("--cwd",), "share the working directory, writable, as /build/cwd"),
            Opt(("--net",), "share the network"),
        ),
    ),
)

TOOL = Tool("compose", "bind paths to digests: import, form, inspect and run environments", COMMANDS)
