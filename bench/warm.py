"""How long `git build` takes when everything is built already: one atom, and one that needs another of the same repository.

Both are tiny and really built once, in the real sandbox; the commands then run interleaved with `python3 -I -c pass`, so that
the ratios hold on a busy machine, too.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _ground

ROUNDS = 25
LIMIT = 100.0  # milliseconds
TOOLS = ("gcc", "libc6-dev", "make", "dash", "coreutils")
LIBRARY = {
    "one.c": "int one(void) { return 1; }\n",
    "one.h": "int one(void);\n",
    "Makefile": "libone.so: one.c\n\tcc -shared -fPIC -Wl,-soname,libone.so -o $@ one.c\n"
    "install: libone.so\n\tmkdir -p $(DESTDIR)/usr/lib $(DESTDIR)/usr/include\n"
    "\tcp libone.so $(DESTDIR)/usr/lib/\n\tcp one.h $(DESTDIR)/usr/include/\n",
}
PROGRAM = {
    "main.c": "#include <one.h>\nint main(void) { return one() - 1; }\n",
    "Makefile": "main: main.c\n\tcc -o $@ main.c -lone\n"
    "install: main\n\tmkdir -p $(DESTDIR)/usr/bin\n\tcp main $(DESTDIR)/usr/bin/\n",
}


def main() -> int:
    """Measure and print one line of JSON."""
    user = _ground.host()
    env = dict(user.environ) | {
        "PATH": f"{Path(sys.executable).parent}:{user.environ['PATH']}",
        "XDG_CACHE_HOME": f"{user.home}/warm/cache",
        "XDG_DATA_HOME": f"{user.home}/warm/data",
    }
    with tempfile.TemporaryDirectory(prefix="git-atom-bench-") as place:
        project = Path(place) / "project"
        make_project(project, env)
        build = shutil.which("git-build", path=env["PATH"]) or "git-build"
        commands = {
            "python3 -I -c pass": [sys.executable, "-I", "-c", "pass"],
            "git build, built": [build, "one"],
            "git build, built, with a dependency": [build, "main"],
        }
        times = measure(commands, project, env)
    print(json.dumps({"bench": "warm", "figures": figures(times), "rounds": ROUNDS}))
    return 0


def make_project(project: Path, env: dict[str, str]) -> None:
    """A repository with a library and a program that needs it, both built."""

    def run(*argv: str) -> None:
        subprocess.run(argv, cwd=project, env=env, check=True, stdout=sys.stderr)

    for name, files, extra in (("one", LIBRARY, ""), ("main", PROGRAM, '[deps.one]\npath = "../one"\n')):
        folder = project / name
        folder.mkdir(parents=True)
        tools = ", ".join(f'"{tool}"' for tool in TOOLS)
        (folder / "atom.toml").write_text(
            f'[atom]\nid = "{name}"\nversion = "1.0.0"\n{extra}[toolchain]\nsuite = "{suite()}"\ndebian = [{tools}]\n'
            '[build]\nrun = ["make", "make install DESTDIR=${out}"]\n'
        )
        for path, text in files.items():
            (folder / path).write_text(text)
    run("git", "init", "-q", ".")
    for name in ("one", "main"):
        run("git-atom", "lock", name)
    run("git-build", "main")
    run("git-build", "main")


def suite() -> str:
    """The codename of this machine's own suite."""
    rows = (line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return dict(rows).get("VERSION_CODENAME", "").strip('"')


def measure(commands: dict[str, list[str]], project: Path, env: dict[str, str]) -> dict[str, list[float]]:
    """Wall-clock milliseconds of each command, one after the other in each round; the first round only warms up."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for index in range(ROUNDS + 1):
        for name, argv in commands.items():
            begin = time.perf_counter()
            done = subprocess.run(argv, cwd=project, env=env, check=True, capture_output=True, text=True)
            spent = (time.perf_counter() - begin) * 1000
            if "(built," in done.stdout:
                raise SystemExit(f"{name}: it was not built already")
            if index:
                times[name].append(spent)
    return times


def figures(times: dict[str, list[float]]) -> list[dict[str, object]]:
    """Medians, and their ratios to the start of the interpreter alone."""
    medians = {name: statistics.median(values) for name, values in times.items()}
    bare = medians["python3 -I -c pass"]
    out: list[dict[str, object]] = []
    for name, value in medians.items():
        ours = name.startswith("git build")
        out.append(
            {"what": f"{name}: median", "value": round(value, 1), "unit": "ms", "limit": LIMIT if ours else None}
        )
        if ours:
            ratio = {"what": f"{name}: to python3 -I -c pass", "value": round(value / bare, 2), "unit": "times"}
            out.append(ratio | {"limit": None})
    return out


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
