"""Git's merge drivers for manifests and locks and the textconv of locks (gitattributes(5)): installing them, and what they do."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

from git_atom.app import workdir
from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core import manifest_merge, refnames
from git_atom.core.digest import Digest, Oid
from git_atom.core.host import Host
from git_atom.core.lock import Lock, LockedSet, edge_text
from git_atom.core.lock_merge import merge
from git_atom.core.manifest_merge import Sides
from git_atom.core.text import shell
from git_atom.errors import CannotError, ConflictError
from git_atom.git import config, proc, refs
from git_atom.git import repo as repos

LOCK, MANIFEST = "atom-lock", "atom-manifest"
ATTRIBUTES = (f"{locks.FILE} merge={LOCK} diff={LOCK}", f"{manifests.FILE} merge={MANIFEST}")
_MERGE = "git atom driver merge %O %A %B %P"
SETTINGS = (
    (f"merge.{LOCK}.name", "locks of atoms, merged record by record"),
    (f"merge.{LOCK}.driver", _MERGE),
    (f"diff.{LOCK}.textconv", "git atom driver textconv"),
    (f"merge.{MANIFEST}.name", "manifests of atoms, merged key by key"),
    (f"merge.{MANIFEST}.driver", _MERGE),
)


class Installed(NamedTuple):
    """What installing came to: the file of attributes, and the lines and settings that were new (empty: all was there)."""

    attributes: str
    new: tuple[str, ...]


def install(host: Host, *, everywhere: bool = False, dry_run: bool = False) -> Installed:
    """Make git merge manifests and locks and show locks, in this repository alone or in all of the user's; what is there is left as it is.

    Nothing goes into the repository's content. Raises CannotError ATOM-2003 outside of a repository, ATOM-2002 when git refuses.
    """
    repo = None if everywhere else repos.discover(host.cwd, host.environ)
    path = _attributes(host) if repo is None else repos.path_of(repo, "info/attributes")
    new = [f"{key} = {value}" for key, value in SETTINGS if value not in config.in_scope(repo, key, host.environ)]
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        text = b""
    lines = [line.split() for line in text.decode(errors="replace").splitlines()]
    missing = [line for line in ATTRIBUTES if line.split() not in lines]
    if missing:
        new += missing
        text += (b"" if not text or text.endswith(b"\n") else b"\n") + "\n".join(missing).encode() + b"\n"
    if new and not dry_run:
        for key, value in SETTINGS:
            config.set_in(repo, key, value, host.environ)
        if missing:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            workdir.write(path, text)
    return Installed(path, tuple(new))


def _attributes(host: Host) -> str:
    """The user's own file of attributes (git-config(1), core.attributesFile)."""
    set_ = config.get(None, "core.attributesFile", host.environ, cwd="/", kind="path")
    return set_ or os.path.join(os.path.dirname(host.config.rstrip("/")), "git", "attributes")


def merge_files(host: Host, base: str, ours: str, theirs: str, shown: str) -> None:
    """Merge three manifests (`shown` ends as one) or locks, called `shown` in messages, and leave the outcome in `ours`.

    An empty base is that of a file which both sides made. Raises ConflictError: ATOM-8713, and leaves `ours` as it is: a lock that can be
    read, from which git atom lock makes the one that fits the merged manifest; ATOM-8714, with git's marks where the sides say different
    things. Raises what reading a lock raises.
    """
    if os.path.basename(shown) == manifests.FILE:
        _merge_manifests(host, base, ours, theirs, shown)
        return
    one, mine, yours = (_load(host, path, shown) for path in (base, ours, theirs))
    made = merge(one, mine, yours, lambda before, other: _later(host, before, other))
    if made.conflicts:
        raise ConflictError("ATOM-8713", f"'{shown}' cannot be merged record by record", note="\n".join(made.conflicts[:20]),
                            hint=f"git atom lock {shell(os.path.dirname(shown) or '.')} && git add {shell(shown)}  # once the manifest is merged")  # fmt: skip
    workdir.write(os.path.join(host.cwd, ours), locks.format(made.lock))


def _merge_manifests(host: Host, base: str, ours: str, theirs: str, shown: str) -> None:
    """By lines as git does; where that fails or comes to other values than both sides have, by tables and keys first."""
    three = []
    for path in (base, ours, theirs):
        with open(os.path.join(host.cwd, path), "rb") as file:
            three.append(file.read())
    clean, made = _by_lines(host, three)
    sides = Sides(*(data.decode(errors="replace") for data in three))
    if manifest_merge.readable(sides) and not (clean and manifest_merge.agrees(made.decode(), sides)):
        settled, text = _by_lines(host, [text.encode() for text in manifest_merge.settle(sides)])
        clean = settled and manifest_merge.agrees(text.decode(), sides)
        if clean or not settled:
            made = text
    workdir.write(os.path.join(host.cwd, ours), made)
    if not clean:
        note = (
            "both sides say different things of one key"
            if b"<<<<<<<" in made
            else "what both sides say makes no manifest"
        )
        raise ConflictError("ATOM-8714", f"'{shown}' cannot be merged key by key", note=note,
                            hint=f"git atom lock {shell(os.path.dirname(shown) or '.')} && git add {shell(shown)}  # once it is edited")  # fmt: skip


def _by_lines(host: Host, three: Sequence[bytes]) -> tuple[bool, bytes]:
    """What git makes of three texts, and whether without a conflict; its marks are written as the user has them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("base", "ours", "theirs")]
        for path, data in zip(paths, three, strict=True):
            with open(path, "wb") as file:
                file.write(data)
        argv = ["git", "merge-file", "-p", "-q", "-L", "ours", "-L", "base", "-L", "theirs", paths[1], paths[0], paths[2]]  # fmt: skip
        done = proc.run(argv, env=host.environ, cwd=host.cwd)
    if not 0 <= done.status < 128:
        raise CannotError("ATOM-2002", f"'git merge-file' failed with status {done.status}", note=done.err.decode(errors="replace").strip()[-500:])  # fmt: skip
    return done.status == 0, done.out


def _load(host: Host, path: str, shown: str) -> Lock:
    with open(os.path.join(host.cwd, path), "rb") as file:
        data = file.read(locks.MAX_BYTES + 1)
    return locks.parse(data, shown) if data else locks.EMPTY


def _later(host: Host, mine: LockedSet, yours: LockedSet) -> Oid | None:
    """Of two heads of one set the one that holds the other, as far as the store has both."""
    store = repos.store(host)
    if refs.get(store, refnames.set_log(Digest(mine.anchor))) is None:
        return None
    if repos.is_ancestor(store, mine.head, yours.head):
        return yours.head
    return mine.head if repos.is_ancestor(store, yours.head, mine.head) else None


def text(host: Host, path: str) -> list[str]:
    """A lock for people's eyes, one line a thing: what git diff compares instead of the file. Raises what reading a lock raises."""
    lock = _load(host, path, path)
    out = [
        f"atom {edge_text(('', a.name))} {a.version}{' of ' + _short(a.set) if a.set else ''} {_short(a.tree)}"
        + (f" with {', '.join(a.variants)}" if a.variants else "")
        for a in lock.atoms
    ]
    out += [f"variant {v.name} {v.chosen}" for v in lock.variants]
    out += [f"dependency {d.key} " + (f"for {', '.join(d.uses)}" if d.uses else "not taken") for d in lock.deps]
    out += [f"pin {p.name} {p.ref} {p.commit[:12]}" for p in lock.pins]
    out += [f"source {s.name} {_short(s.tree)}" for s in lock.subs]
    out += [f"source {f.name} {f.url} {f.size} bytes {_short(f.digest)}" for f in lock.fetches]
    for toolchain in lock.toolchains:
        out.append(f"toolchain {toolchain.platform} {toolchain.suite} {_short(toolchain.root)}")
        out += [f"  package {p.name} {p.version} {p.architecture}" for p in toolchain.packages]
    out += [f"set {_short(s.anchor)} at {s.head[:12]}" for s in lock.sets]
    return out


def _short(digest: str) -> str:
    return digest.removeprefix("blake3:")[:12]
