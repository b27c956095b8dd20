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
    "ATOM-2001": "a program this command needs is not installed",
    "ATOM-2002": "git failed",
    "ATOM-9001": "the command line is wrong",
    "ATOM-9002": "the operating system refused something (no space, no permission)",
}
