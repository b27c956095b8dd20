"""`git atom list`, for the set at hand: read from the log's tree by one git process. Hot: imports little, verifies nothing."""

from __future__ import annotations

from git_atom.core import refnames
from git_atom.core.host import Host
from git_atom.core.version import Version
from git_atom.errors import CannotError
from git_atom.git import proc


def own_versions(host: Host, name: str = "") -> list[tuple[str, str, str]]:
    """Names and versions in the log of the repository at hand, versions ascending, each with `retracted` or nothing.

    Raises CannotError ATOM-2003 (no repository), ATOM-8006 (no set), and ATOM-8010 is left to the caller (an empty list).
    """
    if "/" in name or name in (".", ".."):
        return []
    argv = ["git", "ls-tree", "-r", "-z", "--name-only", "--full-tree", refnames.LOG, _folder(name)]
    done = proc.run(argv, env={**host.environ, "LC_ALL": "C", "GIT_NO_REPLACE_OBJECTS": "1"}, cwd=host.cwd)
    if done.status != 0:
        raise _why(host)
    found = []
    gone = set()
    for path in done.out.split(b"\0"):
        parts = path.split(b"/")
        if len(parts) == 5 and parts[3] == b"versions":
            found.append((parts[2].decode(), Version.parse(parts[4].decode())))
        elif len(parts) == 6 and parts[3] == b"retractions":
            gone.add((parts[2].decode(), parts[4].decode()))
    return [(n, str(v), "retracted" if (n, str(v)) in gone else "") for n, v in sorted(found)]


def _folder(name: str) -> str:
    """Where a log's tree has what is to be listed: of one name, so that it costs the same however many there are."""
    if not name:
        return "names"
    from git_atom.core.statements import name_folder

    return name_folder(name)


def _why(host: Host) -> CannotError:
    from git_atom.git.repo import discover

    discover(host.cwd, host.environ)
    return CannotError("ATOM-8006", "this repository has no set of atoms yet", hint="git atom init")
