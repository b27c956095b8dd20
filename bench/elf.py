"""Reading the interfaces of this machine's libraries: every dynamic symbol with its version, against `readelf` in one process."""

from __future__ import annotations

import glob
import json
import os
import statistics
import subprocess
import sys
import time

from git_atom.interface import elf

FILES, LARGEST, ROUNDS = 300, 20 << 20, 5
LIMIT = 0.25


def main() -> int:
    """Measure and print one line of JSON."""
    paths = sorted({os.path.realpath(p) for p in glob.glob("/usr/lib/*/*.so*") + glob.glob("/usr/lib/*.so*")})
    found = [p for p in paths if os.path.isfile(p) and os.path.getsize(p) < LARGEST and is_elf(p)]
    found = found[:: max(1, len(found) // FILES)]
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS + 1):
        begin = time.perf_counter()
        symbols = 0
        for path in found:
            facts = elf.read_path(path)
            symbols += len(facts.exports) + len(facts.wants)
        ours.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        argv = ["readelf", "-dVW", "--dyn-syms", *found]  # what is read here, too: dynamic table, versions, symbols
        subprocess.run(
            argv,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
            check=False,
        )
        theirs.append(time.perf_counter() - begin)
    ratio = statistics.median(a / b for a, b in zip(ours[1:], theirs[1:], strict=True))
    rows = [
        {
            "what": "interfaces of libraries, to readelf -dV --dyn-syms",
            "value": round(ratio, 3),
            "unit": "times",
            "limit": LIMIT,
        },
        {
            "what": "one library",
            "value": round(statistics.median(ours[1:]) / len(found) * 1000, 2),
            "unit": "ms",
            "limit": None,
        },
    ]
    print(json.dumps({"bench": "elf", "figures": rows, "files": len(found), "symbols": symbols}))
    return 0


def is_elf(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == elf.MAGIC


if __name__ == "__main__":
    sys.exit(main())
