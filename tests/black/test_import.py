"""`git compose import debian` from outside: real packages, the machine's apt left as it is, the network gone, as root and as a user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import others
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.needs("apt-get", "bwrap")]

MACHINE = ("/etc/apt", "/var/lib/apt", "/var/cache/apt", "/var/lib/dpkg/status")
NOWHERE = "http://127.0.0.1:9"  # a proxy that is not there is a network that is gone
PACKAGES = ("dash", "grep", "coreutils")


class Who:
    """A user with a home of their own, who runs `git compose`."""

    def __init__(self, home: Path, front: list[str], path: str) -> None:
        self.home, self.front, self.path = home, front, path

    def compose(self, *argv: str, status: int = 0, offline: bool = False) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if k in ("SSL_CERT_FILE", "SSL_CERT_DIR") or k.endswith("_proxy")}
        env = {"PATH": self.path, "HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8", **kept}
        if offline:
            env |= {"http_proxy": NOWHERE, "https_proxy": NOWHERE}
        done = subprocess.run(
            [*self.front, "-c", "import sys; from git_atom.cli.main import git_compose; sys.exit(git_compose())", *argv],
            env=env, cwd=self.home, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert "Traceback" not in done.stderr and done.returncode == status, (
            f"{argv} {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done

    def document(self, *argv: str, **kwargs: Any) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.compose(*argv, "--json", **kwargs).stdout)
        return value


@pytest.fixture(scope="module", params=others.KINDS)
def who(request: pytest.FixtureRequest) -> Iterator[Who]:
    """One home for all tests of this file, so that lists and packages are fetched once."""
    place = Path(subprocess.check_output(["mktemp", "-d", "/var/tmp/git-atom-test-XXXXXX"], text=True).strip())
    place.chmod(0o755)
    home = place / "home"
    home.mkdir()
    front, path = [sys.executable], os.environ["PATH"]
    if request.param == "user" and os.geteuid() == 0:
        front = [*others.AS_USER, "env", f"PYTHONPATH={others.suite()}", others.python()]
        path = others.path()
        os.chown(home, others.USER, others.USER)
    yield Who(home, front, path)
    shutil.rmtree(place, ignore_errors=True)


def state_of_the_machine() -> dict[str, tuple[int, int, int]]:
    """Every file of the machine's apt and dpkg with inode, size and time."""
    found = {}
    for top in MACHINE:
        for path in [top, *(os.path.join(d, n) for d, ds, ns in os.walk(top) for n in ds + ns)]:
            seen = os.lstat(path)
            found[path] = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
    return found


def test_without_lists_and_network_it_says_so(who: Who) -> None:
    err = who.compose("import", "debian", "dash", "--as", "none", status=6, offline=True).stderr
    assert "error[ATOM-5002]" in err and "hint: check the network" in err
    assert who.compose("list").stdout == ""


def test_import_again_and_offline(who: Who) -> None:
    before = state_of_the_machine()
    first = who.document("import", "debian", *PACKAGES, "--as", "world")
    assert state_of_the_machine() == before
    assert {"dash", "grep", "coreutils", "libc6", "libpcre2-8-0"} <= {p["name"] for p in first["packages"]}
    assert [p["name"] for p in first["packages"]] == sorted(p["name"] for p in first["packages"])
    assert all(p["digest"].startswith("blake3:") and p["version"] and p["architecture"] for p in first["packages"])

    again = who.compose("import", "debian", *reversed(PACKAGES), "--as", "world", offline=True)
    assert again.stdout.split() == ["world", first["root"]] and "known already" in again.stderr
    assert len(who.compose("log", "world").stdout.splitlines()) == 1
    shutil.rmtree(who.home / ".cache/git-atom/imports")
    assert who.document("import", "debian", *PACKAGES, "--as", "world", offline=True) == first

    shutil.rmtree(who.home / ".cache/git-atom/debs", ignore_errors=True)
    shutil.rmtree(who.home / ".cache/git-atom/imports", ignore_errors=True)
    (who.home / ".local/share/git-atom/store.git").rename(who.home / "old.git")
    assert who.document("import", "debian", *PACKAGES, "--as", "other", offline=True)["root"] == first["root"]


def test_the_composition_is_whole_and_runs(who: Who) -> None:
    made = who.document("import", "debian", *PACKAGES, "--as", "world")
    shown = who.document("show", "world")
    assert (shown["root"], shown["view"]) == (made["root"], made["view"])
    entries = {entry["path"]: entry for entry in shown["entries"] if entry["path"]}
    assert entries["bin"]["target"] == "usr/bin" and entries["bin"]["kind"] == "symlink"
    origins = [entry["origin"] for entry in shown["entries"]]
    assert any(origin.split()[2:3] == ["dash"] for origin in origins)
    assert "verified" in who.compose("verify", "world").stdout
    store = who.home / ".local/share/git-atom/store.git"
    git = ["git", "-c", f"safe.directory={store}", "--git-dir", str(store)]
    subprocess.run([*git, "fsck", "--strict"], check=True, capture_output=True)
    said = who.compose("run", "world", "--", "sh", "-c", "echo one two | grep -o two; ls -d /usr /bin")
    assert said.stdout.split() == ["two", "/bin", "/usr"]


def test_what_cannot_be_imported(who: Who) -> None:
    err = who.compose("import", "debian", "coreutil", "--as", "x", status=128).stderr
    assert "error[ATOM-5004]" in err and "did you mean 'coreutils'?" in err
    for word in ("dash-", "./dash.deb", "dash/sid", "das.*", "dash=0"):
        err = who.compose("import", "debian", word, "--as", "x", status=128).stderr
        assert "error[ATOM-500" in err
    assert "ATOM-5001" in who.compose("import", "debian", "dash", "--suite", "../up", status=128).stderr
    assert "x " not in who.compose("list").stdout


def test_a_damaged_package_is_fetched_anew(who: Who) -> None:
    (deb,) = (who.home / ".cache/git-atom/apt/archives").glob("dash_*.deb")
    data = bytearray(deb.read_bytes())
    data[len(data) // 2] ^= 1
    deb.write_bytes(data)
    shutil.rmtree(who.home / ".cache/git-atom/debs")
    shutil.rmtree(who.home / ".cache/git-atom/imports")
    assert "error[ATOM-5006]" in who.compose("import", "debian", "dash", "--as", "mended", status=7).stderr
    assert "mended" in who.compose("import", "debian", "dash", "--as", "mended").stdout


def test_two_at_once_do_not_disturb_each_other(who: Who) -> None:
    for name in ("imports", "debs"):
        shutil.rmtree(who.home / f".cache/git-atom/{name}", ignore_errors=True)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda n: who.document("import", "debian", "grep", "--as", f"at-once-{n}"), range(3)))
    assert len({one["root"] for one in made}) == 1
