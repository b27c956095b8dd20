"""What it costs to take in a world: 78 downloaded .debs verified, digested and stored in git, against a loop of `dpkg-deb -x`.

Both run once a round, in alternating order, on the same file system, what was written before synced first. Ours checks the SHA-256 of
each file, computes SHA-1 and BLAKE3 of every member, and ends when pack and index are synced; `dpkg-deb -x` checks and syncs nothing.
The packages are fetched into the user's cache on the first run. `-n <rounds>`; default 7.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from git_atom.core.host import Host, Progress
from git_atom.core.tree import encode_listing
from git_atom.git.pack import PackWriter
from git_atom.git.repo import store
from git_atom.ingest.apt import AptState
from git_atom.ingest.deb import unpack_all

PACKAGES = (
    "gcc", "libc6-dev", "make", "dash", "coreutils", "sed", "grep", "bash", "gawk", "tar", "xz-utils", "findutils", "diffutils",
    "perl-base", "gzip", "bzip2",
)  # fmt: skip
LIMIT = 1.2


def main(argv: list[str]) -> int:
    """Measure and print one line of JSON."""
    rounds = int(argv[1]) if argv[:1] == ["-n"] else 7
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "git-atom"
    state = AptState(host(cache, cache))
    debs = state.closure(PACKAGES)
    files = list(zip(state.download(debs), [deb.sha256 for deb in debs], strict=True))
    with tempfile.TemporaryDirectory(prefix="bench-import-", dir=cache) as place:
        for path, _ in files:
            Path(path).read_bytes()  # both find the page cache warm
        ours: list[float] = []
        theirs: list[float] = []
        for index in range(rounds):
            pair = [(ours, take_in), (theirs, extract)]
            for times, contestant in pair if index % 2 else reversed(pair):
                os.sync()
                times.append(contestant(files, Path(place) / f"{index}-{contestant.__name__}", cache))
    report(len(files), ours, theirs)
    return 0


def host(cache: Path, data: Path) -> Host:
    """A host whose cache and data lie where we say."""
    environ = dict(os.environ) | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return Host(os.getcwd(), environ, str(Path.home()), str(cache), str(data), str(data), os.getuid(), Progress())


def take_in(files: list[tuple[str, str]], place: Path, cache: Path) -> float:
    """Seconds to bring the packages into an empty store of their own."""
    place.mkdir()
    repo = store(host(cache, place))
    start = time.perf_counter()
    with PackWriter(repo) as writer:
        packages = unpack_all(files, writer, os.environ, len(os.sched_getaffinity(0)))
        writer.finish()
    for number, package in enumerate(packages):
        (place / str(number)).write_bytes(encode_listing(package.leaves))
    seconds = time.perf_counter() - start
    shutil.rmtree(place)
    return seconds


def extract(files: list[tuple[str, str]], place: Path, cache: Path) -> float:
    """Seconds of `dpkg-deb -x` for one package after another."""
    place.mkdir()
    start = time.perf_counter()
    for path, _ in files:
        subprocess.run(["dpkg-deb", "-x", path, str(place)], check=True)
    seconds = time.perf_counter() - start
    shutil.rmtree(place)
    return seconds


def report(packages: int, ours: list[float], theirs: list[float]) -> None:
    """Print the line."""
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    figures = [
        {
            "what": f"import of {packages} packages / dpkg-deb -x loop",
            "value": round(ratio, 3),
            "unit": "ratio",
            "limit": LIMIT,
        },
        {"what": "import, median", "value": round(statistics.median(ours), 2), "unit": "s", "limit": None},
        {"what": "dpkg-deb -x loop, median", "value": round(statistics.median(theirs), 2), "unit": "s", "limit": None},
    ]
    print(
        json.dumps(
            {
                "bench": "import",
                "figures": figures,
                "ratio_median": round(ratio, 3),
                "limit": LIMIT,
                "rounds": len(ours),
            }
        )
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
