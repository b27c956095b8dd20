"""`git atom lock` and `git atom update`: the locks of one atom or of many of a work tree, all of them written or none.

Apart, each lock is what it would be if the command were given in its directory, dependencies by path first. Together, one version of
each name is chosen for all of them beforehand, and each lock is made from those.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from git_atom.app import workdir
from git_atom.app.lock import intent
from git_atom.app.lock.ground import TOOLCHAIN, Ground, Work, circle
from git_atom.app.lock.intent import Change, Files, Made, Notes, unknown
from git_atom.atom.agreement import disagreements
from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core import variant
from git_atom.core.host import Host
from git_atom.core.lock import Edge, Lock
from git_atom.core.manifest import Manifest
from git_atom.errors import AtomError, CannotError, ManyErrors, NegativeError, UsageError
from git_atom.git import repo as repos
from git_atom.git import worktree
from git_atom.git.repo import Repo

if TYPE_CHECKING:
    from git_atom.app.atom import sets

T = TypeVar("T")
R = TypeVar("R")
_MANY = 8  # atoms; for more git is asked once for all files of the work tree


class Which(NamedTuple):
    """Which atoms are meant: those in these directories (the current one when there are none), or all of the work tree; and how chosen."""

    folders: tuple[str, ...] = ()
    everything: bool = False
    together: bool = False


class How(NamedTuple):
    """How locks are made. offline: use no network. minimise: choose the fewest atoms. consent: whom to ask about sets not yet trusted."""

    offline: bool = False
    minimise: bool = False
    dry_run: bool = False
    consent: sets.Consent | None = None


class Locked(NamedTuple):
    """What locking came to: the lock's path, whether it was or would be written, what changed."""

    path: str
    written: bool
    changes: tuple[Change, ...] = ()


class _Run(NamedTuple):
    """One call: how it was asked for, what is noted of locks, which names are chosen anew (all when `anew`). repo: when it is known."""

    host: Host
    repo: Repo | None
    how: How
    notes: Notes
    works: dict[str, Work]
    together: bool
    names: frozenset[str] = frozenset()
    anew: bool = False


class _One(NamedTuple):
    """One atom of a run: its files, and what choosing stands on."""

    files: Files
    ground: Ground


def lock(host: Host, which: Which, how: How, *, locked: bool = False, frozen: bool = False) -> tuple[Locked, ...]:
    """Bring locks up to their manifests.

    locked: refuse when that would change one (NegativeError ATOM-8044). frozen: only hold them against their manifests, look at nothing
    else (8045). Raises what reading, choosing and fetching raise; nothing is written then.
    """
    places, repo = _places(host, which)
    if frozen:
        return tuple(_each(places, lambda place: _held(intent.read(host, place), which)))
    run = _Run(host, repo, how, Notes(host), {}, which.together and len(places) > 1)
    rest = places if how.minimise or run.together else _moved(run, places)
    found = _work_out(run, rest) if rest else []
    if locked:
        _each(found, lambda one: _refuse(*one, which, how))
    return _written(run, places, found)


def update(host: Host, names: Sequence[str], which: Which, how: How) -> tuple[Locked, ...]:
    """Choose anew for these names (atoms of the locks, variants, sources, pins, `toolchain`), or for everything when there are none.

    Raises NegativeError ATOM-8708 for a name that is in none of the locks, and what `lock` raises.
    """
    places, repo = _places(host, which)
    together = which.together and len(places) > 1
    run = _Run(host, repo, how, Notes(host), {}, together, frozenset(names), not names)
    return _written(run, places, _work_out(run, places))


# ---- which ---------------------------------------------------------------------------------------------------------------


def _places(host: Host, which: Which) -> tuple[list[str], Repo | None]:
    """The directories that are meant, absolute, each once; and the repository they are in when that is known."""
    if not which.everything:
        places: dict[str, str] = {}
        for folder in which.folders or (".",):
            place = os.path.normpath(os.path.join(host.cwd, folder))
            places.setdefault(os.path.realpath(place), place)
        return list(places.values()), None
    if which.folders:
        raise UsageError("ATOM-9001", "'--all' takes no directories", hint="name directories, or give --all alone")
    repo = repos.discover(host.cwd, host.environ)
    top = repo.work_tree or ""
    found = [
        os.path.normpath(os.path.join(top, os.path.dirname(path))) for path in worktree.named(repo, manifests.FILE)
    ]
    if not found:
        raise CannotError("ATOM-8040", f"there is no '{manifests.FILE}' in this work tree", hint="git atom new <dir>")
    return found, repo


def _moved(run: _Run, places: Sequence[str]) -> list[str]:
    """The directories whose locks may have to change; all that depend on the work tree, when one of any kind does."""
    notes = {place: run.notes.at(place) for place in places}
    local = [(place, note) for place, note in notes.items() if note is not None and note.paths]
    moved = [place for place, note in notes.items() if note is None]
    if not moved and all(note.holds(_work(run, place, len(places))[1], place) for place, note in local):
        return []
    rest = {*moved, *(place for place, _ in local)}
    return [place for place in places if place in rest]


def _work(run: _Run, folder: str, many: int) -> tuple[Repo | None, Work | None]:
    """The repository that a directory is in, and its work tree as this run sees it; None when it is in none."""
    repo = run.repo or intent.repository(run.host, folder)
    if repo is None:
        return None, None
    top = repo.work_tree or repo.git_dir
    if top not in run.works:
        run.works[top] = Work(repo, run.host.cwd, whole=bool(repo.work_tree) and many > _MANY)
    return repo, run.works[top]


# ---- working out ---------------------------------------------------------------------------------------------------------


def _work_out(run: _Run, places: Sequence[str]) -> list[tuple[Files, Made]]:
    """The locks of these directories, worked out in the order in which they need each other; nothing is written."""
    from git_atom.app.lock.stock import Stock

    every = _each(places, lambda place: intent.read(run.host, place))
    _check_names(run.names, every)
    ones = _grounds(run, every)
    if len(ones) == 1:
        return [_made(ones[0], run.notes)]
    ones = _ordered(run.host, ones)
    if run.together and _agree(ones, run.notes):
        return [(one.files, Made(one.files.before or b"", one.files.old, (), False)) for one in ones]
    binding = locks.EMPTY
    if run.together:
        from git_atom.app.lock import choosing

        binding = choosing.union([one.files.old for one in ones])
    with Stock(run.host, binding, offline=run.how.offline, consent=run.how.consent) as stock:
        chosen = None
        if run.together:
            chosen = choosing.choose_together([one.ground for one in ones], stock)
            run.works.clear()
            ones = _grounds(run, [one.files for one in ones])  # as the work tree will be
        out = []
        for files, ground in ones:
            beside = stock.beside(files.old, asked=run.together)
            out.append(_made(_One(files, ground._replace(stock=beside, chosen=chosen)), run.notes))
            if out[-1][1].changed and ground.work:
                ground.work.put(files.folder, files.value, out[-1][1].text)
    return out


def _made(one: _One, notes: Notes) -> tuple[Files, Made]:
    """One lock worked out; an error that names no place is one of its manifest."""
    try:
        return one.files, intent.work_out(one.ground, one.files, notes)
    except AtomError as error:
        error.where = error.where or one.ground.name
        raise


def _grounds(run: _Run, every: Sequence[Files]) -> list[_One]:
    """What choosing stands on for each; atoms of one work tree see each other's locks."""
    host, how = run.host, run.how
    out = []
    for files in every:
        repo, work = _work(run, files.folder, len(every))
        if work is not None:
            work.tell(files.folder, files.value, files.old)
        ground = Ground(host, repo, files.folder, files.data, files.value, files.old, how.offline, how.consent,
                        run.names & _known(files.old), run.anew, minimise=how.minimise, work=work)  # fmt: skip
        out.append(_One(files, ground))
    return out


def _known(old: Lock) -> set[str]:
    """The names of a lock that can be chosen anew."""
    names = {one.name for rows in (old.atoms, old.variants, old.fetches, old.pins, old.subs) for one in rows}
    return names | ({TOOLCHAIN} if old.toolchains else set())


def _check_names(names: frozenset[str], every: Sequence[Files]) -> None:
    known = {name for files in every for name in _known(files.old)}
    for name in sorted(names - known):
        error = unknown(name, known, ", ".join(files.lock for files in every[:3]) + (", ..." if len(every) > 3 else ""))
        if any(name == package.name for files in every for tool in files.old.toolchains for package in tool.packages):
            error.hint = f"the toolchain is chosen as a whole: git atom update {TOOLCHAIN}"
        raise error


def _ordered(host: Host, ones: Sequence[_One]) -> list[_One]:
    """The same, each after what its lock says something of. Raises CannotError ATOM-8701 for a circle."""
    from graphlib import CycleError, TopologicalSorter

    at = {one.ground.place: one for one in ones}
    locked = {os.path.join(place, locks.FILE): place for place in at}
    below: dict[str, set[str]] = {}
    todo = list(at)
    while todo:
        place = todo.pop()
        manifest = at[place].files.value if place in at else _manifest(place)
        if place not in below and manifest is not None:
            paths = _paths(place, manifest)
            below[place] = _needs(place, manifest, locked) | (set(paths) - {place})
            todo += paths
    try:
        return [at[place] for place in TopologicalSorter(below).static_order() if place in at]
    except CycleError as error:
        chain = [os.path.relpath(place, os.path.realpath(host.cwd)) for place in reversed(error.args[1])]
        raise circle(chain, os.path.join(chain[0], manifests.FILE)) from error


def _needs(place: str, manifest: Manifest, locked: Mapping[str, str]) -> set[str]:
    """The directories whose locks are part of what a manifest takes in by path. locked: directories by the path of their lock."""
    paths = [*(dep.path for dep in manifest.deps), *(src.path for src in manifest.srcs)]
    taken = {os.path.realpath(os.path.join(place, path)) for path in paths if path}
    fronts = tuple(path + os.sep for path in taken)
    return {folder for path, folder in locked.items() if path in taken or path.startswith(fronts)} - {place}


def _paths(place: str, manifest: Manifest) -> list[str]:
    return [os.path.realpath(os.path.join(place, dep.path)) for dep in manifest.deps if dep.path]


def _manifest(place: str) -> Manifest | None:
    """The manifest of a directory that is no member; what is wrong with it is said when it is needed."""
    try:
        return workdir.manifest_at(place, place)[1]
    except (AtomError, OSError):
        return None


def _agree(ones: Sequence[_One], notes: Notes) -> bool:
    """Whether locks are up to date, and have one version of each name among them and each variant settled one way."""
    seen: dict[str, tuple[str, str]] = {}
    for atom in (atom for one in ones for atom in one.files.old.atoms if atom.set):
        if seen.setdefault(atom.name, (atom.set, str(atom.version))) != (atom.set, str(atom.version)):
            return False
    words: dict[tuple[Edge, str], str] = {}
    for edge, name, word in (row for one in ones for row in _words(one.files)):
        if words.setdefault((edge, name), word) != word:
            return False
    return all(intent.unchanged(one.ground, one.files, notes) for one in ones)


def _words(files: Files) -> Iterator[tuple[Edge, str, str]]:
    """What a lock says that variants of [provide] came to: its own, and those of the atoms in it. Switches are as each lock needs them."""
    yield from ((("", files.value.name), row.name, row.chosen) for row in files.old.variants)
    for atom in files.old.atoms:
        yield from ((atom.edge, name, word) for name, word in map(variant.parse, atom.variants) if word != variant.ON)


# ---- outcome -------------------------------------------------------------------------------------------------------------


def _held(files: Files, which: Which) -> Locked:
    problems = disagreements(files.value, files.old) if files.before is not None else ["it is not there"]
    if problems:
        raise NegativeError("ATOM-8045", f"'{files.lock}' does not fit its manifest", note="\n".join(problems[:20]),
                            hint=_command(files, which, How()))  # fmt: skip
    return Locked(files.lock, False)


def _refuse(files: Files, made: Made, which: Which, how: How) -> None:
    if made.changed:
        changes = [str(c) for c in made.changes[:20]] + (["it is not there yet"] if files.before is None else [])
        raise NegativeError("ATOM-8044", f"'{files.lock}' would change", note="\n".join(changes), hint=_command(files, which, how))  # fmt: skip


def _command(files: Files, which: Which, how: How) -> str:
    """The command that writes a lock as it was asked for here: with all of those that it is chosen together with, else it alone."""
    import shlex

    together = which.together
    flags = {
        "--all": together and which.everything,
        "--together": together,
        "--minimise": how.minimise,
        "--offline": how.offline,
    }
    folders = which.folders if together else (os.path.dirname(files.lock),)
    return " ".join(
        ["git atom lock", *(flag for flag, given in flags.items() if given), *map(shlex.quote, filter(None, folders))]
    )


def _each(things: Iterable[T], make: Callable[[T], R]) -> list[R]:
    """Make something of each thing; all that is wrong is told in one pass."""
    out: list[R] = []
    errors: list[AtomError] = []
    for thing in things:
        try:
            out.append(make(thing))
        except AtomError as error:
            errors += error.errors if isinstance(error, ManyErrors) else [error]
    if errors:
        raise ManyErrors(errors)
    return out


def _written(run: _Run, places: Sequence[str], found: Sequence[tuple[Files, Made]]) -> tuple[Locked, ...]:
    """Write what changed, each lock after those it says something of, and tell of all in the order they were named."""
    if not run.how.dry_run:
        changed = [(os.path.join(files.folder, locks.FILE), made.text) for files, made in found if made.changed]
        workdir.write_all(changed, next((work.repo for work in run.works.values()), None))
    told = {place: os.path.relpath(os.path.join(place, locks.FILE), run.host.cwd) for place in places}
    outcome = {files.folder: Locked(files.lock, made.changed, made.changes) for files, made in found}
    return tuple(outcome.get(place) or Locked(path, False) for place, path in told.items())
