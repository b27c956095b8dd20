"""What a push waits for: the pre-receive hook on one new atom, and on 10,000 of them, in time and memory.

The set is made by the suite's own parts in a bare repository; the hook is called as git calls it, with the pushed objects in a
directory of their own beside those of the server. Judged are a first push into a set that has no versions, one into a set that has
10,000, and 10,000 at once.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from _set import Cost, Grown, atom, bare, cost

from git_atom.git.written import one_pack

MANY = int(os.environ.get("HOOKS_MANY", "10000"))
ROUNDS = 15


def hook(server: Grown, lines: list[str]) -> Cost:
    """What the hook takes on these lines; it must accept."""
    return cost(atom("hooks", "run", "pre-receive"), server.env | {"GIT_DIR": "."}, server.path, "".join(lines))


def median(server: Grown, lines: list[str]) -> float:
    """Milliseconds of one push, the middle one of some rounds."""
    return statistics.median(hook(server, lines).wall for _ in range(ROUNDS)) * 1000


def main() -> int:
    """Measure and print one line of JSON."""
    figures: list[dict[str, object]] = []

    def tell(what: str, value: float, unit: str, limit: float | None) -> None:
        figures.append({"what": what, "value": round(value, 1), "unit": unit, "limit": limit})

    def many(what: str, lines: list[str]) -> None:
        took = hook(server, lines)
        tell(what, took.wall, "s", 10)
        tell("  of it CPU", took.cpu, "s", None)
        tell("  memory", took.memory, "MiB", 300)

    with tempfile.TemporaryDirectory(prefix="git-atom-bench-") as place:
        server = Grown(Path(place))
        server.claim(["first"])
        lines = server.publish([("first", "1.0.0", None)])
        tell("python3 -I -c pass", statistics.median(bare() for _ in range(ROUNDS)), "ms", None)
        tell("founding and 1 atom: median", median(server, lines), "ms", 150)
        server.accept(lines)
        lines = server.publish([("first", "1.1.0", "1.0.0")])
        tell("1 atom, set of 1: median", median(server, lines), "ms", 150)
        server.accept(lines)
        names = [f"package-{i}" for i in range(MANY)]
        with one_pack(server.repo):
            server.claim(names)
            lines = server.publish((name, "1.0.0", None) for name in names)
        many(f"{MANY} atoms, their names claimed in the same push", lines)
        server.accept(lines)
        with one_pack(server.repo):
            lines = server.publish((name, "1.1.0", "1.0.0") for name in names)
        many(f"{MANY} atoms, names claimed before", lines)
        server.accept(lines)
        lines = server.publish([("first", "1.2.0", "1.1.0")])
        tell(f"1 atom, set of {2 * MANY}: first", hook(server, lines).wall * 1000, "ms", None)
        tell(f"1 atom, set of {2 * MANY}: median", median(server, lines), "ms", 150)
    print(json.dumps({"bench": "hooks", "figures": figures, "note": f"loose objects for one, a pack for {MANY}"}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
