"""Projects of atoms under test, and what their repositories hold."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

Refused = Callable[..., str]  # the fixture `refused`
LOG = "refs/atoms-log/head"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def write_atom(folder: Path, name: str, version: str, content: str = "int main;\n") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "atom.toml").write_text(f'[atom]\nid = "{name}"\nversion = "{version}"\ntype = "package"\n')
    (folder / "main.c").write_text(content)


def commit(run: Run, repo: Path, message: str = "change") -> str:
    """Commit all there is, which may be nothing new; returns the commit."""
    run("git", "add", "-A", cwd=repo)
    run("git", "commit", "-qm", message, "--allow-empty", cwd=repo)
    return rev(run, repo, "HEAD")


def joined(run: Run, server: Path, place: Path) -> Path:
    """Another clone of what a server has, in which the set was joined; returns where it is."""
    run("git", "clone", "-q", str(server), place)
    run("git", "atom", "init", cwd=place)
    return place


def rev(run: Run, repo: Path, what: str) -> str:
    return run("git", "rev-parse", what, cwd=repo).stdout.strip()


def refs(run: Run, repo: Path) -> str:
    return run("git", "for-each-ref", cwd=repo).stdout


def everything(repo: Path) -> str:
    """The state oracle: every file of a repository with its bytes, empty directories included."""
    hasher = hashlib.sha256()
    for folder, folders, files in sorted(os.walk(repo)):
        folders.sort()
        for name in sorted(files) + folders:
            path = Path(folder, name)
            hasher.update(f"{path.relative_to(repo)}\0".encode())
            hasher.update(
                os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            )
    return hasher.hexdigest()


def anchor_of(run: Run, repo: Path) -> str:
    return run("git", "atom", "init", "-q", cwd=repo).stdout.strip()


def trusting(run: Run, server: Path, stranger: dict[str, str]) -> Path:
    """The stranger trusts and fetches zlib; returns the store."""
    there = Path(stranger["HOME"])
    anchor = run(
        "git", "atom", "list", "-q", str(server), "--format", "%(anchor)", cwd=there, **stranger
    ).stdout.split()[0]
    run("git", "atom", "trust", "add", anchor, cwd=there, **stranger)
    run("git", "atom", "fetch", f"{server}::zlib", cwd=there, **stranger)
    return there / ".local/share/git-atom/store.git"
