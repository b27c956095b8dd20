"""Publishing a monorepo of 1,000 atoms, `git atom publish --all --push`, against 1,000 × `git tag -s` and one push of the tags.

Both start from the same committed repository and push to an empty bare one beside it; the keys are the same.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from _set import atom, bare, cost, user

MANY = int(os.environ.get("PUBLISH_MANY", "1000"))
ROUNDS = int(os.environ.get("PUBLISH_ROUNDS", "3"))


def project(place: Path, env: dict[str, str]) -> Path:
    """A committed repository of many atoms, with a set and nothing published."""
    work = place / "work"
    for number in range(MANY):
        folder = work / "pkgs" / f"package-{number}"
        folder.mkdir(parents=True)
        text = f'[atom]\nid = "package-{number}"\nversion = "1.0.0"\ntype = "package"\n'
        (folder / "atom.toml").write_text(text)
        (folder / "source.c").write_text(f"/* {number} */\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run(["git", *words], cwd=work, env=env, check=True)
    cost(atom("init"), env, work)
    return work


def main() -> int:
    """Measure and print one line of JSON."""
    figures: list[dict[str, object]] = []

    def tell(what: str, value: float, unit: str, limit: float | None) -> None:
        figures.append({"what": what, "value": round(value, 4), "unit": unit, "limit": limit})

    tell("python3 -I -c pass", statistics.median(bare() for _ in range(15)), "ms", None)
    with tempfile.TemporaryDirectory(prefix="git-atom-bench-") as folder:
        place = Path(folder)
        env = user(place)
        work = project(place, env)
        script = f'for i in $(seq 0 {MANY - 1}); do git tag -s -m "package-$i 1.0.0" "package-$i/1.0.0" || exit 1; done'
        script += ' && git push -q "$1" "refs/tags/*:refs/tags/*"'
        ratios, cpus, walls = [], [], []
        for number in range(ROUNDS):
            # each round is the first: a store that has seen this set accepted elsewhere would bring it back instead
            shutil.rmtree(place / ".local/share/git-atom", ignore_errors=True)
            for who in ("ours", "peer"):
                shutil.copytree(work, place / f"{who}-{number}", symlinks=True)
                subprocess.run(["git", "init", "-q", "--bare", place / f"{who}-{number}.git"], env=env, check=True)
            target = str(place / f"ours-{number}.git")
            ours = cost(atom("publish", "--all", "--push", target), env, place / f"ours-{number}")
            target = str(place / f"peer-{number}.git")
            peer = cost(["sh", "-c", script, "sh", target], env, place / f"peer-{number}")
            ratios.append(ours.wall / peer.wall)
            cpus.append(ours.cpu / peer.cpu)
            walls.append(ours.wall)
        tell(f"publish and push {MANY} atoms: median", statistics.median(walls), "s", None)
        tell(f"  part of the time of {MANY} x git tag -s and a push", statistics.median(ratios), "x", 0.25)
        tell("  part of its CPU time", statistics.median(cpus), "x", None)
    print(json.dumps({"bench": "publish", "figures": figures, "note": f"{ROUNDS} rounds, paired"}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
