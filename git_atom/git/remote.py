"""Other repositories: fetching into quarantine, and pushing all or nothing. Transport is git's own.

What is fetched lies in a repository of its own, with the receiving one as its alternate, until somebody has judged it; only then do
its packs move over, and only after that may refs name it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from git_atom.core import uri
from git_atom.core.digest import Oid
from git_atom.errors import RefusedError, UnavailableError
from git_atom.git import bounds, config, continued, leftovers, lsrefs, proc, wire
from git_atom.git.refs import listing
from git_atom.git.repo import Repo
from git_atom.git.source import (
    LEAST_MEMORY,
    PROTOCOLS,
    most_bytes,
    other_format,
    place,
    protocols,
    too_much,
    unreachable,
)
from git_atom.git.written import to_disk

# git's words; it exits 128 for all
_OTHER_FORMAT = re.compile(rb"mismatched algorithms|does not support this repository's object format")
_FEW = 100  # refs that are asked for one by one
_ELSEWHERE = ("GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_NAMESPACE")


class Update(NamedTuple):
    """One ref to push: what it shall be, and what the other side must have now (None: no such ref)."""

    ref: str
    new: Oid
    expect: Oid | None


def default(repo: Repo) -> str | None:
    """Name of the remote git itself would push to: of the current branch, else `origin`, else the only one, else None."""
    names = proc.check(["git", "remote"], env=repo.env).decode(errors="replace").split()
    head = (
        proc.run(["git", "symbolic-ref", "--quiet", "--short", "HEAD"], env=repo.env)
        .out.decode(errors="replace")
        .strip()
    )
    chosen = config.get(repo, f"branch.{head}.remote", repo.env) if head else None
    if chosen in names:
        return chosen
    return "origin" if "origin" in names else names[0] if len(names) == 1 else None


def url_of(repo: Repo, remote: str) -> str:
    """The URL or path a remote's name stands for, made absolute; a URL stands for itself."""
    done = proc.run(["git", "remote", "get-url", "--", remote], env=repo.env)
    found = done.out.decode(errors="surrogateescape").rstrip("\n") if done.status == 0 else remote
    return place(found, repo.work_tree or repo.git_dir)


class Incoming:
    """A quarantine for objects fetched for `repo`; a context manager. Nothing is left of it unless `accept` was called."""

    def __init__(self, repo: Repo) -> None:
        self._target = repo
        parent = os.path.join(repo.git_dir, "incoming")
        os.makedirs(parent, exist_ok=True)
        leftovers.sweep(parent)
        self._path = leftovers.own(os.path.join(parent, f"{os.getpid()}-{time.monotonic_ns()}"))
        try:
            self.repo = self._make(repo)
        except BaseException:  # Ctrl-C while the system made it
            self.__exit__()
            raise

    def _make(self, repo: Repo) -> Repo:
        objects = os.path.join(self._path, "objects")
        for folder in (os.path.join(objects, "info"), os.path.join(objects, "pack"), os.path.join(self._path, "refs")):
            os.makedirs(folder)
        version = "1\n[extensions]\n\tobjectFormat = sha256" if repo.object_format == "sha256" else "0"
        for name, text in (
            ("HEAD", "ref: refs/heads/none\n"),
            ("config", f"[core]\n\tbare = true\n\trepositoryFormatVersion = {version}\n"),
            ("objects/info/alternates", repo.objects + "\n"),
        ):
            with open(os.path.join(self._path, name), "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
        env = proc.clean_env(repo.env) | {
            "GIT_DIR": self._path,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_ALLOW_PROTOCOL": PROTOCOLS,
            "GIT_PROTOCOL": "version=2",
        }
        return Repo(self._path, env, True, None, repo.object_format, "files", objects)

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *_: object) -> None:
        leftovers.remove_patiently(self._path)

    def fetch(self, source: str, wanted: Mapping[str, str], *, missing_ok: bool = True) -> dict[str, Oid]:
        """Fetch refs (remote name -> name in quarantine) and what they reach; returns what was there, by remote name.

        Objects are checked by git's own fsck. Raises UnavailableError ATOM-2011 when the source cannot be read, MalformedError ATOM-2023 when it
        sends more than `atom.maxFetchSize`.
        """
        # A pattern that matches nothing is no error, and is sent as a prefix: only refs that begin so are listed.
        star = "*" if missing_ok else ""
        lines = "".join(f"+{theirs}{star}:{ours}{star}\n" for theirs, ours in wanted.items())
        self._fetch(["--stdin", "--", source], source, lines.encode())
        found = dict(listing(self.repo, "refs/"))
        return {theirs: found[ours] for theirs, ours in wanted.items() if ours in found}

    def _fetch(self, words: Sequence[str], source: str, lines: bytes) -> None:
        """Run git's fetch with these words within limits of space and memory. Raises UnavailableError ATOM-2011, MalformedError ATOM-2023."""
        argv = ["git", "-c", "fetch.fsckObjects=true", "-c", "fetch.unpackLimit=1", "-c", "gc.auto=0"]
        argv += ["-c", "protocol.version=2", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
        argv += ["--no-auto-maintenance", "--no-recurse-submodules", *words]
        most = most_bytes(self.repo.env)
        memory = max(most, LEAST_MEMORY)
        env = {**self.repo.env, "GIT_ALLOW_PROTOCOL": protocols(source)}
        done, peak, late = bounds.run_within(argv, env=env, stdin=lines, size=most, memory=memory)
        if done.status == 0:
            return
        if late:
            raise unreachable(source, late)
        if continued.largest_pack(self.repo) >= most or peak > memory // 2:
            raise too_much(source, most)
        if _OTHER_FORMAT.search(done.err):
            raise other_format(source, self.repo.object_format)
        raise unreachable(source, done.err)

    def fetch_log(
        self, source: str, other: wire.Wire, ref: str, known: Sequence[Oid], meanwhile: Callable[[], None]
    ) -> Oid | None:
        """Fetch one ref that only ever grows, and of what it reaches only what lies beyond commits that are here; None when it is not there.

        other: a connection to the source on which nothing was said yet. known: heads of such refs, each here with all it reaches. meanwhile:
        done while the other side makes its pack. What comes is not walked: objects of it may be missing from what lies beyond them, so whoever is given it must read all of that, as verifying a log does. Raises as `fetch`.
        """
        found = continued.fetch(self.repo, other, ref, known, meanwhile)
        if found is not None:
            return found.head
        return self.fetch(source, {ref: "refs/incoming/log"}).get(ref)

    def fetch_trees(self, source: str, commit: Oid) -> bool:
        """Fetch one commit with its trees, without history and, where the source can leave them out, without files.

        False when the source cannot be read or does not have it. For a quarantine that is thrown away: what it holds has gaps.
        """
        try:
            self._fetch_one(source, commit, "--depth=1", "--filter=blob:none")
        except UnavailableError:
            return False
        return True

    def fetch_commit(self, source: str, what: str) -> Oid:
        """Fetch what a ref (its full name) or an id names, and return its id: without its history, or with it where the source cannot.

        For a quarantine of which a part is accepted: what it holds has gaps. Raises as `fetch`, UnavailableError also when it is not there.
        """
        try:
            return self._fetch_one(source, what, "--depth=1")
        except UnavailableError:
            return self._fetch_one(source, what)

    def _fetch_one(self, source: str, what: str, *options: str) -> Oid:
        self._fetch([*options, "--", source, f"{what}:refs/incoming/one/it"], source, b"")
        return dict(listing(self.repo, "refs/incoming/one/"))["refs/incoming/one/it"]

    def accept(self, only: Sequence[Oid] = ()) -> None:
        """Move the fetched packs into the repository they were fetched for: data first, then the index that makes it visible.

        only: objects (no commits) that are accepted with what they reach, and nothing besides.
        """
        source, target = os.path.join(self.repo.objects, "pack"), os.path.join(self._target.objects, "pack")
        os.makedirs(target, exist_ok=True)
        names = os.listdir(source)
        if only:
            argv = ["git", "pack-objects", "--revs", "--local", "--non-empty", "--quiet", os.path.join(source, "pack")]
            made = (
                proc.check(argv, env=self.repo.env, stdin="".join(f"{oid}\n" for oid in only).encode()).decode().split()
            )
            names = [name for name in os.listdir(source) if name.startswith(tuple(f"pack-{one}." for one in made))]
        for name in sorted(names, key=lambda name: (name.endswith(".idx"), name)):
            if not name.startswith("pack-") or os.path.exists(os.path.join(target, name)):
                continue
            to_disk(os.path.join(source, name))
            os.rename(os.path.join(source, name), os.path.join(target, name))
        if names:
            to_disk(target)


def copy(source: Repo, target: Repo, heads: Sequence[Oid]) -> None:
    """Bring what these objects reach from one repository of this machine into another; no refs are made."""
    with copying(source, target, heads) as copied:
        copied()


@contextmanager
def copying(source: Repo, target: Repo, heads: Sequence[Oid]) -> Iterator[Callable[[], None]]:
    """As `copy`, while the block runs: what is yielded makes sure of it, and without that nothing of it is left in the target."""
    known = "".join(f"^{oid}\n" for _, oid in listing(target, "refs/sets/") if _has(source, oid))
    script = "".join(f"{head}\n" for head in heads) + known
    packing = ["git", "pack-objects", "--revs", "--stdout", "--quiet", "--delta-base-offset"]
    with Incoming(target) as incoming:
        place = incoming.repo.git_dir
        taking = ["git", "index-pack", "--stdin", "--fix-thin"]
        envs = (source.env, incoming.repo.env)
        with proc.started(packing, taking, envs=envs, cwd=place, stdin=script.encode()) as ended:

            def copied() -> None:
                for argv, done in zip((packing, taking), ended(), strict=True):
                    proc.checked(argv, done, target.git_dir)
                incoming.accept()

            yield copied


def _has(repo: Repo, oid: Oid) -> bool:
    return proc.run(["git", "cat-file", "-e", oid], env=repo.env).status == 0


def present(repo: Repo, source: str, names: Sequence[str]) -> dict[str, Oid]:
    """What the other side has under these full names now. Raises UnavailableError ATOM-2011.

    Few are asked for by prefix; of many the whole list is taken, because git compares each that is asked for with each that is there.
    """
    if len(names) <= _FEW:
        with Incoming(repo) as incoming:
            return incoming.fetch(source, {name: f"refs/now/{at}/ref" for at, name in enumerate(names)})
    env = proc.clean_env(repo.env) | {"GIT_ALLOW_PROTOCOL": protocols(source)}
    there = lsrefs.every(source, ["refs/"], env, repo.work_tree or repo.git_dir).refs
    return {name: there[name] for name in names if name in there}


@contextmanager
def _outgoing(repo: Repo, updates: Sequence[Update]) -> Iterator[dict[str, str]]:
    """The environment of a git that sees this repository's objects and settings, and as its refs what shall be pushed, nothing else.

    So one pattern stands for all of them: given one by one, git compares each with every ref on both sides, and a command line has
    room for some ten thousand only.
    """
    parent = os.path.join(repo.git_dir, "incoming")
    os.makedirs(parent, exist_ok=True)
    leftovers.sweep(parent)
    path = leftovers.own(os.path.join(parent, f"{os.getpid()}-{time.monotonic_ns()}"))
    try:
        os.makedirs(os.path.join(path, "refs"))
        settings = os.path.join(os.path.dirname(repo.objects), "config").replace("\\", "\\\\").replace('"', '\\"')
        rows = sorted(f"{u.new} {u.ref}\n" for u in updates)
        version = "1\n[extensions]\n\tobjectFormat = sha256" if repo.object_format == "sha256" else "0"
        for name, text in (
            ("HEAD", "ref: refs/heads/none\n"),
            (
                "config",
                f'[include]\n\tpath = "{settings}"\n[core]\n\tbare = true\n\trepositoryFormatVersion = {version}\n',
            ),
            ("packed-refs", "# pack-refs with:\n" + "".join(rows)),
        ):
            with open(os.path.join(path, name), "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
        env = {key: value for key, value in repo.env.items() if key not in _ELSEWHERE}
        yield env | {"GIT_DIR": path, "GIT_OBJECT_DIRECTORY": repo.objects}
    finally:
        leftovers.remove_patiently(path)


def push(repo: Repo, source: str, updates: Sequence[Update]) -> bool:
    """Push all refs in one atomic push; False when the other side moved meanwhile.

    What is expected not to be there is created and never changed; the others are moved only from the value expected.
    Raises UnavailableError ATOM-2011 when it cannot be reached, RefusedError ATOM-2012 when it refuses.
    """
    argv = ["git", "push", "--atomic", "--porcelain", "--quiet", "--no-verify", "--no-follow-tags"]
    argv += ["--recurse-submodules=no", *(f"--force-with-lease={u.ref}:{u.expect}" for u in updates if u.expect)]
    with _outgoing(repo, updates) as env:
        env["GIT_ALLOW_PROTOCOL"] = protocols(source)
        done = proc.run([*argv, "--", source, "refs/*:refs/*"], env=env)
    if done.status == 0:
        return True
    now = present(repo, source, [u.ref for u in updates])
    if any(now.get(u.ref) not in (u.expect, u.new) for u in updates):
        return False
    words = [line for line in done.err.decode(errors="replace").splitlines() if line.strip()]
    raise RefusedError(
        "ATOM-2012",
        f"'{uri.redact(source)}' refused the push",
        note="\n".join(words[:8]).replace(source, uri.redact(source))[:1000],
        hint="nothing was changed there",
    )
