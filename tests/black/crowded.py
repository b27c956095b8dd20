"""Fill a file system, run a command on it, make room, run it again; started in a mount namespace of its own by test_bad_input.py.

    crowded.py <directory> <bytes to leave free> <working directory> <command>...

The directory becomes a tmpfs with what it held before. Prints JSON: status and standard error of both runs, and the state of the
directory's repositories before and after the first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import oracle


def main() -> int:
    place, left, cwd, argv = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    aside = place.with_name(place.name + ".aside")
    place.rename(aside)
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", place], check=True)
    subprocess.run(["cp", "-a", f"{aside}/.", place], check=True)
    repos = [place / name for name in os.environ["CROWDED"].split()]
    room = os.statvfs(place)
    used = (room.f_blocks - room.f_bavail) * room.f_frsize
    _resize(place, str(used + left))
    before = oracle.state(*repos)
    first = subprocess.run(argv, cwd=cwd, capture_output=True, text=True)
    after = oracle.state(*repos)
    _resize(place, "2g")
    second = subprocess.run(argv, cwd=cwd, capture_output=True, text=True)
    rows = [{"status": one.returncode, "out": one.stdout, "err": one.stderr} for one in (first, second)]
    print(json.dumps({"first": rows[0], "second": rows[1], "before": before, "after": after}))
    return 0


def _resize(place: Path, size: str) -> None:
    """With its source named, mount(8) takes no options from the table of mounts: in a user namespace its uid= would not be valid."""
    subprocess.run(["mount", "-o", f"remount,size={size}", "tmpfs", place], check=True)


if __name__ == "__main__":
    sys.exit(main())
