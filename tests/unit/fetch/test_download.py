"""Fetching against a server of our own that lies, redirects, breaks off and drips."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from git_atom.core.digest import of_bytes
from git_atom.core.host import Progress
from git_atom.errors import AtomError
from git_atom.fetch import download as module
from git_atom.fetch.download import File, Wanted, download

BODY = b"the body of a tarball\n" * 1000


class Handler(BaseHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self) -> None:
        Handler.asked.append(self.path)
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path[4:].replace("SELF", f"http://127.0.0.1:{self.server.server_port}"))  # type: ignore[attr-defined]
            self.end_headers()
        elif self.path == "/missing":
            self.send_error(404)
        elif self.path == "/sick" or (self.path == "/once" and Handler.asked.count("/once") < 2):
            self.send_error(503)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY) + (9 if self.path == "/short" else 0)))
            if self.path == "/gzip":
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    Handler.asked = []
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def get(url: str, where: Path, **more: object) -> File:
    options = {k: more.pop(k) for k in ("offline", "limit") if k in more}
    return download(Wanted(url, **more), str(where), {}, Progress(), **options)  # type: ignore[arg-type]


def code(url: str, where: Path, **more: object) -> str:
    with pytest.raises(AtomError) as caught:
        get(url, where, **more)
    assert not [p for p in where.glob("**/*") if p.name.startswith(".part")]
    return caught.value.code


def test_fetch_and_cache(server: str, tmp_path: Path) -> None:
    got = get(f"{server}/x", tmp_path)
    assert (got.digest, got.size) == (of_bytes(BODY), len(BODY))
    assert Path(got.path).read_bytes() == BODY and Path(got.path).stat().st_mode & 0o777 == 0o444
    again = get(f"{server}/x", tmp_path, digest=got.digest, offline=True)
    by_sha = get(f"{server}/x", tmp_path, sha256=hashlib.sha256(BODY).hexdigest())
    assert again == by_sha == got and Handler.asked == ["/x"]


def test_damaged_copy_is_fetched_again(server: str, tmp_path: Path) -> None:
    got = get(f"{server}/x", tmp_path)
    Path(got.path).chmod(0o644)
    Path(got.path).write_bytes(b"other")
    assert get(f"{server}/x", tmp_path, digest=got.digest) == got
    assert Path(got.path).read_bytes() == BODY


def test_redirect(server: str, tmp_path: Path) -> None:
    assert get(f"{server}/to/SELF/x", tmp_path).size == len(BODY)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://h.example/x", "http://u:p@127.0.0.1/x"])
def test_redirect_refused(server: str, tmp_path: Path, target: str) -> None:
    assert code(f"{server}/to/{target}", tmp_path) == "ATOM-5024"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://h.example/x", "http://h.example/x"), ("https://h.example/x", "https://127.0.0.1/x"),
        ("http://h.example/x", "http://169.254.169.254/x"), ("http://h.example/x", "http://2130706433/x"),
        ("http://h.example/x", "http://localhost:80/"), ("http://h.example/x", "http://[::1]/"),
    ],
)  # fmt: skip
def test_may_not_follow(old: str, new: str) -> None:
    with pytest.raises(AtomError):
        module._may_follow(old, new)
    module._may_follow("http://h.example/x", "https://mirror.example/y")


def test_redirect_loop(server: str, tmp_path: Path) -> None:
    assert code(f"{server}/to/" + "/to/".join(["SELF"] * 1) + "/to/SELF" * 9, tmp_path) in ("ATOM-5024", "ATOM-5021")


def test_promises(server: str, tmp_path: Path) -> None:
    assert code(f"{server}/x", tmp_path, digest=of_bytes(b"other")) == "ATOM-5022"
    assert code(f"{server}/x", tmp_path, sha256="0" * 64) == "ATOM-5022"
    assert code(f"{server}/x", tmp_path, size=len(BODY) - 1) == "ATOM-5022"
    assert code(f"{server}/x", tmp_path, size=len(BODY) + 1) == "ATOM-5022"
    assert code(f"{server}/x", tmp_path, limit=100) == "ATOM-5023"
    assert not list(tmp_path.iterdir())


def test_failures(server: str, tmp_path: Path) -> None:
    assert code(f"{server}/missing", tmp_path) == "ATOM-5021"
    assert code(f"{server}/sick", tmp_path) == "ATOM-5026" and Handler.asked.count("/sick") == 3
    assert code(f"{server}/short", tmp_path) == "ATOM-5026"
    assert code(f"{server}/gzip", tmp_path) == "ATOM-5021"
    assert get(f"{server}/once", tmp_path).size == len(BODY)
    assert code("http://127.0.0.1:9/x", tmp_path) == "ATOM-5026"
    assert code(f"{server}/new", tmp_path, offline=True) == "ATOM-5020"


def test_file_url(tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(BODY)
    assert get(f"file://{tmp_path}/a%20b", tmp_path / "c", offline=True).digest == of_bytes(BODY)
    assert code(f"file://{tmp_path}/none", tmp_path / "c") == "ATOM-5025"


def test_proxies() -> None:
    env = {"http_proxy": "http://p.example:1", "no_proxy": "localhost,.corp.example"}
    assert module._proxies("h.example", env) == {"http": "http://p.example:1"}
    assert module._proxies("a.corp.example", env) == {} == module._proxies("h.example", env | {"no_proxy": "*"})
