"""Our answers on a real Debian index beside those of apt and of libsolv.

apt runs over a private state with an empty status, libsolv over the packages of our closure; what differs is a matter of taste (which
of several providers), so the sets are compared in size and each of ours is checked by libsolv to be installable as it is.
"""

from __future__ import annotations

import subprocess
from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from git_atom.core.debindex import Index, Relation, parse_relations
from git_atom.core.debversion import compare, key
from git_atom.ingest.debsolve import Debian, plan
from git_atom.ingest.indexfile import open_index
from git_atom.resolve.closure import Closure
from git_atom.resolve.explain import explain
from git_atom.resolve.sat import ENGINES
from git_atom.resolve.solve import Unsolvable, search, solve
from git_atom.resolve.walk import Solution

pytestmark = pytest.mark.slow
Run = Callable[..., "subprocess.CompletedProcess[str]"]

WANTED = (
    ("curl",), ("build-essential",), ("nodejs", "npm"), ("task-gnome-desktop",), ("task-kde-desktop",), ("default-mta",),
    ("exim4", "python3-pip", "emacs"), ("texlive-latex-base", "git"),
)  # fmt: skip


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("apt")
    for name in ("lists/partial", "archives/partial"):
        (place / name).mkdir(parents=True)
    (place / "status").touch()
    done = apt(place, "update")
    if done.returncode or not list((place / "lists").glob("*_Packages")):
        pytest.fail(f"no package lists to be had: {done.stderr[-200:]}")
    return place


def apt(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    options = {
        "Dir::State": str(state), "Dir::State::lists": str(state / "lists"), "Dir::State::status": str(state / "status"),
        "Dir::Cache": str(state), "Dir::Cache::pkgcache": "pkgcache.bin", "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
        "Acquire::GzipIndexes": "false", "Acquire::Languages": "none", "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "", "Debug::NoLocking": "true",
    }  # fmt: skip
    argv = ["apt-get", *(x for k, v in options.items() for x in ("-o", f"{k}={v}")), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def indexes(state: Path) -> Iterator[list[Index]]:
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield [stack.enter_context(open_index(str(p))) for p in sorted((state / "lists").glob("*_Packages"))]


@pytest.fixture(scope="module")
def architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("wanted", WANTED, ids=" ".join)
def test_as_many_packages_as_apt_and_all_of_them_fit(
    wanted: tuple[str, ...], state: Path, indexes: list[Index], architecture: str
) -> None:
    problem = plan(wanted, indexes, architecture=architecture).problem
    answer = solve(problem)
    assert isinstance(answer, Solution)
    assert all(search(Closure(problem), engine=e) == answer for e in ENGINES), "the engine shows"
    ours = {c.candidate.name: c.candidate.version for c in answer.chosen}
    done = apt(state, "-s", "install", *wanted)
    theirs = dict(line.split()[1:3] for line in done.stdout.splitlines() if line.startswith("Inst "))
    theirs = {name: version.strip("([])") for name, version in theirs.items()}
    assert abs(len(ours) - len(theirs)) <= max(2, len(theirs) // 50), sorted(ours.keys() ^ theirs.keys())
    assert {n: (ours[n], theirs[n]) for n in ours.keys() & theirs.keys() if ours[n] != theirs[n]} == {}
    assert len(ours.keys() & theirs.keys()) >= len(theirs) * 0.95


def test_an_import_may_be_solved_by_us(state: Path, home: Path, run: Run) -> None:
    front = ("git", "compose", "import", "debian")
    for wanted in (("build-essential", "git"), ("task-gnome-desktop",)):
        ours = run(*front, "-n", "--solver=own", *wanted).stdout.splitlines()
        theirs = run(*front, "-n", *wanted).stdout.splitlines()
        assert len(set(ours) ^ set(theirs)) <= len(theirs) // 20
        assert ours == theirs or wanted[0] != "build-essential"
    made = [
        run(*front, f"--solver={solver}", "--as", solver, "busybox-static").stdout.split() for solver in ("own", "apt")
    ]
    assert [name for name, _ in made] == ["own", "apt"]
    assert made[0][1] == made[1][1]
    refused = run(*front, "--solver=own", "postfix", "exim4-daemon-light", status=3)
    assert "ATOM-1060" in refused.stderr and "conflicts with mail-transport-agent" in refused.stderr


@pytest.mark.parametrize("wanted", WANTED, ids=" ".join)
def test_libsolv_agrees(wanted: tuple[str, ...], indexes: list[Index], architecture: str) -> None:
    solv = pytest.importorskip("solv")
    asked = plan(wanted, indexes, architecture=architecture)
    answer = solve(asked.problem)
    assert isinstance(answer, Solution)
    pool, of = library(solv, asked.provider, Closure(asked.problem).grow(), architecture)
    free, problems = ask(
        solv, pool, [pool.select(n, solv.Selection.SELECTION_NAME | solv.Selection.SELECTION_PROVIDES) for n in wanted]
    )
    assert not problems
    fixed = {str(c.candidate) for c in answer.chosen}
    assert len(fixed & {of[s] for s in free}) >= len(free) * 0.85
    chosen = {name.split()[0] for name in fixed}
    pool.set_considered_list([i for i, name in of.items() if name in fixed])
    same, problems = ask(solv, pool, [pool.select(name, solv.Selection.SELECTION_NAME) for name in sorted(chosen)])
    assert not problems
    assert {of[s] for s in same} == fixed, "libsolv finds something missing"


FIELDS = ("Pre-Depends", "Depends", "Conflicts", "Breaks", "Provides")


def library(solv: Any, provider: Debian, closure: Closure, architecture: str) -> tuple[Any, dict[int, str]]:
    """A libsolv pool with the packages of a closure, by its own calls, and what its numbers stand for.

    The wheel of libsolv works as rpm does: so each name's versions are handed over as their places in Debian's order, and relations with
    a version under a name of their own (`perl/v`), which a provided name without version does not meet.
    """
    packages = [provider.package(c) for c in closure.nodes[1:]]
    fields = [{f: parse_relations(p.get(f)) for f in FIELDS} for p in packages]
    known: dict[str, set[str]] = {}
    for package, has in zip(packages, fields, strict=True):
        known.setdefault(package.name, set()).add(package.version)
        for relation in (r for clauses in has.values() for clause in clauses for r in clause if r.version):
            known.setdefault(relation.name, set()).add(relation.version)
    place = {n: {v: bisect_left(sorted({key(x) for x in vs}), key(v)) + 1 for v in vs} for n, vs in known.items()}
    pool, of = solv.Pool(), {}
    pool.setarch("x86_64")
    repo = pool.add_repo("debian")
    less, same, more = solv.REL_LT, solv.REL_EQ, solv.REL_GT
    flags = {"<<": less, "<=": less | same, "=": same, ">=": more | same, ">>": more}

    def dep(relation: Relation) -> Any:
        name = f"{relation.name}:any" if relation.qualifier == "any" else relation.name
        if not relation.op:
            return pool.Dep(name)
        return pool.Dep(f"{name}/v").Rel(flags[relation.op], pool.Dep(str(place[relation.name][relation.version])))

    for package, has in zip(packages, fields, strict=True):
        one = repo.add_solvable()
        one.name, one.evr, one.arch = package.name, str(place[package.name][package.version]), "noarch"
        own = [Relation(package.name, q, "=", package.version) for q in ("", "any")]
        for relation in (*own[: 1 + (package.get("Multi-Arch") == "allowed")], *(c[0] for c in has["Provides"])):
            one.add_deparray(solv.SOLVABLE_PROVIDES, dep(relation))
            one.add_deparray(solv.SOLVABLE_PROVIDES, dep(relation._replace(op="")))
        for field in FIELDS[:4]:
            for clause in has[field]:
                whole = dep(clause[-1])
                for relation in reversed(clause[:-1]):
                    whole = dep(relation).Rel(solv.REL_OR, whole)
                one.add_deparray(solv.SOLVABLE_REQUIRES if "Depends" in field else solv.SOLVABLE_CONFLICTS, whole)
        of[one.id] = f"{package.name} {package.version}"
    pool.createwhatprovides()
    return pool, of


def ask(solv: Any, pool: Any, selections: list[Any]) -> tuple[list[int], list[str]]:
    solver = pool.Solver()
    solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
    jobs = [job for selection in selections for job in selection.jobs(solv.Job.SOLVER_INSTALL)]
    problems = [str(problem) for problem in solver.solve(jobs)]  # a problem does not outlive its solver
    return ([] if problems else [s.id for s in solver.transaction().newsolvables()]), problems


def test_a_conflict_is_explained(indexes: list[Index], architecture: str) -> None:
    answer = solve(plan(["postfix", "exim4-daemon-light"], indexes, architecture=architecture).problem)
    assert isinstance(answer, Unsolvable)
    told = explain(answer)
    assert len(told.lines) == 3
    assert any("conflicts with mail-transport-agent" in line for line in told.text())
    assert {str(change.wanted) for way in told.ways for change in way} == {"postfix", "exim4-daemon-light"}


def test_essential_and_recommended_packages_come_when_asked(indexes: list[Index], architecture: str) -> None:
    plain = solve(plan(["curl"], indexes, architecture=architecture).problem)
    full = solve(plan(["curl"], indexes, architecture=architecture, essential=True, recommends=True).problem)
    assert isinstance(plain, Solution) and isinstance(full, Solution)
    names = {c.candidate.name for c in full.chosen}
    assert {"dpkg", "bash", "ca-certificates"} <= names and "bash" not in {c.candidate.name for c in plain.chosen}


def test_versions_compare_as_dpkg_does(indexes: list[Index]) -> None:
    names = indexes[0].names()[:: max(1, len(indexes[0].names()) // 150)]
    versions = [p.version for n in names for p in indexes[0].packages(n)]
    versions += ["1.0~rc1", "1.0", "1.0a", "1.0.", "1.0-1", "1.0-0", "1:0", "0:1.0", "1.0+b1", "1.0~~", "00.1", "0.1"]
    for one, other in zip(versions, versions[1:], strict=False):
        for op, holds in (("lt", compare(one, other) < 0), ("eq", compare(one, other) == 0)):
            done = subprocess.run(["dpkg", "--compare-versions", one, op, other], check=False)
            assert (done.returncode == 0) == holds, (one, op, other)
