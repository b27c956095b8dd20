"""From a manifest to its lock, written whole or not at all, with an account of what changed: `git atom lock` and `git atom update`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from git_atom.app import memo, workdir
from git_atom.app.lock.ground import TOOLCHAIN, Ground, here
from git_atom.atom.agreement import disagreements
from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core import refnames
from git_atom.core.digest import Digest, of_bytes
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

    kind: str  # atom, source, pin, package, toolchain
    name: str
    old: str
    new: str

    def __str__(self) -> str:
        sign = "+" if not self.old else "-" if not self.new else "~"
        return f"{sign} {self.kind} {self.name} " + (
            f"{self.old} -> {self.new}" if self.old and self.new else self.old or self.new
        )


class Locked(NamedTuple):
    """What locking came to: the lock's path, whether it was or would be written, what changed."""

    path: str
    written: bool
    changes: tuple[Change, ...] = ()


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


def lock(
    host: Host,
    folder: str = ".",
    *,
    locked: bool = False,
    frozen: bool = False,
    offline: bool = False,
    minimise: bool = False,
    dry_run: bool = False,
    consent: sets.Consent | None = None,
) -> Locked:
    """Bring the lock of the atom in `folder` up to its manifest.

    locked: refuse when that would change it (NegativeError ATOM-8044). frozen: only hold it against the manifest, look at nothing else
    (8045). offline: use no network. minimise: choose the fewest atoms. Raises what reading, choosing and fetching raise; nothing is written then.
    """
    place = os.path.normpath(os.path.join(host.cwd, folder))
    if not minimise and _as_noted(host, place):
        return Locked(os.path.relpath(os.path.join(place, locks.FILE), host.cwd), False)
    files = read(host, folder)
    if frozen:
        return _held(files)
    ground = stand(host, files, offline=offline, consent=consent)._replace(minimise=minimise)
    made = work_out(ground, files)
    if made.changed and locked:
        raise NegativeError("ATOM-8044", f"'{files.lock}' would change", note="\n".join(str(c) for c in made.changes[:20]) or "it is not there yet",
                            hint=f"git atom lock {'' if folder == '.' else folder}".rstrip())  # fmt: skip
    return _done(host, files, made, dry_run)


def update(
    host: Host,
    names: Sequence[str],
    folder: str = ".",
    *,
    offline: bool = False,
    minimise: bool = False,
    dry_run: bool = False,
    consent: sets.Consent | None = None,
) -> Locked:
    """Choose anew for these names (atoms of the lock, sources, `toolchain`), or for everything when there are none; minimise: choose the fewest atoms.

    Raises NegativeError ATOM-8708 for a name that is not in the lock, and what `lock` raises.
    """
    files = read(host, folder)
    known = {a.name for a in files.old.atoms} | {f.name for f in files.old.fetches} | {p.name for p in files.old.pins}
    known |= {TOOLCHAIN} if files.old.toolchains else set()
    for name in names:
        if name not in known:
            raise unknown(name, known, files.lock)
    ground = stand(host, files, offline=offline, consent=consent)
    ground = ground._replace(free=frozenset(names), anew=not names, minimise=minimise)
    return _done(host, files, work_out(ground, files), dry_run)


def unknown(name: str, known: set[str], where: str) -> NegativeError:
    """The error for a name that is not among those of a lock or manifest."""
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(known), 1)
    return NegativeError("ATOM-8708", f"there is no '{name}' in '{where}'", note="" if near else f"it has {', '.join(sorted(known)[:20]) or 'none'}",
                         hint=f"did you mean '{near[0]}'?" if near else "git atom tree shows what is locked")  # fmt: skip


def stand(host: Host, files: Files, *, offline: bool, consent: sets.Consent | None) -> Ground:
    """What choosing stands on, from a directory's files."""
    return Ground(host, _repo(host, files.folder), files.folder, files.data, files.value, files.old, offline, consent)


def work_out(ground: Ground, files: Files) -> Made:
    """The lock that a manifest comes to, nothing written. What was worked out before and cannot be otherwise is not worked out again."""
    if files.before is not None and not ground.minimise and _unchanged(ground, files):
        return Made(files.before, files.old, (), False)
    from git_atom.app.lock import choosing, sourcing

    subs = sourcing.subs(ground)
    chosen = choosing.choose(ground)
    pins = _pins(ground)
    fetches = sourcing.fetches(ground)
    tools = chosen.toolchains or sourcing.toolchains(ground)
    lock = Lock(chosen.sets, chosen.deps, chosen.atoms, pins, subs, fetches, tools)
    text = locks.format(lock)
    lock = locks.parse(text, files.lock)
    if not chosen.spoken_of:
        memo.put(_memo(ground.host, ground.data, text), _heads(ground, lock))
    return Made(text, lock, tuple(differences(files.old, lock)), text != files.before)


def _pins(ground: Ground) -> tuple[LockedPin, ...]:
    if not ground.manifest.pins:
        return ()
    from git_atom.app.lock import pinning

    return pinning.pins(ground)


def _memo(host: Host, manifest: bytes, lock: bytes) -> str:
    """Where it is noted that a lock is what a manifest comes to here."""
    told = "\0".join(["2", os.uname().machine, of_bytes(manifest), of_bytes(lock)])
    return os.path.join(host.cache, "locked", of_bytes(told.encode()).hex)


def _heads(ground: Ground, lock: Lock) -> bytes:
    """The note itself: on how much of the work tree it depends, and the heads of sets that the store had then."""
    local = any(dep.path for dep in ground.manifest.deps) or any(src.path for src in ground.manifest.srcs)
    names = [refnames.set_log(Digest(s.anchor)) for s in lock.sets]
    heads = refs.several(repos.store(ground.host), names) if names else {}
    return "\n".join(["local" if local else "", *(f"{ref} {heads.get(ref, '')}" for ref in names)]).encode()


def _noted(host: Host, manifest: bytes, lock: bytes) -> str | None:
    """`local` or an empty word when a lock is what it would be if worked out again, the work tree apart; None when that is not known.

    That is so as long as the store knows nothing newer of its sets: a version that is locked may have been retracted.
    """
    note = memo.get(_memo(host, manifest, lock))
    if note is None:
        return None
    local, *rows = note.decode(errors="replace").split("\n")
    before = dict(row.split(" ", 1) for row in rows)
    now = refs.several(repos.store(host), list(before)) if before else {}
    return local if before == {ref: str(now.get(ref, "")) for ref in before} else None


def _as_noted(host: Host, place: str) -> bool:
    """Whether manifest and lock are known to belong together and nothing else can matter; reads neither as what it means."""
    texts = []
    for name in (manifests.FILE, locks.FILE):
        try:
            with open(os.path.join(place, name), "rb") as file:
                texts.append(file.read())
        except OSError:
            return False
    return _noted(host, *texts) == ""


def _unchanged(ground: Ground, files: Files) -> bool:
    """Whether the lock is what it would be if worked out again: noted so before, and nothing of the work tree has moved since."""
    if ground.anew or ground.free or disagreements(ground.manifest, ground.old):
        return False
    if _noted(ground.host, ground.data, files.before or b"") is None:
        return False
    if ground.old.toolchains or any(src.path for src in ground.manifest.srcs):
        from git_atom.app.lock import sourcing

        own = [
            t.platform for t in ground.old.toolchains if not t.environment
        ]  # an environment says its platforms itself
        if own and sourcing.platform() not in own:
            return False
        if tuple(sorted(sourcing.subs(ground))) != ground.old.subs:
            return False
    for dep in ground.manifest.deps:
        atom = next((ground.old.atom(d.atom) for d in ground.old.deps if d.key == dep.name), None)
        if dep.path and (
            atom is None or here(ground, dep.path, ground.where("deps", dep.name, "path")).tree != atom.tree
        ):
            return False
    return True


def _done(host: Host, files: Files, made: Made, dry_run: bool) -> Locked:
    if made.changed and not dry_run:
        workdir.write(os.path.join(files.folder, locks.FILE), made.text)
    return Locked(files.lock, made.changed, made.changes)


def _repo(host: Host, folder: str) -> Repo | None:
    try:
        return repos.discover(folder, host.environ)
    except AtomError as error:
        if error.code != "ATOM-2003":
            raise
        return None


def _held(files: Files) -> Locked:
    problems = disagreements(files.value, files.old) if files.before is not None else ["it is not there"]
    if problems:
        raise NegativeError(
            "ATOM-8045",
            f"'{files.lock}' does not fit its manifest",
            note="\n".join(problems[:20]),
            hint="git atom lock",
        )
    return Locked(files.lock, False)


def differences(old: Lock, new: Lock) -> list[Change]:
    """What changed from one lock to another, for people; packages of a toolchain that came or went together are one line."""
    out = _compare("atom", {a.name: str(a.version) for a in old.atoms}, {a.name: str(a.version) for a in new.atoms},
                   {a.name: a.tree for a in old.atoms}, {a.name: a.tree for a in new.atoms})  # fmt: skip
    out += _compare("source", *({f"{f.name} ({f.url.rpartition('/')[2]})": _short(f.digest) for f in one.fetches}
                                | {s.name: _short(s.tree) for s in one.subs} for one in (old, new)))  # fmt: skip
    out += _compare("pin", *({p.name: p.commit[:12] for p in one.pins} for one in (old, new)),
                    *({p.name: p.tree for p in one.pins} for one in (old, new)))  # fmt: skip
    before, after = ({t.platform: t for t in one.toolchains} for one in (old, new))
    out += _compare("toolchain", *({k: f"{_short(t.root)} ({len(t.packages)} packages)" for k, t in one.items()} for one in (before, after)))  # fmt: skip
    for name in sorted(before.keys() & after.keys()):
        out += _compare("package", *({p.name: p.version for p in one[name].packages} for one in (before, after)))
    return out


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
