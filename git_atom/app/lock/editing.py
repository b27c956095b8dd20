"""`git atom add` and `git atom remove`: the manifest edited in place and locked, both written or neither."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from git_atom.app import workdir
from git_atom.app.atom import asking, sets
from git_atom.app.lock import intent, stating
from git_atom.app.lock.intent import Files, Made
from git_atom.app.lock.stating import Asked
from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core import refnames, uri, variant
from git_atom.core.digest import Digest
from git_atom.core.host import Host
from git_atom.core.lock import Lock
from git_atom.core.manifest import USES, Manifest
from git_atom.core.text import shell
from git_atom.core.uri import Uri
from git_atom.errors import AtomError, ConflictError, MalformedError, NegativeError
from git_atom.git import refs, worktree
from git_atom.git import repo as repos
from git_atom.git.objects import Objects
from git_atom.git.repo import Repo
from git_atom.git.source import expanded
from git_atom.trust import log as logs


class Edited(NamedTuple):
    """What became of manifest and lock: their paths, the requirements that are other as they are told, changes of the lock, whether anything is other."""

    manifest: str
    lock: str
    edits: tuple[str, ...]
    changes: tuple[intent.Change, ...]
    written: bool


class _Source(NamedTuple):
    """Where a dependency is from: exactly one of url and path."""

    url: str = ""
    path: str = ""


def add(
    host: Host,
    asked: Asked,
    *,
    offline: bool = False,
    dry_run: bool = False,
    consent: sets.Consent | None = None,
) -> Edited:
    """Put requirements into the manifest of the atom in the current directory, or change how they are, and lock.

    Of a new atom without a requirement the newest version is taken, and what is compatible with it written down. Aliases are expanded,
    credentials left out. What dependencies are asked for takes the place of what they were asked for before. Raises UsageError ATOM-9001
    for words of another form, MalformedError ATOM-1024 for what asks for no variant, ConflictError ATOM-8730 for packages beside an
    environment, and what URIs, sources and locking raise; nothing is written then.
    """
    stating.check(asked)
    files = intent.read(host, ".")
    if asked.kind != stating.DEP:
        after = _with(files, stating.state(host, files, asked))
        ground = intent.stand(host, after, offline=offline, consent=consent)
        return _done(files, after.data, intent.work_out(ground, after), ground.repo, dry_run)
    data, wanted = files.data, []
    for text in asked.words:
        one = Uri.parse(text)
        source = _source(host, files, files.value, one)
        data = _put(data, files.value, one.name, _values(asked, one, source))
        if asked.asks and not any(asked.asks):
            data = _unasked(data, one.name)
        wanted.append(one._replace(source=source.url or source.path))
    ground = intent.stand(host, _with(files, data), offline=offline, consent=consent)
    options = (*(("--for", use) for use in asked.uses), *(("--with", text) for text in _asks(asked) or asked.asks[:1]))
    ground = ground._replace(pending=tuple(str(one) for one in wanted), options=options)
    made = intent.work_out(ground, _with(files, data))
    there = {dep.name for dep in files.value.deps if dep.url}
    fresh = [one.name for one in wanted if one.requirement is None and one.name not in there]
    data = _settled(data, files.manifest, made.lock, fresh)
    return _done(files, data, made, ground.repo, dry_run)


def remove(host: Host, names: Sequence[str], *, kind: str = "", offline: bool = False, dry_run: bool = False) -> Edited:
    """Take requirements (of one kind, when it is given) out of the manifest of the atom in the current directory, and lock.

    Raises NegativeError ATOM-8708 for a name that is none, ConflictError ATOM-8731 for one that is several, CannotError ATOM-1026 for a
    text that cannot be edited.
    """
    files = intent.read(host, ".")
    after = _with(files, stating.without(files, names, kind))
    ground = intent.stand(host, after, offline=offline, consent=None)
    return _done(files, after.data, intent.work_out(ground, after), ground.repo, dry_run)


def _with(files: Files, data: bytes) -> Files:
    """The same files with another manifest; raises what reading it raises."""
    return files._replace(data=data, value=manifests.parse(data, files.manifest))


def _values(asked: Asked, one: Uri, source: _Source) -> dict[str, str | tuple[str, ...]]:
    """The keys of a dependency that are said anew."""
    values: dict[str, str | tuple[str, ...]] = {"path": source.path} if source.path else {"url": source.url}
    if one.requirement:
        values["version"] = str(one.requirement)
    if asked.uses:
        values["for"] = tuple(use for use in USES if use in asked.uses)
    told = _asks(asked)
    return values | ({"with": told} if told else {})


def _asks(asked: Asked) -> tuple[str, ...]:
    """The variants that are asked for, as a manifest has them."""
    return tuple(sorted({variant.text(variant.parse(text)) for text in asked.asks if text}))


def _unasked(data: bytes, name: str) -> bytes:
    """The manifest with nothing that a dependency is asked for."""
    from git_atom.core import manifest_edit

    return manifest_edit.drop_key(data, ("deps", name), "with")


def _put(data: bytes, before: Manifest, name: str, values: dict[str, str | tuple[str, ...]]) -> bytes:
    from git_atom.core import manifest_edit

    old = next((dep for dep in before.deps if dep.name == name), None)
    other = "url" if "path" in values else "path"
    if old is not None and (old.url if other == "url" else old.path):
        data = manifest_edit.drop_key(data, ("deps", name), other)
    return manifest_edit.put(data, ("deps", name), values)


def _settled(data: bytes, where: str, lock: Lock, names: Sequence[str]) -> bytes:
    """The manifest with a requirement for each of these that is of another set: what is compatible with the version chosen."""
    from git_atom.core import manifest_edit

    for dep in manifests.parse(data, where).deps:
        row = lock.dep(dep.name)
        atom = lock.atom(row.atom) if row else None
        if dep.name in names and dep.url and atom is not None:
            data = manifest_edit.put(data, ("deps", dep.name), {"version": f"^{atom.version}"})
    return data


def _done(files: Files, data: bytes, made: Made, repo: Repo | None, dry_run: bool) -> Edited:
    """Write both files; a manifest that is as before is not touched."""
    changed = data != files.data
    if not dry_run:
        both = [(os.path.join(files.folder, manifests.FILE), data)] if changed else []
        both += [(os.path.join(files.folder, locks.FILE), made.text)] if made.changed else []
        workdir.write_all(both, repo)
    edits = stating.differences(files.value, manifests.parse(data, files.manifest))
    return Edited(files.manifest, files.lock, edits, made.changes, changed or made.changed)


# ---- where an atom is from -----------------------------------------------------------------------------------------------


def _source(host: Host, files: Files, before: Manifest, wanted: Uri) -> _Source:
    """Where an atom is from: what the URI says, or for a name alone the manifest, this repository, the sets that are known."""
    repo = intent.repository(host, host.cwd)
    if not wanted.source:
        old = next((dep for dep in before.deps if dep.name == wanted.name), None)
        if old is not None:
            return _Source(old.url, old.path)
        return _in_this_repository(files, repo, wanted.name) or _in_known_sets(host, files, wanted.name)
    text = expanded(wanted.source, host.environ, host.cwd)
    if uri.kind(text) != "path":
        return _Source(stating.without_credentials(host, text))
    place = asking.locate(host, text)
    top = os.path.realpath(repo.work_tree) if repo and repo.work_tree else ""
    if top and os.path.isfile(os.path.join(place, manifests.FILE)) and workdir.within(os.path.realpath(place), top):
        return _beside(files, repo, place, wanted)
    return _Source(place)


def _beside(files: Files, repo: Repo | None, place: str, wanted: Uri) -> _Source:
    """An atom of this repository, by the directory it lies in."""
    shown = os.path.relpath(place, files.folder)
    name = workdir.manifest_at(place, os.path.join(shown, manifests.FILE))[1].name
    if name != wanted.name:
        meant = _in_this_repository(files, repo, wanted.name)
        other = f"{meant.path}::{wanted.name}" if meant else f"{wanted.source}::{name}"
        hint = (
            f"git atom add {shell(other)}"
            if meant or shown != "."
            else f"git atom add {shell(f'<url>::{wanted.name}')}"
        )
        raise MalformedError("ATOM-8711", f"'{shown}' holds the atom '{name}', not '{wanted.name}'", hint=hint)
    return _Source(path=shown)


def _in_this_repository(files: Files, repo: Repo | None, name: str) -> _Source | None:
    """An atom of the work tree by its name."""
    found = []
    for path in worktree.named(repo, manifests.FILE) if repo and repo.work_tree else []:
        folder = os.path.dirname(os.path.join(os.path.realpath(repo.work_tree or ""), path)) if repo else ""
        try:
            if workdir.manifest_at(folder, path)[1].name == name:
                found.append(os.path.relpath(folder, os.path.realpath(files.folder)))
        except AtomError:
            continue  # what is wrong with it is said when it is locked
    if len(found) > 1:
        raise ConflictError("ATOM-8710", f"'{name}' is the name of several atoms of this repository", note="\n".join(found),
                            hint=f"git atom add {shell(f'{found[0]}::{name}')}")  # fmt: skip
    return _Source(path=found[0]) if found else None


def _in_known_sets(host: Host, files: Files, name: str) -> _Source:
    """An atom of the sets in the lock, or else of the sets that are in the store and trusted."""
    store = repos.store(host)
    mirrors = sets.known_mirrors(host)
    locked = {Digest(s.anchor): [*s.mirrors] for s in files.old.sets}
    trusted = {anchor: mirrors.get(anchor, []) for anchor in sets.trusted(host)}
    every: set[str] = set()
    for group in (locked, trusted):
        found: list[tuple[Digest, str]] = []
        with Objects(store) as objects:
            for anchor, urls in sorted(group.items()):
                head = refs.get(store, refnames.set_log(anchor))
                names = set(logs.names(objects, objects.commit_tree(head))) if head else set()
                every |= names
                if name in names and urls:
                    found.append((anchor, _best(urls)))
        if len(found) > 1:
            raise ConflictError("ATOM-8710", f"'{name}' is the name of atoms of several sets", note="\n".join(f"{a} {u}" for a, u in found),
                                hint=f"git atom add {shell(f'{found[0][1]}::{name}')}")  # fmt: skip
        if found:
            return _Source(found[0][1])
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(every), 1)
    raise NegativeError("ATOM-8709", f"no set that is known here has an atom '{name}'", note="sets are known once something was fetched from them, and trusted",
                        hint=f"did you mean '{near[0]}'?" if near else f"git atom add {shell(f'<url>::{name}')}")  # fmt: skip


def _best(urls: Sequence[str]) -> str:
    """The mirror to write down: one that other machines reach, too, where there is one."""
    return uri.public(next((url for url in urls if uri.is_remote(url)), urls[0]))
