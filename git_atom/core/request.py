"""One execution, fully described: what is mounted, what is run, and for each channel to the world whether it is closed.

A request's digest covers every field, the layout version of the materialiser and the fixed facts of the sandbox included. Whether
it is an action (cacheable) or a trial (evidence only) follows from its channels; it is never stated.
"""

from __future__ import annotations

from typing import NamedTuple

from git_atom.core import canon
from git_atom.core.digest import Digest
from git_atom.errors import MalformedError

LABEL = "atom-request/1"
EPOCH = 315532800  # 1980-01-01T00:00:00Z, the earliest time a zip archive can hold

CLOSED, PINNED, OPEN = "closed", "pinned", "open"
# What an execution could learn from, or tell, the world outside its view.
CHANNELS = (
    "network",  # sockets that reach beyond the sandbox
    "filesystem",  # files that are neither of the view nor of the inputs
    "terminal",  # standard input, and the terminal behind it
    "clock",  # the time of day; pinned: SOURCE_DATE_EPOCH and every mtime
    "entropy",  # random numbers and the layout of memory
    "identity",  # user, group, host name, process ids
    "cpus",  # how many processors there are; pinned: the constant told to the program
    "locale",  # language and time zone
    "kernel",  # its release, /proc, its limits
)


class Channel(NamedTuple):
    """State of one channel: closed, pinned to a payload that is part of the request, or open."""

    state: str
    payload: str = ""


class Policy(NamedTuple):
    """One state for each channel of `CHANNELS`, by field of that name."""

    network: Channel = Channel(CLOSED)
    filesystem: Channel = Channel(CLOSED)
    terminal: Channel = Channel(CLOSED)
    clock: Channel = Channel(PINNED, str(EPOCH))
    entropy: Channel = Channel(CLOSED)
    identity: Channel = Channel(PINNED, "1000:1000@build")
    cpus: Channel = Channel(PINNED, "8")
    locale: Channel = Channel(PINNED, "C.UTF-8 UTC")
    kernel: Channel = Channel(PINNED, "linux")


class Limits(NamedTuple):
    """Bounds of one execution: seconds of wall time, processes, bytes of one file, bytes in /build, /out and the log; 0 is no bound of ours."""

    seconds: int = 0
    processes: int = 16384
    file_bytes: int = 64 << 30
    scratch_bytes: int = 0
    log_bytes: int = 256 << 20


class Input(NamedTuple):
    """A tree that is written out below /build, writable: its directory there (`src`, or `` for /build itself) and its tree digest."""

    path: str
    tree: Digest


class Request(NamedTuple):
    """One execution. environment: sorted pairs, added to the sandbox's own; directory: where it starts; outputs: paths below /out or /build."""

    view: Digest
    argv: tuple[str, ...]
    platform: str
    inputs: tuple[Input, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    directory: str = "/build"
    outputs: tuple[str, ...] = ("/out",)
    policy: Policy = Policy()
    limits: Limits = Limits()
    layout: int = 1


def fixed_environment(request: Request) -> dict[str, str]:
    """The whole environment the program gets: the sandbox's constants, then the request's own."""
    fixed = {
        "CONFIG_SHELL": "/bin/sh",
        "HOME": "/build",
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/bin:/usr/sbin",
        "SOURCE_DATE_EPOCH": request.policy.clock.payload or str(EPOCH),
        "TZ": "UTC",
    }
    return fixed | dict(request.environment)


def check(request: Request) -> None:
    """Refuse a request that cannot be run as stated. Raises MalformedError (ATOM-1010)."""
    for name, channel in request.policy._asdict().items():
        if channel.state not in (CLOSED, PINNED, OPEN):
            raise MalformedError("ATOM-1010", f"channel '{name}' is '{channel.state}'", note="closed, pinned or open")
        if channel.payload and channel.state != PINNED:
            raise MalformedError("ATOM-1010", f"channel '{name}' has a payload but is not pinned")
    if not request.argv or not request.argv[0]:
        raise MalformedError("ATOM-1010", "a request has no program to run")
    texts = [*request.argv, *(part for pair in request.environment for part in pair), request.directory]
    if any("\0" in text for text in texts):
        raise MalformedError("ATOM-1010", "a request's argument or variable holds a NUL")
    for name, _ in request.environment:
        if not name or "=" in name:
            raise MalformedError("ATOM-1010", f"'{name}' is no name of an environment variable")
    for path in (request.directory, *request.outputs):
        if not path.startswith("/") or ".." in path.split("/"):
            raise MalformedError("ATOM-1010", f"path '{path}' of a request is not absolute and plain")
    for path in request.outputs:
        if path.split("/")[1] not in ("out", "build"):
            raise MalformedError("ATOM-1010", f"output '{path}' is neither below /out nor below /build")
    for one in request.inputs:
        if one.path.startswith("/") or ".." in one.path.split("/"):
            raise MalformedError("ATOM-1010", f"input '{one.path}' is not a plain path below /build")


def stratum(request: Request) -> str:
    """`action` when no channel is open, else `trial`."""
    return "trial" if any(channel.state == OPEN for channel in request.policy) else "action"


def value(request: Request) -> canon.Json:
    """A request as the canonical record its digest is taken over."""
    return {
        "type": LABEL,
        "view": request.view,
        "platform": request.platform,
        "inputs": [{"path": one.path, "tree": one.tree} for one in request.inputs],
        "argv": list(request.argv),
        "environment": [list(pair) for pair in request.environment],
        "directory": request.directory,
        "outputs": list(request.outputs),
        "policy": {name: list(channel) for name, channel in request.policy._asdict().items()},
        "limits": request.limits._asdict(),
        "layout": request.layout,
    }


def digest(request: Request) -> Digest:
    """Digest of a request: BLAKE3 over its canonical bytes, all fields included."""
    check(request)
    return canon.digest(value(request))
