"""What tests from outside share: one imported toolchain, one tiny atom in C and its build, made once a session whatever the workers."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import oracle
import pytest
from forging import Forger
from projects import Refused, Run, commit, everything, write_atom

PACKAGES = ("gcc", "libc6-dev", "make", "dash", "coreutils", "sed", "grep")
SMALL = ("dash", "coreutils", "sed")  # part of the closure of PACKAGES, for imports that only have to be real
SOURCE = '#include <stdio.h>\nint main(void) { puts("tiny"); return 0; }\n'
MAKEFILE = (
    "tiny: tiny.c\n\t$(CC) $(CFLAGS) -o tiny tiny.c\n"
    "install: tiny\n\tmkdir -p $(DESTDIR)/usr/bin\n\tcp tiny $(DESTDIR)/usr/bin/\n"
)


class Shared(NamedTuple):
    """A home with cache, data, key and a project whose atom `tiny` is locked, published, pushed to server.git and built; and what came of it."""

    home: Path
    told: dict[str, str]  # what `tell` gives

    @property
    def anchor(self) -> str:
        return self.told["anchor"]

    @property
    def output(self) -> str:
        return self.told["output"]

    @property
    def view(self) -> str:
        return self.told["view"]


class Scene:
    """A home of a test's own that begins as a copy of the shared one."""

    def __init__(self, home: Path, shared: Shared) -> None:
        self.home, self.shared = home, shared
        self.env = surroundings(home)
        self.project, self.server = home / "project", home / "server.git"
        self.cache, self.data = home / ".cache/git-atom", home / ".local/share/git-atom"
        self.store = self.data / "store.git"

    def run(
        self,
        *argv: str | Path,
        cwd: Path | None = None,
        status: int | None = 0,
        front: tuple[str, ...] = (),
        **env: str,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*front, *(str(a) for a in argv)], cwd=cwd or self.project, env=self.env | env, capture_output=True, text=True,
            errors="backslashreplace", timeout=600, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        told = f"{' '.join(map(str, argv))}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, told
        assert status is None or done.returncode == status, told
        return done

    def document(self, *argv: str | Path, **kwargs: Any) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.run(*argv, "--json", **kwargs).stdout)
        return value

    def struck(self, argv: tuple[str, ...], after: float | None, number: int) -> oracle.Ended:
        return oracle.struck(argv, after, number, cwd=self.project, env=self.env)

    def once_more(self, argv: tuple[str, ...]) -> oracle.Ended:
        """Run a command again after one that was killed, and do what a user is told to, or whoever runs the server, about locks it left."""
        for lock in self.server.rglob("*.lock"):
            lock.unlink()
        ended = self.struck(argv, None, signal.SIGKILL)
        while (lock := oracle.told_lock(ended.err)) is not None:
            assert lock.is_relative_to(self.project), ended
            lock.unlink()
            ended = self.struck(argv, None, signal.SIGKILL)
        return ended

    def state(self) -> dict[str, str]:
        """All that a command could leave half-written, objects and caches apart."""
        return oracle.state(self.project, self.server, self.store) | {
            "gitconfig": (self.home / ".gitconfig").read_text(),
            "data": str(sorted(os.listdir(self.data)) if self.data.exists() else "absent"),
        }

    def leftovers(self) -> list[str]:
        return oracle.leftovers(self.cache, self.data, self.project)

    def reset(self, *names: str) -> None:
        """Put parts of the home (relative paths) back to what the shared home holds."""
        for name in names:
            shutil.rmtree(self.home / name, ignore_errors=True)
            if (self.shared.home / name).exists():
                oracle.twin(self.shared.home / name, self.home / name)

    def unbuild(self) -> None:
        """Forget what was built, in store and cache."""
        for line in oracle.git(self.store, "for-each-ref", "--format=%(refname)", "refs/builds").splitlines():
            oracle.git(self.store, "update-ref", "-d", line)
        for name in ("verdicts", "requests", "outputs"):
            shutil.rmtree(self.cache / name, ignore_errors=True)


def surroundings(home: Path, path: str = "") -> dict[str, str]:
    """The environment of someone whose whole world is `home`."""
    kept = ("TERM", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "VENV")
    env = {k: v for k, v in os.environ.items() if k in kept or k.endswith("_proxy")}
    return env | {
        "PATH": path or f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "NO_COLOR": "1",
    }


def settle(home: Path, run: Callable[..., Any]) -> None:
    """Identity and key of someone new."""
    for key, value in (("user.name", "T"), ("user.email", "t@example.org"), ("init.defaultBranch", "main")):
        run("git", "config", "--global", key, value, cwd=home)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "key", cwd=home)
    run("git", "config", "--global", "gpg.format", "ssh", cwd=home)
    run("git", "config", "--global", "user.signingKey", "~/key.pub", cwd=home)


def suite() -> str:
    rows = (line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return dict(rows).get("VERSION_CODENAME", "").strip('"')


def write_tiny(folder: Path) -> None:
    folder.mkdir(parents=True)
    tools = ", ".join(f'"{name}"' for name in PACKAGES)
    (folder / "atom.toml").write_text(
        f'[atom]\nid = "tiny"\nversion = "1.0.0"\ntype = "package"\n[toolchain]\nsuite = "{suite()}"\ndebian = [{tools}]\n'
        '[build]\nrun = ["make -j${jobs}", "make install DESTDIR=${out}"]\n'
    )
    (folder / "tiny.c").write_text(SOURCE)
    (folder / "Makefile").write_text(MAKEFILE)


def tell(scene: Scene) -> dict[str, str]:
    """The whole story: a toolchain, a set, an atom locked, published and pushed, built, composed and run; what it came to."""
    project = scene.project
    scene.run("git", "init", "-q", project, cwd=scene.home)
    scene.run("git", "init", "-q", "--bare", scene.server, cwd=scene.home)
    scene.run("git", "remote", "add", "origin", scene.server)
    write_tiny(project / "tiny")
    owner = scene.home.stat()
    for path in (project / "tiny", *(project / "tiny").iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)
    world = scene.document("git", "compose", "import", "debian", *PACKAGES, "--as", "toolchain")
    scene.run("git", "atom", "lock", "tiny")
    scene.run("git", "add", ".")
    scene.run("git", "commit", "-qm", "tiny", GIT_AUTHOR_DATE="1700000000 +0000", GIT_COMMITTER_DATE="1700000000 +0000")
    scene.run("git", "push", "-q", "origin", "HEAD")
    anchor = scene.document("git", "atom", "init")["anchor"]
    scene.run("git", "atom", "publish", "tiny", "--push", "origin")
    scene.run("git", "build", "tiny")
    record = scene.document("git", "build", "show", "tiny")
    scene.run("git", "compose", "new", "app", "tiny", "toolchain/libc6")
    app = scene.document("git", "compose", "show", "app")
    assert scene.run("git", "compose", "run", "app", "--", "tiny").stdout == "tiny\n"
    commit = scene.run("git", "rev-parse", "refs/atoms/tiny/1.0.0^{commit}").stdout.strip()
    return {"anchor": anchor, "root": world["root"], "world-view": world["view"], "commit": commit, "output": record["output"],
            "app": app["root"], "view": app["view"]}  # fmt: skip


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """Made by whichever worker comes first; the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    home, told = base / "shared-home", base / "shared-home.json"
    with open(base / "shared-home.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            home.mkdir()
            scene = Scene(home, Shared(home, {}))
            settle(home, scene.run)
            told.write_text(json.dumps(tell(scene)))
    return Shared(home, json.loads(told.read_text()))


@pytest.fixture
def scene(shared: Shared, tmp_path: Path) -> Scene:
    """A copy of the shared home; its remote is the copy's own server.git."""
    made = Scene(oracle.twin(shared.home, tmp_path / "h"), shared)
    made.run("git", "remote", "set-url", "origin", made.server)
    return made


@pytest.fixture
def orphans() -> Iterator[Callable[[], None]]:
    """Call it to see that no process and no mount outlives the commands run since."""
    oracle.adopt()
    mounts = Path("/proc/self/mounts").read_text()
    before = oracle.children()

    def check() -> None:
        oracle.none_left(before)
        assert Path("/proc/self/mounts").read_text() == mounts

    yield check
    check()


def isolated(*flags: str) -> tuple[str, ...]:
    """The words in front of a command that give it namespaces of its own: as root just these, else with a user namespace besides."""
    return ("unshare", *flags) if os.geteuid() == 0 else ("unshare", "-r", *flags)


# --- a project of atoms, its server, another user; a set made step by step, and a server with the hook -----------------


@pytest.fixture
def atom(project: Path, key: Path, run: Run) -> Path:
    """A project with a set and one committed atom, zlib 1.3.1."""
    write_atom(project / "zlib", "zlib", "1.3.1")
    commit(run, project)
    run("git", "atom", "init", cwd=project)
    return project


@pytest.fixture
def server(home: Path, run: Run, atom: Path) -> Path:
    """A bare repository that checks what it receives, as `origin` of the project, with zlib 1.3.1 pushed to it."""
    path = home / "server.git"
    run("git", "init", "-q", "--bare", path)
    run("git", "config", "receive.fsckObjects", "true", cwd=path)
    run("git", "remote", "add", "origin", str(path), cwd=atom)
    run("git", "push", "-q", "origin", "HEAD:refs/heads/main", cwd=atom)
    run("git", "atom", "publish", "zlib", "--push", "origin", cwd=atom)
    return path


@pytest.fixture
def stranger(tmp_path: Path) -> dict[str, str]:
    """The environment of another user, without a key."""
    place = tmp_path / "stranger"
    place.mkdir()
    (place / ".gitconfig").write_text("[user]\n\tname = S\n\temail = s@example.org\n")
    return {
        "HOME": str(place),
        "XDG_CACHE_HOME": str(place / ".cache"),
        "XDG_DATA_HOME": str(place / ".local/share"),
        "XDG_CONFIG_HOME": str(place / ".config"),
        "GIT_CONFIG_GLOBAL": str(place / ".gitconfig"),
    }


@pytest.fixture
def bare(home: Path, run: Run) -> Path:
    """An empty bare repository with the hook."""
    path = home / "server.git"
    run("git", "init", "-q", "--bare", path)
    run("git", "atom", "hooks", "install", cwd=path)
    return path


@pytest.fixture
def forger(bare: Path, home: Path) -> Forger:
    """A set with a 1.0.0 that the server has; names a, b and c are claimed."""
    made = Forger(home / "forge.git").claim("a", "b", "c")
    first = made.add("a", "1.0.0")
    done = made.push(bare, *made.specs(first))
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def refused(bare: Path, forger: Forger) -> Refused:
    """Push, expect a refusal with this code, and the server exactly as before; returns what git said."""

    def push(code: str, *specs: str, cwd: Forger = forger, options: tuple[str, ...] = ("--atomic",)) -> str:
        before = everything(bare)
        done = cwd.push(bare, *specs, options=options)
        assert done.returncode == 1 and f"error[{code}]" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr and "ATOM-9004" not in done.stderr, done.stderr
        assert everything(bare) == before, "a refusal leaves nothing"
        return str(done.stderr)

    return push
