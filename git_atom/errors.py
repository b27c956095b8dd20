"""The exception tree and the exit-code table, the only ones.

Every error this package raises derives from `AtomError`. The class decides the exit code; the code (`ATOM-1003`) names the
message for people and scripts; `CODES` says what each code means and is printed in gitatom-errors(7).
The message grammar is that of the CLI contract: what, where, note (why), hint (the way out).
"""

from __future__ import annotations


class AtomError(Exception):
    """Anything that could not be done: what happened, where, why, and the way out. Exit code 128 unless a subclass says else."""

    exit = 128

    def __init__(self, code: str, what: str, *, where: str = "", note: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.where = where
        self.note = note
        self.hint = hint


class NegativeError(AtomError):
    """The answer is no: differs, not found, not satisfied, would change."""

    exit = 1


class RefusedError(AtomError):
    """Refused by trust or policy."""

    exit = 2


class NoSolutionError(AtomError):
    """The requirements have no solution."""

    exit = 3


class FailedError(AtomError):
    """A build, a test or a program failed."""

    exit = 4


class ConflictError(AtomError):
    """The version exists with other content, the ref moved, or paths collide."""

    exit = 5


class UnavailableError(AtomError):
    """Not available here: offline, a missing feature, no space."""

    exit = 6


class MalformedError(AtomError):
    """Malformed, or over a limit."""

    exit = 7


class CannotError(AtomError):
    """Anything else that could not be done."""


class UsageError(AtomError):
    """The command line is wrong."""

    exit = 129


class ManyErrors(AtomError):  # noqa: N818 - it holds several errors, it is not one kind of error
    """Several errors found in one pass (a manifest's); exits with the first one's code."""

    def __init__(self, errors: list[AtomError]) -> None:
        first = errors[0]
        super().__init__(first.code, first.what, where=first.where, note=first.note, hint=first.hint)
        self.errors = errors
        self.exit = first.exit


# exit code -> meaning; printed as EXIT STATUS in every manual page
EXITS: dict[int, str] = {
    0: "done, or the answer is yes",
    1: "the answer is no: differs, not found, not satisfied, would change",
    2: "refused by trust or policy",
    3: "no solution",
    4: "a build, a test or a program failed",
    5: "conflict: the version exists with other content, the ref moved, or paths collide",
    6: "not available here: offline, a missing feature, or no space",
    7: "malformed, or over a limit",
    128: "anything else that could not be done",
    129: "the command line is wrong",
    130: "interrupted",
}

# error code -> one line of meaning. 1xxx text and values, 2xxx git, 3xxx trust, 4xxx view and sandbox, 5xxx ingest and fetch,
# 6xxx compositions and interfaces, 7xxx builds, 8xxx atoms, 9xxx command line. A test holds this table against every raise.
CODES: dict[str, str] = {
    "ATOM-1001": "a digest is not of the form blake3:<64 hex digits>",
    "ATOM-1002": "a git object id is not 40 or 64 hex digits",
    "ATOM-1003": "signed data is not canonical, or over a limit",
    "ATOM-1004": "a file tree holds something a git tree cannot hold",
    "ATOM-1010": "a text cannot be the name of an atom",
    "ATOM-1011": "a text is not a canonical version",
    "ATOM-1012": "a text is not a version requirement",
    "ATOM-1013": "a text is not an atom URI",
    "ATOM-1014": "a text cannot be a source: not a path, a URL or an alias that is safe to use",
    "ATOM-1015": "an alias is not known",
    "ATOM-1016": "an alias comes back to itself, or gives no source",
    "ATOM-1017": "a ref below refs/atoms/ and its like is not of their form",
    "ATOM-1020": "a manifest is too large, too deeply nested, or not UTF-8",
    "ATOM-1021": "a manifest has a key that is not known",
    "ATOM-1022": "a manifest lacks a key that is needed",
    "ATOM-1023": "a value in a manifest has the wrong type",
    "ATOM-1024": "a value in a manifest cannot be used",
    "ATOM-1025": "a manifest is not TOML",
    "ATOM-1026": "a manifest has a form that cannot be edited in place",
    "ATOM-1030": "a signed statement is malformed",
    "ATOM-1031": "a lock does not hold together",
    "ATOM-1032": "a lock has a format newer than this program",
    "ATOM-1033": "a lock is not in its canonical form",
    "ATOM-1040": "a composition's manifest is not in its canonical form",
    "ATOM-1041": "a composition has a part that cannot be",
    "ATOM-1042": "a composition has a format newer than this program",
    "ATOM-1050": "a Debian package index or a relationship in it is malformed",
    "ATOM-1051": "a text is not a Debian version",
    "ATOM-1060": "the requirements have no solution",
    "ATOM-1070": "a record is not one this program writes",
    "ATOM-1080": "a reason is not one line of text",
    "ATOM-1081": "a file is not a proposal to sign",
    "ATOM-2001": "a program this command needs is not installed",
    "ATOM-2002": "git failed",
    "ATOM-2003": "this is not a git repository",
    "ATOM-2004": "the repository belongs to another user",
    "ATOM-2005": "the repository's format is not supported here",
    "ATOM-2006": "the repository has no commits",
    "ATOM-2007": "the repository is a shallow clone",
    "ATOM-2008": "a git object is missing",
    "ATOM-2009": "a git object is damaged",
    "ATOM-2010": "a ref moved while it was being changed",
    "ATOM-2011": "a remote repository cannot be reached",
    "ATOM-2012": "a remote repository refused a push",
    "ATOM-2014": "git does not know who you are",
    "ATOM-2015": "a tree is over a limit",
    "ATOM-2016": "a revision is not known",
    "ATOM-2017": "a remote repository accepted a push and does not show it",
    "ATOM-2018": "a directory to write to is not empty",
    "ATOM-2019": "a git object is over a limit",
    "ATOM-2020": "a ref or your configuration is locked, by another git or by one that was killed",
    "ATOM-2021": "there is no space left for what git or apt writes",
    "ATOM-2022": "a remote repository does not answer as git's protocol wants",
    "ATOM-2023": "what a remote repository sends is over a limit",
    "ATOM-2024": "a setting for fetching cannot be read",
    "ATOM-2025": "a ref stands where another one needs a directory",
    "ATOM-2050": "a repository has no work tree",
    "ATOM-2051": "a work tree holds something that is neither file nor link",
    "ATOM-3001": "a key or a signature is malformed",
    "ATOM-3002": "a signature does not fit what it is said to sign",
    "ATOM-3003": "a signature is of another kind than what it is shown for",
    "ATOM-3004": "a signature is by a key that may not make it",
    "ATOM-3005": "there is no signing key",
    "ATOM-3006": "a key is not of a kind or strength that is accepted",
    "ATOM-3007": "the signing key cannot be used now",
    "ATOM-3008": "there is no signature where one is needed",
    "ATOM-3009": "a key file is not usable",
    "ATOM-3010": "a set's log breaks its own rules",
    "ATOM-3011": "a set's log is older than what was seen before",
    "ATOM-3012": "a set's log is not a continuation of what was seen before",
    "ATOM-3013": "a set is not one the user trusts",
    "ATOM-3014": "a set's log uses something this version does not know",
    "ATOM-3017": "the user's policy does not take this version",
    "ATOM-3018": "a setting of the user's policy cannot be read",
    "ATOM-3019": "there are two logs of a set, each properly signed, of which neither continues the other",
    "ATOM-4001": "a blob of the cache is missing or corrupt and could not be replaced",
    "ATOM-4002": "there is no space left for the blob cache",
    "ATOM-4003": "the blob cache cannot be read or written",
    "ATOM-4004": "the blob cache belongs to another user",
    "ATOM-4006": "a view cannot be laid out: two things at one path, or one where the sandbox mounts its own",
    "ATOM-4010": "there is no system-call filter for this kind of machine",
    "ATOM-4011": "bubblewrap is missing or too old",
    "ATOM-4012": "this machine lacks something a hermetic execution needs",
    "ATOM-4013": "a blob changed while an execution used it; the execution is void",
    "ATOM-4014": "an output holds something that cannot be kept",
    "ATOM-4015": "an execution could not be set up",
    "ATOM-4016": "the program of an execution is not in its view, or its directory is not",
    "ATOM-5001": "no mirror of that suite is known on this machine",
    "ATOM-5002": "the package lists could not be fetched",
    "ATOM-5003": "apt failed, or finds no solution",
    "ATOM-5004": "the suite has no such package",
    "ATOM-5005": "the packages could not be fetched",
    "ATOM-5006": "a .deb is damaged or not what the index states",
    "ATOM-5007": "package lists are not signed by their distribution",
    "ATOM-5008": "the archive does not have a locked toolchain any more",
    "ATOM-5020": "a file is not in the cache, and the network may not be used",
    "ATOM-5021": "a file could not be fetched: the server will not give it",
    "ATOM-5022": "a fetched file is not the one that was promised",
    "ATOM-5023": "a file to fetch is over the limit",
    "ATOM-5024": "a redirect may not be followed",
    "ATOM-5025": "a file URL names no file that can be read",
    "ATOM-5026": "a file could not be fetched now: the network or the server failed",
    "ATOM-5027": "a server's certificate does not hold",
    "ATOM-5030": "a source archive is not a whole tar archive, or over a limit",
    "ATOM-5031": "a source archive holds a member that must not be unpacked",
    "ATOM-5032": "an archive's format cannot be read here",
    "ATOM-5033": "a suite has no source package of that name",
    "ATOM-5034": "a distribution's archive disagrees with itself",
    "ATOM-5035": "a Debian source package is not vouched for",
    "ATOM-5040": "a file is no lockfile that can be adopted",
    "ATOM-5041": "an upstream lockfile names something that cannot be adopted",
    "ATOM-5060": "a directory to import is not there",
    "ATOM-5061": "a directory to import holds something a composition cannot hold",
    "ATOM-6001": "two entries of a composition disagree on a path",
    "ATOM-6002": "two compositions disagree on what a git tree cannot hold",
    "ATOM-6003": "there is no such composition",
    "ATOM-6004": "a generation of a composition does not hold together",
    "ATOM-6006": "an entry of a composition is not what its digest says",
    "ATOM-6008": "a composition has no such entry",
    "ATOM-6009": "a composition has no such program",
    "ATOM-6020": "a toolchain or package is not the one that was locked",
    "ATOM-6030": "a part of an ELF file cannot be read; told as a fact of the analysis",
    "ATOM-6031": "a kept interface is damaged or of another version",
    "ATOM-7001": "the content of an atom in the store is not what was promised",
    "ATOM-7002": "an atom has no lock, or one that does not fit",
    "ATOM-7003": "an atom says nothing of how it is built",
    "ATOM-7004": "an atom has no toolchain locked for this platform",
    "ATOM-7005": "a locked dependency is not in the store, and no place of its set has it",
    "ATOM-7006": "a source of an atom is not in the store",
    "ATOM-7007": "an atom cannot be built with the variants that it is locked with",
    "ATOM-7010": "a witness of a build does not hold",
    "ATOM-7011": "the output of a build in the store is damaged",
    "ATOM-7020": "a build failed",
    "ATOM-7021": "a build does not come to the same output again",
    "ATOM-7022": "trusted builders disagree about a build",
    "ATOM-7030": "nothing that was built has that name",
    "ATOM-8001": "a directory is not in the revision",
    "ATOM-8002": "there is no manifest",
    "ATOM-8003": "there is no lock where one is needed",
    "ATOM-8004": "a manifest or lock is not a plain file",
    "ATOM-8005": "a commit is not the atom commit it should be",
    "ATOM-8006": "there is no set here yet",
    "ATOM-8007": "the version is published with other content",
    "ATOM-8008": "a name stands twice in one revision",
    "ATOM-8009": "an atom needs something that is not published",
    "ATOM-8010": "there is no such atom or version",
    "ATOM-8011": "a repository serves no set",
    "ATOM-8012": "a published atom's content is not what its tag says",
    "ATOM-8014": "the origin of an atom is not here",
    "ATOM-8015": "a name could mean several atoms",
    "ATOM-8016": "a lock names other content than what is published",
    "ATOM-8017": "the user's key may not do this in the set",
    "ATOM-8018": "an atom's content is not here",
    "ATOM-8019": "a version's ref, here or where it is served, is not the tag that the log holds",
    "ATOM-8020": "an atom is not what its origin holds",
    "ATOM-8021": "a name looks like one that is claimed",
    "ATOM-8022": "a version is retracted already",
    "ATOM-8023": "a statement of the set was superseded, or does not fit what is there",
    "ATOM-8024": "a text names no key",
    "ATOM-8025": "a change would leave the set without enough owners",
    "ATOM-8026": "a name is not claimed, and claiming it needs several owners",
    "ATOM-8027": "a key is not one of those that could be meant",
    "ATOM-8028": "a ref names a sub-atom that no version here needs",
    "ATOM-8029": "a head is not one of two logs of a set",
    "ATOM-8030": "a file for a proposal is there already, and is something else",
    "ATOM-8031": "a set has too few keys left that could sign a change",
    "ATOM-8040": "a directory has no manifest",
    "ATOM-8041": "dependencies cannot be had together",
    "ATOM-8042": "an atom of this repository has no lock that fits its manifest",
    "ATOM-8043": "a path leads out of the repository",
    "ATOM-8044": "a lock would change, and may not",
    "ATOM-8045": "a lock does not fit its manifest",
    "ATOM-8046": "an atom depends on itself",
    "ATOM-8047": "a manifest asks for something this version cannot lock",
    "ATOM-8048": "nothing satisfies a requirement",
    "ATOM-8049": "a directory has a manifest already",
    "ATOM-8050": "a locked version has other content than the published one",
    "ATOM-8051": "a source path holds the atom itself",
    "ATOM-8052": "there is nothing at a source path",
    "ATOM-8053": "a source path of a revision is not what the lock names",
    "ATOM-8054": "what would be published holds a pointer of Git LFS",
    "ATOM-8055": "an atom would be published with something that only this machine can read",
    "ATOM-8500": "a push or a change of refs is refused",
    "ATOM-8501": "what git hands to a hook is malformed, or over a limit",
    "ATOM-8503": "a published version, a sub-atom or a log may not be deleted",
    "ATOM-8504": "a published version may not be changed",
    "ATOM-8505": "a version is not in the log",
    "ATOM-8506": "a version of the log is not there",
    "ATOM-8507": "a sub-atom is not what an atom needs",
    "ATOM-8508": "a push changes who may publish, and uses it at once",
    "ATOM-8509": "there is no log to judge by",
    "ATOM-8510": "a log would lose what it published",
    "ATOM-8511": "an atom is over a limit",
    "ATOM-8512": "a file has a name that file systems or git take for something else",
    "ATOM-8513": "a set may not be founded here",
    "ATOM-8514": "a hook cannot be installed here",
    "ATOM-8515": "an atom's manifest or lock says something else than its tag",
    "ATOM-8516": "a log is of another set than the one it is shown for",
    "ATOM-8517": "a ref is there and cannot be read",
    "ATOM-8700": "a set has no atom of that name",
    "ATOM-8701": "atoms need each other in a circle",
    "ATOM-8702": "a repository serves another set than the locked one",
    "ATOM-8703": "a set's log does not hold the entry that a lock was made from",
    "ATOM-8705": "a locked version is not one that its set published",
    "ATOM-8706": "a set is not in the store, and the network may not be used",
    "ATOM-8707": "a lock says that an atom needs something else than its manifest says",
    "ATOM-8708": "a name is not in the lock or manifest",
    "ATOM-8709": "no known set has an atom of that name",
    "ATOM-8710": "a name is that of atoms of several sets",
    "ATOM-8711": "a directory holds another atom than the one named",
    "ATOM-8712": "a directory has no lock",
    "ATOM-8713": "two locks cannot be merged record by record",
    "ATOM-8714": "two manifests cannot be merged key by key",
    "ATOM-8720": "a pin has to be asked for, and the network may not be used",
    "ATOM-8721": "a pinned repository has no such ref",
    "ATOM-8722": "the ref of a pin is a tag and a branch",
    "ATOM-8723": "the ref of a pin names no commit",
    "ATOM-8724": "a locked commit is not at the pinned repository any more",
    "ATOM-8725": "a pinned commit does not hold what the lock names",
    "ATOM-8726": "the entry of a pin is not in the commit, or is neither file nor directory",
    "ATOM-8727": "the atom that a toolchain names is no environment, or has no toolchain of its own",
    "ATOM-8728": "a dependency is asked for a variant that it does not have",
    "ATOM-8730": "packages are asked for where the toolchain is an environment",
    "ATOM-8731": "a name is that of several requirements of a manifest",
    "ATOM-9001": "the command line is wrong",
    "ATOM-9002": "the operating system refused something, say for want of permission",
    "ATOM-9003": "the working directory no longer exists",
    "ATOM-9004": "a fault in this program",
    "ATOM-9005": "the input is nested too deeply",
    "ATOM-9006": "there is not enough memory",
    "ATOM-9007": "there is no space left on the device, or the quota is reached",
}
