"""`git atom hooks install`: git's hooks put beside what is there, never over it."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from git_atom.app.atom.hooks import HOOKS
from git_atom.core.host import Host
from git_atom.errors import CannotError
from git_atom.git import config, proc
from git_atom.git import repo as repos
from git_atom.git.repo import Repo

MARK = "# git-atom hook"
BEFORE = ".before-git-atom"
_ABOUT = f"{MARK}, see git-atom-hooks-install(1). What was here before is <this file>{BEFORE} and runs after it."
_KEEP = "updates=$(cat && echo .) || exit 1; updates=${updates%.}"
_CHAIN = f'[ ! -x "$0{BEFORE}" ] || printf %s "$updates" | "$0{BEFORE}" "$@"'
_JUDGE = {
    "pre-receive": 'printf %s "$updates" | PROGRAM hooks run pre-receive || exit 1',
    "reference-transaction": 'case $1:$updates in prepared:*" refs/"[aAsS]*) '
    'printf %s "$updates" | PROGRAM hooks run reference-transaction "$1" || exit 1 ;; esac',
}


class Installed(NamedTuple):
    """What was done. how: `installed`, `already` or `updated`; before: where the hook that was there is now, or empty.

    notes: what the user should know, a line each; hints: commands that would make it better.
    """

    hook: str
    path: str
    how: str
    before: str
    notes: tuple[str, ...]
    hints: tuple[str, ...]


def shim(hook: str, program: str = "git-atom") -> str:
    """The text of a hook: at most five lines, and no judgement in them."""
    return "\n".join(["#!/bin/sh", _ABOUT, _KEEP, _JUDGE[hook].replace("PROGRAM", program), _CHAIN, ""])


def install(host: Host, *, server: bool = False, client: bool = False, dry_run: bool = False) -> list[Installed]:
    """Install the server's hook, the client's, or without a choice the one that fits: the server's in a bare repository.

    Raises CannotError ATOM-2003 outside a repository and ATOM-8514 where the place of hooks cannot hold any.
    """
    repo = repos.discover(host.cwd, host.environ)
    sides = [side for side, chosen in (("server", server), ("client", client)) if chosen]
    sides = sides or ["server" if repo.bare else "client"]
    folder = _folder(host, repo)
    notes = _notes(repo, folder)
    return [_put(folder, HOOKS[side], notes, _hints(repo) if side == "server" else (), dry_run) for side in sides]


def _folder(host: Host, repo: Repo) -> str:
    """Where git looks for hooks: core.hooksPath wherever it is set, else `hooks` of the repository."""
    out = proc.check(["git", "rev-parse", "--git-path", "hooks"], env=repo.env, cwd=host.cwd)
    folder = os.path.normpath(os.path.join(host.cwd, os.fsdecode(out).rstrip("\n")))
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise CannotError(
            "ATOM-8514",
            f"'{folder}' is not a directory, so there are no hooks in this repository",
            note="core.hooksPath says so",
            hint="git config core.hooksPath hooks  # to have hooks in this repository",
        )
    return folder


def _notes(repo: Repo, folder: str) -> tuple[str, ...]:
    done = proc.run(["git", "config", "--show-scope", "--get", "core.hooksPath"], env=repo.env)
    scope = done.out.decode(errors="replace").partition("\t")[0]
    if done.status == 0 and scope in ("global", "system"):
        return (
            f"core.hooksPath is set in the {scope} configuration: '{folder}' serves every repository that has no other",
        )
    return ()


def _hints(repo: Repo) -> tuple[str, ...]:
    """Settings of a server that go well with the hook and are not set."""
    wanted = (("receive.fsckObjects", "true", "bool"), ("core.fsync", "committed", ""))
    return tuple(
        f"git config {key} {value}"
        for key, value, kind in wanted
        if config.get(repo, key, repo.env, kind=kind) != value
    )


def _put(folder: str, hook: str, notes: tuple[str, ...], hints: tuple[str, ...], dry_run: bool) -> Installed:
    path, before = os.path.join(folder, hook), os.path.join(folder, hook + BEFORE)
    text = shim(hook, _program()).encode()
    there = _read(path)
    kept = before if os.path.lexists(before) else ""
    if there == text:
        return Installed(hook, path, "already", kept, notes, hints)
    foreign = os.path.lexists(path) and (there is None or MARK.encode() not in there)
    if foreign and kept:
        raise CannotError(
            "ATOM-8514",
            f"'{path}' is somebody else's hook, and so is '{before}'",
            hint=f"join the two in '{path}', remove '{before}', then run the same command again",
        )
    if not dry_run:
        os.makedirs(folder, exist_ok=True)
        _write(path, before if foreign else "", text)
    return Installed(
        hook, path, "installed" if foreign or there is None else "updated", before if foreign else kept, notes, hints
    )


def _write(path: str, before: str, text: bytes) -> None:
    """Put a hook in place in one step; the one that is there gets its second name first, so that there is one at every instant."""
    fresh = f"{path}.new-{os.getpid()}"
    try:
        with open(fresh, "xb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(fresh, 0o755)
        if before:
            os.link(path, before, follow_symlinks=False)
        os.replace(fresh, path)
    except BaseException:
        if os.path.lexists(fresh):
            os.unlink(fresh)
        raise


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20)
    except (FileNotFoundError, IsADirectoryError):
        return None


def _program() -> str:
    """How a hook calls this installation, whatever PATH a server gives it: its interpreter, isolated from everybody's settings."""
    quoted = sys.executable.replace("'", "'\\''")
    return f"'{quoted}' -I -m git_atom.cli.main"
