"""How long a person waits at the prompt: `git atom -h`, and `git atom list` in a repository with published atoms.

The repository is made by the suite itself: a key, a set, and a handful of atoms with several versions each. The commands run
interleaved with `python3 -I -c pass`, so that the ratios hold on a busy machine, too.
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

ROUNDS = 25
NAMES = ("zlib", "curl", "openssl", "expat", "sqlite")
VERSIONS = ("1.0.0", "1.1.0", "2.0.0")
LIMIT = 100.0  # milliseconds


def main() -> int:
    """Measure and print one line of JSON."""
    with tempfile.TemporaryDirectory(prefix="git-atom-bench-") as place:
        home = Path(place)
        env = environment(home)
        project = make_project(home, env)
        # through the executables themselves: what a person waits for also has git's own start when they type `git atom`
        atom = shutil.which("git-atom", path=f"{Path(sys.executable).parent}:{env['PATH']}") or "git-atom"
        commands = {
            "python3 -I -c pass": [sys.executable, "-I", "-c", "pass"],
            "git atom -h": [atom, "-h"],
            "git atom list": [atom, "list"],
            "git for-each-ref": ["git", "for-each-ref", "refs/atoms"],
        }
        times = measure(commands, project, env)
    print(
        json.dumps({"bench": "start", "figures": figures(times), "rounds": ROUNDS, "atoms": len(NAMES) * len(VERSIONS)})
    )
    return 0


def environment(home: Path) -> dict[str, str]:
    """The environment of a user whose whole world is `home`."""
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}"
    return {"PATH": path, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}


def make_project(home: Path, env: dict[str, str]) -> Path:
    """A repository with every name in every version published."""
    project = home / "project"

    def run(*argv: str) -> None:
        subprocess.run(argv, cwd=project if project.exists() else home, env=env, check=True, stdout=subprocess.DEVNULL)

    key = home / "key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    for name, value in (
        ("user.name", "Bench"), ("user.email", "bench@example.org"), ("gpg.format", "ssh"), ("user.signingKey", f"{key}.pub"),
        ("init.defaultBranch", "main"),
    ):  # fmt: skip
        run("git", "config", "--global", name, value)
    run("git", "init", "-q", str(project))
    for index, version in enumerate(VERSIONS):
        for name in NAMES:
            folder = project / name
            folder.mkdir(exist_ok=True)
            (folder / "atom.toml").write_text(f'[atom]\nid = "{name}"\nversion = "{version}"\ntype = "package"\n')
            (folder / "source.c").write_text(f"/* {name} {version} */\n")
        run("git", "add", ".")
        run("git", "commit", "-qm", version)
        if index == 0:
            run("git-atom", "init", "-q")
        run("git-atom", "publish", "-q", "--all")
    return project


def measure(commands: dict[str, list[str]], project: Path, env: dict[str, str]) -> dict[str, list[float]]:
    """Wall-clock milliseconds of each command, one after the other in each round; the first round only warms up."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for index in range(ROUNDS + 1):
        for name, argv in commands.items():
            begin = time.perf_counter()
            subprocess.run(argv, cwd=project, env=env, check=True, stdout=subprocess.DEVNULL)
            if index:
                times[name].append((time.perf_counter() - begin) * 1000)
    return times


def figures(times: dict[str, list[float]]) -> list[dict[str, object]]:
    """Medians, and their ratios to the start of the interpreter alone."""
    medians = {name: statistics.median(values) for name, values in times.items()}
    bare = medians["python3 -I -c pass"]
    out: list[dict[str, object]] = []
    for name, value in medians.items():
        limit = LIMIT if name.startswith("git atom") else None
        out.append({"what": f"{name}: median", "value": round(value, 1), "unit": "ms", "limit": limit})
        if limit:
            out.append(
                {
                    "what": f"{name}: to python3 -I -c pass",
                    "value": round(value / bare, 2),
                    "unit": "times",
                    "limit": None,
                }
            )
    return out


if __name__ == "__main__":
    sys.exit(main())
