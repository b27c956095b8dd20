"""`git compose run`: a program inside a composition, isolated but for what the user asked to share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from typing import NamedTuple

from git_atom.app.world import world
from git_atom.core.digest import MODE_LINK
from git_atom.core.host import Host
from git_atom.core.request import OPEN, Channel, Policy, Request
from git_atom.core.text import shell
from git_atom.core.tree import Leaf
from git_atom.errors import FailedError
from git_atom.git.repo import store

HERE = "/build/cwd"  # where the working directory appears inside
PLACES = ("/usr/bin", "/usr/sbin")  # PATH inside, as core/request.py fixes it
_MAX_LINKS = 40


class Ran(NamedTuple):
    """How the program ended: its exit code (128 and the signal), seconds of wall time, the mechanism of the view."""

    status: int
    seconds: float
    mechanism: str


def run(
    host: Host,
    spec: str,
    argv: Sequence[str],
    *,
    cwd: bool = False,
    network: bool = False,
    stdio: tuple[int, int, int] = (0, 1, 2),
    environment: Sequence[tuple[str, str]] = (),
) -> Ran:
    """Run a program in a composition with the caller's descriptors as its streams; `cwd` and `network` share those as well.

    Raises FailedError (ATOM-6009) for a program that is not there, and as open_composition and execute.
    """
    from git_atom.execute.run import Share, execute, fresh_work
    from git_atom.view.cache import Blobs
    from git_atom.view.layout import LAYOUT

    found = world.open_composition(host, spec)
    read = world.reader(store(host))
    if "/" not in argv[0] and not _has(found, argv[0], read):
        raise FailedError(
            "ATOM-6009",
            f"composition '{found.name}' has no program '{argv[0]}'",
            note=f"looked in {', '.join(PLACES)}",
            hint=f"git compose show {shell(spec)}",
        )
    opened = Channel(OPEN)
    policy = Policy(terminal=opened)
    if cwd:
        policy = policy._replace(filesystem=opened)
    if network:
        policy = policy._replace(network=opened)
    request = Request(
        view=found.view,
        argv=tuple(argv),
        platform=f"{os.uname().machine}-linux",
        environment=tuple(sorted(environment)),
        directory=HERE if cwd else "/build",
        outputs=(),
        policy=policy,
        layout=LAYOUT,
    )
    share = Share(((host.cwd, HERE, True),) if cwd else (), network, stdio)
    work = fresh_work(host.cache)
    try:
        done = execute(
            request,
            found.leaves,
            Blobs(host.cache),
            work,
            read=read,
            observe=False,
            share=share,
            search=host.environ.get("PATH", ""),
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Ran(done.status, done.seconds, done.mechanism)


def _has(found: world.World, program: str, read: Callable[[Leaf], bytes]) -> bool:
    """Whether the view has a file of that name in the places of PATH, links followed."""
    table = {leaf.path: leaf for leaf in found.leaves}
    for place in PLACES:
        path: bytes | None = os.fsencode(f"{place}/{program}"[1:])
        for _ in range(_MAX_LINKS):
            leaf = table.get(path) if path else None
            if leaf is not None and leaf.mode != MODE_LINK:
                return True
            path = _step(table, path, read) if path else None
            if path is None:
                break
    return False


def _step(table: dict[bytes, Leaf], path: bytes, read: Callable[[Leaf], bytes]) -> bytes | None:
    """The path with the first link on its way replaced by where it leads; None when no link is on its way."""
    parts = path.split(b"/")
    for count in range(1, len(parts) + 1):
        leaf = table.get(b"/".join(parts[:count]))
        if leaf is not None and leaf.mode == MODE_LINK:
            where = os.path.join(b"/", *parts[: count - 1], read(leaf), *parts[count:])
            return os.path.normpath(where).lstrip(b"/")
    return None
