"""Upstream lockfiles adopted: what Cargo.lock names is fetched, locked, and laid out so that Cargo builds from it without a network."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import hashlib
import io
import json
import shutil
import socketserver
import ssl
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Scene
from projects import Run, commit
from test_build import atom, built
from test_lock import atom as bare_atom

pytestmark = pytest.mark.slow
HOST = "static.crates.io"
INDEX = "registry+https://github.com/rust-lang/crates.io-index"


def crate(name: str, version: str, text: str = "pub fn one() -> i32 { 41 }\n") -> bytes:
    """A crate's archive as cargo package makes it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        files = {
            "Cargo.toml": f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n',
            "src/lib.rs": text,
        }
        for path, content in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content.encode()))
    return gzip.compress(out.getvalue(), mtime=0)


class Registry:
    """The host that serves crates, reached through a proxy; `served` holds its files by path, `asked` what was asked for."""

    def __init__(self, place: Path) -> None:
        self.served: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.pem = place / "crates.pem"
        self.context = self._context(place)

    def add(self, name: str, version: str, data: bytes = b"") -> dict[str, str]:
        """Serve a crate; its rows for a lockfile."""
        data = data or crate(name, version)
        self.served[f"/crates/{name}/{name}-{version}.crate".replace("+", "%2B")] = data
        return {"name": name, "version": version, "source": INDEX, "checksum": hashlib.sha256(data).hexdigest()}

    def _context(self, place: Path) -> ssl.SSLContext:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, HOST)])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now.replace(year=now.year + 1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), False).sign(key, hashes.SHA256())
        )  # fmt: skip
        self.pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8
        private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        (place / "crates.key").write_bytes(private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem, place / "crates.key")
        return context

    @contextlib.contextmanager
    def served_to(self) -> Iterator[dict[str, str]]:
        """Serve; the environment in which the host is reached."""
        registry = self

        class Proxy(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                wanted = self.rfile.readline().decode()
                while self.rfile.readline().strip():
                    pass
                if not wanted.startswith(f"CONNECT {HOST}:443 "):
                    self.wfile.write(b"HTTP/1.1 403 no\r\n\r\n")
                    return
                self.wfile.write(b"HTTP/1.1 200 yes\r\n\r\n")
                with (
                    registry.context.wrap_socket(self.connection, server_side=True) as inner,
                    inner.makefile("rb") as lines,
                ):
                    path = lines.readline().split(b" ")[1].decode()
                    while lines.readline().strip():
                        pass
                    registry.asked.append(path)
                    data = registry.served.get(path)
                    head = "404 no" if data is None else "200 yes"
                    body = data or b""
                    inner.sendall(
                        f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
                    )

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield {"https_proxy": f"http://127.0.0.1:{server.server_address[1]}", "SSL_CERT_FILE": str(self.pem)}
        finally:
            server.shutdown()
            server.server_close()


def lockfile(*rows: dict[str, str], version: int = 3) -> str:
    own = {"name": "app", "version": "0.1.0"}
    tables = ("[[package]]\n" + "".join(f'{key} = "{value}"\n' for key, value in row.items()) for row in (own, *rows))
    return f"version = {version}\n\n" + "\n".join(tables)


ADOPT = '[srcs.crates]\npath = "{}"\nadopt = "cargo"\n'


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[Registry, dict[str, str]]]:
    made = Registry(tmp_path)
    with made.served_to() as env:
        yield made, env


def test_what_a_lockfile_names_is_locked(project: Path, run: Run, registry: tuple[Registry, dict[str, str]]) -> None:
    crates, env = registry
    one, two = crates.add("dep", "0.1.0"), crates.add("serde_yaml", "0.9.34+deprecated")
    folder = bare_atom(project / "a", "a", more=ADOPT.format("Cargo.lock"))
    (folder / "Cargo.lock").write_text(lockfile(one, two))
    done = run("git", "atom", "lock", "a", "--offline", cwd=project, status=6, **env)
    assert "ATOM-5020" in done.stderr and not (folder / "atom.lock").exists()
    done = run("git", "atom", "lock", "a", cwd=project, **env)
    assert (
        "+ source crates (dep-0.1.0.crate)" in done.stderr
        and "+ source crates (serde_yaml-0.9.34%2Bdeprecated.crate)" in done.stderr
    )
    text = (folder / "atom.lock").read_text()
    assert f'url = "https://{HOST}/crates/dep/dep-0.1.0.crate"' in text and text.count("[[fetches]]") == 2
    assert len(crates.asked) == 2
    run("git", "atom", "lock", "a", "--locked", "--offline", cwd=project)
    run("git", "atom", "lock", "a", "--frozen", cwd=project)
    # a lockfile that changes fetches what is new in it, version 4 is read alike, what was there is not fetched again
    (folder / "Cargo.lock").write_text(lockfile(one, two, crates.add("new", "1.0.0"), version=4))
    assert "ATOM-8044" in run("git", "atom", "lock", "a", "--locked", cwd=project, status=1, **env).stderr
    run("git", "atom", "lock", "a", cwd=project, **env)
    assert (folder / "atom.lock").read_text().count("[[fetches]]") == 3 and crates.asked[2:] == [
        "/crates/new/new-1.0.0.crate"
    ]
    commit(run, project)


def test_what_cannot_be_adopted(project: Path, run: Run, registry: tuple[Registry, dict[str, str]]) -> None:
    crates, env = registry
    good = crates.add("dep", "0.1.0")
    folder = bare_atom(project / "a", "a", more=ADOPT.format("Cargo.lock"))
    for text, code, status, words in (
        (lockfile(good, version=2), "5040", 7, "it is of format 2, and 3 and 4 are read"),
        (lockfile(good, version=5), "5040", 7, "it is of format 5"),
        (lockfile(good).replace("version = 3\n", "", 1), "5040", 7, "of a format before 3"),
        ("]", "5040", 7, "it is not TOML"), (lockfile(good, good), "5040", 7, "stands there twice"),
        (lockfile(good | {"name": "../x"}), "5040", 7, "is no crate"), (lockfile(good | {"version": "1.0.0/.."}), "5040", 7, "is no crate"),
        (lockfile(good | {"source": "git+https://h.example/x#0123"}), "5041", 128, "take it as [pins]"),
        (lockfile(good | {"source": "registry+https://h.example/index"}), "5041", 128, "only crates.io can be adopted"),
        (lockfile({k: v for k, v in good.items() if k != "checksum"}), "5041", 128, "has no SHA-256"),
        (lockfile(good | {"checksum": "0" * 64}), "5022", 2, ""), (lockfile(good | {"name": "gone"}), "5021", 6, "404"),
    ):  # fmt: skip
        (folder / "Cargo.lock").write_text(text)
        done = run("git", "atom", "lock", "a", cwd=project, status=status, **env)
        assert f"ATOM-{code}" in done.stderr and words in done.stderr, done.stderr
        assert not (folder / "atom.lock").exists()
    (folder / "Cargo.lock").unlink()
    assert "ATOM-8052" in run("git", "atom", "lock", "a", cwd=project, status=128, **env).stderr
    for kind in ("npm", "pypi", "go"):
        bare_atom(folder, "a", more=ADOPT.format("atom.toml").replace("cargo", kind))
        done = run("git", "atom", "lock", "a", cwd=project, status=6, **env)
        assert "ATOM-8047" in done.stderr and f"'adopt = {kind}'" in done.stderr
    (folder / "Cargo.lock").write_text(lockfile(good))  # the positive control of all of these
    bare_atom(folder, "a", more=ADOPT.format("Cargo.lock"))
    run("git", "atom", "lock", "a", cwd=project, **env)


COPY = '\nrun = ["mkdir -p ${out}", "cp -r /build/crates ${out}/"]\n'


def test_a_build_finds_a_directory_source(scene: Scene, registry: tuple[Registry, dict[str, str]]) -> None:
    crates, env = registry
    row = crates.add("dep", "0.1.0")
    folder = atom(scene, "user", {"Cargo.lock": lockfile(row)}, ADOPT.format("Cargo.lock"), COPY)
    scene.run("git", "atom", "lock", "user", **env)
    assert built(scene, "user", "-o", scene.home / "out") == {"user": "built"}
    out = scene.home / "out/crates"
    assert json.loads((out / "dep-0.1.0/.cargo-checksum.json").read_text()) == {"files": {}, "package": row["checksum"]}
    assert (out / "dep-0.1.0/src/lib.rs").read_text().startswith("pub fn one") and (out / "Cargo.lock").exists()
    assert 'directory = "/build/crates"' in (out / "config.toml").read_text()
    (before,) = scene.document("git", "build", "user")["built"]
    assert before["how"] == "cached"
    (folder / "Cargo.lock").write_text(lockfile(row) + "# changed\n")
    assert "has changed since it was locked" in scene.run("git", "build", "user", status=128).stderr
    (folder / "Cargo.lock").write_text(lockfile(row))
    # published, and built elsewhere from what is fetched anew: the same world, the same action
    commit(scene.run, scene.project)
    scene.run("git", "atom", "publish", "user", "--push", "origin")
    assert built(scene, f"{scene.server}::user") == {"user": "cached"}
    scene.unbuild()
    for name in ("downloads", "crates", "blobs"):
        shutil.rmtree(scene.cache / name, ignore_errors=True)
    away = scene.run("git", "build", f"{scene.server}::user", status=6, https_proxy="http://127.0.0.1:9")
    assert "ATOM-502" in away.stderr
    (again,) = scene.document("git", "build", f"{scene.server}::user", **env)["built"]
    assert (again["how"], again["output"]) == ("built", before["output"])
