"""The only writer of refs: transactions with compare-and-swap, all or nothing (git-update-ref(1) --stdin)."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, NamedTuple, cast

from git_atom.core.digest import Oid
from git_atom.core.text import shell
from git_atom.errors import CannotError, ConflictError
from git_atom.git import leftovers, proc
from git_atom.git.repo import Repo, path_of
from git_atom.git.written import settle, to_disk

_MANY = 100  # refs from which on all of their kind are read
_FEW = 16  # refs that git brings to the disk one after the other


class Change(NamedTuple):
    """One ref's move. old None: the ref must not exist yet; new None: delete it."""

    ref: str
    new: Oid | None
    old: Oid | None


def update(repo: Repo, changes: Sequence[Change], message: str) -> None:
    """Make all changes or none, after the objects written here are on disk.

    Raises ConflictError ATOM-2010 naming the first ref whose old value differs, ATOM-2025 where another ref is in the way, CannotError
    ATOM-2020 for one that is locked. In the user's store a lock that a killed git left is removed.
    """
    if not changes:
        return
    settle(repo)
    argv, script = _transaction(repo, changes, message)
    with _alone(repo) as held:
        done = proc.run(argv, env=repo.env, stdin=script + b"commit\0", keep=held)
        if done.status != 0 and held and _unlocked(repo, changes):
            done = proc.run(argv, env=repo.env, stdin=script + b"commit\0", keep=held)
    _done(repo, changes, done)


@contextmanager
def prepared(repo: Repo, changes: Sequence[Change], message: str) -> Iterator[Callable[[], None]]:
    """As `update`, in two steps: while the block runs, git locks the refs and writes down what they shall be; they move when what is
    yielded is called. A block that ends without that changes nothing, nor does a process that is killed in it.

    Not for the user's store. What `update` raises, what is yielded does.
    """
    if not changes:
        yield lambda: None
        return
    settle(repo)
    argv, script = _transaction(repo, changes, message)
    with open(os.memfd_create("said"), "w+b") as words:
        process = proc.begun(argv, subprocess.PIPE, subprocess.DEVNULL, words, env=repo.env)
        told = cast("IO[bytes]", process.stdin)

        def say(text: bytes) -> None:
            with suppress(BrokenPipeError):  # git has given up, and says why
                told.write(text)
                told.flush()

        def end() -> int:
            with suppress(BrokenPipeError):
                told.close()
            return process.wait()

        def move() -> None:
            say(b"commit\0")
            status = end()
            words.seek(0)
            _done(repo, changes, proc.Done(status, b"", words.read()))

        try:
            say(script)
            yield move
        finally:
            end()


def _transaction(repo: Repo, changes: Sequence[Change], message: str) -> tuple[list[str], bytes]:
    """The git that makes changes, and what it is told, all but the last word."""
    zero = "0" * repo.oid_length
    lines = ["start"]
    for change in changes:
        if change.new is None:
            lines.append(f"delete {change.ref}\0{change.old or ''}")
        else:
            lines.append(f"update {change.ref}\0{change.new}\0{change.old or zero}")
    sync = "core.fsync=" + ("-reference" if _together(repo, changes) else "committed")
    argv = ["git", "-c", sync, "update-ref", "-m", message, "-z", "--stdin"]
    return argv, "\0".join([*lines, "prepare", ""]).encode()


def _together(repo: Repo, changes: Sequence[Change]) -> bool:
    """Whether the files of these refs are brought to the disk here, and not one after the other by git."""
    return len(changes) > _FEW and not os.path.isdir(os.path.join(os.path.dirname(repo.objects), "reftable"))


def _done(repo: Repo, changes: Sequence[Change], done: proc.Done) -> None:
    """What remains when git has moved refs, or the error that says why it has not."""
    if done.status == 0:
        base = os.path.dirname(repo.objects)
        return _harden([os.path.join(base, change.ref) for change in changes]) if _together(repo, changes) else None
    for change in changes:
        _why(repo, change)
    proc.check_room(repo.git_dir, done.err)
    last = done.err.decode(errors="replace").strip().splitlines()[-1:]
    raise CannotError("ATOM-2002", "git could not move the refs", note=last[0] if last else "")


def _harden(paths: Sequence[str]) -> None:
    """Bring the files of many refs to the disk, many at a time, so that a journal does not write once for each.

    A ref without a file of its own is in one that git has brought there already. Raises CannotError ATOM-2002.
    """
    from concurrent.futures import ThreadPoolExecutor

    try:
        with ThreadPoolExecutor(32) as pool:
            for _ in pool.map(_to_disk, paths):
                pass
    except OSError as error:
        raise CannotError("ATOM-2002", "git could not move the refs", where=str(error.filename or ""), note=error.strerror or "") from error  # fmt: skip


def _to_disk(path: str) -> None:
    with suppress(FileNotFoundError):
        to_disk(path)


def _why(repo: Repo, change: Change) -> None:
    """Raise what keeps git from making one change, if this one is it."""
    now = get(repo, change.ref)
    if now != change.old:
        raise ConflictError(
            "ATOM-2010",
            f"ref '{change.ref}' moved",
            note=f"expected {change.old or 'no ref'}, found {now or 'no ref'}",
            hint="run the same command again",
        )
    parts = change.ref.split("/")
    above = {"/".join(parts[:at]) for at in range(3, len(parts))}
    for other, _ in listing(repo, f"{change.ref}/", *sorted(above)):
        if other in above or other.startswith(f"{change.ref}/"):
            raise ConflictError(
                "ATOM-2025",
                f"ref '{other}' stands in the way of '{change.ref}'",
                note="a ref cannot be the directory of another one",
                hint=f"when it is nobody's: git update-ref -d {shell(other)}",
            )
    lock = _lock(repo, change.ref)
    if os.path.exists(lock):
        raise CannotError(
            "ATOM-2020",
            f"ref '{change.ref}' is locked",
            where=lock,
            note="another git is changing it, or one that was killed left its lock",
            hint=f"run the same command again; when no git is running there, rm {shell(lock)}",
        )


@contextmanager
def _alone(repo: Repo) -> Iterator[tuple[int, ...]]:
    """In the user's store: hold others of these programs off its refs, as long as this process or the git it gives the lock to lives."""
    if not repo.ours:
        yield ()
        return
    folder = os.open(repo.git_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield (folder,)
    finally:
        os.close(folder)


def _lock(repo: Repo, name: str) -> str:
    return os.path.join(os.path.dirname(repo.objects), f"{name}.lock")


def _unlocked(repo: Repo, changes: Sequence[Change]) -> bool:
    """Remove what locks these refs of the store, and whether there was anything: whoever made it is dead, as nobody else is at work.

    A git that the user runs there by hand does not know of that, so a lock counts as left only when it outlasts a second.
    """
    paths = [_lock(repo, change.ref) for change in changes] + [_lock(repo, "packed-refs")]
    found = {path: _made(path) for path in paths}
    left = [path for path, made in found.items() if made is not None]
    if left:
        time.sleep(1)
    for path in left:
        if _made(path) == found[path]:
            leftovers.remove(path)
    return bool(left)


def _made(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def get(repo: Repo, ref: str) -> Oid | None:
    """What a ref points to (unpeeled), or None."""
    done = proc.run(["git", "rev-parse", "--verify", "--quiet", ref], env=repo.env)
    return Oid.parse(done.out.decode().strip()) if done.status == 0 else None


def exact(repo: Repo, ref: str) -> Oid | None:
    """What the ref of exactly this full name points to, or None; unlike `get`, never another ref that ends like it."""
    done = proc.run(["git", "show-ref", "--verify", "--hash", "--", ref], env=repo.env)
    return Oid.parse(done.out.decode().strip()) if done.status == 0 else None


def several(repo: Repo, names: Sequence[str]) -> dict[str, Oid]:
    """What each of these refs points to (unpeeled); those that are not there are left out."""
    wanted = set(names)
    if len(names) <= _MANY:
        rows = listing(repo, *names) if names else []
    else:  # git compares every ref with every name it is given
        rows = listing(repo, *{"/".join(name.split("/")[:2]) for name in names})
    return {ref: oid for ref, oid in rows if ref in wanted}


def listing(repo: Repo, *prefixes: str) -> list[tuple[str, Oid]]:
    """Every ref at or below one of some prefixes (`refs/atoms/`) with what it points to, in order of name."""
    out = proc.check(["git", "for-each-ref", "--format=%(objectname) %(refname)", *prefixes], env=repo.env)
    rows = [line.split(" ", 1) for line in out.decode(errors="surrogateescape").splitlines()]
    return [(ref, Oid(oid)) for oid, ref in rows]


def unreadable(repo: Repo, prefixes: Sequence[str], read: Mapping[str, Oid]) -> list[str]:
    """Refs below some prefixes that are kept and that git leaves out of what it lists: their object is missing, or they hold no id.

    `read`: what it listed. Only where refs are files (gitrepository-layout(5)); a reftable cannot hold the second kind.
    """
    if repo.ref_format != "files":
        return []
    found: set[str] = set()
    common = os.path.dirname(path_of(repo, "refs"))
    for prefix in prefixes:
        for folder, _, files in os.walk(os.path.join(common, prefix)):
            found |= {
                os.path.relpath(os.path.join(folder, name), common) for name in files if not name.endswith(".lock")
            }
    try:
        with open(os.path.join(common, "packed-refs"), encoding="utf-8", errors="surrogateescape") as rows:
            names = (row.rstrip("\n").partition(" ")[2] for row in rows if row[:1] not in "#^")
            found |= {name for name in names if name.startswith(tuple(prefixes))}
    except FileNotFoundError:
        pass
    return sorted(found - set(read))


def only_unpacked(repo: Repo, ref: str) -> bool:
    """Whether a deletion that git is about to make only clears the file of a ref that packed-refs has as well (git-pack-refs(1)).

    git 2.39 calls reference-transaction for that, too. A deletion of the ref itself holds packed-refs.lock at that moment.
    """
    common = os.path.join(repo.git_dir, "commondir")
    folder = repo.git_dir
    if os.path.exists(common):  # a linked work tree, gitrepository-layout(5)
        with open(common, encoding="utf-8", errors="surrogateescape") as file:
            folder = os.path.normpath(os.path.join(folder, file.read().rstrip("\n")))
    packed = os.path.join(folder, "packed-refs")
    now = get(repo, ref)
    if now is None or os.path.exists(packed + ".lock") or not os.path.exists(packed):
        return False
    with open(packed, "rb") as rows:
        return f"\n{now} {ref}\n".encode(errors="surrogateescape") in b"\n" + rows.read()
