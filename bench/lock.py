"""`git atom lock` with 200 dependencies, and of 200 atoms of one repository: on what is unchanged, with every network protocol forbidden,
and what the first lock takes.

The sets are made by the suite itself: ten repositories with twenty atoms each, every fourth atom needing one of another set, so that
two chains meet at many names. Times are interleaved with `python3 -I -c pass`.
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

SETS, ATOMS, ROUNDS = 10, 20, 15
LIMIT = 200.0  # milliseconds
NO_NETWORK = {"GIT_ALLOW_PROTOCOL": "none"}  # git refuses to speak to anything, files included


def main() -> int:
    """Measure and print one line of JSON."""
    with tempfile.TemporaryDirectory(prefix="git-atom-bench-") as place:
        home = Path(place)
        path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}"
        env = {"PATH": path, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
        atom = shutil.which("git-atom", path=path) or "git-atom"
        project = make(home, env, atom)
        begin = time.perf_counter()
        call(env, project, atom, "lock", "-q")
        first = (time.perf_counter() - begin) * 1000
        text = (project / "atom.lock").read_bytes()
        times = measure(env, project, atom)
        shutil.rmtree(home / ".cache")
        begin = time.perf_counter()
        call(env | NO_NETWORK, project, atom, "lock", "-q")
        again = (time.perf_counter() - begin) * 1000
        if (project / "atom.lock").read_bytes() != text or text.count(b"[[atoms]]") != SETS * ATOMS:
            raise SystemExit("the lock changed")
        alone, linked = workspace(home, env, atom, linked=False), workspace(home, env, atom, linked=True)
    bare, value = statistics.median(times["bare"]), statistics.median(times["lock"])
    figures = [
        {"what": "git atom lock, 200 dependencies unchanged: median", "value": round(value, 1), "unit": "ms", "limit": LIMIT},
        {"what": "the same: to python3 -I -c pass", "value": round(value / bare, 2), "unit": "times", "limit": None},
        {"what": "the same with an empty cache, everything read and solved again", "value": round(again, 1), "unit": "ms", "limit": None},
        {"what": "the first lock, 200 atoms fetched and verified", "value": round(first, 1), "unit": "ms", "limit": None},
        {"what": "git atom lock --all, 200 atoms with a dependency each, unchanged: median", "value": alone, "unit": "ms", "limit": None},
        {"what": "the same, each needing one or two others by path", "value": linked, "unit": "ms", "limit": None},
    ]  # fmt: skip
    print(
        json.dumps(
            {"bench": "lock", "figures": figures, "note": f"{SETS} sets, {ATOMS} atoms each; no protocol allowed"}
        )
    )
    return 0


def call(env: dict[str, str], cwd: Path, *argv: str) -> str:
    """Run a program that must succeed; its output."""
    return subprocess.run(argv, cwd=cwd, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def make(home: Path, env: dict[str, str], atom: str) -> Path:
    """The sets, and a project that depends on every atom of them."""
    call(env, home, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / "key"))
    for setting, value in (
        ("user.name", "Bench"), ("user.email", "bench@example.org"), ("gpg.format", "ssh"), ("user.signingKey", f"{home}/key.pub"),
        ("init.defaultBranch", "main"),
    ):  # fmt: skip
        call(env, home, "git", "config", "--global", setting, value)
    urls = [f"file://{home}/set{at}.git" for at in range(SETS)]
    for at in range(SETS):
        publish(home, env, atom, at, urls)
    project = home / "project"
    call(env, home, "git", "init", "-q", str(project))
    deps = "".join(
        f'[deps.{name(a, n)}]\nurl = "{urls[a]}"\nversion = "^1"\n' for a in range(SETS) for n in range(ATOMS)
    )
    (project / "atom.toml").write_text(f'[atom]\nid = "app"\nversion = "1.0.0"\n{deps}')
    return project


def workspace(home: Path, env: dict[str, str], atom: str, *, linked: bool) -> float:
    """Milliseconds to see that a repository of 200 atoms is unchanged."""
    project = home / f"workspace{linked:d}"
    call(env, home, "git", "init", "-q", str(project))
    for at in range(SETS * ATOMS):
        folder = project / f"a{at}"
        folder.mkdir()
        needs = [f'url = "file://{home}/set0.git"\nversion = "^1"\n']
        keys = [name(0, at % ATOMS)]
        for other in sorted({at // 2, at - 1} - {at, -1}) if linked else ():
            keys.append(f"a{other}")
            needs.append(f'path = "../a{other}"\n')
        deps = "".join(f"[deps.{key}]\n{need}" for key, need in zip(keys, needs, strict=True))
        (folder / "atom.toml").write_text(f'[atom]\nid = "a{at}"\nversion = "1.0.0"\n{deps}')
        (folder / "source.c").write_text(f"/* {at} */\n")
    call(env, project, atom, "lock", "-q", "--all")
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        call(env | NO_NETWORK, project, atom, "lock", "-q", "--all", "--locked")
        times.append((time.perf_counter() - begin) * 1000)
    return round(statistics.median(times), 1)


def name(at: int, number: int) -> str:
    """The name of one atom of one set."""
    return f"s{at}n{number}"


def publish(home: Path, env: dict[str, str], atom: str, at: int, urls: list[str]) -> None:
    """One set: every fourth of its atoms needs one of the set before."""
    repo = home / f"set{at}"
    call(env, home, "git", "init", "-q", "--bare", f"{repo}.git")
    call(env, home, "git", "init", "-q", str(repo))
    call(env, repo, "git", "remote", "add", "origin", urls[at])
    for number in range(ATOMS):
        folder = repo / name(at, number)
        folder.mkdir()
        needs = (
            f'[deps.{name(at - 1, number)}]\nurl = "{urls[at - 1]}"\nversion = "^1"\n' if number % 4 == 1 and at else ""
        )
        (folder / "atom.toml").write_text(f'[atom]\nid = "{name(at, number)}"\nversion = "1.0.0"\n{needs}')
        (folder / "source.c").write_text(f"/* {at} {number} */\n")
        if needs:
            call(env, repo, atom, "lock", "-q", str(folder))
    call(env, repo, "git", "add", ".")
    call(env, repo, "git", "commit", "-qm", "first")
    call(env, repo, atom, "init", "-q")
    call(env, repo, atom, "publish", "-q", "--all", "--push", "origin")


def measure(env: dict[str, str], project: Path, atom: str) -> dict[str, list[float]]:
    """Wall-clock milliseconds of the unchanged lock and of a bare interpreter, in turns; the first round only warms up."""
    times: dict[str, list[float]] = {"bare": [], "lock": []}
    for index in range(ROUNDS + 1):
        for what, argv in (("bare", [sys.executable, "-I", "-c", "pass"]), ("lock", [atom, "lock", "-q"])):
            begin = time.perf_counter()
            call(env | NO_NETWORK, project, *argv)
            if index:
                times[what].append((time.perf_counter() - begin) * 1000)
    return times


if __name__ == "__main__":
    sys.exit(main())
