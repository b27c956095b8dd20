"""Which atoms a manifest's dependencies come to: path dependencies read from the work tree, published ones from their sets, each with
the closure its own lock names. One version a name; a disagreement is told as two chains. No search yet: the newest that will do.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from git_atom.app import atoms, sets, workdir
from git_atom.app.atoms import FetchedAtom
from git_atom.atom.agreement import disagreements
from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core import uri
from git_atom.core.digest import Digest, Oid
from git_atom.core.host import Host
from git_atom.core.lock import Edge, Lock, LockedAtom, LockedDep, LockedSet
from git_atom.core.manifest import Dep, Manifest
from git_atom.core.tree import tree_digest
from git_atom.core.version import Version
from git_atom.errors import CannotError, MalformedError, NoSolutionError
from git_atom.git import repo as repos
from git_atom.git import worktree
from git_atom.git.objects import Objects
from git_atom.git.repo import Repo
from git_atom.resolve.highest import Chosen, Clash, clashes, newest


class Ground(NamedTuple):
    """What choosing stands on: host, repository (None outside of one), the manifest's directory and text, the lock before, modes."""

    host: Host
    repo: Repo | None
    folder: str  # absolute
    data: bytes
    manifest: Manifest
    old: Lock
    offline: bool
    consent: sets.Consent | None

    def where(self, *path: str) -> str:
        """`file:line` of a key of the manifest."""
        return manifests.place(self.data, self.name, path)

    @property
    def name(self) -> str:
        """The manifest's path as told to people: relative to where the user stands."""
        return os.path.relpath(os.path.join(self.folder, manifests.FILE), self.host.cwd)


class Picked(NamedTuple):
    """A dependency's choice: the atom, its own lock, and for a foreign one its set."""

    dep: Dep
    atom: LockedAtom
    lock: Lock
    found: LockedSet | None


class Choice(NamedTuple):
    """The part of a lock that speaks of atoms."""

    sets: tuple[LockedSet, ...]
    deps: tuple[LockedDep, ...]
    atoms: tuple[LockedAtom, ...]


def choose(ground: Ground) -> Choice:
    """Choose for every dependency of a manifest, and take in what the chosen atoms' own locks name.

    Raises NoSolutionError ATOM-8041 (two chains disagree) and 8048 (nothing satisfies), and what reading path dependencies and sets raises.
    """
    forced: dict[Edge, Version] = {}
    while True:
        picked = [_pick(ground, dep, forced) for dep in ground.manifest.deps]
        closure = [row for one in picked for row in _closure(ground, one)]
        clash = next(iter(clashes(_told(ground, picked, closure))), None)
        if clash is None:
            return _choice(ground, picked, closure)
        yielding = _yields(picked, clash, forced)
        if yielding is None:
            raise _disagreement(clash)
        forced |= yielding


def _pick(ground: Ground, dep: Dep, forced: dict[Edge, Version]) -> Picked:
    return _local(ground, dep) if dep.path else _foreign(ground, dep, forced)


# ---- atoms of this repository ------------------------------------------------------------------------------------------


def inside(ground: Ground, path: str, where: str) -> tuple[Repo, str]:
    """The repository and a manifest's relative path below its work tree; raises CannotError ATOM-8043 when it leads out of it."""
    repo = ground.repo or repos.discover(ground.folder, ground.host.environ)
    top = os.path.realpath(repo.work_tree or repo.git_dir)
    whole = os.path.realpath(os.path.join(ground.folder, path))
    if whole != top and not whole.startswith(top + os.sep):
        raise CannotError("ATOM-8043", f"'{path}' leads out of this repository", where=where,
                          hint="an atom elsewhere is given by its 'url'")  # fmt: skip
    return repo, os.path.relpath(whole, top)


class _Here(NamedTuple):
    manifest: Manifest
    lock: Lock
    tree: Digest


def _read_here(ground: Ground, repo: Repo, folder: str, where: str, chain: tuple[str, ...]) -> _Here:
    """An atom of the work tree with its lock, the lock's own path dependencies held against the work tree as well."""
    top = repo.work_tree or ""
    shown = os.path.join(folder, manifests.FILE)
    if folder in chain:
        raise CannotError("ATOM-8046", f"'{folder}' depends on itself", where=where, note=" -> ".join([*chain, folder]))
    manifest = workdir.manifest_at(os.path.join(top, folder), shown, where)[1]
    lock = workdir.lock_at(os.path.join(top, folder), os.path.join(folder, locks.FILE))[1]
    wrong = disagreements(manifest, lock)
    if wrong:
        raise _stale(folder, where, wrong[0])
    for dep in manifest.deps:
        locked = next(d for d in lock.deps if d.key == dep.name)
        atom = lock.atom(locked.atom)
        if dep.path and atom is not None:
            below = os.path.normpath(os.path.join(folder, dep.path))
            if _read_here(ground, repo, below, shown, (*chain, folder)).tree != atom.tree:
                raise _stale(folder, where, f"'{below}' has changed since")
    return _Here(manifest, lock, tree_digest(worktree.leaves(repo, folder)))


def _stale(folder: str, where: str, why: str) -> CannotError:
    return CannotError(
        "ATOM-8042",
        f"'{folder}' has no lock that fits",
        where=where,
        note=why,
        hint=f"git atom lock {folder}, then this again",
    )


def _local(ground: Ground, dep: Dep) -> Picked:
    where = ground.where("deps", dep.name, "path")
    repo, folder = inside(ground, dep.path, where)
    own = os.path.relpath(os.path.realpath(ground.folder), os.path.realpath(repo.work_tree or ""))
    here = _read_here(ground, repo, folder, where, (own,))
    if not dep.requirement.allows(here.manifest.version):
        raise NoSolutionError("ATOM-8048", f"nothing satisfies '{dep.name} {dep.requirement}'", where=ground.where("deps", dep.name, "version"),
                              note=f"'{folder}' is at {here.manifest.version}", hint="change the requirement or that version")  # fmt: skip
    atom = LockedAtom("", here.manifest.name, here.manifest.version, "", here.tree)
    return Picked(dep, atom, here.lock, None)


# ---- atoms of other sets -----------------------------------------------------------------------------------------------


def _foreign(ground: Ground, dep: Dep, forced: dict[Edge, Version]) -> Picked:
    """A published dependency: what is locked stays while it will do; only otherwise is its set asked what there is."""
    old = next((d for d in ground.old.deps if d.key == dep.name), None)
    kept = ground.old.atom(old.atom) if old else None
    held = next((s for s in ground.old.sets if kept and s.anchor == kept.set), None)
    place = dep.url
    wanted = forced.get((kept.set if kept else "", dep.name))
    if (
        wanted is None
        and kept is not None
        and held is not None
        and dep.url in held.mirrors
        and dep.requirement.allows(kept.version)
    ):
        wanted = kept.version
    if wanted is not None or ground.offline:
        found = atoms.fetch_atom(
            ground.host, place, dep.name, wanted or dep.requirement, offline=ground.offline, consent=ground.consent
        )
    else:
        offered = atoms.versions_of(ground.host, place, consent=ground.consent)
        anchor = offered[0].anchor if offered else ""
        version = newest(dep.requirement, [o.version for o in offered if o.name == dep.name],
                         [v for v in (forced.get((anchor, dep.name)),) if v])  # fmt: skip
        if version is None:
            raise _nothing(ground, dep, offered)
        found = atoms.fetch_atom(ground.host, place, dep.name, version, consent=ground.consent)
    if (
        kept is not None
        and held is not None
        and (kept.set, kept.version) == (found.anchor, found.version)
        and kept.tree != found.tree
    ):
        raise MalformedError("ATOM-8050", f"'{dep.name} {kept.version}' is not what the lock names", where=ground.where("deps", dep.name),
                             note=f"locked    {kept.tree}\npublished {found.tree}")  # fmt: skip
    return Picked(
        dep,
        _atom(found),
        lock_of(ground.host, found.tree_oid),
        LockedSet(found.anchor, found.log_head, (uri.public(dep.url),)),
    )


def lock_of(host: Host, tree: Oid) -> Lock:
    """The lock in the tree of an atom of the store."""
    with Objects(repos.store(host)) as objects:
        return atoms.lock_of(objects, tree)


def _atom(found: FetchedAtom) -> LockedAtom:
    return LockedAtom(found.anchor, found.name, found.version, found.commit, found.tree)


def _nothing(ground: Ground, dep: Dep, offered: list[atoms.Offered]) -> NoSolutionError:
    import difflib

    there = [str(o.version) for o in offered if o.name == dep.name]
    where = ground.where("deps", dep.name, "version")
    if there:
        return NoSolutionError("ATOM-8048", f"nothing satisfies '{dep.name} {dep.requirement}'", where=where,
                               note=f"'{dep.url}' has {', '.join(there[-20:])}", hint=f'version = "^{there[-1]}" would do')  # fmt: skip
    near = difflib.get_close_matches(dep.name, sorted({o.name for o in offered}), n=1)
    return NoSolutionError("ATOM-8048", f"nothing satisfies '{dep.name} {dep.requirement}'", where=ground.where("deps", dep.name),
                           note=f"'{dep.url}' has no atom of that name", hint=f"did you mean '{near[0]}'?" if near else f"git atom list {dep.url}")  # fmt: skip


# ---- closures ----------------------------------------------------------------------------------------------------------


class _Row(NamedTuple):
    atom: LockedAtom
    lock: Lock  # the lock that names it
    chain: tuple[str, ...]


def _closure(ground: Ground, picked: Picked) -> list[_Row]:
    """A picked atom and everything its lock says it needs to be built and run, edges told from the lock we are writing."""
    home = picked.atom.set
    own = picked.lock

    def outward(edge: Edge) -> Edge:
        return (edge[0] or home, edge[1])

    links = {use: tuple(outward(d.atom) for d in own.deps if use in d.uses) for use in ("build", "run")}
    where = ground.where("deps", picked.dep.name)
    first = f"{ground.manifest.name} needs {picked.dep.name} {picked.dep.requirement} ({where})"
    rows = [_Row(picked.atom._replace(build=links["build"], run=links["run"]), own, (first,))]
    todo: list[tuple[Edge, tuple[str, ...], LockedAtom]] = [
        (e, (first,), picked.atom) for e in dict.fromkeys((*links["build"], *links["run"]))
    ]
    seen = {picked.atom.edge}
    by_edge = {outward(a.edge): a for a in own.atoms}
    while todo:
        edge, chain, parent = todo.pop(0)
        atom = by_edge.get(edge)
        if edge in seen or atom is None:
            continue
        seen.add(edge)
        told = (*chain, f"{parent.name} {parent.version} is locked to {atom.name} {atom.version}")
        build, run = (tuple(outward(e) for e in edges) for edges in (atom.build, atom.run))
        commit = atom.commit or (_commit_of(ground, picked, home, atom) if home else "")
        rows.append(_Row(atom._replace(set=edge[0], commit=commit, build=build, run=run), own, told))
        todo += [(e, told, atom) for e in dict.fromkeys((*build, *run))]
    return rows


def _commit_of(ground: Ground, picked: Picked, anchor: str, atom: LockedAtom) -> str:
    """The atom commit of a sibling that a published lock names by version and tree alone."""
    found = atoms.fetch_atom(
        ground.host, picked.dep.url, atom.name, atom.version, offline=ground.offline, consent=ground.consent
    )
    if (found.anchor, found.tree) != (anchor, atom.tree):
        raise MalformedError("ATOM-8050", f"'{atom.name} {atom.version}' is not what the lock of '{picked.atom.name}' names",
                             note=f"locked    {atom.tree}\npublished {found.tree}")  # fmt: skip
    return found.commit


def _told(ground: Ground, picked: list[Picked], closure: list[_Row]) -> list[Chosen]:
    for row in closure:
        if not row.atom.set and row.atom.name == ground.manifest.name:
            raise CannotError(
                "ATOM-8046", f"'{row.atom.name}' depends on itself", where=ground.name, note="\n".join(row.chain)
            )
    return [
        Chosen(r.atom.name, (r.atom.set, str(r.atom.version), r.atom.tree), r.atom.version, r.chain) for r in closure
    ]


def _yields(picked: list[Picked], clash: Clash, forced: dict[Edge, Version]) -> dict[Edge, Version] | None:
    """A direct dependency that may give way to what another's lock names: its edge and that version; None when none may."""
    for mine, theirs in ((clash.one, clash.other), (clash.other, clash.one)):
        for one in picked:
            edge = (one.atom.set, one.dep.name)
            direct = len(mine.chain) == 1 and one.atom.name == mine.name and one.dep.url
            if direct and len(theirs.chain) > 1 and theirs.identity[0] == one.atom.set and edge not in forced:
                if one.dep.requirement.allows(theirs.version):
                    return {edge: theirs.version}
    return None


def _disagreement(clash: Clash) -> NoSolutionError:
    one, other = clash.one, clash.other
    told = [
        f"{c.version}: {link}" if not i else f"  then {link}" for c in (one, other) for i, link in enumerate(c.chain)
    ]
    return NoSolutionError(
        "ATOM-8041", f"two versions of '{one.name}' are needed, {one.version} and {other.version}", note="\n".join(told),
        hint=f"publish the one that is behind with a newer lock, or require versions that agree on '{one.name}'",
    )  # fmt: skip


def _choice(ground: Ground, picked: list[Picked], closure: list[_Row]) -> Choice:
    chosen: dict[Edge, LockedAtom] = {}
    for row in closure:
        before = chosen.get(row.atom.edge)
        chosen[row.atom.edge] = row.atom if before is None or len(row.chain) == 1 else before
    deps = tuple(LockedDep(p.dep.name, p.atom.edge, p.dep.uses) for p in picked)
    return Choice(_sets(ground, picked, closure, set(chosen)), deps, tuple(chosen.values()))


def _sets(ground: Ground, picked: list[Picked], closure: list[_Row], edges: set[Edge]) -> tuple[LockedSet, ...]:
    """The sets in use; a head moves on only when what is selected from its set does."""
    heads: dict[str, Oid] = {}
    mirrors: dict[str, set[str]] = {}
    rows = [p.found for p in picked if p.found] + [s for row in closure for s in row.lock.sets]
    for found in rows:
        heads.setdefault(found.anchor, found.head)
        mirrors.setdefault(found.anchor, set()).update(found.mirrors)
    used = {anchor for anchor, _ in edges if anchor}
    for known in ground.old.sets:
        before = {(a.edge, a.version) for a in ground.old.atoms if a.set == known.anchor}
        now = {(r.atom.edge, r.atom.version) for r in closure if r.atom.set == known.anchor}
        if before == now:
            heads[known.anchor] = known.head
    return tuple(LockedSet(Digest(a), heads[a], tuple(sorted(mirrors[a]))) for a in sorted(used))
