"""From a manifest to its lock, with an account of what changed; nothing is written here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from git_atom.app import memo, workdir
from git_atom.app.lock.ground import Ground, Work
from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core import refnames, variant
from git_atom.core.digest import Digest, Oid, of_bytes
from git_atom.core.host import Host
from git_atom.core.lock import Lock, LockedPin
from git_atom.core.manifest import Manifest
from git_atom.errors import AtomError, NegativeError
from git_atom.git import refs
from git_atom.git import repo as repos
from git_atom.git.repo import Repo

if TYPE_CHECKING:
    from git_atom.app.atom import sets


class Change(NamedTuple):
    """One difference between two locks. old and new are versions or short digests, empty where it came or went."""

    kind: str  # atom, variant, source, pin, package, toolchain; where else nothing is told of it, dependency and set
    name: str
    old: str
    new: str

    def __str__(self) -> str:
        sign = "+" if not self.old else "-" if not self.new else "~"
        return f"{sign} {self.kind} {self.name} " + (
            f"{self.old} -> {self.new}" if self.old and self.new else self.old or self.new
        )


class Files(NamedTuple):
    """A directory's manifest and lock as they are, and what both are called in messages."""

    folder: str  # absolute
    manifest: str
    lock: str
    data: bytes
    value: Manifest
    before: bytes | None
    old: Lock


class Made(NamedTuple):
    """A lock worked out and not yet written: its text, its value, and what is different from before."""

    text: bytes
    lock: Lock
    changes: tuple[Change, ...]
    changed: bool


def read(host: Host, folder: str) -> Files:
    """The manifest and lock of a directory; raises CannotError ATOM-8040 without a manifest, MalformedError for texts that are wrong."""
    place = os.path.normpath(os.path.join(host.cwd, folder))
    shown = os.path.relpath(os.path.join(place, locks.FILE), host.cwd)
    named = os.path.join(os.path.dirname(shown), manifests.FILE)
    data, manifest = workdir.manifest_at(place, named)
    before, old = workdir.lock_at(place, shown)
    return Files(place, named, shown, data, manifest, before, old)


def unknown(name: str, known: set[str], where: str, more: Iterable[str] = ()) -> NegativeError:
    """The error for a name that is not among those of a lock or manifest. more: names that are there and too many to be listed."""
    from difflib import get_close_matches

    near = get_close_matches(name, sorted({*known, *more}), 1)
    return NegativeError("ATOM-8708", f"there is no '{name}' in '{where}'", note="" if near else f"it has {', '.join(sorted(known)[:20]) or 'none'}",
                         hint=f"did you mean '{near[0]}'?" if near else "git atom tree")  # fmt: skip


def stand(host: Host, files: Files, *, offline: bool, consent: sets.Consent | None) -> Ground:
    """What choosing stands on, from a directory's files."""
    repo = repository(host, files.folder)
    work = Work(repo, host.cwd) if repo else None
    return Ground(host, repo, files.folder, files.data, files.value, files.old, offline, consent, work=work)


def work_out(ground: Ground, files: Files, notes: Notes | None = None) -> Made:
    """The lock that a manifest comes to, nothing written. What was worked out before and cannot be otherwise is not worked out again."""
    notes = notes or Notes(ground.host)
    if unchanged(ground, files, notes):
        return Made(files.before or b"", files.old, (), False)
    notes.forget()
    from git_atom.app.lock import choosing, sourcing

    subs = sourcing.subs(ground)
    chosen = choosing.choose(ground)
    pins = _pins(ground)
    fetches = sourcing.fetches(ground)
    tools = chosen.toolchains or sourcing.toolchains(ground, dict(chosen.variants))
    lock = Lock(chosen.sets, chosen.deps, chosen.atoms, pins, subs, fetches, tools, chosen.variants)
    text = locks.format(lock)
    lock = locks.parse(text, files.lock)
    if not chosen.spoken_of:
        _note(ground, lock, text)
    return Made(text, lock, tuple(differences(files.old, lock)), text != files.before)


def _pins(ground: Ground) -> tuple[LockedPin, ...]:
    if not ground.manifest.pins:
        return ()
    from git_atom.app.lock import pinning

    return pinning.pins(ground)


def _memo(host: Host, manifest: bytes, lock: bytes) -> str:
    """Where it is noted that a lock is what a manifest comes to here."""
    told = "\0".join(["4", os.uname().machine, of_bytes(manifest), of_bytes(lock)])
    return os.path.join(host.cache, "locked", of_bytes(told.encode()).hex)


class Note(NamedTuple):
    """That a lock is what its manifest comes to, as long as the store has these heads and the work tree this state at these paths.

    A head is by its ref, empty when there was none: a version that is locked may have been retracted since. at: the atom's directory,
    which with the paths is relative to the top of the work tree; both are empty when nothing of that matters.
    """

    heads: dict[str, str]
    at: str = ""
    paths: tuple[str, ...] = ()
    state: str = ""

    def holds(self, work: Work | None, folder: str) -> bool:
        """Whether the work tree around an atom is as it was."""
        if not self.paths:
            return True
        return work is not None and work.inside(folder) == self.at and work.state(self.paths) == self.state


def _note(ground: Ground, lock: Lock, text: bytes) -> None:
    names = [refnames.set_log(Digest(s.anchor)) for s in lock.sets]
    heads = refs.several(repos.store(ground.host), names) if names else {}
    note = Note({name: str(heads.get(name, "")) for name in names})
    if any(dep.path for dep in ground.manifest.deps) or any(src.path for src in ground.manifest.srcs):
        at = ground.work.inside(ground.folder) if ground.work else None
        paths = ground.work.below(at, ground.manifest) if ground.work and at is not None else None
        if ground.work is None or at is None or paths is None:
            return
        note = note._replace(at=at, paths=tuple(paths), state=ground.work.state(paths))
    import json

    memo.put(_memo(ground.host, ground.data, text), json.dumps(note).encode())


class Notes:
    """What was noted of locks: which are what their manifests come to. Asks the store once for the heads of its sets."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._heads: dict[str, Oid] | None = None

    def forget(self) -> None:
        """The store may know more of its sets now."""
        self._heads = None

    def of(self, manifest: bytes, lock: bytes) -> Note | None:
        """The note of a lock, which still is to hold in the work tree; None when there is none, or the store has other heads by now."""
        import json

        data = memo.get(_memo(self._host, manifest, lock))
        try:
            heads, at, paths, state = json.loads(data or b"")
            note = Note(dict(heads), str(at), tuple(paths), str(state))
        except (ValueError, TypeError):
            return None  # there is none, or it is damaged
        if note.heads and self._heads is None:
            self._heads = dict(refs.listing(repos.store(self._host), refnames.SET_LOGS))
        return note if all(head == str((self._heads or {}).get(ref, "")) for ref, head in note.heads.items()) else None

    def at(self, place: str) -> Note | None:
        """The note of the lock in a directory; reads neither manifest nor lock as what it means."""
        texts = []
        for name in (manifests.FILE, locks.FILE):
            try:
                with open(os.path.join(place, name), "rb") as file:
                    texts.append(file.read())
            except OSError:
                return None
        return self.of(*texts)


def unchanged(ground: Ground, files: Files, notes: Notes) -> bool:
    """Whether the lock is what it would be if worked out again: noted so before, and nothing of the work tree has moved since."""
    if files.before is None or ground.minimise or ground.chosen is not None or ground.anew or ground.free:
        return False
    note = notes.of(ground.data, files.before)
    return note is not None and note.holds(ground.work, ground.folder)


def repository(host: Host, folder: str) -> Repo | None:
    """The repository that a directory is in; None when it is in none."""
    try:
        return repos.discover(folder, host.environ)
    except AtomError as error:
        if error.code != "ATOM-2003":
            raise
        return None


def differences(old: Lock, new: Lock) -> list[Change]:
    """What changed from one lock to another, for people; packages of a toolchain that came or went together are one line."""
    out = _compare("atom", {a.name: str(a.version) for a in old.atoms}, {a.name: str(a.version) for a in new.atoms},
                   {a.name: a.tree for a in old.atoms}, {a.name: a.tree for a in new.atoms})  # fmt: skip
    out += _compare("variant", *(one.taken | _settled(one) for one in (old, new)))
    out += _compare("source", *({f"{f.name} ({f.url.rpartition('/')[2]})": _short(f.digest) for f in one.fetches}
                                | {s.name: _short(s.tree) for s in one.subs} for one in (old, new)))  # fmt: skip
    out += _compare("pin", *({p.name: p.commit[:12] for p in one.pins} for one in (old, new)),
                    *({p.name: p.tree for p in one.pins} for one in (old, new)))  # fmt: skip
    before, after = ({t.platform: t for t in one.toolchains} for one in (old, new))
    out += _compare("toolchain", *({k: f"{_short(t.root)} ({len(t.packages)} packages)" for k, t in one.items()} for one in (before, after)))  # fmt: skip
    for name in sorted(before.keys() & after.keys()):
        out += _compare("package", *({p.name: p.version for p in one[name].packages} for one in (before, after)))
    return out + _terms(old, new, {(change.kind, change.name.partition(" ")[0]) for change in out})


def _terms(old: Lock, new: Lock, told: set[tuple[str, str]]) -> list[Change]:
    """What changed in how things are asked for, of those of which nothing else is told."""
    out = _compare("source", *({f.name: f.url for f in one.fetches} for one in (old, new)))
    out += _compare(
        "pin", *({p.name: " ".join(filter(None, (p.git, p.ref, p.entry))) for p in one.pins} for one in (old, new))
    )
    out += _compare("toolchain", *({t.platform: " ".join(filter(None, (t.suite, *t.debian, t.environment))) for t in one.toolchains} for one in (old, new)))  # fmt: skip
    out = [change for change in out if (change.kind, change.name) not in told]
    deps = [[d for d in one.deps if ("atom", d.atom[1]) not in told] for one in (old, new)]
    out += _compare("dependency", *({d.key: ", ".join(d.uses) or "not taken" for d in some} for some in deps),
                    *({d.key: d.atom[0] for d in some} for some in deps))  # fmt: skip
    mirrors = [{_short(s.anchor): ", ".join(s.mirrors) or "no place" for s in one.sets} for one in (old, new)]
    both = mirrors[0].keys() & mirrors[1].keys()
    return out + _compare("set", *({anchor: one[anchor] for anchor in both} for one in mirrors))


def _settled(lock: Lock) -> dict[str, str]:
    """The variants of the atoms of a lock, as `<atom> with <variant>`."""
    pairs = ((atom.name, variant.parse(text)) for atom in lock.atoms for text in atom.variants)
    return {f"{name} with {ask[0]}": ask[1] for name, ask in pairs}


def _compare(kind: str, old: dict[str, str], new: dict[str, str], *content: Mapping[str, str]) -> list[Change]:
    out = []
    for name in sorted(old.keys() | new.keys()):
        one, other = old.get(name, ""), new.get(name, "")
        if one != other:
            out.append(Change(kind, name, one, other))
        elif content and content[0].get(name) != content[1].get(name):
            out.append(
                Change(
                    kind,
                    name,
                    f"{one} {_short(content[0].get(name, ''))}",
                    f"{other} {_short(content[1].get(name, ''))}",
                )
            )
    return out


def _short(digest: str) -> str:
    return digest.removeprefix("blake3:")[:12]
