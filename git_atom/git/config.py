"""Git configuration, always read through git, so that includes and `-c` work.

`user_only` is the one that trust uses: what a repository says about itself never counts there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

from git_atom.core.text import shell
from git_atom.errors import CannotError
from git_atom.git import proc


class HasEnv(Protocol):
    """A repository, as far as this module knows one: the environment of its git processes."""

    @property
    def env(self) -> Mapping[str, str]:
        """Environment with GIT_DIR set."""
        ...


def get_all(repo: HasEnv | None, key: str, environ: Mapping[str, str], *, cwd: str | None = None) -> list[str]:
    """Every value of a key, least specific first; of all scopes (with `repo` None: those git sees from `cwd`)."""
    done = proc.run(["git", "config", "-z", "--get-all", key], env=repo.env if repo else environ, cwd=cwd)
    return _values(done.out)


def get_matching(repo: HasEnv, pattern: str) -> list[tuple[str, str]]:
    """Every key that a regular expression matches with each of its values, of all scopes."""
    done = proc.run(["git", "config", "-z", "--get-regexp", pattern], env=repo.env)
    rows = (part.partition("\n") for part in _values(done.out))
    return [(key, value) for key, _, value in rows]


def get(
    repo: HasEnv | None, key: str, environ: Mapping[str, str], *, cwd: str | None = None, kind: str = ""
) -> str | None:
    """The value in force of a key, or None; `kind` is one of git's types (`path` expands `~`, `bool`, `int`)."""
    if repo is None and key.startswith(_OURS) and not kind:
        ours = [value for _, name, value in _ours(cwd or ".", tuple(sorted(environ.items()))) if name == key.lower()]
        return ours[-1] if ours else None
    typed = [f"--type={kind}"] if kind else []
    done = proc.run(["git", "config", "-z", *typed, "--get", key], env=repo.env if repo else environ, cwd=cwd)
    found = _values(done.out)
    return found[-1] if done.status == 0 and found else None


def user_only(key: str, environ: Mapping[str, str], *, cwd: str = "") -> list[str]:
    """Every value of a key in the system's and the user's own files; no repository's, `-c` or environment override counts.

    With `cwd`, read in one go with what `get` reads from there and told apart by git's own word on where each value stands.
    """
    env = environ if cwd else _outside(environ)
    rows = _ours(cwd or "/", tuple(sorted(env.items()))) if key.startswith(_OURS) else None
    if rows is None:
        done = proc.run(["git", "config", "-z", "--show-scope", "--get-all", key], env=_outside(environ), cwd="/")
        parts = _values(done.out)
        rows = tuple((scope, key.lower(), value) for scope, value in zip(parts[::2], parts[1::2], strict=False))
    return [value for scope, name, value in rows if scope in ("system", "global") and name == key.lower()]


_OURS = "atom."
_TRANSPORT = ("GIT_ALLOW_PROTOCOL", "GIT_PROTOCOL")  # no matter to git config, and one environment is asked once


@lru_cache(maxsize=8)
def _ours(cwd: str, env: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str, str], ...]:
    """Every `atom.*` setting and every url.<base>.insteadOf seen from a directory as (scope, key, value), read once a process: each git
    costs milliseconds."""
    argv = ["git", "config", "-z", "--show-scope", "--get-regexp", r"^(atom[.]|url[.].*[.]insteadof$)"]
    parts = _values(proc.run(argv, env=dict(env), cwd=cwd).out)
    rows = zip(parts[::2], (part.partition("\n") for part in parts[1::2]), strict=False)
    return tuple((scope, name, value) for scope, (name, _, value) in rows)


def add_user(key: str, value: str, environ: Mapping[str, str]) -> None:
    """Add one value to the user's own (global) configuration; raises CannotError ATOM-2020 (locked) or 2002 when git cannot write it."""
    done = proc.run(["git", "config", "--global", "--add", key, value], env=_outside(environ), cwd="/")
    if done.status != 0:
        raise _unwritten(f"git could not add '{key}' to your configuration", done.err, environ)
    _ours.cache_clear()


def remove_user(key: str, value: str, environ: Mapping[str, str]) -> bool:
    """Take one value out of the user's own configuration; False when it was not there."""
    done = proc.run(
        ["git", "config", "--global", "--fixed-value", "--unset-all", key, value], env=_outside(environ), cwd="/"
    )
    _ours.cache_clear()
    if done.status not in (0, 5):
        raise _unwritten(f"git could not remove '{key}' from your configuration", done.err, environ)
    return done.status == 0


def _unwritten(what: str, err: bytes, environ: Mapping[str, str]) -> CannotError:
    """The error for a configuration of the user's that git could not write (git-config(1), FILES)."""
    home = environ.get("HOME", "")
    files = [environ.get("GIT_CONFIG_GLOBAL") or os.path.join(home, ".gitconfig")]
    files.append(os.path.join(environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "git/config"))
    for file in files:
        lock = os.path.realpath(file) + ".lock"
        if os.path.exists(lock):
            return CannotError("ATOM-2020", "your configuration is locked", where=lock,
                               note="another git is changing it, or one that was killed left its lock",
                               hint=f"run the same command again; when no git is running there, rm {shell(lock)}")  # fmt: skip
    proc.check_room(os.path.dirname(os.path.realpath(files[0])), err)
    return CannotError("ATOM-2002", what, note=err.decode(errors="replace").strip()[:1000])


def in_scope(repo: HasEnv | None, key: str, environ: Mapping[str, str]) -> list[str]:
    """Every value of a key in a repository's own file, or with None in the user's."""
    scope, env = _scope(repo, environ)
    return _values(proc.run(["git", "config", "-z", scope, "--get-all", key], env=env).out)


def set_in(repo: HasEnv | None, key: str, value: str, environ: Mapping[str, str]) -> None:
    """Give a key one value in a repository's own file, or with None in the user's; raises CannotError ATOM-2002."""
    scope, env = _scope(repo, environ)
    proc.check(["git", "config", scope, "--replace-all", key, value], env=env)
    _ours.cache_clear()


def _scope(repo: HasEnv | None, environ: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    return ("--local", repo.env) if repo else ("--global", environ)


def identity(repo: HasEnv) -> str:
    """Who commits, as git would write it now: `Name <email> seconds zone`; raises CannotError ATOM-2014 when git cannot say."""
    done = proc.run(["git", "var", "GIT_COMMITTER_IDENT"], env=repo.env)
    if done.status != 0:
        raise CannotError(
            "ATOM-2014",
            "git does not know your name and address",
            hint="git config --global user.name 'Your Name'\ngit config --global user.email you@example.org",
        )
    return done.out.decode(errors="replace").strip()


def says_instead(environ: Mapping[str, str]) -> bool:
    """Whether the user's or the system's files hold any url.<base>.insteadOf."""
    rows = _ours("/", tuple(sorted(_outside(environ).items())))
    return any(name.startswith("url.") for _, name, _ in rows)


def _outside(environ: Mapping[str, str]) -> dict[str, str]:
    left = {key: value for key, value in environ.items() if key not in _TRANSPORT}
    return proc.clean_env(left) | {"GIT_DIR": "/dev/null"}


def _values(out: bytes) -> list[str]:
    return out.decode(errors="surrogateescape").split("\0")[:-1]
