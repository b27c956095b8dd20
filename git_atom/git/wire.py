"""Talking to another repository in git's protocol version 2 (gitprotocol-v2(5)) over connections that are git's own.

They are its helper for HTTP (gitremote-helpers(7), stateless-connect, with the user's proxies and credentials), ssh as git calls it,
and upload-pack on this machine. What is asked is the business of `git/lsrefs.py` and `git/continued.py`.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import IO, NamedTuple, cast

from git_atom.core import uri
from git_atom.errors import AtomError, MalformedError, UnavailableError
from git_atom.git import bounds, config, proc
from git_atom.git.source import protocols, too_much, unreachable

FLUSH, DELIM, END = "0000", "0001", "0002"
MOST = 1 << 30  # bytes of an answer


class _Road(NamedTuple):
    """How to connect: a program, and whether it is git's helper for stateless connections."""

    argv: Sequence[str]
    helper: bool = False


def _environment(source: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What the programs that connect to a source get: nothing of the repository at hand."""
    return proc.clean_env(environ) | {
        "GIT_DIR": "/dev/null", "GIT_PROTOCOL": "version=2", "GIT_ALLOW_PROTOCOL": protocols(source)
    }  # fmt: skip


def _meant(source: str, env: Mapping[str, str], cwd: str) -> str:
    """Where a source leads by the user's url.<base>.insteadOf, which git looks up before it connects."""
    if cwd == "/" and not config.says_instead(env):
        return source
    words = proc.run(["git", "ls-remote", "--get-url", "--", source], env=env, cwd=cwd).out
    return uri.check_source(words.decode(errors="surrogateescape").rstrip("\n") or source)


def _road(place: str, env: Mapping[str, str]) -> _Road | None:
    form = uri.kind(place)
    if form == "path":
        if os.path.isfile(place):  # a bundle (gitformat-bundle(5)), or what says where the repository is
            return None
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


class _HungUpError(UnavailableError):
    """The other side ended; told by `connected` with the words of whatever connected."""


class Wire:
    """One connection, on which nothing was said yet. At most `most` bytes are taken from it.

    place: where it leads, by the user's configuration; env: of the programs that connect there; leads: whether one of the ways here does.
    """

    def __init__(
        self,
        place: str,
        env: Mapping[str, str],
        write: IO[bytes],
        read: IO[bytes],
        *,
        helper: bool = False,
        leads: bool = True,
    ) -> None:
        self.place, self.env = place, env
        self._write, self._read = write, read
        self._helper, self._leads = helper, leads
        self.most = MOST
        self._taken = 0
        if helper:
            self._send(b"stateless-connect git-upload-pack\n")

    def begun(self) -> bool:
        """Whether it is there; False when none of the ways leads there, as to a server without smart HTTP."""
        if self._helper:
            answer = self._read.readline(100)
            if answer == b"fallback\n":
                return False
            if answer != b"\n":
                raise _hung_up()
        return self._leads

    def ask(self, command: str, abilities: Sequence[str], lines: Sequence[bytes]) -> None:
        """Send one command of version 2, in the object format that the other side says it has."""
        formats = [line for line in abilities if line.startswith("object-format=")]
        head = b"".join(packet(line.encode()) for line in (f"command={command}", *formats[:1]))
        self._send(head + DELIM.encode() + b"".join(map(packet, lines)) + FLUSH.encode())

    def _send(self, data: bytes) -> None:
        try:
            self._write.write(data)
            self._write.flush()
        except BrokenPipeError:
            raise _hung_up() from None

    def answered(self) -> None:
        """Take the end of an answer, which the helper tells beside the flush that the server sent."""
        if self._helper and self.packet() != END:
            raise broken("an answer does not end")

    def hang_up(self) -> None:
        """Say that nothing more will be asked."""
        if not self._helper:
            try:
                self._write.write(FLUSH.encode())
                self._write.flush()
            except BrokenPipeError:  # it did not wait for that
                return

    def packet(self) -> bytes | str:
        """The next packet's bytes, or as a str which special one it is. Raises ATOM-2011 at the end, ATOM-2022, and ATOM-2023 over the limit."""
        head = self._read.read(4)
        if len(head) < 4:
            raise _hung_up()
        size = int(head, 16) if re.fullmatch(rb"[0-9a-fA-F]{4}", head) else 3
        if size < 3:
            return head.decode()
        if size == 3:
            raise broken("a packet has no length")
        self._taken += size
        if self._taken > self.most:
            raise too_much(self.place, self.most)
        data = self._read.read(size - 4)
        if len(data) < size - 4:
            raise _hung_up()
        if data.startswith(b"ERR "):
            raise _hung_up(data[4:])
        return data

    def lines(self) -> Iterator[bytes]:
        """The lines up to a flush, without their newlines."""
        while not isinstance(line := self.packet(), str):
            yield line.rstrip(b"\n")
        ended(line)


@contextmanager
def connected(source: str, environ: Mapping[str, str], cwd: str = "/") -> Iterator[Wire]:
    """A connection to a checked URL, scp-like place or absolute path, as the user's configuration seen from `cwd` leads there.

    It comes about while whoever asked for it does something else. Raises UnavailableError ATOM-2011 with the words of whatever could not
    connect.
    """
    env = _environment(source, environ)
    place = _meant(source, env, cwd)
    road = _road(place, env)
    if road is None:
        yield Wire(place, env, BytesIO(), BytesIO(), leads=False)
        return
    with open(os.memfd_create("said"), "w+b") as words:
        process = proc.begun(road.argv, subprocess.PIPE, subprocess.PIPE, words, env=env, cwd="/")
        write, read = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        watch = bounds.Watch(process, env)
        try:
            with watch:
                yield Wire(place, env, write, read, helper=road.helper)
        except _HungUpError as error:
            _end(process, write, read)  # before its words are read: it may wait for ours
            words.seek(0)
            raise unreachable(
                place, watch.words if watch.slow else error.note.encode() or words.read(1 << 16)
            ) from None
        except BaseException:  # it may be connecting still, by a program of its own
            bounds.end_family(process)
            raise
        finally:
            _end(process, write, read)


def _end(process: subprocess.Popen[bytes], write: IO[bytes], read: IO[bytes]) -> None:
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


def packet(line: bytes) -> bytes:
    """A line as it is sent (gitprotocol-common(5), pkt-line)."""
    return b"%04x%s\n" % (len(line) + 5, line)


def ended(special: str) -> None:
    """What ended an answer must be a flush: before it the helper tells of its end only when the server went away."""
    if special == END:
        raise _hung_up()
    if special != FLUSH:
        raise broken("an answer goes on where it should end")


def _hung_up(words: bytes = b"") -> AtomError:
    return _HungUpError("ATOM-2011", "the other side hung up", note=words.decode(errors="replace"))


def broken(why: str) -> AtomError:
    """The error for an answer that git's protocol does not know."""
    return MalformedError(
        "ATOM-2022", "the other side does not answer as git's protocol wants", note=why, hint="is it a git server?"
    )
