"""The resolver: a desktop task of a real Debian index beside libsolv and apt in one run, synthetic graphs, explanations, memory.

The real index comes through a private state of apt, from this machine's own sources; nothing of the system's apt is touched. libsolv
is asked when a Python binding that reads `Packages` is at hand (Debian's python3-solv does, the wheel does not; SOLV_PYTHON names the
interpreter that has it, else the system's is tried), else its figure is left out. Our own modules are byte-compiled, as installed ones are. Every figure is the best of several runs, so that other work
on the machine shows less. Loading counts on every side.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from git_atom.resolve.explain import explain
from git_atom.resolve.problem import Candidate, Problem, Requirement, Term
from git_atom.resolve.solve import Unsolvable, solve
from git_atom.resolve.walk import Solution

TASKS = ("task-gnome-desktop", "task-kde-desktop")
RUNS = 5
LIBSOLV_PYTHON = "/usr/bin/python3"

OURS = """
import resource, sys, time
begin = time.perf_counter()
from git_atom.ingest.debsolve import plan
from git_atom.ingest.indexfile import open_index
from git_atom.resolve.solve import solve
with open_index(sys.argv[1], sys.argv[3]) as index:
    answer = solve(plan([sys.argv[2]], [index]).problem)
print(time.perf_counter() - begin, time.process_time(), len(answer.chosen), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

LIBSOLV = """
import sys, time
begin = time.perf_counter()
import solv
pool = solv.Pool()
pool.setdisttype(solv.Pool.DISTTYPE_DEB)
pool.setarch("amd64")
repo = pool.add_repo("debian")
repo.add_debpackages(solv.xfopen(sys.argv[1]))
pool.addfileprovides()
pool.createwhatprovides()
jobs = pool.select(sys.argv[2], solv.Selection.SELECTION_NAME).jobs(solv.Job.SOLVER_INSTALL)
solver = pool.Solver()
solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
assert not solver.solve(jobs)
print(time.perf_counter() - begin, time.process_time(), len(solver.transaction().newsolvables()))
"""


def fresh_index(state: Path) -> Path:
    """Fetch the newest stable `Packages` of this machine's sources into a private state; returns the file."""
    (state / "lists/partial").mkdir(parents=True)
    (state / "archives/partial").mkdir(parents=True)
    (state / "status").touch()
    run_apt(state, "update")
    return max((state / "lists").glob("*_Packages"), key=lambda p: p.stat().st_size)


def run_apt(state: Path, *words: str, keep_cache: bool = True) -> str:
    """apt-get over the private state, lists kept uncompressed so that its loading is as short as it can be."""
    options = {
        "Dir::State": str(state), "Dir::State::lists": str(state / "lists"), "Dir::State::status": str(state / "status"),
        "Dir::Cache": str(state), "Dir::Cache::archives": str(state / "archives"), "Acquire::GzipIndexes": "false",
        "Dir::Cache::pkgcache": "pkgcache.bin" if keep_cache else "", "Dir::Cache::srcpkgcache": "srcpkgcache.bin" if keep_cache else "",
        "Acquire::Languages": "none", "APT::Install-Recommends": "false", "APT::Sandbox::User": "", "Debug::NoLocking": "true",
    }  # fmt: skip
    argv = ["apt-get", *(x for k, v in options.items() for x in ("-o", f"{k}={v}")), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def program(text: str, *argv: str, python: str = sys.executable) -> list[float] | None:
    """Numbers that a small program prints, run apart; None when it cannot run here."""
    compiled = {"PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / f"bench-resolve-{os.getuid()}")}
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | compiled
    done = subprocess.run([python, "-c", text, *argv], capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        return None
    return [float(word) for word in done.stdout.split()]


def least(call: Callable[[], list[float] | None], runs: int = RUNS) -> list[float] | None:
    """The smallest of each number over some runs."""
    done = [numbers for numbers in (call() for _ in range(runs)) if numbers]
    return [min(column) for column in zip(*done, strict=True)] if done else None


def timed(call: Callable[[], object]) -> list[float]:
    """Seconds of processor that a call here takes; the clock would tell of the machine's other work as well."""
    begin = time.process_time()
    call()
    return [time.process_time() - begin]


class Graph:
    """A synthetic repository: `size` names of `depth` versions, ranges as specs `low-high`; a planted solution keeps it solvable."""

    def __init__(self, size: int, depth: int, cyclic: bool, seed: int, solvable: bool = True) -> None:
        dice = random.Random(seed)
        self.depth = depth
        plan = [dice.randrange(depth) for _ in range(size)]
        self._needs: dict[Candidate, list[Requirement]] = {}
        self._named = {f"p{i}": [Candidate(f"p{i}", str(v)) for v in reversed(range(depth))] for i in range(size)}
        for i in range(size):
            for candidate in self._named[f"p{i}"]:
                out = []
                below = range(size) if cyclic else range(i + 1, min(size, i + 60))
                for j in dice.sample(below, min(len(below), dice.randint(1, 3))):
                    width = dice.randint(depth // 2, depth * 4 // 5)
                    low = dice.randrange(depth - width + 1)
                    if int(candidate.version) == plan[i] and solvable:
                        low = min(max(0, plan[j] - dice.randrange(width)), depth - width)
                    out.append(Requirement((Term(f"p{j}", f"{low}-{low + width - 1}"),)))
                self._needs[candidate] = out

    def find(self, term: Term) -> list[Candidate]:
        every = self._named.get(term.name, [])
        if not term.spec:
            return every
        low, high = map(int, term.spec.split("-"))
        return every[self.depth - 1 - high : self.depth - low]

    def needs(self, candidate: Candidate) -> list[Requirement]:
        return self._needs[candidate]

    def bars(self, candidate: Candidate) -> tuple[()]:
        return ()

    def answers(self, candidate: Candidate) -> tuple[str]:
        return (candidate.name,)

    def near(self, name: str) -> tuple[()]:
        return ()


def backtracking_fails(problem: Problem, seconds: float = 1.0) -> bool:
    """Whether plain backtracking, newest first, requirement by requirement and without learning, gives up within the time."""
    provider, end = problem.provider, time.perf_counter() + seconds
    sys.setrecursionlimit(100_000)

    class GiveUpError(Exception):
        pass

    def search(todo: tuple[object, ...], chosen: dict[str, Candidate]) -> bool:
        if time.perf_counter() > end:
            raise GiveUpError
        while todo:
            (wanted, todo) = todo  # type: ignore[assignment]
            options = provider.find(wanted.terms[0])  # type: ignore[attr-defined]
            held = chosen.get(wanted.terms[0].name)  # type: ignore[attr-defined]
            if held is None:
                break
            if held not in options:
                return False
        else:
            return True
        for candidate in options:
            rest = todo
            for need in provider.needs(candidate):
                rest = (need, rest)
            if search(rest, {**chosen, candidate.name: candidate}):
                return True
        return False

    start: tuple[object, ...] = ()
    for root in problem.roots:
        start = (root, start)
    try:
        return not search(start, {})
    except (GiveUpError, RecursionError):
        return True


def roots(count: int = 5) -> tuple[Requirement, ...]:
    return tuple(Requirement((Term(f"p{i}"),), f"atom.toml:{i + 1}") for i in range(count))


def synthetic() -> tuple[float, int]:
    """The slowest of the 18 solvable graphs in seconds, and on how many of them plain backtracking gives up."""
    slowest, hard = 0.0, 0
    for number, (size, depth) in enumerate((s, d) for s in (200, 400, 800, 1200, 1600, 2000) for d in (10, 20, 30)):
        problem = Problem(roots(), Graph(size, depth, number % 2 == 1, number))
        answers: list[object] = []
        seconds = least(lambda p=problem, a=answers: timed(lambda: a.append(solve(p))), 3)  # type: ignore[misc]
        if not seconds or not all(isinstance(answer, Solution) for answer in answers):
            raise SystemExit(f"graph {number} has a planted solution and none was found")
        slowest = max(slowest, seconds[0])
        hard += backtracking_fails(problem)
    return slowest, hard


def unsolvable() -> float:
    """The slowest explanation in seconds, solving included: graphs that an extra root makes unsolvable."""
    slowest = 0.0
    for number, (size, depth) in enumerate(((200, 10), (400, 20), (800, 10))):
        graph = Graph(size, depth, True, number)
        wanted = solve(Problem(roots(), graph))
        if not isinstance(wanted, Solution):
            raise SystemExit("a planted solution was not found")
        last = wanted.chosen[-1].candidate.name
        need = graph.needs(graph.find(Term(last))[0])[0].terms[0]
        extra = (
            Requirement((Term(last, f"{depth - 1}-{depth - 1}"),), "atom.toml:8"),
            Requirement((away(need, depth),), "atom.toml:9"),
        )
        problem = Problem((*roots(), *extra), graph)

        def run(problem: Problem = problem) -> None:
            answer = solve(problem)
            if not isinstance(answer, Unsolvable) or not explain(answer).lines:
                raise SystemExit("an unsolvable graph was solved")

        seconds = least(lambda r=run: timed(r), 3)  # type: ignore[misc]
        slowest = max(slowest, seconds[0] if seconds else 0.0)
    return slowest


def away(term: Term, depth: int) -> Term:
    """Versions that a range leaves out."""
    low, high = map(int, term.spec.split("-"))
    return Term(term.name, f"0-{low - 1}" if low else f"{high + 1}-{depth - 1}")


def processor(call: Callable[[], object]) -> list[float]:
    """Seconds of processor that the programs started by a call used."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    call()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return [after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime]


def debian(state: Path, index: str, task: str) -> list[dict[str, object]]:
    """A desktop task of the real index by us, apt and libsolv. Ratios are of processor time, the start of each program included.

    Both of us keep something between runs: apt its cache, we the scan of an index. They meet with it, as they do when somebody calls them, and
    without.
    """
    ours = least(lambda: program(OURS, index, task, ""))
    kept = least(lambda: program(OURS, index, task, str(state / "scans")))
    if not ours or not kept:
        raise SystemExit("the resolver failed on the real index")
    out = [
        figure(f"{task}: index read and solved", ours[0] * 1000, "ms", None),
        figure(f"{task}: the same with the kept scan", kept[0] * 1000, "ms", None),
        figure(f"{task}: peak memory", ours[3], "MB", 600),
    ]
    libsolv = least(lambda: program(LIBSOLV, index, task, python=os.environ.get("SOLV_PYTHON", LIBSOLV_PYTHON)))
    if libsolv:
        out.append(figure(f"{task}: to libsolv, loading included", ours[1] / libsolv[1], "ratio", 1.0))
    for keep in (False, True):
        apt = least(lambda keep=keep: processor(lambda: run_apt(state, "-s", "install", task, keep_cache=keep)), 2)  # type: ignore[misc]
        if apt:
            word = "what each keeps" if keep else "nothing kept"
            mine = kept[1] if keep else ours[1]
            out.append(figure(f"{task}: to apt-get -s, {word}", mine / apt[0], "ratio", 0.05 if keep else None))
    return out


def explained(index: str) -> dict[str, object]:
    """A real conflict beside a desktop task, explained."""
    from git_atom.ingest.debsolve import plan
    from git_atom.ingest.indexfile import open_index

    with open_index(index) as data:
        found = solve(plan([TASKS[0], "postfix", "exim4-daemon-light"], [data]).problem)
        if not isinstance(found, Unsolvable):
            raise SystemExit("two mail servers at once were allowed")
        seconds = least(lambda: timed(lambda: explain(found)), 3)
    return figure(f"{TASKS[0]} with two mail servers: explained", seconds[0] if seconds else 0.0, "s", 1.0)


def figure(what: str, value: float, unit: str, limit: float | None) -> dict[str, object]:
    return {"what": what, "value": round(value, 4), "unit": unit, "limit": limit}


def main() -> None:
    """The real index first: a child's peak memory counts that of the process it was forked from."""
    figures: list[dict[str, object]] = []
    note = "ratios, synthetic graphs and explanations are of processor time; the others of the clock; each the best of several runs"
    with tempfile.TemporaryDirectory() as name:
        state = Path(name) / "state"
        state.mkdir()
        try:
            index = str(fresh_index(state))
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            note += f"; no real index here: {type(error).__name__}"
        else:
            for task in TASKS:
                figures += debian(state, index, task)
            figures.append(explained(index))
    slowest, hard = synthetic()
    start = least(lambda: processor(lambda: subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)), 9)
    figures += [
        figure("python3 -I -c pass, for comparison", (start or [0.0])[0] * 1000, "ms", None),
        figure("18 synthetic graphs: the slowest", slowest, "s", 2.0),
        figure("18 synthetic graphs: solved by plain backtracking in 1 s", 18 - hard, "graphs", None),
        figure("synthetic conflicts: the slowest, solved and explained", unsolvable(), "s", 1.0),
    ]
    print(json.dumps({"bench": "resolve", "figures": figures, "note": note}))


if __name__ == "__main__":
    main()
