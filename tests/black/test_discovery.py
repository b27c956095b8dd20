"""`git atom list` of other repositories: by the log or by refs, over a path, ssh, http and https, whatever the server speaks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from forging import Forger, Made
from servers import Backend, certificate, http, ssh

Run = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.slow
LISTED = ["a 1.0.0", "a 1.1.0"]


class Counted(Backend):
    """The backend, with what it answered kept."""

    asked: list[bytes] = []

    def _body(self) -> bytes:
        Counted.asked.append(super()._body())
        return Counted.asked[-1]


class Old(Backend):
    """A server that speaks no protocol but the first."""

    def do_POST(self) -> None:  # noqa: N802
        del self.headers["Git-Protocol"]
        super().do_POST()

    do_GET = do_POST  # noqa: N815


@pytest.fixture
def forger(home: Path, run: Run) -> Forger:
    """A repository that serves a set with two versions of a and one of b, and a ref that is none of a set's."""
    made = Forger(home / "set.git").claim("a", "b")
    rows = [made.add("a", "1.0.0"), made.add("a", "1.1.0", "1.0.0"), made.add("b", "2.0.0")]
    serve(made, run, *rows)
    run("git", "update-ref", "refs/atoms/a/latest/x", made.head, cwd=made.path)
    return made


def serve(forger: Forger, run: Run, *rows: Made) -> None:
    for spec in forger.specs(*rows):
        oid, ref = spec.split(":")
        run("git", "update-ref", ref, oid, cwd=forger.path)


def check_all_ways(run: Run, source: str, home: Path) -> None:
    done = run("git", "atom", "list", source, "a", cwd=home)
    assert done.stdout.splitlines() == LISTED
    quick = run("git", "atom", "list", "--unverified", source, "a", cwd=home)
    assert quick.stdout.splitlines() == [f"{line} unverified" for line in LISTED]
    assert "'refs/atoms/a/latest/x' is not a ref of a set; skipped" in quick.stderr
    assert "note: nothing of this is verified" in quick.stderr
    run("git", "atom", "list", "--unverified", source, "none", cwd=home, status=1)
    rows = json.loads(run("git", "atom", "list", "--unverified", "--json", source, cwd=home).stdout)["items"]
    assert [(r["name"], r["version"], r["state"], r["trusted"]) for r in rows] == [
        ("a", "1.0.0", "unverified", "false"), ("a", "1.1.0", "unverified", "false"), ("b", "2.0.0", "unverified", "false"),
    ]  # fmt: skip


def test_paths(forger: Forger, run: Run, home: Path) -> None:
    check_all_ways(run, str(forger.path), home)
    check_all_ways(run, f"file://{forger.path}", home)
    check_all_ways(run, "./set.git", home)


def test_http(forger: Forger, run: Run, home: Path) -> None:
    with http(home) as url:
        check_all_ways(run, f"{url}/set.git", home)
        run("git", "config", "--global", f"url.{url}/.insteadOf", "http://nowhere.invalid/")
        check_all_ways(run, "http://nowhere.invalid/set.git", home)


def test_https(forger: Forger, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with http(home, tls=certificate(home)) as url:
        done = run("git", "atom", "list", "--unverified", f"{url}/set.git", "a", cwd=home, status=6)
        assert "error[ATOM-2011]" in done.stderr and "certificate" in done.stderr
        monkeypatch.setenv("GIT_SSL_CAINFO", str(home / "tls.pem"))
        check_all_ways(run, f"{url}/set.git", home)


def test_ssh(forger: Forger, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "login")
    for accepted in ("GIT_PROTOCOL", ""):  # most servers' sshd drops that variable, and git speaks version 0 then
        place = home / f"sshd{accepted}"
        with ssh(place, [(home / "login.pub").read_text().strip()], "/usr/bin:/bin", home, accept=accepted) as (
            port,
            command,
        ):
            monkeypatch.setenv("GIT_SSH_COMMAND", command.replace(f"{place}/user", str(home / "login")))
            check_all_ways(run, f"ssh://127.0.0.1:{port}{forger.path}", home)
    done = run("git", "atom", "list", "--unverified", f"ssh://127.0.0.1:{port}/x", "a", cwd=home, status=6)
    assert "error[ATOM-2011]" in done.stderr


def test_old_servers(forger: Forger, run: Run, home: Path) -> None:
    with http(home, Old) as url:
        check_all_ways(run, f"{url}/set.git", home)


def test_only_the_wanted_name_is_asked_for(forger: Forger, run: Run, home: Path) -> None:
    with http(home, Counted) as url:
        Counted.asked.clear()
        run("git", "atom", "list", "--unverified", f"{url}/set.git", "a", cwd=home)
        assert [body for body in Counted.asked if b"ref-prefix refs/atoms/a/\n" in body]
        assert not [body for body in Counted.asked if b"command=fetch" in body]


def test_without_a_log(forger: Forger, run: Run, home: Path) -> None:
    run("git", "update-ref", "-d", "refs/atoms-log/head", cwd=forger.path)
    done = run("git", "atom", "list", str(forger.path), "a", cwd=home)
    assert done.stdout.splitlines() == [f"{line} unverified" for line in LISTED]
    assert "nothing of this is verified; there is no log to do it by" in done.stderr
    assert "refs/atoms/a/latest/x" in done.stderr
    run("git", "init", "-q", "--bare", home / "empty.git")
    assert "error[ATOM-8011]" in run("git", "atom", "list", str(home / "empty.git"), cwd=home, status=6).stderr
    assert run("git", "atom", "list", "--unverified", str(home / "empty.git"), cwd=home).stdout == ""
    run("git", "atom", "list", "--unverified", str(home / "none.git"), cwd=home, status=6)
    run("git", "atom", "list", "--unverified", "a", cwd=home, status=129)
    run("git", "atom", "list", "--unverified", str(forger.path), "../a", cwd=home, status=7)


def test_a_log_without_trust_is_not_kept_and_a_trusted_one_costs_what_is_new(
    forger: Forger, run: Run, home: Path
) -> None:
    store = home / ".local/share/git-atom/store.git"
    source = str(forger.path)
    anchor = json.loads(run("git", "atom", "list", "--json", source, cwd=home).stdout)["items"][0]["anchor"]
    assert run("git", "for-each-ref", "refs/sets", cwd=store).stdout == ""
    run("git", "atom", "trust", "add", anchor, cwd=home)
    run("git", "atom", "list", source, cwd=home)
    assert forger.head in run("git", "for-each-ref", "refs/sets", cwd=store).stdout
    early = forger.head
    serve(forger, run, forger.add("b", "2.1.0", "2.0.0"))
    with http(home, Counted) as url:
        Counted.asked.clear()
        assert "b 2.1.0" in run("git", "atom", "list", f"{url}/set.git", "b", cwd=home).stdout
        assert any(f"have {early}".encode() in body for body in Counted.asked)
    # what was seen is the floor: an older log is refused, and an answer by refs stays marked
    run("git", "update-ref", "refs/atoms-log/head", early, cwd=forger.path)
    assert "error[ATOM-3011]" in run("git", "atom", "list", source, cwd=home, status=2).stderr
    assert "unverified" in run("git", "atom", "list", "--unverified", source, "b", cwd=home).stdout
