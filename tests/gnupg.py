"""A real gpg with a home of its own for as long as a test runs; its agent ends with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator


class Gnupg:
    """A keyring of its own. Its home has a short path, because the agent's socket has to fit into 107 bytes."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.env = {**os.environ, "GNUPGHOME": home, "LC_ALL": "C"}

    def __call__(self, *words: str, stdin: bytes = b"", status: int | None = 0) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            ["gpg", "--batch", "--quiet", *words],
            env=self.env,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert status is None or done.returncode == status, (words, done.stderr)
        return done

    def make(self, who: str, kind: str = "ed25519", use: str = "sign", expire: str = "never") -> str:
        """A key without passphrase; its fingerprint."""
        self("--passphrase", "", "--quick-generate-key", f"{who} <{who}@example.org>", kind, use, expire)
        return self.fingerprints(who)[0]

    def add(self, fingerprint: str, kind: str = "ed25519", use: str = "sign", expire: str = "never") -> str:
        """A subkey; its fingerprint."""
        before = self.fingerprints(fingerprint)
        self("--passphrase", "", "--quick-add-key", fingerprint, kind, use, expire)
        return next(one for one in self.fingerprints(fingerprint) if one not in before)

    def fingerprints(self, who: str) -> list[str]:
        rows = self("--with-colons", "--list-keys", who).stdout.decode().splitlines()
        return [row.split(":")[9] for row in rows if row.startswith("fpr:")]


@contextlib.contextmanager
def gnupg() -> Iterator[Gnupg]:
    """An empty keyring."""
    home = tempfile.mkdtemp(prefix="gpg-", dir="/tmp")
    agent = shutil.which("gpg-agent")  # gpg itself looks for it in one place only
    with open(f"{home}/gpg.conf", "w", encoding="utf-8") as settings:
        settings.write(f"agent-program {agent}\n" if agent else "")
    made = Gnupg(home)
    try:
        yield made
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=made.env, check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)
