"""Every test gets its own HOME and XDG directories, no system configuration of git, fixed identity and dates."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None)  # how long an example takes is the machine's business
settings.load_profile("house")

# What a shell starts in the background ignores Ctrl-C, and so would every command that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

KEEP = (
    "PATH",
    "TERM",
    "LANG",
    "CI",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "HYPOTHESIS_STORAGE_DIRECTORY",
    "VENV",
)
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever goes through the installed commands is slow: `make check` leaves it to `make test`."""
    for item in items:
        if "black" in item.path.relative_to(item.config.rootpath).parts:
            item.add_marker("slow")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Of `@pytest.mark.needs(programs)`, that all are here: tools/setup brings them, so a test without them has not run, and says so."""
    for mark in item.iter_markers("needs"):
        missing = [name for name in mark.args if not shutil.which(name)]
        if missing:
            pytest.fail(f"missing: {', '.join(missing)}; run tools/setup test, then . tools/environment", pytrace=False)


def environment(home: Path) -> dict[str, str]:
    """The environment of a user whose whole world is `home`."""
    env = {k: v for k, v in os.environ.items() if k in KEEP or k.endswith("_proxy")}
    return env | {
        "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_AUTHOR_DATE": "1700000000 +0000",
        "GIT_COMMITTER_DATE": "1700000000 +0000",
        "GIT_TERMINAL_PROMPT": "0",
        "NO_COLOR": "1",
    }


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty HOME with a git identity, made the environment of this process and of what it starts."""
    place = tmp_path / "home"
    place.mkdir()
    (place / ".gitconfig").write_text(
        "[user]\n\tname = Test\n\temail = test@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    env = environment(place)
    for name in list(os.environ):
        if name not in env:
            monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    yield place


@pytest.fixture
def run(home: Path) -> Run:
    """Run a program as a user would: `run("git", "atom", "list", cwd=repo, status=0)`; status None accepts any."""

    def call(
        *argv: str | Path, cwd: Path | None = None, status: int | None = 0, stdin: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(a) for a in argv], cwd=cwd or home, input=stdin, capture_output=True, text=True, errors="backslashreplace",
            env=os.environ | env, timeout=600, check=False,
        )  # fmt: skip
        told = f"{' '.join(map(str, argv))}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, told
        assert status is None or done.returncode == status, told
        return done

    return call


@pytest.fixture
def key(home: Path, run: Run) -> Path:
    """An SSH signing key, configured as the user's own."""
    path = home / ".ssh/id_ed25519"
    path.parent.mkdir(mode=0o700)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test@example.org", "-f", path)
    run("git", "config", "--global", "gpg.format", "ssh")
    run("git", "config", "--global", "user.signingKey", f"{path}.pub")
    return path


@pytest.fixture
def project(home: Path, run: Run) -> Path:
    """A git repository with one commit."""
    repo = home / "project"
    run("git", "init", "-q", repo)
    (repo / "README").write_text("a project\n")
    run("git", "add", ".", cwd=repo)
    run("git", "commit", "-qm", "first", cwd=repo)
    return repo
