"""What the manual tells people to type is typed here, as it stands, in a world where the names it uses exist.

`https://git.example.org/` is served from a directory by git's own url.<base>.insteadOf, and the one anchor that the pages show
stands for the anchor of the set that lies there.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SLOW = {
    "argparse", "asyncio", "cryptography", "dataclasses", "email", "inspect", "logging", "pygit2", "rich", "sh", "ssl", "tarfile",
    "tempfile", "tomlkit", "urllib.request",
}  # fmt: skip
Run = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.slow
ANCHOR = "blake3:438be2111e127ab03430f2b9dc854b7cada2039b5cd0576a92efff073eb3c905"

# in the order in which a newcomer would read them; each continues where the one before it stopped
FIRST_READ = (
    "git-atom-init", "git-atom", "git-atom-new", "git-atom-lock", "git-atom-publish", "git-atom-list", "git-atom-show",
    "git-atom-verify", "git-atom-fsck", "git-atom-doctor", "git-atom-trust-explain", "git-atom-trust-list",
    "git-atom-trust-add", "git-atom-fetch", "git-atom-trust", "git-atom-get",
    "git-atom-add", "git-atom-tree", "git-atom-why", "git-atom-outdated", "git-atom-update", "git-atom-driver-install",
    "git-atom-driver-merge", "git-atom-driver-textconv", "git-atom-remove",
    "git-atom-log", "git-atom-uri", "git-atom-hooks-install", "git-atom-hooks-run", "git-atom-trust-remove",
    "git-atom-retract", "git-atom-charter", "git-atom-charter-show", "git-atom-charter-add-owner",
    "git-atom-charter-remove-owner", "git-atom-charter-add-owner", "git-atom-claim", "git-atom-charter-threshold",
    "git-atom-charter-sign", "git-atom-charter-revoke",
    "git-build-doctor", "git-build-plan", "git-build", "git-build-show", "git-build-log", "git-build-reads", "git-build-bloat",
    "git-build-verify", "git-build-analyze", "git-build-verify", "git-build-analyze",
    "git-compose-import-debian", "git-compose-new", "git-compose-list", "git-compose-show", "git-compose-log", "git-compose-diff",
    "git-compose-verify", "git-compose-run", "git-compose", "git-compose-delete",
)  # fmt: skip
# the answer itself is an exit status: no (1), or what is missing here (6)
MAY_SAY_NO = {"git build doctor": 6, "git compose diff 'box@{1}' box": 1}
HELLO = {
    "hello.c": '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n',
    "Makefile": "hello: hello.c\n\tcc -o hello hello.c\n"
    "install: hello\n\tmkdir -p $(DESTDIR)/usr/bin && cp hello $(DESTDIR)/usr/bin/\n",
}


def plain(text: str) -> str:
    for code, char in (
        ("\\(aq", "'"),
        ("\\(ga", "`"),
        ("\\(ha", "^"),
        ("\\(ti", "~"),
        ("\\-", "-"),
        ("\\&", ""),
        ("\\e", "\\"),
    ):
        text = text.replace(code, char)
    return text


def examples(page: str) -> list[str]:
    text = (ROOT / f"man/{page}.1").read_text()
    section = text.split(".SH EXAMPLES\n")[1].split("\n.SH ")[0]
    return [plain(line[2:]) for line in section.splitlines() if line.startswith("$ ")]


def test_every_page_is_read() -> None:
    assert {p.stem for p in (ROOT / "man").glob("git-*.1")} == set(FIRST_READ)
    assert all(examples(page) for page in FIRST_READ)


@pytest.fixture
def served(home: Path, key: Path, run: Run) -> str:
    """Other projects' repositories at https://git.example.org/zlib and /certs; returns the anchor of the first one's set."""
    certs = home / "served/certs"
    run("git", "init", "-q", certs)
    (certs / "bundle.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    run("git", "add", ".", cwd=certs)
    run("git", "commit", "-qm", "certs", cwd=certs)
    run("git", "tag", "2025", cwd=certs)
    other = home / "other"
    run("git", "init", "-q", other)
    (other / "zlib").mkdir()
    (other / "zlib/atom.toml").write_text('[atom]\nid = "zlib"\nversion = "1.3.1"\ntype = "package"\n')
    run("git", "add", ".", cwd=other)
    run("git", "commit", "-qm", "zlib", cwd=other)
    theirs = str(home / "theirs")  # its owner's store is not ours
    anchor = run("git", "atom", "init", "-q", cwd=other, XDG_DATA_HOME=theirs).stdout.strip()
    run("git", "init", "-q", "--bare", home / "served/zlib")
    run("git", "remote", "add", "origin", home / "served/zlib", cwd=other)
    run("git", "push", "-q", "origin", "main", cwd=other)
    run("git", "atom", "publish", "-q", "--all", "--push", "origin", cwd=other, XDG_DATA_HOME=theirs)
    run("git", "atom", "trust", "remove", anchor)
    run("git", "config", "--global", f"url.file://{home}/served/.insteadOf", "https://git.example.org/")
    return anchor


def test_every_example_works(project: Path, served: str, home: Path, run: Run) -> None:
    (project / "zlib").mkdir()
    (project / "zlib/atom.toml").write_text('[atom]\nid = "zlib"\nversion = "1.3.1"\ntype = "package"\n')
    (project / "hello").mkdir()
    for name, text in HELLO.items():
        (project / "hello" / name).write_text(text)
    run("git", "add", ".", cwd=project)
    run("git", "commit", "-qm", "zlib and hello", cwd=project)
    run("git", "init", "-q", "--bare", home / "server.git")
    run("git", "remote", "add", "origin", home / "server.git", cwd=project)
    run("git", "push", "-q", "origin", "main", cwd=project)
    run("git", "config", "--global", "--unset", "user.signingKey")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "ann")  # another person's
    for page in FIRST_READ:
        for line in examples(page):
            done = run("bash", "-c", line.replace(ANCHOR, served), cwd=project, status=None)
            assert done.returncode in (0, MAY_SAY_NO.get(line, 0)), f"{page}(1): {line}\n{done.stdout}\n{done.stderr}"
        if page == "git-atom":
            assert "hello 0.1.0" in run("git", "atom", "list", cwd=project).stdout
            run("git", "atom", "publish", "-q", "zlib", cwd=project)
        if page == "git-build":
            assert_built_already_loads_little(project)
    assert (project / "zlib-1.3.1/atom.toml").exists()


def assert_built_already_loads_little(project: Path) -> None:
    """A build that is done answers at the prompt: it loads no git or cryptography library, nothing slow."""
    code = "import sys; from git_atom.cli.main import main; sys.exit(main('build', ['hello']))"
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    assert "(cached)" in done.stdout
    loaded = set(re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", done.stderr, re.M))
    assert not {m for m in loaded if m in SLOW or m.split(".")[0] in SLOW}


def test_the_outputs_the_pages_show_have_the_shape_of_real_ones() -> None:
    """Digests, ids and fingerprints in examples of output are whole: a shortened one cannot be copied."""
    for page in (ROOT / "man").glob("git-*.1"):
        for digest in re.findall(r"blake3:[0-9a-f]*", plain(page.read_text())):
            assert digest in ("blake3:",) or len(digest) == 71, f"{page.name}: {digest}"
