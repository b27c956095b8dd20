"""Finding and opening repositories: the user's current one, another one by path, and the user's store.

What kind of failure git had is found out by looking, never by reading its messages.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from git_atom.core.digest import Oid
from git_atom.core.host import Host
from git_atom.core.text import shell
from git_atom.errors import AtomError, CannotError, RefusedError, UnavailableError
from git_atom.git import leftovers, proc
from git_atom.git.config import get, user_only


class Repo(NamedTuple):
    """An open repository.

    git_dir: absolute path. env: the environment every git process for it gets (GIT_DIR set, replace refs off).
    objects: absolute path of the object directory new objects go to. work_tree: absolute path or None. ours: the user's store, whose
    refs nobody but these programs moves.
    """

    git_dir: str
    env: Mapping[str, str]
    bare: bool
    work_tree: str | None
    object_format: str
    ref_format: str
    objects: str
    ours: bool = False

    @property
    def oid_length(self) -> int:
        """Hex digits in this repository's object ids."""
        return 64 if self.object_format == "sha256" else 40


_ROOM = 1000  # paths on one command line
_STATUS = ("git", "--no-optional-locks", "status", "--porcelain", "-z", "--")
_ASK = ("--absolute-git-dir", "--is-bare-repository", "--show-object-format", "--git-path", "objects", "--show-cdup")


def discover(cwd: str, environ: Mapping[str, str]) -> Repo:
    """The repository the user stands in, by git's own discovery and the user's own GIT_* variables.

    Raises CannotError ATOM-2003 (no repository), RefusedError ATOM-2004 (another user's), UnavailableError ATOM-2005 (format).
    """
    done = proc.run(["git", "rev-parse", *_ASK], env={**environ, "LC_ALL": "C"}, cwd=cwd)
    lines = os.fsdecode(done.out).split("\n")  # paths, as the system spells them
    # a git that cannot write its answer still exits 0; one in a bare repository has no word for --show-cdup
    if done.status != 0 or len(lines) < len(_ASK) - 1:
        raise _why(cwd, environ, done.err)
    git_dir, bare, fmt, objects, cdup = lines[0], lines[1] == "true", lines[2], lines[3], lines[4]
    inside_work_tree = not bare and not _within(os.path.realpath(cwd), os.path.realpath(git_dir))
    tree = os.path.normpath(os.path.join(cwd, cdup)) if inside_work_tree else None
    env = {**environ, "LC_ALL": "C", "GIT_DIR": git_dir, "GIT_NO_REPLACE_OBJECTS": "1"}
    if tree:
        env["GIT_WORK_TREE"] = tree
    return Repo(git_dir, env, bare, tree, fmt, _ref_format(git_dir), os.path.realpath(os.path.join(cwd, objects)))


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def open_at(git_dir: str, environ: Mapping[str, str]) -> Repo:
    """A repository other than the user's current one, by the path of its git directory or work tree; environment scrubbed.

    Raises as `discover`; a directory of another user is refused unless the user's own safe.directory names it.
    """
    path = os.path.abspath(git_dir)
    if os.path.isdir(os.path.join(path, ".git")):
        path = os.path.join(path, ".git")
    if not _looks_like(path):
        raise CannotError("ATOM-2003", f"'{git_dir}' is not a git repository")
    env = proc.clean_env(environ)
    _check_owner(path, env)
    env |= {"GIT_DIR": path, "GIT_NO_REPLACE_OBJECTS": "1"}
    done = proc.run(["git", "rev-parse", *_ASK[:-1]], env=env, cwd=path)
    lines = os.fsdecode(done.out).split("\n")  # paths, as the system spells them
    if done.status != 0 or len(lines) < 4:
        raise _broken(path, env, done.err)
    bare, fmt = lines[1] == "true", lines[2]
    tree = None if bare else os.path.dirname(path)
    return Repo(path, env, bare, tree, fmt, _ref_format(path), os.path.join(path, lines[3]))


def _looks_like(path: str) -> bool:
    return all(os.path.exists(os.path.join(path, part)) for part in ("HEAD", "objects", "refs"))


def _check_owner(path: str, env: Mapping[str, str]) -> None:
    owner = os.stat(path).st_uid
    allowed = {os.geteuid()} | (
        {int(env["SUDO_UID"])} if env.get("SUDO_UID", "").isdigit() and not os.geteuid() else set()
    )
    if owner in allowed:
        return
    work_tree = path[: -len("/.git")] if path.endswith("/.git") else path
    if {"*", path, work_tree} & set(user_only("safe.directory", env)):
        return
    raise RefusedError(
        "ATOM-2004",
        f"repository '{work_tree}' belongs to another user",
        note=f"its owner has the user id {owner}",
        hint=f"git config --global --add safe.directory {shell(work_tree)}",
    )


def _why(cwd: str, environ: Mapping[str, str], words: bytes) -> AtomError:
    """Which error `git rev-parse` stands for: look for what it looked for."""
    named = environ.get("GIT_DIR")
    for folder in [os.path.join(cwd, named)] if named else _upwards(cwd):
        if os.path.exists(folder):
            if os.path.isfile(folder) or _looks_like(folder):
                if os.path.isdir(folder):
                    try:
                        _check_owner(os.path.realpath(folder), proc.clean_env(environ))
                    except RefusedError as refused:
                        return refused
                return _broken(folder, environ, words)
    if named:
        return CannotError("ATOM-2003", f"'{named}' is not a git repository", where="GIT_DIR", hint="unset GIT_DIR")
    return CannotError(
        "ATOM-2003", f"'{cwd}' is not inside a git repository", hint="git init  # or change into a repository"
    )


def _upwards(cwd: str) -> list[str]:
    out = []
    folder = os.path.realpath(cwd)
    while True:
        out += [os.path.join(folder, ".git"), *([folder] if _looks_like(folder) else [])]
        parent = os.path.dirname(folder)
        if parent == folder:
            return out
        folder = parent


def _broken(path: str, environ: Mapping[str, str], words: bytes) -> AtomError:
    """The error for a repository that is there and that git does not open."""
    found = proc.run(
        ["git", "config", "--file", os.path.join(path, "config"), "--get-regexp", r"^extensions\."],
        env=proc.clean_env(environ),
    )
    extensions = ", ".join(sorted(found.out.decode(errors="replace").split("\n"))).strip(", ")
    last = words.decode(errors="replace").strip().splitlines()[-1:]
    if extensions:
        return UnavailableError(
            "ATOM-2005",
            f"git on this machine cannot open the repository '{path}'",
            note=f"it uses {extensions}",
            hint="install a newer git, or clone the repository into the default format",
        )
    return CannotError("ATOM-2003", f"'{path}' is not a usable git repository", note=last[0] if last else "")


def _ref_format(git_dir: str) -> str:
    """reftable repositories keep `refs/heads` as a file and a `reftable` folder (gitformat reftable); all others are `files`."""
    return "reftable" if os.path.isdir(os.path.join(git_dir, "reftable")) else "files"


def head_commit(repo: Repo) -> Oid:
    """The commit HEAD names; raises CannotError ATOM-2006 when there is none yet."""
    return resolve(repo, "HEAD") or _no_commits()


def _no_commits() -> Oid:
    raise CannotError("ATOM-2006", "this repository has no commits", hint="git add . && git commit")


def resolve(repo: Repo, revision: str) -> Oid | None:
    """The commit a revision names, or None."""
    done = proc.run(
        ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}"], env=repo.env
    )
    # some git versions print --end-of-options itself before the answer
    words = done.out.decode().split()
    return Oid.parse(words[-1]) if done.status == 0 and words else None


def commit_of(repo: Repo, revision: str) -> Oid:
    """The commit a revision names; raises CannotError ATOM-2006 (no commits at all) or ATOM-2016 (unknown revision)."""
    found = resolve(repo, revision)
    if found is None:
        head_commit(repo)
        raise CannotError("ATOM-2016", f"'{revision}' names no commit of this repository", hint="git log --oneline")
    return found


def is_shallow(repo: Repo) -> bool:
    """Whether history was cut off when this repository was cloned."""
    return proc.check(["git", "rev-parse", "--is-shallow-repository"], env=repo.env).strip() == b"true"


def is_ancestor(repo: Repo, old: Oid, new: Oid) -> bool:
    """Whether `old` is `new` or reached from it along parents."""
    return proc.run(["git", "merge-base", "--is-ancestor", old, new], env=repo.env).status == 0


def merge_base(repo: Repo, one: Oid, other: Oid) -> Oid | None:
    """The newest commit both reach, or None."""
    words = proc.run(["git", "merge-base", one, other], env=repo.env).out.decode().split()
    return Oid.parse(words[0]) if words else None


@contextmanager
def dirty(repo: Repo, paths: Sequence[str]) -> Iterator[Callable[[], bool]]:
    """Whether the work tree differs from HEAD below these paths (relative to the work tree): git looks while the block runs, what is
    yielded says it."""
    if repo.work_tree is None:
        yield lambda: False
        return
    first, *others = [[*_STATUS, *paths[at : at + _ROOM]] for at in range(0, len(paths), _ROOM)] or [[*_STATUS]]
    with proc.started(first, envs=[repo.env], cwd=repo.work_tree) as ended:

        def found() -> bool:
            out = proc.checked(first, ended()[0], repo.git_dir)
            return bool(out) or any(proc.check(argv, env=repo.env, cwd=repo.work_tree) for argv in others)

        yield found


def root_commit(repo: Repo, commit: Oid) -> Oid:
    """The parentless commit reached from `commit` along first parents; raises CannotError ATOM-2007 in a shallow clone.

    Replace refs are off (every Repo's environment says so) and grafts are refused by looking at the raw commit.
    """
    if is_shallow(repo):
        raise CannotError(
            "ATOM-2007",
            "this repository is a shallow clone, its first commit is not here",
            hint="git fetch --unshallow",
        )
    out = proc.check(["git", "rev-list", "--first-parent", "--max-parents=0", "--end-of-options", commit], env=repo.env)
    root = Oid.parse(out.decode().split()[-1])
    raw = proc.check(["git", "cat-file", "commit", root], env=repo.env)
    if any(line.startswith(b"parent ") for line in raw.split(b"\n\n", 1)[0].split(b"\n")):
        raise CannotError("ATOM-2007", "this repository's history is cut off by grafts, its first commit is not here")
    return root


def store(host: Host) -> Repo:
    """The user's store: `atom.store` of the user's configuration, else store.git in the data home; made on first use.

    Layout and settings: a bare SHA-1 repository, never collected behind the user's back, committed objects synced to disk.
    """
    named = get(None, "atom.store", host.environ, cwd=host.cwd)
    if named == ".":
        return discover(host.cwd, host.environ)
    path = _store_path(host, named)
    if not os.path.exists(os.path.join(path, "HEAD")):
        _make_store(path, host)
    # The path is the user's own choice and its format is ours: no question to git on this path (it is hot).
    env = proc.clean_env(host.environ) | {"GIT_DIR": path, "GIT_NO_REPLACE_OBJECTS": "1"}
    _check_owner(path, env)
    return Repo(path, env, True, None, "sha1", _ref_format(path), os.path.join(path, "objects"), True)


def store_is_made(host: Host) -> tuple[str, bool]:
    """Where the user's store is or would be, and whether it is there already; nothing is made."""
    named = get(None, "atom.store", host.environ, cwd=host.cwd)
    path = discover(host.cwd, host.environ).git_dir if named == "." else _store_path(host, named)
    return path, os.path.exists(os.path.join(path, "HEAD"))


def _store_path(host: Host, named: str | None) -> str:
    return os.path.join(host.home, named.removeprefix("~/")) if named else os.path.join(host.data, "store.git")


_STORE_SETTINGS = (
    ("gc.auto", "0"), ("maintenance.auto", "false"), ("core.fsync", "committed"), ("core.logAllRefUpdates", "false"),
    ("transfer.fsckObjects", "true"), ("fetch.unpackLimit", "1"), ("fetch.writeCommitGraph", "false"),
)  # fmt: skip


def _make_store(path: str, host: Host) -> None:
    """Make the store beside its place and move it there: it exists wholly or not at all. One maker at a time; what a killed one left goes."""
    import fcntl

    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    made = os.path.join(folder, f".store-{os.getpid()}-{time.monotonic_ns()}")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        leftovers.sweep(folder, r"\.store-\d+-\d+", seconds=-1)
        if os.path.exists(os.path.join(path, "HEAD")):
            return
        os.mkdir(made, 0o700)
        env = proc.clean_env(host.environ)
        proc.check(
            ["git", "init", "--quiet", "--bare", "--template=", "--object-format=sha1", made], env=env, place=folder
        )
        with open(os.path.join(made, "config"), "a", encoding="utf-8") as config:
            for key, value in _STORE_SETTINGS:
                section, name = key.split(".")
                config.write(f"[{section}]\n\t{name} = {value}\n")
        os.rename(made, path)
    finally:
        leftovers.remove(made)
        os.close(lock)


def path_of(repo: Repo, name: str) -> str:
    """Where a file of the repository's own lies, such as `info/attributes`: absolute, linked work trees thought of (git-rev-parse(1))."""
    out = proc.check(["git", "rev-parse", "--git-path", name], env=repo.env, cwd=repo.git_dir)
    return os.path.normpath(os.path.join(repo.git_dir, os.fsdecode(out).rstrip("\n")))
