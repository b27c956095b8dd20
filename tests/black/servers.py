"""Git served on the loopback by a real sshd and by git's own http-backend, for as long as a test runs; nothing of the machine is touched."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import ssl as secure
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


def program(name: str) -> str:
    """A server program, which may lie where only root looks; the test fails without it."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    return found or pytest.fail(f"{name} is missing; run tools/setup test")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Backend(BaseHTTPRequestHandler):
    """One request handed to `git http-backend` as CGI (RFC 3875)."""

    root: Path
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = (
        True  # as servers do: else a small answer waits for the acknowledgement of its head, 40 ms
    )

    def log_message(self, *_: object) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        out = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            out += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return out

    def do_POST(self) -> None:
        path, _, query = self.path.partition("?")
        body = self._body()
        env = os.environ | {
            "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query,
            "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "REMOTE_USER": "test", "REMOTE_ADDR": "127.0.0.1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }  # fmt: skip
        done = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, env=env, timeout=300, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [line.decode().split(": ", 1) for line in head.split(b"\r\n") if line]
        status = next((value for name, value in fields if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST  # noqa: N815


@contextlib.contextmanager
def http(root: Path, backend: type[Backend] = Backend, tls: secure.SSLContext | None = None) -> Iterator[str]:
    """Serve the repositories below a directory; the URL of the directory."""
    handler = type("Rooted", (backend,), {"root": root})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def certificate(place: Path) -> secure.SSLContext:
    """A context for 127.0.0.1 with a certificate of its own, which clients find in `<place>/tls.pem`."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now.replace(year=now.year + 1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (place / "tls.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    (place / "tls.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    context = secure.SSLContext(secure.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "tls.pem", place / "tls.key")
    return context


@contextlib.contextmanager
def ssh(
    place: Path, keys: list[str], path: str, home: Path | None = None, accept: str = "GIT_PROTOCOL"
) -> Iterator[tuple[int, str]]:
    """An sshd for lines of authorized_keys; the port, and the ssh command that knows its host key.

    It runs in bubblewrap with user tables of its own: the user who runs the tests, at home in `home`, and the one sshd wants.
    """
    place.mkdir()
    me = pwd.getpwuid(os.getuid())
    (place / "passwd").write_text(
        f"{me.pw_name}:*:{me.pw_uid}:{me.pw_gid}::{home or place}:/bin/sh\nsshd:*:65533:65534::/run/sshd:/bin/false\n"
    )
    (place / "shadow").write_text(f"{me.pw_name}:*:19000:0:99999:7:::\n")
    (place / "keys").write_text("".join(f"{line}\n" for line in keys))
    for name in ("host", "user"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)]
        if not (place / name).exists():
            subprocess.run(argv, check=True)
    port = free_port()
    sshd = program("sshd")
    (place / "config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {place}/host\nAuthorizedKeysFile {place}/keys\nPidFile none\nUsePAM no\n"
        f"StrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nSetEnv PATH={path}\n"
        + (f"AcceptEnv {accept}\n" if accept else "")
        + _own_programs(sshd)
    )
    (place / "known").write_text(f"[127.0.0.1]:{port} {(place / 'host.pub').read_text()}")
    argv = ["bwrap", "--die-with-parent", *(["--cap-add", "ALL"] if not os.getuid() else []), "--dev-bind", "/", "/"]
    argv += ["--tmpfs", "/run", "--dir", "/run/sshd", "--ro-bind", f"{place}/passwd", "/etc/passwd"]
    argv += ["--ro-bind", f"{place}/shadow", "/etc/shadow", *_libraries(sshd)]
    argv += [sshd, "-D", "-e", "-f", f"{place}/config"]
    with open(place / "log", "wb") as log:
        server = subprocess.Popen(argv, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _wait(port, server, place / "log")
        options = f"-F none -i {place}/user -o UserKnownHostsFile={place}/known -o BatchMode=yes -o IdentitiesOnly=yes"
        yield port, f"ssh {options}"
    finally:
        server.terminate()
        server.wait(30)


def _libraries(sshd: str) -> list[str]:
    """What lets those parts find libraries that were unpacked beside them."""
    found = [str(path) for path in Path(sshd).resolve().parents[1].glob("lib/*-linux-gnu")]
    return ["--setenv", "LD_LIBRARY_PATH", ":".join(found)] if found and not sshd.startswith("/usr/") else []


def _own_programs(sshd: str) -> str:
    """Where the parts of an unpacked sshd lie: OpenSSH 9.8 and 10.0 moved them into programs that it looks for by whole paths."""
    lib = Path(sshd).resolve().parents[1] / "lib/openssh"
    words = {"SshdSessionPath": lib / "sshd-session", "SshdAuthPath": lib / "sshd-auth"}
    return "".join(f"{word} {path}\n" for word, path in words.items() if path.exists())


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"sshd did not start: {log.read_text()}")


class Gitolite:
    """A gitolite in a directory of its own, home of the user `git`, with one key named admin."""

    def __init__(self, place: Path, public: Path) -> None:
        self.home = place
        found = Path(program("gitolite")).resolve()
        share = found.parents[1] / "share/gitolite3"
        self.bin = place / "gitolite3"
        shutil.copytree(share, self.bin)
        shutil.copy(found, self.bin / "gitolite")
        for file in (self.bin / "gitolite", self.bin / "gitolite-shell"):  # Debian's know one place for the rest
            file.write_text(file.read_text().replace("/usr/share/gitolite3", str(self.bin)))
        self.env = {"HOME": str(place), "USER": "git", "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
        self.call("setup", "-pk", str(public))
        rc = place / ".gitolite.rc"
        rc.write_text(
            rc.read_text().replace(
                '# LOCAL_CODE                =>  "$ENV{HOME}/local"', 'LOCAL_CODE => "$ENV{HOME}/local"'
            )
        )

    def call(self, *argv: str) -> str:
        """Run the gitolite command on the server's side."""
        done = subprocess.run(
            [str(self.bin / "gitolite"), *argv], env=self.env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def keys(self) -> list[str]:
        """Its lines of authorized_keys."""
        lines = (self.home / ".ssh/authorized_keys").read_text().splitlines()
        return [line for line in lines if "gitolite-shell" in line]
