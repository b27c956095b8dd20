"""Servers that redirect, never end or never answer (catalogue F11, F12): refused, in bounded time and space, and nothing is kept."""

from __future__ import annotations

import base64
import contextlib
import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import http as serve
from test_forks import Person
from test_ownership import commit, write_atom

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@contextlib.contextmanager
def server(
    answer: Callable[[http.server.BaseHTTPRequestHandler], None], certificate: Path | None = None
) -> Iterator[str]:
    """A server whose every answer is made by a function; its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            with contextlib.suppress(OSError):
                answer(self)

        do_POST = do_GET  # noqa: N815

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        made.socket = context.wrap_socket(made.socket, server_side=True)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    try:
        yield f"http{'s' if certificate else ''}://localhost:{made.server_port}"
    finally:
        made.shutdown()
        made.server_close()


@pytest.fixture
def served(run: Run, home: Path, project: Path, key: Path) -> Path:
    """A directory with set.git, which has zlib 1.0.0."""
    write_atom(project / "zlib", "zlib", "1.0.0")
    commit(run, project)
    run("git", "atom", "init", cwd=project)
    run("git", "atom", "publish", "zlib", cwd=project)
    (home / "served").mkdir()
    run("git", "clone", "-q", "--mirror", project, home / "served/set.git")
    return home / "served"


@pytest.fixture
def ann(run: Run, home: Path, project: Path, served: Path) -> Person:
    return Person(run, home / "ann", run("git", "atom", "init", "-q", cwd=project).stdout.strip())


@pytest.fixture
def certificate(home: Path, run: Run) -> Path:
    """A self-signed certificate for localhost with its key, which git is told to trust."""
    path = home / "tls.pem"
    run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", home / "k", "-out", path,
    )  # fmt: skip
    path.write_text(path.read_text() + (home / "k").read_text())
    return path


def to(base: str, seen: list[str]) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(str(request.headers.get("Authorization")))
        if request.headers.get("Authorization") is None and "secret" in request.path:
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="x"')
        else:
            request.send_response(302)
            request.send_header("Location", base + request.path.replace("/secret", ""))
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def nothing_left(ann: Person) -> None:
    assert ann.refs() == {} and os.listdir(ann.store / "incoming") == []


def test_f11_a_redirect_does_not_lead_out_of_tls_or_to_files(served: Path, ann: Person, certificate: Path) -> None:
    ann.env["GIT_SSL_CAINFO"] = str(certificate)
    with serve(served) as plain:
        for base in (plain, f"file://{served}", f"ext::sh -c touch% {ann.home}/canary"):
            with server(to(base, []), certificate) as url:
                done = ann.atom("fetch", f"{url}/set.git::zlib", status=6)
                assert "ATOM-2011" in done.stderr and not (ann.home / "canary").exists()
                nothing_left(ann)
        with server(to(plain, [])) as url:  # the control: a redirect within http
            assert ann.atom("fetch", f"{url}/set.git::zlib").stdout.startswith("zlib 1.0.0")


def test_f11_credentials_stay_with_their_host(served: Path, ann: Person) -> None:
    there: list[str] = []
    heard: list[str] = []
    with serve(served) as plain:
        with server(to(plain, there)) as beyond, server(to(beyond.replace("localhost", "127.0.0.1"), heard)) as url:
            named = url.replace("://", "://someone:hunter2@")
            done = ann.atom("fetch", f"{named}/secret/set.git::zlib", status=None)
            assert "hunter2" not in done.stdout + done.stderr
    word = base64.b64encode(b"someone:hunter2").decode()
    assert any(word in line for line in heard), "the host they are for has got them"
    assert there and not any(word in line for line in there)


def pkt(text: bytes) -> bytes:
    return b"%04x" % (len(text) + 4) + text


def hostile(kind: str, end: threading.Event) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    """Protocol v2 (gitprotocol-v2(5)) by someone who never comes to an end: of refs, or of a pack."""
    oid = b"1" * 40

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        what = "advertisement" if request.command == "GET" else "result"
        request.send_response(200)
        request.send_header("Content-Type", f"application/x-git-upload-pack-{what}")
        request.end_headers()
        write = request.wfile.write
        if request.command == "GET":
            write(pkt(b"# service=git-upload-pack\n") + b"0000" + pkt(b"version 2\n") + pkt(b"ls-refs=unborn\n"))
            write(pkt(b"fetch=shallow\n") + pkt(b"object-format=sha1\n") + b"0000")
        elif b"ls-refs" in body and kind == "refs":
            row = b"".join(pkt(oid + b" refs/atoms-log/head%d\n" % n) for n in range(10000))
            while not end.is_set():
                write(row)
        elif b"ls-refs" in body:
            write(pkt(oid + b" refs/atoms-log/head\n") + b"0000")
        else:
            write(pkt(b"packfile\n") + pkt(b"\x01PACK\0\0\0\2\0\1\0\0"))
            blob = os.urandom(1 << 16)
            import zlib

            packed = b"\xb0\x80\x20" + zlib.compress(blob, 0)
            while not end.is_set():
                for at in range(0, len(packed), 60000):
                    write(pkt(b"\x01" + packed[at : at + 60000]))

    return answer


@pytest.mark.parametrize("kind", ["refs", "pack"])
def test_f12_a_server_without_end(kind: str, ann: Person, served: Path) -> None:
    end = threading.Event()
    ann.git("config", "--global", "atom.maxFetchSize", "20m")
    try:
        with server(hostile(kind, end)) as url:
            done = ann.atom("fetch", f"{url}/set.git::zlib", status=7)
    finally:
        end.set()
    if kind == "refs":
        assert "ATOM-2022" in done.stderr and "more than 1000 refs" in done.stderr
    else:
        assert "ATOM-2023" in done.stderr and "atom.maxFetchSize" in done.stderr
    nothing_left(ann)
    with serve(served) as plain:
        ann.atom("fetch", f"{plain}/set.git::zlib")


@contextlib.contextmanager
def dripping(kind: str, place: Path) -> Iterator[str]:
    """A place whose server says nothing, a byte now and then, or all but the end; over git:// or ssh. Its address."""
    heart = {
        "silent": "import time\ntime.sleep(600)",
        "drip": "import time\nput(b'fff0')\nwhile True: put(b'x'); time.sleep(0.3)",
        "packs": f"import time\nput({pkt(b'version 2') + b'fff0'!r})\nwhile True: put(b'x'); time.sleep(0.3)",
    }[kind.partition("-")[2]]
    script = place / "server.py"
    script.write_text(f"import sys\ndef put(b): sys.stdout.buffer.write(b); sys.stdout.flush()\n{heart}\n")
    if kind.startswith("ssh"):
        (place / "ssh").write_text(f"#!/bin/sh\nexec {sys.executable} {script}\n")
        (place / "ssh").chmod(0o755)
        yield "ssh://somebody@host.invalid/set.git"
        return
    said: list[subprocess.Popen[bytes]] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serving() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    said.append(subprocess.Popen([sys.executable, script], stdout=connection.fileno()))
                    connection.close()

        threading.Thread(target=serving, daemon=True).start()
        yield f"git://127.0.0.1:{listening.getsockname()[1]}/set.git"
    for process in said:
        process.kill()
        process.wait()


@pytest.mark.parametrize("words", ["fetch", "list"])
@pytest.mark.parametrize("kind", [f"{way}-{how}" for way in ("ssh", "git") for how in ("silent", "drip", "packs")])
def test_f12_a_server_that_drips_over_ssh_or_git(
    kind: str, words: str, ann: Person, served: Path, orphans: object
) -> None:
    """http is not the only transport: whoever brings next to nothing for longer than the user waits is given up, with all that was started."""
    ann.git("config", "--global", "atom.stallTime", "2s")
    with dripping(kind, ann.home) as url:
        if kind.startswith("ssh"):
            ann.env["GIT_SSH"] = str(ann.home / "ssh")
        began = time.monotonic()
        done = ann.atom(words, f"{url}::zlib", status=6)
        assert time.monotonic() - began < 10
    assert "ATOM-2011" in done.stderr and "atom.stallTime" in done.stderr and "2 seconds" in done.stderr
    nothing_left(ann)
    ann.env.pop("GIT_SSH", None)
    assert ann.atom(words, f"{served}/set.git::zlib").stdout  # the control: one that answers, with the same patience


def test_f12_one_that_needs_its_time_is_waited_for(ann: Person, served: Path) -> None:
    """The control: slow, but above the least pace or within the user's patience; and a setting that is none is said to be none."""
    slow = ann.home / "slow"
    slow.write_text('#!/bin/sh\nshift\nsleep 3\nexec sh -c "$*"\n')
    slow.chmod(0o755)
    ann.env["GIT_SSH"] = str(slow)
    ann.env["GIT_SSH_VARIANT"] = "simple"
    url = f"host:{served}/set.git"
    ann.git("config", "--global", "atom.stallTime", "1s")
    assert "ATOM-2011" in ann.atom("fetch", f"{url}::zlib", status=6).stderr
    for bad in ("soon", "0", "-1s"):
        ann.git("config", "--global", "atom.stallTime", bad)
        assert "ATOM-2024" in ann.atom("fetch", f"{url}::zlib", status=128).stderr
    nothing_left(ann)
    ann.git("config", "--global", "atom.stallTime", "30s")
    assert ann.atom("fetch", f"{url}::zlib").stdout.startswith("zlib 1.0.0")
