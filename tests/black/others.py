"""Being somebody else: what a user without rights runs, copied to where everybody can read it. Only root can use it."""

from __future__ import annotations

import atexit
import functools
import importlib.metadata as metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import git_atom

HERE = Path(__file__).resolve().parent
USER = 43210  # an ordinary user needs no account
KINDS = ("root", "user") if os.geteuid() == 0 else ("user",)  # of users, one of whom a test can be
AS_USER = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
AS_NOBODY = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]


def directory() -> Path:
    """A new directory anyone may enter, and that is gone when this process ends."""
    made = Path(tempfile.mkdtemp(prefix="git-atom-test-", dir="/var/tmp"))
    made.chmod(0o755)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@functools.cache
def python() -> str:
    """A Python of this version that others may run (through env: setpriv itself still has root's reach when it starts a program)."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (os.path.realpath(sys.executable), f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if subprocess.run([*AS_USER, "env", path, "-I", "-c", "import ssl"], capture_output=True).returncode == 0:
            return path
    pytest.fail(f"no {version} that others than root may run; install one in /usr")


@functools.cache
def suite() -> Path:
    """A directory for PYTHONPATH: the suite, all it needs, and the programs of these tests."""
    lib = directory()
    for source in (Path(git_atom.__file__).parent, HERE):
        shutil.copytree(source, lib / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE.parent / "tiny.py", lib)
    wanted, seen = ["git_atom"], set()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            dist = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another Python or system
        wanted += [re.match(r"[\w.-]+", r)[0] for r in dist.requires or () if "extra ==" not in r]  # type: ignore[index]
        for file in dist.files or () if name != "git_atom" else ():
            source = Path(str(dist.locate_file(file)))
            if ".." not in file.parts and source.suffix != ".pyc" and source.exists():
                (lib / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, lib / file)
    subprocess.run(["chmod", "-R", "a+rX", lib], check=True)
    return lib


@functools.cache
def commands() -> Path:
    """A directory for PATH with the suite's three commands."""
    made = directory()
    for tool in ("atom", "build", "compose"):
        script = made / f"git-{tool}"
        script.write_text(
            f"#!{python()} -sE\nimport sys\nsys.path.insert(0, {str(suite())!r})\n"
            f"from git_atom.cli.main import git_{tool}\nsys.exit(git_{tool}())\n"
        )
        script.chmod(0o755)
    return made


@functools.cache
def path() -> str:
    """This process's PATH with copies of the directories others cannot enter, as far as they hold programs that tests run."""
    entries = []
    for entry in os.environ["PATH"].split(":"):
        if not os.path.exists(f"{entry}/bwrap") or _reached(f"{entry}/bwrap"):
            entries.append(entry)
            continue
        prefix = directory() / "tools"  # as tools/setup makes them: bin beside root, relative to each other
        shutil.copytree(os.path.dirname(entry), prefix, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", prefix], check=True)
        entries.append(str(prefix / "bin"))
    return ":".join(entries)


def _reached(program: str) -> bool:
    return subprocess.run([*AS_USER, "env", program, "--version"], capture_output=True).returncode == 0
