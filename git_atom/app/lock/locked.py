"""Looking at a lock: `git atom tree`, `git atom why`, `git atom outdated`. The first two read the two texts and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from git_atom.app.lock import intent
from git_atom.app.lock.graph import ATOM, CLOSURE, PACKAGE, SHORT, SOURCE, TOOLCHAIN, Graph, graph
from git_atom.app.lock.ground import Ground
from git_atom.app.lock.intent import Files, unknown
from git_atom.core import choices
from git_atom.core import manifest as manifests
from git_atom.core.debversion import key
from git_atom.core.host import Host
from git_atom.core.lock import Lock
from git_atom.core.manifest import Manifest
from git_atom.errors import CannotError, UnavailableError
from git_atom.resolve import paths
from git_atom.resolve.paths import Branch, Step
from git_atom.resolve.problem import Requirement, Term
from git_atom.resolve.walk import Edge as Link
from git_atom.resolve.walk import Solution


class Row(NamedTuple):
    """One line of a tree. wanted: the requirement that leads here, where the manifest states one; again: shown in full before.

    variant: the one that brought it in, as `tls=openssl`; having: the variants that it has itself. kind: atom, pin, source, toolchain or
    package; platform: of the last two; more: packages of a toolchain, or files of a source, that have no line of their own.
    """

    depth: int
    name: str
    version: str
    wanted: str
    uses: str
    again: bool
    drawn: str  # the branches before it
    variant: str = ""
    having: tuple[str, ...] = ()
    kind: str = ATOM
    platform: str = ""
    more: int = 0


class Old(NamedTuple):
    """A locked atom, pin or package that could be another version. update: what git atom update would choose; newest: of its set; why: what is wrong."""

    name: str
    locked: str
    update: str
    newest: str
    why: str


def tree(host: Host, names: Sequence[str], *, inverted: bool = False) -> list[Row]:
    """The locked graph from the atom at hand down, or from what is named; inverted from what is named (or the lowest) up.

    Raises CannotError ATOM-8712 without a lock, NegativeError ATOM-8708 for a name that is not in it.
    """
    files, manifest = _read(host)
    shown = _graph(files, manifest, names)
    found = shown.solution
    if inverted:
        tops = names or _lowest(found)
        return _draw([_row(b, 0, shown)._replace(more=0) for name in tops for b in paths.inverted(found, name)])
    if names:
        return _draw([_row(b, 0, shown) for name in names for b in paths.tree(_from(found, name))])
    own = choices.default(manifest, files.old.taken)
    top = Row(0, manifest.name, str(manifest.version), "", "", False, "", "", choices.told(manifest, own))
    return _draw([top, *(_row(b, 1, shown) for b in paths.tree(found))])


def why(host: Host, name: str, *, every: bool = False) -> list[tuple[str, ...]]:
    """Why something is in the lock: for each thing of this name a shortest path from the atom at hand, or every one, shortest first.

    Raises CannotError ATOM-8712 without a lock, NegativeError ATOM-8708 for a name that is not in it.
    """
    files, manifest = _read(host)
    shown = _graph(files, manifest, [name])
    top = f"{manifest.name} {manifest.version}"
    ways = paths.every(shown.solution, name) if every else paths.shortest(shown.solution, name)
    return [(top, *(_step(files, shown, way, at) for at in range(len(way)))) for way in ways]


def _graph(files: Files, manifest: Manifest, names: Sequence[str]) -> Graph:
    """The graph of a lock with the named packages in it. Raises NegativeError ATOM-8708 for a name that is not there."""
    shown = graph(manifest, files.old, names)
    for name in names:
        if name not in shown.names:
            packages = {package.name for one in files.old.toolchains for package in one.packages}
            raise unknown(name, graph(manifest, files.old).names, files.lock, packages)
    return shown


def outdated(host: Host, *, offline: bool = False) -> list[Old]:
    """What is locked and not the newest: atoms of other sets (or retracted ones), pins whose ref has moved, packages of the distribution.

    Asks their sets and repositories, with `offline` no repository; of packages the lists that are kept, and fetches those only where there
    are none. Raises CannotError ATOM-8712 without a lock, and what choosing raises.
    """
    from git_atom.app.lock import choosing, pinning

    files, manifest = _read(host)
    ground: Ground = intent.stand(host, files, offline=offline, consent=None)
    out = [
        Old(name, *words) for name, *words in choosing.newer(ground._replace(anew=True)) if words[0] != words[2] or words[3]
    ]  # fmt: skip
    for pin in files.old.pins if not offline else ():
        commit = pinning.now(host, pin)
        if commit != pin.commit:
            new = commit[:SHORT] if commit else ""
            out.append(
                Old(pin.name, pin.commit[:SHORT], new, new, "" if commit else f"there is no '{pin.ref}' any more")
            )
    return out + _of_debian(host, files.old, manifest, offline)


def _of_debian(host: Host, lock: Lock, manifest: Manifest, offline: bool) -> list[Old]:
    """Source packages and packages of this platform's toolchain that the lists of their suite have in newer versions."""
    suite = manifest.toolchain.suite if manifest.toolchain else ""
    if not suite:
        return []
    try:
        return [*_sources(host, lock, suite, offline), *_packages(host, lock, manifest, suite, offline)]
    except (CannotError, UnavailableError) as error:
        # a package that is gone, or a machine that cannot have these lists: what is known of atoms and pins is told all the same
        return [Old("toolchain", f"debian {suite}", "", f"debian {suite}", f"not compared: {error.what}")]


def _sources(host: Host, lock: Lock, suite: str, offline: bool) -> list[Old]:
    from git_atom.ingest.apt import AptState

    rows = {fetch.name: fetch for fetch in lock.fetches if fetch.package}
    state = AptState(host, suite, "src")
    if not rows or (offline and not state.kept()):
        return []
    newest = state.newest(sorted({fetch.package for fetch in rows.values()}))
    found = ((name, row.version, newest.get(row.package, row.version)) for name, row in rows.items())
    return [Old(name, now, best, best, "") for name, now, best in found if key(best) > key(now)]


def _packages(host: Host, lock: Lock, manifest: Manifest, suite: str, offline: bool) -> list[Old]:
    from git_atom.app.lock import sourcing
    from git_atom.app.world import imports
    from git_atom.ingest.apt import AptState

    one = next((t for t in lock.toolchains if t.platform == sourcing.platform()), None)
    state = AptState(host, suite)
    if one is None or (offline and not state.kept()):
        return []
    asked = choices.toolchain(manifest, lock.taken)
    then = {deb.name: deb.version for deb in imports.resolve(host, asked, suite)}
    return newer_packages(
        {p.name: p.version for p in one.packages}, asked, then, state.newest(asked), f"debian {suite}"
    )


def newer_packages(
    locked: Mapping[str, str], asked: Sequence[str], then: Mapping[str, str], newest: Mapping[str, str], world: str
) -> list[Old]:
    """Which packages are newer than locked. then: what an update would come to; newest: of the packages asked for; world: of what suite."""
    named = sorted(set(asked) & locked.keys())
    out = []
    for name in named:
        now = locked[name]
        update, best = then.get(name, now), newest.get(name, now)
        if max(key(update), key(best)) > key(now):
            out.append(Old(name, now, update, best, ""))
    others = sum(key(then.get(name, now)) > key(now) for name, now in locked.items() if name not in named)
    if others:
        out.append(
            Old("toolchain", world, "", world, f"{others} other package{'s are' if others > 1 else ' is'} newer")
        )
    return out


def _read(host: Host) -> tuple[Files, Manifest]:
    files = intent.read(host, ".")
    if files.before is None:
        raise CannotError("ATOM-8712", f"there is no '{files.lock}'", hint="git atom lock")
    return files, files.value


def _from(found: Solution, name: str) -> Solution:
    """The same graph with what has this name as its only roots."""
    below = tuple(edge for edge in found.edges if edge.asker >= 0)
    roots = [
        Link(-1, Requirement((Term(name),)), at) for at, one in enumerate(found.chosen) if one.candidate.name == name
    ]
    return Solution(found.chosen, (*roots, *below))


def _lowest(found: Solution) -> list[str]:
    """What needs nothing else."""
    askers = {edge.asker for edge in found.edges}
    return [*dict.fromkeys(one.candidate.name for at, one in enumerate(found.chosen) if at not in askers)]


def _row(branch: Branch, deeper: int, shown: Graph) -> Row:
    wanted, one, told = branch.wanted, branch.chosen.candidate, shown.told[branch.chosen]
    spec = wanted.terms[0].spec if wanted else ""
    return Row(
        branch.depth + deeper,
        one.name,
        one.version,
        spec,
        wanted.kind if wanted and spec else "",
        branch.again,
        "",
        wanted.origin if wanted else "",
        told.having,
        told.kind,
        branch.chosen.scope if told.kind in (TOOLCHAIN, PACKAGE) else "",
        told.more,
    )


def _draw(rows: Sequence[Row]) -> list[Row]:
    """Rows with the branches before them, as tree(1) draws them."""
    out: list[Row] = []
    open_: list[bool] = []  # for each depth, whether more is to come there
    for row in reversed(rows):
        del open_[row.depth + 1 :]
        open_ += [False] * (row.depth + 1 - len(open_))
        before = "".join("│   " if more else "    " for more in open_[1 : row.depth])
        out.append(row._replace(drawn=before + (("├── " if open_[row.depth] else "└── ") if row.depth else "")))
        open_[row.depth] = True
    return out[::-1]


def _step(files: Files, shown: Graph, way: Sequence[Step], at: int) -> str:
    """A step of a path, with what is said of it in parentheses: for files and packages where the manifest names them, too."""
    wanted, chosen = way[at]
    said = [wanted.terms[0].spec, wanted.origin]
    kind = shown.told[chosen].kind
    if kind == SOURCE:
        said.append(_place(files, "srcs", chosen.candidate.name))
    elif kind == TOOLCHAIN:
        said = [chosen.scope]
    elif wanted.kind == CLOSURE:
        by = _askers(files, chosen.scope) or (way[at - 2].chosen.candidate.name if at > 1 else "")
        said = [f"in the closure of {by}"]
    elif kind == PACKAGE:
        said.append(_asked_at(files, chosen.candidate.name))
    text = ", ".join(filter(None, said))
    return f"{chosen.candidate} ({text})" if text else str(chosen.candidate)


def _askers(files: Files, platform: str) -> str:
    """The packages that a toolchain was asked for, and where: `gcc, make at atom.toml:7; dash at atom.toml:9`."""
    rows: dict[str, list[str]] = {}
    for name in next((one.debian for one in files.old.toolchains if one.platform == platform), ()):
        rows.setdefault(_asked_at(files, name), []).append(name)
    return "; ".join(f"{', '.join(names)} at {place}" for place, names in rows.items())


def _asked_at(files: Files, package: str) -> str:
    """Where the manifest asks for a package: in [toolchain], or as a candidate of a variant."""
    tools = files.value.toolchain
    if tools and package in tools.debian:
        return _place(files, "toolchain", "debian", tools.debian.index(package))
    variant = next((name for name, some in files.value.provide if package in some), "")
    return _place(files, "provide", variant) if variant else _place(files, "toolchain")


def _place(files: Files, *path: str | int) -> str:
    return manifests.place(files.data, files.manifest, path)
