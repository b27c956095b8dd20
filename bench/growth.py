"""What publishing one atom and listing cost as the repository's history grows, and as the set's log does.

The history is made by `git fast-import`, the log by the suite's own parts, each entry a publication of one version, of as many names as
have fifty versions in the end. At every power of ten both are measured in the same repository. `GROWTH_COMMITS` and `GROWTH_ENTRIES` say how far they
grow: the whole of it is 100,000 of each.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from _set import Grown, atom, bare, cost, user

from git_atom.git.written import one_pack

COMMITS = int(os.environ.get("GROWTH_COMMITS", "10000"))
ENTRIES = int(os.environ.get("GROWTH_ENTRIES", "1000"))
EACH = 50  # versions of each name
LOT = 5000  # entries in one pack
ROUNDS = 9
BRANCH = "refs/heads/main"
Tell = Callable[[str, float, str, float | None], None]


def steps(first: int, last: int) -> Iterator[int]:
    """The powers of ten from one size to another."""
    while first <= last:
        yield first
        first *= 10


def git(repo: Path, env: Mapping[str, str], *words: str, text: str = "") -> None:
    """Run git in a repository."""
    subprocess.run(["git", *words], cwd=repo, env=dict(env), input=text.encode(), check=True)


def commits(repo: Path, env: Mapping[str, str], files: Sequence[dict[str, str]], onto: bool) -> None:
    """Make a commit on the branch for each of these sets of files."""
    rows = []
    for number, contents in enumerate(files):
        rows.append(f"commit {BRANCH}\ncommitter A U Thor <author@example.org> 1700000000 +0000\ndata 1\nx\n")
        rows += [f"from {BRANCH}^0\n"] if onto and not number else []
        rows += [f"M 644 inline {path}\ndata {len(text)}\n{text}\n" for path, text in contents.items()]
    git(repo, env, "fast-import", "--quiet", text="".join(rows))


def measured(round_: int) -> dict[str, str]:
    """The atom that is published again and again, in its next version."""
    text = f'[atom]\nid = "measured"\nversion = "{round_ + 1}.0.0"\ntype = "package"\n'
    return {"measured/atom.toml": text, "measured/source.c": f"/* {round_} */\n"}


class Looked:
    """What the commands took at each size."""

    def __init__(self) -> None:
        self.publish: dict[int, float] = {}
        self.listed: dict[int, float] = {}
        self._round = 0

    def at(self, size: int, repo: Path, env: Mapping[str, str]) -> None:
        """Publish, untimed, what brings the user's caches up to here; then measure some rounds."""
        walls: tuple[list[float], list[float]] = ([], [])
        for number in range(ROUNDS + 1):
            commits(repo, env, [measured(self._round)], onto=True)
            if (repo / ".git").exists():
                git(repo, env, "reset", "-q", "--hard")
            self._round += 1
            for took, words in zip(walls, (("publish", "measured"), ("list", "measured")), strict=True):
                wall = cost(atom(*words), env, repo).wall * 1000
                took += [wall] if number else []
        self.publish[size], self.listed[size] = (statistics.median(took) for took in walls)

    def tell(self, tell: Tell, what: str, limit: float) -> None:
        """The figures, and how many times as much the greatest size takes as the least."""
        for command, took in (("publish", self.publish), ("list", self.listed)):
            for size, wall in took.items():
                tell(f"{command}, {size} {what}: median", wall, "ms", None)
            first, last = min(took), max(took)
            tell(f"{command}: {last} {what} of {first}", took[last] / took[first], "x", limit)


def history(place: Path) -> Looked:
    """An ordinary repository with a work tree, in which history grows."""
    looked, env, repo = Looked(), user(place), place / "work"
    git(place, env, "-c", "init.defaultBranch=main", "init", "-q", str(repo))
    made = 1
    commits(repo, env, [{"src/0": "0\n"}], onto=False)
    git(repo, env, "reset", "-q", "--hard")
    cost(atom("init"), env, repo)
    for size in steps(1000, COMMITS):
        commits(repo, env, [{f"src/{n % 100}": f"{n}\n"} for n in range(made, size)], onto=True)
        made = size
        looked.at(size, repo, env)
    return looked


def log(place: Path) -> Looked:
    """A bare repository in which the log grows."""
    looked, server = Looked(), Grown(place)
    git(server.path, server.env, "symbolic-ref", "HEAD", BRANCH)
    commits(server.path, server.env, [measured(0)], onto=False)
    names = [f"package-{number}" for number in range(max(1, ENTRIES // EACH))]
    server.claim([*names, "measured"])
    made = 2
    versions = (
        (name, f"1.{minor}.0", f"1.{minor - 1}.0" if minor else None) for minor in range(EACH) for name in names
    )
    for size in steps(100, ENTRIES):
        while made < size:
            lines = []
            with one_pack(server.repo):
                for row in list(islice(versions, min(LOT, size - made))):
                    lines[-1:] = server.publish([row])
                    made += 1
            server.accept(lines)
        looked.at(size, server.path, server.env)
        server.resume()
        made += ROUNDS + 1
    return looked


def main() -> int:
    """Measure and print one line of JSON."""
    figures: list[dict[str, object]] = []

    def tell(what: str, value: float, unit: str, limit: float | None) -> None:
        figures.append({"what": what, "value": round(value, 2), "unit": unit, "limit": limit})

    tell("python3 -I -c pass", statistics.median(bare() for _ in range(ROUNDS)), "ms", None)
    with tempfile.TemporaryDirectory(prefix="git-atom-bench-") as folder:
        (Path(folder) / "one").mkdir()
        (Path(folder) / "two").mkdir()
        history(Path(folder) / "one").tell(tell, "commits", 1.5)
        log(Path(folder) / "two").tell(tell, "entries", 2.5)
    note = f"one name listed; {EACH} versions a name, one entry a version; 2.5 is log 100,000 / log 100"
    print(json.dumps({"bench": "growth", "figures": figures, "note": note}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
