"""The commands of `git atom`."""

from git_atom.cli.spec import Arg, Command, Opt, Tool

_OWNING = (
    Opt(("--push",), "send the log to a remote when it is recorded", "value", "<remote>"),
    Opt(("--proposal",), "file for what still lacks signatures", "value", "<file>", complete="file"),
)
_KEY = Arg(
    "key", "a public key: its file, its line in quotes, or where it is known (to gpg, too) its fingerprint", "", "file"
)
_MANY = (
    Opt(("--all",), "every atom of the work tree"),
    Opt(("--together",), "choose one version of each name for all of them"),
)
_CHOOSING = (
    Opt(("--offline",), "use no network"),
    Opt(("--minimise",), "choose the fewest atoms, and only then what is locked and the newest"),
)
_REASON = Opt(("--reason",), "why, for people to read; needed", "value", "<text>")

COMMANDS: tuple[Command, ...] = (
    Command("init", "join the set that the remote has, or found one", writes=True),
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
        "bring locks up to their manifests",
        (Arg("dir", "directories of atoms; the current one when none is named", "*", "dir"),),
        (
            *_MANY,
            Opt(("--locked",), "refuse when a lock would change"),
            Opt(("--frozen",), "only hold each lock against its manifest, look at nothing else"),
            *_CHOOSING,
        ),
        writes=True,
    ),
    Command(
        "add",
        "put requirements into the manifest, and lock",
        (Arg("uri", "an atom, [source::]name[@requirement], or what --pin, --src or --debian says", "+", "atom"),),
        (
            Opt(("--pin",), "pins of git repositories, each <name>=<repository>[@<ref>]"),
            Opt(("--src",), "sources, each <name>=<url>, <name>=<path> or <name>=debian:<package>"),
            Opt(("--debian",), "packages of the distribution that the build runs in"),
            Opt(
                ("--for",),
                "what it is needed for; may be given more than once, default build and run, of a source build",
                "list",
                "<use>",
                ("build", "test", "run"),
            ),
            Opt(
                ("--with",),
                "a variant it is to have; may be given more than once, an empty one takes them all back",
                "list",
                "<variant>",
            ),
            Opt(("--entry",), "with --pin: this path of the repository alone", "value", "<path>"),
            Opt(
                ("--adopt",),
                "with --src: the file is an upstream lockfile, of this kind",
                "value",
                choices=("cargo", "npm", "pypi", "go"),
            ),
            Opt(("--suite",), "with --debian: the suite the packages are from", "value", "<suite>"),
            Opt(("--offline",), "use no network"),
        ),
        writes=True,
    ),
    Command(
        "remove",
        "take requirements out of the manifest, and lock",
        (Arg("name", "name of a dependency, pin, source or package of the toolchain", "+"),),
        (
            Opt(("--dep",), "the names are of dependencies"),
            Opt(("--pin",), "the names are of pins"),
            Opt(("--src",), "the names are of sources"),
            Opt(("--debian",), "the names are of packages of the toolchain"),
            Opt(("--offline",), "use no network"),
        ),
        writes=True,
    ),
    Command(
        "update",
        "choose anew what is locked",
        (
            Arg(
                "name",
                "an atom, variant, source or pin of the lock, or 'toolchain'; everything when none is named",
                "*",
            ),
        ),
        (
            Opt(
                ("--dir",),
                "directory of an atom instead of the current one; may be given more than once",
                "list",
                "<dir>",
                complete="dir",
            ),
            *_MANY,
            *_CHOOSING,
        ),
        writes=True,
    ),
    Command(
        "tree",
        "show the locked graph",
        (Arg("name", "begin at these; the atom at hand when none is named", "*"),),
        (Opt(("-i", "--invert"), "from the named, or those that need no other, up to what needs them"),),
        lists=True,
    ),
    Command(
        "why",
        "show why something is locked",
        (Arg("name", "an atom, pin, source or package of the lock"),),
        (Opt(("--all",), "every path, not only a shortest one"),),
        lists=True,
    ),
    Command(
        "outdated",
        "show what is locked and could be newer",
        (),
        (Opt(("--offline",), "use what is known here"),),
        lists=True,
    ),
    Command(
        "driver install",
        "let git merge manifests and locks, and show locks record by record",
        (),
        (Opt(("--global",), "in all of your repositories, not only this one"),),
        writes=True,
    ),
    Command(
        "driver merge",
        "merge three versions of a manifest or lock, as git asks its merge drivers",
        (
            Arg("base", "what both came from", "", "file"),
            Arg("ours", "our version; the outcome is written there", "", "file"),
            Arg("theirs", "their version", "", "file"),
            Arg("path", "its path in the repository, which says whether it is a manifest", "?", "file"),
        ),
    ),
    Command(
        "driver textconv",
        "print a lock one thing a line, as git diff compares it",
        (Arg("file", "a lock", "", "file"),),
    ),
    Command("uri", "parse a URI and expand its aliases", (Arg("uri", "[source::]name[@requirement]"),)),
    Command(
        "publish",
        "publish atoms of a committed revision",
        (Arg("dir", "directories of atoms; the current one when none is named", "*", "dir"),),
        (
            Opt(("--all",), "every atom of the revision"),
            Opt(
                ("--changed-since",),
                "every atom whose directory differs from what it was in this one",
                "value",
                "<rev>",
            ),
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
        (Opt(("--unverified",), "ask for the refs alone: quick, and nothing of it is verified"),),
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
    Command("fsck", "check everything of sets that this repository holds", lists=True),
    Command(
        "doctor",
        "check this machine, and with --remote a host",
        opts=(
            Opt(("--remote",), "a remote's name, a URL, a path or an alias", "value", "<remote>"),
            Opt(("--try-push",), "push a test ref to that host and delete it again"),
        ),
    ),
    Command(
        "fetch",
        "bring atoms into the store, verified",
        (Arg("uri", "[source::]name[@requirement]", "+"),),
        (Opt(("--offline",), "use the store alone"),),
        lists=True,
        writes=True,
    ),
    Command(
        "get",
        "bring an atom and write out its files",
        (Arg("uri", "[source::]name[@requirement]"), Arg("dir", "directory to make", "", "dir")),
        (Opt(("--offline",), "use the store alone"),),
        writes=True,
    ),
    Command(
        "log",
        "show the log of a set",
        (Arg("source", "URL or path of a set that is in the store", "?"),),
        (
            Opt(
                ("--forks",), "show where two logs of a set were seen, with both heads; of every set when none is named"
            ),
        ),
        lists=True,
    ),
    Command(
        "claim",
        "claim a name for keys, or hand it on",
        (Arg("name", "name of an atom"),),
        (
            Opt(
                ("--key",),
                "who may publish under it; more than one may be given, default your own key",
                "list",
                "<key>",
            ),
            Opt(("--threshold",), "how many of them hand the name on or retract", "int", "<n>"),
            *_OWNING,
        ),
        writes=True,
    ),
    Command("charter", "show who owns the set", module="charter_show"),
    Command("charter show", "show who owns the set"),
    Command("charter add-owner", "add an owner to the set", (_KEY,), _OWNING, writes=True),
    Command("charter remove-owner", "remove an owner from the set", (_KEY,), _OWNING, writes=True),
    Command(
        "charter threshold",
        "change how many owners must sign",
        (Arg("number", "how many distinct owners speak for the set"),),
        _OWNING,
        writes=True,
    ),
    Command("charter revoke", "let a key sign nothing of the set any more", (_KEY,), (_REASON, *_OWNING), writes=True),
    Command(
        "charter sign",
        "sign a proposal, and record it when there are enough signatures",
        (Arg("file", "the proposal", "", "file"),),
        _OWNING,
        writes=True,
    ),
    Command(
        "retract",
        "say that a published version should not be chosen any more",
        (Arg("atom", "name@=version, of this set", "", "atom"),),
        (_REASON, *_OWNING),
        writes=True,
    ),
    Command(
        "hooks install",
        "install git's hooks beside what is there",
        opts=(
            Opt(("--server",), "the hook that judges pushes; what a bare repository gets without an option"),
            Opt(("--client",), "the hook that judges fetches and local changes; what any other repository gets"),
        ),
        writes=True,
    ),
    Command(
        "hooks run",
        "judge what git hands to a hook; called by the hooks themselves",
        (
            Arg("hook", "pre-receive or reference-transaction"),
            Arg("state", "what git calls reference-transaction with", "?"),
        ),
    ),
    Command("trust", "list the sets you trust", module="trust_list", lists=True),
    Command("trust list", "list the sets you trust", lists=True),
    Command(
        "trust add",
        "trust a set from now on",
        (Arg("anchor", "the set's anchor, blake3:<hex>"),),
        (Opt(("--head",), "of two logs seen of the set, follow the one that has this head", "value", "<head>"),),
        writes=True,
    ),
    Command("trust remove", "trust a set no more", (Arg("anchor", "the set's anchor, blake3:<hex>"),), writes=True),
    Command(
        "trust explain",
        "say step by step why an atom is accepted or not",
        (Arg("atom", "[source::]name[@requirement], of those that are here", "", "atom"),),
    ),
)

TOOL = Tool("atom", "publish, find, verify and fetch signed source packages kept in git", COMMANDS)
