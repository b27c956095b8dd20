"""A server that has been seen before and lies about what came since (catalogue F12 and F05's transport): refused, and nothing is kept.

git's own server answers everything but the one request for the new part of a log, or answers that too and is cut short.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from forging import Forger
from servers import Backend, http
from test_discovery import serve
from test_forks import Person

Run = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.slow
LOG = "refs/atoms-log/head"


def pkt(data: bytes) -> bytes:
    return b"%04x" % (len(data) + 4) + data


def bands(pack: bytes) -> Iterator[bytes]:
    for at in range(0, len(pack), 60000):
        yield pkt(b"\1" + pack[at : at + 60000])


class Liar(Backend):
    """git's server, but for requests whose body has a certain word: those are answered by a function from body to pieces."""

    word = b"command=fetch"
    answer: Callable[[bytes], Iterable[bytes]] | None = None
    asked: list[bytes] = []

    def do_POST(self) -> None:  # noqa: N802
        kind = type(self)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if self.headers.get("Transfer-Encoding") != "chunked" else super()._body()
        kind.asked.append(body)
        if kind.answer is None or kind.word not in body:
            self._body = lambda: body  # type: ignore[method-assign]
            super().do_POST()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-result")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for piece in kind.answer(body):
                self.wfile.write(piece)
        except OSError:
            pass  # the other side has had enough
        self.close_connection = True


class Ground:
    """A set with two versions of a; someone has seen its first, trusts it, and asks a server that may lie about the second."""

    def __init__(self, run: Run, home: Path) -> None:
        self.set = Forger(home / "set.git").claim("a")
        serve(self.set, run, self.set.add("a", "1.0.0"))
        self.early = self.set.head
        self.ann = Person(run, home / "ann", self.set.draft.anchor)
        self.ann.atom("list", self.set.path, "a")
        serve(self.set, run, self.set.add("a", "1.1.0", "1.0.0"))
        self.known = self.state()
        self.root = home

    def state(self) -> tuple[dict[str, str], list[str]]:
        return self.ann.refs(), sorted(os.listdir(self.ann.store / "objects/pack"))

    def new(self, kind: str = "") -> list[str]:
        """Objects that came with the second version, in git's order, of one kind or of all."""
        argv = ["git", "rev-list", "--objects", "--no-object-names", f"{self.early}..{self.set.head}"]
        names = subprocess.run(argv, cwd=self.set.path, check=True, capture_output=True, text=True).stdout.split()
        argv = ["git", "cat-file", "--batch-check=%(objectname) %(objecttype)"]
        done = subprocess.run(
            argv, cwd=self.set.path, check=True, capture_output=True, text=True, input="\n".join(names)
        )
        return [line.split()[0] for line in done.stdout.splitlines() if line.endswith(kind)]

    def all(self) -> list[str]:
        """All objects that the log reaches."""
        argv = ["git", "rev-list", "--objects", "--no-object-names", self.set.head]
        return subprocess.run(argv, cwd=self.set.path, check=True, capture_output=True, text=True).stdout.split()

    def pack(self, names: Iterable[str]) -> bytes:
        argv = ["git", "pack-objects", "--stdout", "-q"]
        text = "".join(f"{name}\n" for name in names).encode()
        return subprocess.run(argv, cwd=self.set.path, check=True, capture_output=True, input=text).stdout

    def sent(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """An answer to `fetch` in good form (gitprotocol-v2(5)), with these packets as the pack."""
        yield pkt(b"acknowledgments\n") + pkt(f"ACK {self.early}\n".encode()) + pkt(b"ready\n") + b"0001"
        yield pkt(b"packfile\n")
        yield from pieces
        yield b"0000"

    def asks(self, answer: Callable[[bytes], Iterable[bytes]] | None, status: int = 0, **more: object) -> str:
        """What `git atom list` says on stderr, or when it is answered on stdout, when one request is answered so."""
        kind = type("One", (Liar,), {"answer": staticmethod(answer) if answer else None, "asked": [], **more})
        with http(self.root, kind) as url:
            done = self.ann.atom("list", f"{url}/set.git", "a", status=status)
        self.asked = kind.asked
        return done.stderr if status else done.stdout

    def refused(self, code: str, status: int, answer: Callable[[bytes], Iterable[bytes]], **more: object) -> None:
        """It ends in this error, all is as before, and an honest server is believed after it."""
        assert f"error[{code}]" in self.asks(answer, status, **more)
        assert self.state() == self.known and os.listdir(self.ann.store / "incoming") == []


@pytest.fixture
def ground(run: Run, home: Path) -> Ground:
    return Ground(run, home)


def test_what_is_new_comes_over_one_connection_in_one_answer(ground: Ground) -> None:
    assert ground.asks(None).splitlines() == ["a 1.0.0", "a 1.1.0"]
    assert [body[4:].split(b"\n")[0] for body in ground.asked if body] == [b"command=ls-refs", b"command=fetch"]
    assert f"have {ground.early}\n".encode() in ground.asked[-1] and b"thin-pack" in ground.asked[-1]
    assert ground.ann.refs().popitem()[1] == ground.set.head
    assert ground.asks(None).splitlines() == ["a 1.0.0", "a 1.1.0"]
    assert not any(b"command=fetch" in body for body in ground.asked), "there is nothing new"


def test_an_answer_made_here_is_taken_as_git_s_own(ground: Ground) -> None:
    pack = ground.pack(ground.new())
    assert "a 1.1.0" in ground.asks(lambda _: ground.sent(bands(pack)))


@pytest.mark.parametrize("kind", ["commit", "tree", "blob"])
def test_f12_a_pack_that_lacks_an_object(ground: Ground, kind: str) -> None:
    for name in ground.new(kind):
        pack = ground.pack(other for other in ground.new() if other != name)
        ground.refused("ATOM-2011", 6, lambda _, pack=pack: ground.sent(bands(pack)))  # type: ignore[misc]
    assert "a 1.1.0" in ground.asks(None)


def test_f12_a_pack_that_is_cut_off_or_damaged(ground: Ground) -> None:
    pack = ground.pack(ground.new())
    half = pack[: len(pack) // 2]
    ground.refused("ATOM-2011", 6, lambda _: ground.sent(bands(half)))
    ground.refused("ATOM-2011", 6, lambda _: list(ground.sent(bands(half)))[:-1])
    ground.refused("ATOM-2011", 6, lambda _: ground.sent([]))
    wrong = half[:-1] + bytes([half[-1] ^ 1]) + pack[len(half) :]
    ground.refused("ATOM-2011", 6, lambda _: ground.sent(bands(wrong)))
    ground.refused("ATOM-2011", 6, lambda _: ground.sent([pkt(b"\3no more of this\n")]))
    ground.refused("ATOM-2022", 7, lambda _: [*list(ground.sent(bands(pack)))[:-1], b"0001"])
    assert "a 1.1.0" in ground.asks(None)


def test_f12_another_head_than_the_one_that_was_told(ground: Ground) -> None:
    blob = ground.new("blob")[0]
    pack = ground.pack([blob])
    ground.refused("ATOM-2011", 6, lambda _: ground.sent(bands(pack)))
    told = {"word": b"command=ls-refs"}
    for oid in ("1" * 40, str(blob)):  # what nobody has, and what is no log; git's own server is asked for both
        answer = pkt(f"{oid} {LOG}\n".encode()) + b"0000"
        kind = "ATOM-3010" if oid == blob else "ATOM-2011"
        ground.refused(kind, 2 if oid == blob else 6, lambda _, answer=answer: [answer], **told)  # type: ignore[misc]
    assert "a 1.1.0" in ground.asks(None)


def test_f12_objects_that_nobody_asked_for_change_nothing(ground: Ground, run: Run) -> None:
    run("git", "hash-object", "-w", "--stdin-paths", cwd=ground.set.path)
    extra = ground.set.blob(b"nobody asked for this")
    fake = ground.set.tree((0o100644, b"x", extra))
    pack = ground.pack([*ground.new(), extra, fake])
    assert ground.asks(lambda _: ground.sent(bands(pack))).splitlines() == ["a 1.0.0", "a 1.1.0"]
    assert set(ground.ann.refs().values()) == {ground.set.head}, "no ref names them"
    ground.ann.git("gc", "-q", "--prune=now", cwd=ground.ann.store)
    ground.ann.git("cat-file", "-e", extra, cwd=ground.ann.store, status=1)
    assert "a 1.1.0" in ground.asks(None)


def without_end(piece: bytes, end: threading.Event) -> Iterator[bytes]:
    while not end.is_set():
        yield piece


def test_f12_refs_that_are_cut_off(ground: Ground) -> None:
    rows = pkt(f"{ground.set.head} {LOG}\n".encode())
    for answer in ([rows], [rows, b"00"], []):
        ground.refused("ATOM-2011", 6, lambda _, answer=answer: answer, word=b"command=ls-refs")  # type: ignore[misc]


@pytest.mark.parametrize("what", ["pack", "progress", "acknowledgments", "refs", "other refs"])
def test_f12_an_answer_without_end(ground: Ground, what: str) -> None:
    ground.ann.git("config", "--global", "atom.maxFetchSize", "20m")
    end, begun = threading.Event(), time.monotonic()
    blob = os.urandom(60000)
    oid = "1" * 40
    rows = {
        "refs": b"".join(pkt(f"{oid} {LOG}{n:050000}\n".encode()) for n in range(10)),
        "other refs": b"".join(pkt(f"{oid} refs/heads/{n}\n".encode()) for n in range(1000)),
    }

    def answer(_: bytes) -> Iterator[bytes]:
        if what == "acknowledgments":
            yield pkt(b"acknowledgments\n")
            yield from without_end(pkt(f"ACK {ground.early}\n".encode()) * 1000, end)
        elif what in rows:
            yield from without_end(rows[what], end)
        else:
            head = pkt(b"\1PACK\0\0\0\2\0\1\0\0")  # 65,536 objects
            band = pkt(b"\2" + blob) if what == "progress" else pkt(b"\1\xb0\x80\x20" + blob)
            yield from ground.sent(x for part in ([head], without_end(band, end)) for x in part)

    more = {"word": b"command=ls-refs"} if what in rows else {}
    try:
        # a pack of rubbish is refused as soon as it is seen to be none
        code = {"pack": "ATOM-2011", "other refs": "ATOM-2022"}.get(what, "ATOM-2023")
        ground.refused(code, 6 if what == "pack" else 7, answer, **more)
    finally:
        end.set()
    assert time.monotonic() - begun < 60
    assert "a 1.1.0" in ground.asks(None)


def test_f12_a_sound_pack_that_is_too_much(ground: Ground) -> None:
    ground.ann.git("config", "--global", "atom.maxFetchSize", "1m")
    big = [ground.set.blob(os.urandom(300_000)) for _ in range(5)]
    pack = ground.pack([*ground.new(), *big])
    ground.refused("ATOM-2023", 7, lambda _: ground.sent(bands(pack)))
    ground.ann.git("config", "--global", "atom.maxFetchSize", "2m")
    assert "a 1.1.0" in ground.asks(lambda _: ground.sent(bands(pack)))


def test_a_server_that_has_nothing_in_common_is_left_to_git(ground: Ground, run: Run, home: Path) -> None:
    """It shows another log of another set, and what is known here means nothing to it."""
    other = Forger(home / "other.git", nonce="11" * 32).claim("b")
    serve(other, run, other.add("b", "1.0.0"))
    with http(home) as url:
        done = ground.ann.atom("list", f"{url}/other.git", "b")
    assert done.stdout.splitlines() == ["b 1.0.0"] and "not one you trust" in done.stderr
    assert ground.state() == ground.known


def first(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """An answer to a `fetch` that has nothing to go on from."""
    yield pkt(b"packfile\n")
    yield from pieces
    yield b"0000"


def test_a_first_meeting_is_one_connection_and_refused_like_any(ground: Ground, run: Run, home: Path) -> None:
    other = Forger(home / "other.git", nonce="11" * 32).claim("a")
    serve(other, run, other.add("a", "3.0.0"))
    bob = Person(run, home / "bob", ground.set.draft.anchor)
    bob.atom("trust", "add", other.draft.anchor)
    ground.ann, ground.known = bob, ({}, [])
    everything = ground.all()
    for name in (everything[0], everything[-1]):
        pack = ground.pack(one for one in everything if one != name)
        ground.asks(lambda _, pack=pack: first(bands(pack)), 6)  # type: ignore[misc]
        assert bob.refs() == {}
    assert ground.asks(None).splitlines() == ["a 1.0.0", "a 1.1.0"]
    assert [body[4:].split(b"\n")[0] for body in ground.asked if body] == [b"command=ls-refs", b"command=fetch"]
    # a store that knows another set has nothing to go on from either
    kind = type("Two", (Liar,), {"asked": []})
    with http(home, kind) as url:
        assert bob.atom("list", f"{url}/other.git", "a").stdout == "a 3.0.0\n"
    assert [body[4:].split(b"\n")[0] for body in kind.asked if body] == [b"command=ls-refs"] + 2 * [b"command=fetch"]
    assert bob.atom("list", str(other.path), "a").stdout == "a 3.0.0\n"


def test_what_goes_wrong_here_does_not_wait_for_a_silent_server(ground: Ground) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"http://127.0.0.1:{silent.getsockname()[1]}/set.git"
        begin = time.monotonic()
        assert "ATOM-1010" in ground.ann.atom("list", "--unverified", place, "Bad..Name/", status=7).stderr
        ground.ann.git("config", "--global", "atom.maxFetchSize", "nonsense")
        assert "ATOM-2024" in ground.ann.atom("list", place, "a", status=None).stderr
        assert time.monotonic() - begin < 4
        left = subprocess.run(["pgrep", "-f", f"remote-http.*{place}"], capture_output=True, text=True, check=False)
        assert left.stdout == ""


def test_a_bundle_is_a_source(ground: Ground) -> None:
    ground.ann.git("bundle", "create", "-q", str(ground.root / "set.bundle"), "--all", cwd=ground.set.path)
    assert ground.ann.atom("list", str(ground.root / "set.bundle"), "a").stdout == "a 1.0.0\na 1.1.0\n"
