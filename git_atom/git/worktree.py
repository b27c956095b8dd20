"""The user's work tree as leaves: what a commit of everything not ignored would hold, read from the disk. Nothing is written."""

from __future__ import annotations

import os
import stat
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, Digest, Oid, of_bytes
from git_atom.core.tree import Leaf, check_path, tree_digest
from git_atom.errors import CannotError
from git_atom.git import proc
from git_atom.git.repo import Repo
from git_atom.git.trees import encode_tree
from git_atom.git.written import oid_of


def leaves(
    repo: Repo, folder: str, instead: Mapping[bytes, bytes] | None = None, listed: Sequence[bytes] | None = None
) -> list[Leaf]:
    """The files of a folder (relative to the work tree, "" or "." for all of it) that are tracked or could be: not ignored.

    Paths are relative to the folder. instead: content by path (relative to the work tree) that counts in place of what is on the disk;
    listed: what `listing` gave for the whole work tree, when it was asked already. Raises CannotError: ATOM-2050 for a repository
    without a work tree, 2051 for a repository inside it; MalformedError (ATOM-1004) for a name that cannot be kept.
    """
    folder = "" if folder in ("", ".") else folder.rstrip("/")
    paths = listing(repo, folder) if listed is None else _at_or_below(listed, os.fsencode(folder))
    cut = len(os.fsencode(folder)) + 1 if folder else 0
    front = os.fsencode(folder) + b"/" if folder else b""
    new = {path: data for path, data in (instead or {}).items() if path.startswith(front)}
    found = []
    for path in sorted({*paths, *new}):
        if cut and path[: cut - 1] == path:
            continue  # the folder itself is a file
        leaf = _leaf(repo, repo.work_tree or "", path, path[cut:], new.get(path))
        if leaf is not None:
            found.append(leaf)
    return found


def listing(repo: Repo, folder: str = "") -> list[bytes]:
    """The paths (relative to the work tree, in order) of the files at or below a folder that are tracked or could be. Raises ATOM-2050."""
    if repo.work_tree is None:
        raise CannotError(
            "ATOM-2050", "this repository has no work tree", where=repo.git_dir, hint="run this in a checkout of it"
        )
    argv = [
        "git",
        "--literal-pathspecs",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--full-name",
        "--",
        folder or ".",
    ]
    out = proc.check(argv, env=repo.env, cwd=repo.work_tree)
    return sorted(set(out.split(b"\0")) - {b""})


def _at_or_below(listed: Sequence[bytes], folder: bytes) -> Sequence[bytes]:
    if not folder:
        return listed
    first = bisect_left(listed, folder + b"/")
    return listed[first : bisect_left(listed, folder + b"0", first)]  # '0' comes after '/'


def is_ignored(repo: Repo, path: str) -> bool:
    """Whether git leaves a path (relative to the work tree) out, be there a file or not."""
    return proc.run(["git", "check-ignore", "-q", "--", path], env=repo.env, cwd=repo.work_tree).status == 0


def digests(repo: Repo, paths: Sequence[str]) -> dict[str, Digest]:
    """Digests of several files or folders of the work tree (relative to it) with one question to git; nothing at a path leaves it out.

    A folder's is its tree digest, a file's that of its bytes. Raises as `leaves`.
    """
    if repo.work_tree is None:
        return {}
    argv = [
        "git",
        "--literal-pathspecs",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--full-name",
        "--",
    ]
    listed = set(proc.check([*argv, *paths], env=repo.env, cwd=repo.work_tree).split(b"\0")) - {b""}
    found = {}
    for path in paths:
        whole = os.fsencode(path)
        if whole in listed:
            leaf = _leaf(repo, repo.work_tree, whole, b"")
            if leaf is not None:
                found[path] = leaf.digest
            continue
        front = b"" if path == "." else whole + b"/"
        inside = [_leaf(repo, repo.work_tree, name, name[len(front) :]) for name in listed if name.startswith(front)]
        if inside:
            found[path] = tree_digest(leaf for leaf in inside if leaf is not None)
    return found


def leaf_at(repo: Repo, path: str, instead: Mapping[bytes, bytes] | None = None) -> Leaf | None:
    """The file or link at one path of the work tree as a leaf without a path; None when there is none, or it is a directory.

    instead: as in `leaves`.
    """
    if repo.work_tree is None or os.path.isdir(os.path.join(repo.work_tree, path)):
        return None
    return _leaf(repo, repo.work_tree, os.fsencode(path), b"", (instead or {}).get(os.fsencode(path)))


def _leaf(repo: Repo, top: str, path: bytes, shown: bytes, instead: bytes | None = None) -> Leaf | None:
    if instead is not None:
        if shown:
            check_path(shown)
        return Leaf(shown, MODE_FILE, of_bytes(instead), len(instead), oid_of("blob", instead, repo.object_format))
    whole = os.path.join(os.fsencode(top), path)
    try:
        found = os.lstat(whole)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        mode, data = MODE_LINK, os.readlink(whole)
    elif stat.S_ISREG(found.st_mode):
        mode = MODE_EXEC if found.st_mode & 0o100 else MODE_FILE
        with open(whole, "rb") as file:
            data = file.read()
    else:
        name = path.rstrip(b"/").decode(errors="backslashreplace")
        raise CannotError("ATOM-2051", f"'{name}' is a repository of its own, or no file", note="an atom holds files and links only",
                          hint="publish it as an atom of its own and depend on that, or take it as [pins]")  # fmt: skip
    if shown:
        check_path(shown)
    return Leaf(shown, mode, of_bytes(data), len(data), oid_of("blob", data, repo.object_format))


def tree_id(files: list[Leaf], fmt: str) -> Oid:
    """The id git would give a tree of these leaves, computed without writing it."""
    groups: dict[bytes, list[Leaf]] = {}
    entries = []
    for leaf in files:
        name, slash, rest = leaf.path.partition(b"/")
        if slash:
            groups.setdefault(name, []).append(leaf._replace(path=rest))
        else:
            entries.append((leaf.mode, name, leaf.oid))
    entries += [(MODE_TREE, name, tree_id(inside, fmt)) for name, inside in groups.items()]
    return oid_of("tree", encode_tree(entries), fmt)


def named(repo: Repo, name: str) -> list[str]:
    """The paths (relative to the work tree, in order) of files of one name that are there, tracked or could be; [] without a work tree."""
    if repo.work_tree is None:
        return []
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--full-name", "--"]
    out = proc.check([*argv, f":(top,glob)**/{name}"], env=repo.env, cwd=repo.work_tree)
    paths = {os.fsdecode(path) for path in out.split(b"\0") if path}
    return sorted(path for path in paths if os.path.lexists(os.path.join(repo.work_tree, path)))
