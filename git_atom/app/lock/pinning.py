"""[pins]: files of any git repository, at the commit that a ref named when it was locked, kept in the user's store by that commit.

Nobody signs them for us. What the lock states is what counts: the commit that has to be there, and the tree digest over its files,
taken when they come in and again whenever a build uses them.
"""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from git_atom.app.atom.asking import locate
from git_atom.app.lock.ground import ONLINE, Ground
from git_atom.atom import objects as making
from git_atom.atom import source as sources
from git_atom.atom.agreement import keeps_pin
from git_atom.core import refnames, uri
from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_TREE, Digest, Oid
from git_atom.core.host import Host
from git_atom.core.lock import LockedPin
from git_atom.core.manifest import Pin
from git_atom.core.text import shell
from git_atom.core.tree import Leaf, tree_digest
from git_atom.errors import ConflictError, MalformedError, NoSolutionError, RefusedError, UnavailableError
from git_atom.git import lsrefs, refs, remote
from git_atom.git import repo as repos
from git_atom.git.capped import Capped
from git_atom.git.objects import Objects
from git_atom.git.refs import Change
from git_atom.git.trees import encode_tree
from git_atom.git.written import write_loose

_ID = r"[0-9a-f]{40}|[0-9a-f]{64}"
_KINDS = ("refs/tags/", "refs/heads/")


class _Found(NamedTuple):
    """What a commit holds for a pin: its files, their digest, the git object they lie in, and whether that is one file to be laid into a tree."""

    leaves: list[Leaf]
    tree: Digest
    thing: Oid
    single: tuple[int, bytes] | None  # mode and name


def pins(ground: Ground) -> tuple[LockedPin, ...]:
    """Every pin of a manifest: as it is locked, else what its ref names now, brought into the store.

    Raises UnavailableError ATOM-8720 (offline) and 2011, NoSolutionError ATOM-8721, ConflictError ATOM-8722, MalformedError ATOM-8723, 8726
    and for files that an atom could not hold either.
    """
    return tuple(_locked(ground, pin) for pin in ground.manifest.pins)


def _locked(ground: Ground, pin: Pin) -> LockedPin:
    kept = next((one for one in ground.kept.pins if keeps_pin(pin, one)), None)
    if kept is not None:
        return kept
    where = ground.where("pins", pin.name, "ref")
    if ground.offline:
        raise UnavailableError("ATOM-8720", f"pin '{pin.name}' has to be asked for, and the network may not be used", where=where,
                               hint=ONLINE)  # fmt: skip
    host, place = ground.host, locate(ground.host, pin.git)
    ref = _named(host, pin, where)[0]
    host.progress.say(f"fetching {pin.name} ({pin.ref}) from {uri.redact(place)}")
    with remote.Incoming(repos.store(host)) as incoming:
        brought = incoming.fetch_commit(place, ref)
        commit = repos.resolve(incoming.repo, brought)
        if commit is None:
            raise MalformedError("ATOM-8723", f"'{pin.ref}' of '{uri.redact(place)}' is not a commit", where=where)
        found = _read(incoming, commit, pin.name, pin.entry, ground.where("pins", pin.name, "entry"))
        locked = LockedPin(pin.name, pin.git, pin.ref, pin.entry, commit, found.tree)
        _keep(host, incoming, locked, found)
    return locked


def now(host: Host, locked: LockedPin) -> Oid | None:
    """The commit that a pin's ref names now, as the repository tells it; None when there is no such ref any more.

    Raises UnavailableError ATOM-2011 when it cannot be read, ConflictError ATOM-8722.
    """
    try:
        return _named(host, Pin(locked.name, locked.git, locked.ref, locked.entry), "")[1]
    except NoSolutionError:
        return None


def _named(host: Host, pin: Pin, where: str) -> tuple[str, Oid]:
    """What to ask the repository for: the full name of the ref that a pin means, or the id it is; and what it names there.

    A short name is that of a tag or a branch, and never of whichever of the two git happens to look for first.
    """
    if re.fullmatch(_ID, pin.ref):
        return pin.ref, Oid(pin.ref)
    place = locate(host, pin.git)
    whole = pin.ref == "HEAD" or pin.ref.startswith("refs/")
    names = [pin.ref] if whole else [kind + pin.ref for kind in _KINDS]
    told = lsrefs.told(place, names, host.environ, peel=True).refs
    found = [name for name in names if name in told]
    if len(found) > 1:
        raise ConflictError("ATOM-8722", f"'{pin.ref}' of '{uri.redact(place)}' is a tag and a branch", where=where,
                            note="\n".join(f"{told[name]} {name}" for name in found), hint=f"name it wholly, '{found[0]}'")  # fmt: skip
    if found:
        return found[0], told[found[0]]
    from difflib import get_close_matches

    every = {name.removeprefix(kind) for kind in _KINDS for name in lsrefs.told(place, [kind], host.environ).refs}
    near = get_close_matches(pin.ref, sorted(every), 1)
    raise NoSolutionError("ATOM-8721", f"'{uri.redact(place)}' has no ref '{pin.ref}'", where=where,
                          note="" if near else "a commit is named by its whole id",
                          hint=f"did you mean '{near[0]}'?" if near else f"git ls-remote {shell(uri.redact(place))}")  # fmt: skip


def _read(incoming: remote.Incoming, commit: Oid, name: str, entry: str, where: str) -> _Found:
    """What a fetched commit holds for a pin, checked as an atom's own files are, object by object within the limits for strangers."""
    path = posixpath.normpath(entry) if entry else "."
    with Capped(incoming.repo) as objects:
        top = objects.commit_tree(commit)
        at = objects.at(top, b"" if path == "." else path.encode(errors="surrogateescape"))
        if at is None or at[0] not in (MODE_TREE, MODE_FILE, MODE_EXEC):
            kind = "there is no" if at is None else "neither file nor directory is"
            raise MalformedError("ATOM-8726", f"{kind} '{entry}' in commit {commit[:12]} of pin '{name}'", where=where,
                                 hint="name a path that the commit has, or take 'entry' out for all of it")  # fmt: skip
        single = None if at[0] == MODE_TREE else (at[0], posixpath.basename(path).encode(errors="surrogateescape"))
        tree = at[1]
        if single is not None:
            tree = write_loose(incoming.repo, "tree", encode_tree([(*single, at[1])]))
        leaves = objects.listing(tree)
        sources.check_links(leaves)
        sources.check_pointers(objects, leaves, "" if path == "." or single else path)
    return _Found(leaves, tree_digest(leaves), at[1], single)


def _keep(host: Host, incoming: remote.Incoming, locked: LockedPin, found: _Found) -> None:
    """Take a pin's files into the store, and nothing else of that repository; its history would be a torn one."""
    store = repos.store(host)
    incoming.accept([found.thing])
    tree = found.thing
    if found.single is not None:
        tree = write_loose(store, "tree", encode_tree([(*found.single, found.thing)]))
    head = making.sub_commit(store, tree, "tree")
    ref = refnames.pin(locked.commit, locked.tree)
    old = refs.exact(store, ref)
    if old != head:
        refs.update(store, [Change(ref, head, old)], "git atom lock")


def files(host: Host, locked: LockedPin) -> list[Leaf]:
    """The files of a locked pin, their digest taken now; what the store lacks is fetched, and must be what the lock states.

    Raises UnavailableError ATOM-2011, 8724 (the commit is gone), RefusedError ATOM-8725 (it holds something else), and as `pins`.
    """
    store = repos.store(host)
    head = refs.exact(store, refnames.pin(locked.commit, locked.tree))
    if head is None:
        _bring(host, locked)
        head = refs.exact(store, refnames.pin(locked.commit, locked.tree))
    with Objects(store) as objects:
        leaves = objects.listing(objects.commit_tree(head or locked.commit))
    if tree_digest(leaves) != locked.tree:
        raise _other(locked, tree_digest(leaves), "the store")
    return leaves


def _bring(host: Host, locked: LockedPin) -> None:
    """Fetch a locked commit by its id, or where the server gives no commit by id, by way of the ref it was found at."""
    place = locate(host, locked.git)
    host.progress.say(f"fetching {locked.name} ({locked.commit[:12]}) from {uri.redact(place)}")
    with remote.Incoming(repos.store(host)) as incoming:
        try:
            incoming.fetch_commit(place, locked.commit)
        except UnavailableError:
            _by_ref(host, incoming, locked, place)
        if repos.resolve(incoming.repo, locked.commit) != locked.commit:
            raise _gone(locked, place)
        found = _read(incoming, locked.commit, locked.name, locked.entry, "")
        if found.tree != locked.tree:
            raise _other(locked, found.tree, uri.redact(place))
        _keep(host, incoming, locked, found)


def _by_ref(host: Host, incoming: remote.Incoming, locked: LockedPin, place: str) -> None:
    try:
        ref = _named(host, Pin(locked.name, locked.git, locked.ref, locked.entry), "")[0]
    except NoSolutionError:
        raise _gone(locked, place) from None
    if ref == locked.commit or not incoming.fetch(place, {ref: "refs/incoming/ref/it"}):
        raise _gone(locked, place)


def _gone(locked: LockedPin, place: str) -> UnavailableError:
    return UnavailableError("ATOM-8724", f"commit {locked.commit[:12]} of pin '{locked.name}' is not at '{uri.redact(place)}' any more",
                            note=f"it was locked as '{locked.ref}'", hint=f"git atom update {shell(locked.name)}")  # fmt: skip


def _other(locked: LockedPin, found: Digest, place: str) -> RefusedError:
    return RefusedError("ATOM-8725", f"pin '{locked.name}' in {place} is not what the lock names",
                        note=f"locked {locked.tree}\nfound  {found}", hint=f"git atom update {shell(locked.name)}  # and look at what changes")  # fmt: skip
