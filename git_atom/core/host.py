"""What a command knows of the machine and the user it runs for, as one value made by `cli/` and handed down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Host(NamedTuple):
    """Working directory, environment, and the user's directories of this suite, all absolute paths.

    cache: derived data, safe to delete. data: the store and the builder key. config: the user's trust, where git's own
    configuration is not enough. progress: called with one line of talk, may be a no-op.
    """

    cwd: str
    environ: Mapping[str, str]
    home: str
    cache: str
    data: str
    config: str
    uid: int
    progress: Progress


class Progress:
    """Where work in progress is told; the command line replaces it by one that writes to standard error."""

    __slots__ = ()

    def say(self, line: str) -> None:
        """Tell one line of talk, such as `fetched curl_7.88.1.orig.tar.gz`; dropped by default."""
