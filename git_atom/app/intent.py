"""`git atom lock`: from a manifest to its lock, written whole or not at all, with an account of what changed."""

from __future__ import annotations

import os
from typing import NamedTuple

from git_atom.app import choosing, sets, sourcing, workdir
from git_atom.app.choosing import Ground
from git_atom.atom.agreement import disagreements
from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core.host import Host
from git_atom.core.lock import Lock
from git_atom.errors import AtomError, NegativeError
from git_atom.git import repo as repos
from git_atom.git.repo import Repo


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
    """What locking came to: the lock's path, whether it was or would be written, what changed, the lock itself."""

    path: str
    written: bool
    changes: tuple[Change, ...]
    lock: Lock


def lock(
    host: Host,
    folder: str = ".",
    *,
    locked: bool = False,
    frozen: bool = False,
    offline: bool = False,
    dry_run: bool = False,
    consent: sets.Consent | None = None,
) -> Locked:
    """Bring the lock of the atom in `folder` up to its manifest.

    locked: refuse when that would change it (NegativeError ATOM-8044). frozen: only hold it against the manifest, look at nothing else
    (8045). offline: use no network. Raises what reading, choosing and fetching raise; nothing is written then.
    """
    place = os.path.normpath(os.path.join(host.cwd, folder))
    shown = os.path.relpath(os.path.join(place, locks.FILE), host.cwd)
    data, manifest = workdir.manifest_at(place, os.path.join(os.path.dirname(shown), manifests.FILE))
    before, old = workdir.lock_at(place, shown)
    if frozen:
        return _held(shown, before, manifest, old)
    ground = Ground(host, _repo(host, place), place, data, manifest, old, offline, consent)
    if manifest.pins:
        raise sourcing.not_yet(f"[pins.{manifest.pins[0].name}]", ground.where("pins", manifest.pins[0].name))
    subs = sourcing.subs(ground)
    chosen = choosing.choose(ground)
    fetches = sourcing.fetches(ground)
    made = Lock(chosen.sets, chosen.deps, chosen.atoms, (), subs, fetches, sourcing.toolchains(ground))
    text = locks.format(made)
    made = locks.parse(text, shown)
    changes = tuple(differences(old, made))
    if text == before:
        return Locked(shown, False, (), made)
    if locked:
        raise NegativeError("ATOM-8044", f"'{shown}' would change", note="\n".join(str(c) for c in changes[:20]) or "it is not there yet",
                            hint=f"git atom lock {'' if folder == '.' else folder}".rstrip())  # fmt: skip
    if not dry_run:
        workdir.write(os.path.join(place, locks.FILE), text)
    return Locked(shown, True, changes, made)


def _repo(host: Host, folder: str) -> Repo | None:
    try:
        return repos.discover(folder, host.environ)
    except AtomError as error:
        if error.code != "ATOM-2003":
            raise
        return None


def _held(shown: str, before: bytes | None, manifest: manifests.Manifest, old: Lock) -> Locked:
    problems = disagreements(manifest, old) if before is not None else ["it is not there"]
    if problems:
        raise NegativeError(
            "ATOM-8045", f"'{shown}' does not fit its manifest", note="\n".join(problems[:20]), hint="git atom lock"
        )
    return Locked(shown, False, (), old)


def differences(old: Lock, new: Lock) -> list[Change]:
    """What changed from one lock to another, for people; packages of a toolchain that came or went together are one line."""
    out = _compare("atom", {a.name: str(a.version) for a in old.atoms}, {a.name: str(a.version) for a in new.atoms},
                   {a.name: a.tree for a in old.atoms}, {a.name: a.tree for a in new.atoms})  # fmt: skip
    out += _compare("source", *({f"{f.name} ({f.url.rpartition('/')[2]})": _short(f.digest) for f in one.fetches}
                                | {s.name: _short(s.tree) for s in one.subs} for one in (old, new)))  # fmt: skip
    out += _compare("pin", *({p.name: p.commit[:12] for p in one.pins} for one in (old, new)))
    before, after = ({t.platform: t for t in one.toolchains} for one in (old, new))
    out += _compare("toolchain", *({k: f"{_short(t.root)} ({len(t.packages)} packages)" for k, t in one.items()} for one in (before, after)))  # fmt: skip
    for name in sorted(before.keys() & after.keys()):
        out += _compare("package", *({p.name: p.version for p in one[name].packages} for one in (before, after)))
    return out


def _compare(kind: str, old: dict[str, str], new: dict[str, str], *content: dict[str, str]) -> list[Change]:
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
