"""The commands of `git build`."""

from git_atom.cli.spec import Arg, Command, Opt, Tool

_RECORD = Arg(
    "record", "directory, URI or name of an atom, or the beginning of an action's or output's digest", "", "record"
)

COMMANDS: tuple[Command, ...] = (
    Command(
        "build",
        "build an atom and what it needs, hermetically, or find that it is built already",
        (Arg("target", "directory of an atom, or its URI; default: the current directory", "?", "dir"),),
        (
            Opt(("-j",), "use at most this many processors; never changes a result", "int", "<n>"),
            Opt(("-o",), "write the target's output into this new or empty directory", "value", "<dir>"),
            Opt(("--check",), "build the target again and compare; exit 1 when it differs"),
        ),
        writes=True,
    ),
    Command(
        "plan",
        "list the builds that an atom's platforms and variants stand for; builds nothing",
        (Arg("dir", "directory of an atom; default: the current directory", "?", "dir"),),
        lists=True,
    ),
    Command("show", "show a record: what was built from what, how it was held, what it took", (_RECORD,)),
    Command("log", "print what a build printed", (_RECORD,)),
    Command(
        "reads",
        "list the files a build really opened, by package",
        (_RECORD,),
        (Opt(("--paths",), "show every path"),),
        lists=True,
    ),
    Command("bloat", "list what a build declared and was never observed to read", (_RECORD,), lists=True),
    Command("verify", "verify every witness of a record, and its output over the bytes", (_RECORD,)),
    Command(
        "analyze",
        "print the interface manifest: what files provide and require, by name",
        (
            Arg(
                "what",
                "a record as above, a file or directory of this machine, or the id of a git tree in the store",
                "",
                "file",
            ),
        ),
    ),
    Command(
        "doctor",
        "show which sandbox, view and observation mechanisms this machine has",
    ),
)

TOOL = Tool("build", "build atoms hermetically and look at what came of it", COMMANDS, default="build")
