"""Looking at a lock: `git atom tree`, `git atom why`, `git atom outdated`. The first two read the two texts and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from git_atom.app.lock import intent
from git_atom.app.lock.ground import Ground
from git_atom.app.lock.intent import Files, unknown
from git_atom.core import choices, variant
from git_atom.core.host import Host
from git_atom.core.lock import Edge, Lock, parse_edge
from git_atom.core.manifest import Manifest
from git_atom.errors import CannotError
from git_atom.resolve import paths
from git_atom.resolve.paths import Branch
from git_atom.resolve.problem import Candidate, Requirement, Term
from git_atom.resolve.walk import Chosen, Solution
from git_atom.resolve.walk import Edge as Link

_SHORT = 12  # digits of a commit that are shown


class Row(NamedTuple):
    """One line of a tree. wanted: the requirement that leads here, where the manifest states one; again: shown in full before.

    variant: the one that brought it in, as `tls=openssl`; having: the variants that it has itself.
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


class Old(NamedTuple):
    """A locked atom or pin that could be another version. update: what git atom update would choose; newest: of its set; why: what is wrong."""

    name: str
    locked: str
    update: str
    newest: str
    why: str


def tree(host: Host, names: Sequence[str], *, inverted: bool = False) -> list[Row]:
    """The locked graph from the atom at hand down, or from the named atoms; inverted from the named (or the lowest) atoms up.

    Raises CannotError ATOM-8712 without a lock, NegativeError ATOM-8708 for a name that is not in it.
    """
    files, manifest = _read(host)
    found = solution(manifest, files.old)
    known = {one.candidate.name for one in found.chosen}
    for name in names:
        if name not in known:
            raise unknown(name, known, files.lock)
    having = {(atom.name, str(atom.version)): atom.variants for atom in files.old.atoms}
    if inverted:
        tops = names or _lowest(found)
        return _draw([_row(b, 0, having) for name in tops for b in paths.inverted(found, name)])
    if names:
        return _draw([_row(b, 0, having) for name in names for b in paths.tree(_from(found, name))])
    own = choices.default(manifest, files.old.taken)
    top = Row(0, manifest.name, str(manifest.version), "", "", False, "", "", choices.told(manifest, own))
    return _draw([top, *(_row(b, 1, having) for b in paths.tree(found))])


def why(host: Host, name: str, *, every: bool = False) -> list[tuple[str, ...]]:
    """Why an atom is in the lock: the shortest path to it from the atom at hand, or every one, shortest first.

    Raises CannotError ATOM-8712 without a lock, NegativeError ATOM-8708 for a name that is not in it.
    """
    files, manifest = _read(host)
    found = solution(manifest, files.old)
    known = {one.candidate.name for one in found.chosen}
    if name not in known:
        raise unknown(name, known, files.lock)
    top = f"{manifest.name} {manifest.version}"
    shown = paths.every(found, name) if every else [paths.shortest(found, name)]
    return [(top, *(_step(step.wanted, step.chosen) for step in path)) for path in shown]


def outdated(host: Host, *, offline: bool = False) -> list[Old]:
    """The locked atoms of other sets for which there is something newer, or which were retracted, and the pins whose ref has moved.

    Asks their sets and repositories, with `offline` no repository. Raises CannotError ATOM-8712 without a lock, and what choosing raises.
    """
    from git_atom.app.lock import choosing, pinning

    files, _ = _read(host)
    ground: Ground = intent.stand(host, files, offline=offline, consent=None)
    out = [
        Old(name, *words) for name, *words in choosing.newer(ground._replace(anew=True)) if words[0] != words[2] or words[3]
    ]  # fmt: skip
    for pin in files.old.pins if not offline else ():
        commit = pinning.now(host, pin)
        if commit != pin.commit:
            new = commit[:_SHORT] if commit else ""
            out.append(
                Old(pin.name, pin.commit[:_SHORT], new, new, "" if commit else f"there is no '{pin.ref}' any more")
            )
    return out


def _read(host: Host) -> tuple[Files, Manifest]:
    files = intent.read(host, ".")
    if files.before is None:
        raise CannotError("ATOM-8712", f"there is no '{files.lock}'", hint="git atom lock")
    return files, files.value


def solution(manifest: Manifest, lock: Lock) -> Solution:
    """A lock as the solution that it is, with the manifest's requirements on the edges from the atom at hand; pins by their commits.

    The origin of an edge is the variant that brought it in, where one did.
    """
    order = sorted(lock.atoms, key=lambda a: (a.name, a.set))
    place: dict[Edge, int] = {atom.edge: at for at, atom in enumerate(order)}
    stated = {dep.name: str(dep.requirement) for dep in manifest.deps}
    taken = [variant.text((v.name, v.chosen)) for v in lock.variants]
    links = [
        Link(
            -1,
            Requirement((Term(d.atom[1], stated.get(d.key, "")),), _by(taken, d.key), "/".join(d.uses)),
            place[d.atom],
        )
        for d in lock.deps
        if d.uses
    ]
    links += [
        Link(place[atom.edge], Requirement((Term(edge[1]),), _by(atom.variants, edge[1])), place[edge])
        for atom in order
        for edge in sorted({*atom.run, *atom.build})
    ]
    worlds = sorted({t.environment for t in lock.toolchains if t.environment})
    spec = str(manifest.toolchain.requirement) if manifest.toolchain else ""
    links += [Link(-1, Requirement((Term(e[1], spec),), kind="toolchain"), place[e]) for e in map(parse_edge, worlds)]
    links += [
        Link(-1, Requirement((Term(pin.name, pin.ref),), kind="pin"), at)
        for at, pin in enumerate(lock.pins, len(order))
    ]
    things = [(atom.name, str(atom.version)) for atom in order] + [(pin.name, pin.commit[:_SHORT]) for pin in lock.pins]
    chosen = tuple(Chosen("", Candidate(name, version), True) for name, version in things)
    return Solution(chosen, tuple(sorted(links, key=lambda e: (e.asker, e.wanted.terms, e.wanted.kind, e.target))))


def _by(variants: Sequence[str], key: str) -> str:
    """The variants that are taken by a candidate."""
    return ", ".join(text for text in variants if text.partition("=")[2] == key)


def _from(found: Solution, name: str) -> Solution:
    """The same graph with one atom as its only root."""
    below = tuple(edge for edge in found.edges if edge.asker >= 0)
    roots = [
        Link(-1, Requirement((Term(name),)), at) for at, one in enumerate(found.chosen) if one.candidate.name == name
    ]
    return Solution(found.chosen, (*roots, *below))


def _lowest(found: Solution) -> list[str]:
    """The atoms that need no other."""
    askers = {edge.asker for edge in found.edges}
    return [one.candidate.name for at, one in enumerate(found.chosen) if at not in askers]


def _row(branch: Branch, deeper: int, having: Mapping[tuple[str, str], tuple[str, ...]]) -> Row:
    wanted = branch.wanted.terms[0].spec if branch.wanted else ""
    kind = branch.wanted.kind if branch.wanted and wanted else ""
    one = branch.chosen.candidate
    by = branch.wanted.origin if branch.wanted else ""
    return Row(
        branch.depth + deeper,
        one.name,
        one.version,
        wanted,
        kind,
        branch.again,
        "",
        by,
        having.get((one.name, one.version), ()),
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


def _step(wanted: Requirement, chosen: Chosen) -> str:
    said = ", ".join(filter(None, [wanted.terms[0].spec, wanted.origin]))
    return f"{chosen.candidate} ({said})" if said else str(chosen.candidate)
