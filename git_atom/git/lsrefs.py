"""Which refs another repository has below a prefix, and nothing else of it: `ls-refs` of git's protocol version 2 (gitprotocol-v2(5)).

`git ls-remote` has no way to say a prefix, so it is told of every ref there is. Connections are git's own: its helper for HTTP
(gitremote-helpers(7), stateless-connect, with the user's proxies and credentials), ssh as git calls it, upload-pack on this machine.
A server that speaks an older version tells all refs, as it does to git; a place that these ways do not lead to is left to ls-remote.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, NamedTuple, cast

from git_atom.core import uri
from git_atom.core.digest import Oid
from git_atom.errors import AtomError, MalformedError, UnavailableError
from git_atom.git import config, proc
from git_atom.git.source import protocols, unreachable

MAX_REFS = 5_000_000
_FLUSH, _DELIM, _END = b"0000", b"0001", b"0002"


class Told(NamedTuple):
    """What a repository told: its refs by name (tags not followed), its protocol version, and what it can do, as version 2 lists it."""

    refs: dict[str, Oid]
    version: int
    abilities: tuple[str, ...]


class _Road(NamedTuple):
    """How to connect: a program, what is written to it first, and whether it is git's helper for stateless connections."""

    argv: Sequence[str]
    helper: bool = False


def told(source: str, prefixes: Sequence[str], environ: Mapping[str, str], cwd: str = "/") -> Told:
    """The refs at `source` (a checked URL, scp-like place or absolute path) that begin with one of the prefixes.

    Raises UnavailableError ATOM-2011 when it cannot be read, MalformedError ATOM-2022 when it does not answer as git's protocol wants.
    """
    env = proc.clean_env(environ) | {
        "GIT_DIR": "/dev/null", "GIT_PROTOCOL": "version=2", "GIT_ALLOW_PROTOCOL": protocols(source)
    }  # fmt: skip
    # the user's url.<base>.insteadOf, which git looks up before it connects
    place = proc.run(["git", "ls-remote", "--get-url", "--", source], env=env, cwd=cwd).out.decode(
        errors="surrogateescape"
    )
    place = uri.check_source(place.rstrip("\n") or source)
    road = _road(place, env)
    found = _ask(road, place, prefixes, env) if road else None
    return found or _all(place, prefixes, env)


def _road(place: str, env: Mapping[str, str]) -> _Road | None:
    form = uri.kind(place)
    if form == "path":
        return _Road(["git", "upload-pack", "--", place])
    scheme, _, rest = place.partition("://") if form == "url" else ("ssh", "", "")
    scheme = scheme.lower()
    if scheme in ("http", "https"):
        return _Road(["git", f"remote-{scheme}", "origin", place], helper=True)
    if scheme == "file":
        return _Road(["git", "upload-pack", "--", rest.removeprefix("localhost")])
    return _ssh(place, env) if scheme == "ssh" else None


def _ssh(place: str, env: Mapping[str, str]) -> _Road | None:
    """The call that git makes (git-config(1), core.sshCommand and ssh.variant); None where it would be made in another way."""
    match = re.fullmatch(r"(?i)ssh://([^/]*@)?(\[[^]/]*\]|[^:/]*)(?::([0-9]+))?(/.*)", place)
    scp = re.fullmatch(r"(?s)([^/:@]+@)?(\[[^]]*\]|[^/:]+):(.*)", place)
    found = match or scp
    if found is None or (config.get(None, "ssh.variant", env) or "ssh") not in ("ssh", "auto"):
        return None
    user, host, port = found[1] or "", found[2].strip("[]"), match[3] if match else None
    path = match[4] if match else found[3]
    path = path[1:] if match and path.startswith("/~") else path
    command = env.get("GIT_SSH_COMMAND") or config.get(None, "core.sshCommand", env)
    program = command.split()[0] if command else env.get("GIT_SSH") or "ssh"
    if os.path.basename(program) != "ssh":
        return None
    words = ["-o", "SendEnv=GIT_PROTOCOL", *(["-p", port] if port else []), "--", user + host]
    quoted = "'" + path.replace("'", "'\\''") + "'"
    front = ["sh", "-c", f'{command} "$@"', command] if command else [program]
    return _Road([*front, *words, f"git-upload-pack {quoted}"])


def _ask(road: _Road, place: str, prefixes: Sequence[str], env: Mapping[str, str]) -> Told | None:
    """Speak with a server; None when the helper cannot (a server without smart HTTP)."""
    with open(os.memfd_create("said"), "w+b") as words:
        try:
            process = subprocess.Popen(
                road.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, env=dict(env), cwd="/"
            )
        except FileNotFoundError as error:
            raise proc.missing(str(error.filename)) from error
        write, read = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        try:
            try:
                return _talk(road, prefixes, write, read)
            except (UnavailableError, BrokenPipeError) as error:
                process.wait()
                words.seek(0)
                told = error.note.encode() if isinstance(error, UnavailableError) else b""
                raise unreachable(place, told or words.read(1 << 16)) from None
        finally:
            _hang_up(process, write, read)


def _hang_up(process: subprocess.Popen[bytes], write: IO[bytes], read: IO[bytes]) -> None:
    try:
        write.close()
    except BrokenPipeError:
        pass
    read.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _talk(road: _Road, prefixes: Sequence[str], write: IO[bytes], read: IO[bytes]) -> Told | None:
    if road.helper:
        write.write(b"stateless-connect git-upload-pack\n")
        write.flush()
        answer = read.readline(100)
        if answer == b"fallback\n":
            return None
        if answer != b"\n":
            raise _hung_up()
    first = next(packets(read), b"")
    if not first:  # version 0 of a repository without refs
        return Told({}, 0, ())
    if first != b"version 2":
        return _older(first, packets(read), prefixes, write)
    abilities = tuple(line.decode(errors="replace") for line in packets(read))
    formats = [line.partition("=")[2] for line in abilities if line.startswith("object-format=")]
    lines = [b"command=ls-refs", *(b"object-format=" + name.encode() for name in formats[:1])]
    asked = b"".join(packet(b"ref-prefix " + prefix.encode(errors="surrogateescape")) for prefix in prefixes)
    write.write(b"".join(map(packet, lines)) + _DELIM + asked + _FLUSH)
    write.flush()
    refs = dict(_rows(packets(read), prefixes))
    if not road.helper:
        write.write(_FLUSH)
        write.flush()
    return Told(refs, 2, abilities)


def _older(first: bytes, rest: Iterator[bytes], prefixes: Sequence[str], write: IO[bytes]) -> Told:
    """Version 0 or 1, where all refs come unasked, the abilities behind the first (gitprotocol-pack(5))."""
    version = 1 if first == b"version 1" else 0
    line = next(rest, b"") if version else first
    row, _, words = line.partition(b"\0")
    refs = dict(_rows((one for line in (iter([row]), rest) for one in line if one), prefixes))
    write.write(_FLUSH)
    write.flush()
    return Told(refs, version, tuple(words.decode(errors="replace").split()))


def _rows(lines: Iterator[bytes], prefixes: Sequence[str]) -> Iterator[tuple[str, Oid]]:
    """Name and id of each ref told; prefixes are held against the answer, since a server may tell more than it was asked."""
    wanted = tuple(prefix.encode(errors="surrogateescape") for prefix in prefixes)
    for count, line in enumerate(lines):
        oid, _, rest = line.partition(b" ")
        name = rest.split(b" ", 1)[0]
        if count >= MAX_REFS:
            raise _broken(f"it tells more than {MAX_REFS} refs")
        if not name or not re.fullmatch(rb"[0-9a-f]{40}|[0-9a-f]{64}", oid):
            raise _broken("what should be a ref is none")
        if name.startswith(wanted) and not name.endswith(b"^{}"):
            yield name.decode(errors="surrogateescape"), Oid(oid.decode())


def packet(line: bytes) -> bytes:
    """A line as it is sent (gitprotocol-common(5), pkt-line)."""
    return b"%04x%s\n" % (len(line) + 5, line)


def packets(read: IO[bytes]) -> Iterator[bytes]:
    """The lines received up to a flush, without their newlines. Raises ATOM-2011 when the other side ends before it, and ATOM-2022."""
    while True:
        head = read.read(4)
        if len(head) < 4:
            raise _hung_up()
        if head in (_FLUSH, _END):
            return
        if not re.fullmatch(rb"[0-9a-fA-F]{4}", head) or int(head, 16) < 4:
            raise _broken("a packet has no length")
        data = read.read(int(head, 16) - 4)
        if len(data) < int(head, 16) - 4:
            raise _hung_up()
        if data.startswith(b"ERR "):
            raise _hung_up(data[4:])
        yield data.rstrip(b"\n")


def _hung_up(words: bytes = b"") -> UnavailableError:
    return UnavailableError("ATOM-2011", "the other side hung up", note=words.decode(errors="replace"))


def _broken(why: str) -> AtomError:
    return MalformedError(
        "ATOM-2022", "the other side does not answer as git's protocol wants", note=why, hint="is it a git server?"
    )


def _all(place: str, prefixes: Sequence[str], env: Mapping[str, str]) -> Told:
    """Every ref there, by git's own ls-remote, for places that no prefix can be said to."""
    done = proc.run(["git", "ls-remote", "--refs", "--", place], env=env, cwd="/")
    if done.status != 0:
        raise unreachable(place, done.err)
    lines = (line.replace(b"\t", b" ", 1) for line in done.out.splitlines())
    return Told(dict(_rows(lines, prefixes)), 0, ())
