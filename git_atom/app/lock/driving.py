"""Git's merge driver and textconv for `atom.lock` (gitattributes(5)): installing them, and what they do."""

from __future__ import annotations

import os
from typing import NamedTuple

from git_atom.app import workdir
from git_atom.core import lock as locks
from git_atom.core import refnames
from git_atom.core.digest import Digest, Oid
from git_atom.core.host import Host
from git_atom.core.lock import Lock, LockedSet, edge_text
from git_atom.core.lock_merge import merge
from git_atom.core.text import shell
from git_atom.errors import ConflictError
from git_atom.git import config, refs
from git_atom.git import repo as repos

NAME = "atom-lock"
ATTRIBUTES = f"{locks.FILE} merge={NAME} diff={NAME}"
SETTINGS = (
    (f"merge.{NAME}.name", "locks of atoms, merged record by record"),
    (f"merge.{NAME}.driver", "git atom driver merge %O %A %B %P"),
    (f"diff.{NAME}.textconv", "git atom driver textconv"),
)


class Installed(NamedTuple):
    """What installing came to: the file of attributes, and the lines and settings that were new (empty: all was there)."""

    attributes: str
    new: tuple[str, ...]


def install(host: Host, *, everywhere: bool = False, dry_run: bool = False) -> Installed:
    """Make git merge and show locks by record, in this repository alone or in all of the user's; what is there is left as it is.

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
    if ATTRIBUTES.split() not in lines:
        new.append(ATTRIBUTES)
        text += (b"" if not text or text.endswith(b"\n") else b"\n") + ATTRIBUTES.encode() + b"\n"
    if new and not dry_run:
        for key, value in SETTINGS:
            config.set_in(repo, key, value, host.environ)
        if ATTRIBUTES in new:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            workdir.write(path, text)
    return Installed(path, tuple(new))


def _attributes(host: Host) -> str:
    """The user's own file of attributes (git-config(1), core.attributesFile)."""
    set_ = config.get(None, "core.attributesFile", host.environ, cwd="/", kind="path")
    return set_ or os.path.join(os.path.dirname(host.config.rstrip("/")), "git", "attributes")


def merge_files(host: Host, base: str, ours: str, theirs: str, shown: str) -> Lock:
    """Merge three files, called `shown` in messages, and leave the outcome in `ours`.

    An empty base is that of a lock which both sides made. Raises ConflictError ATOM-8713, and leaves `ours` as it is: a lock that can be
    read, from which git atom lock makes the one that fits the merged manifest. Raises what reading a lock raises.
    """
    one, mine, yours = (_load(host, path, shown) for path in (base, ours, theirs))
    made = merge(one, mine, yours, lambda before, other: _later(host, before, other))
    if made.conflicts:
        raise ConflictError("ATOM-8713", f"'{shown}' cannot be merged record by record", note="\n".join(made.conflicts[:20]),
                            hint=f"git atom lock {shell(os.path.dirname(shown) or '.')} && git add {shell(shown)}  # once the manifest is merged")  # fmt: skip
    workdir.write(os.path.join(host.cwd, ours), locks.format(made.lock))
    return made.lock


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
