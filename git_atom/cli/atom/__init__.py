"""The commands of `git atom`."""

from git_atom.cli.spec import Arg, Command, Opt, Tool

COMMANDS: tuple[Command, ...] = (
    Command("init", "join the set that the remote has, or found one"),
    Command(
        "new",
        "write a commented manifest to start from",
        (Arg("dir", "directory of the new atom", "", "dir"),),
        (
            Opt(("--id",), "the atom's name; the directory's own when it is not given", "value", "<name>"),
            Opt(
                ("--type",),
                "what kind of atom it is",
                "value",
                choices=("package", "environment", "generator"),
                default="package",
            ),
        ),
        writes=True,
    ),
    Command(
        "lock",
        "bring the lock up to the manifest",
        (Arg("dir", "directory of the atom; the current one when none is named", "?", "dir"),),
        (
            Opt(("--locked",), "refuse when the lock would change"),
            Opt(("--frozen",), "only hold the lock against its manifest, look at nothing else"),
            Opt(("--offline",), "use no network"),
        ),
        writes=True,
    ),
    Command("uri", "parse a URI and expand its aliases", (Arg("uri", "[source::]name[@requirement]"),)),
    Command(
        "publish",
        "publish atoms of a committed revision",
        (Arg("dir", "directories of atoms; the current one when none is named", "*", "dir"),),
        (
            Opt(("--all",), "every atom of the revision"),
            Opt(("--rev",), "publish from this revision instead of HEAD", "value", "<rev>"),
            Opt(("--push",), "send objects, tags and log to a remote in one atomic push", "value", "<remote>"),
        ),
        writes=True,
    ),
    Command(
        "list",
        "list names and versions of this set, or of another repository",
        (
            Arg("source", "URL, path or +alias of another repository, or the name", "?"),
            Arg("name", "only this name", "?"),
        ),
        lists=True,
    ),
    Command(
        "show",
        "show an atom's manifest, origin, digests and signer",
        (Arg("atom", "[source::]name[@requirement]", "", "atom"),),
    ),
    Command(
        "verify",
        "check signatures, log and content of atoms",
        (Arg("atom", "[source::]name[@requirement]; the whole set when none is named", "*", "atom"),),
        (
            Opt(("--all",), "this set and every set in the store"),
            Opt(("--source",), "also re-derive each atom from its origin commit"),
        ),
        lists=True,
    ),
    Command(
        "fetch",
        "bring atoms into the store, verified",
        (Arg("uri", "[source::]name[@requirement]", "+"),),
        (Opt(("--offline",), "use the store alone"),),
        lists=True,
    ),
    Command(
        "get",
        "bring an atom and write out its files",
        (Arg("uri", "[source::]name[@requirement]"), Arg("dir", "directory to make", "", "dir")),
        (Opt(("--offline",), "use the store alone"),),
    ),
    Command(
        "log", "show the log of a set", (Arg("source", "URL or path of a set that is in the store", "?"),), lists=True
    ),
    Command("trust", "list the sets you trust", module="trust_list", lists=True),
    Command("trust list", "list the sets you trust", lists=True),
    Command("trust add", "trust a set from now on", (Arg("anchor", "the set's anchor, blake3:<hex>"),), writes=True),
    Command("trust remove", "trust a set no more", (Arg("anchor", "the set's anchor, blake3:<hex>"),), writes=True),
)

TOOL = Tool("atom", "publish, find, verify and fetch signed source packages kept in git", COMMANDS)
