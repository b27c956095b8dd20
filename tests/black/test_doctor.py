"""`git atom doctor`: what it says of machines and hosts of every kind, and that looking changes neither."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import oracle
import pytest
from forging import Forger
from servers import Backend, http

Run = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.slow


class Refusing(Backend):
    """A server that one may read from only."""

    def do_POST(self) -> None:  # noqa: N802
        if "receive-pack" in self.path:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_error(403)
            return
        super().do_POST()

    do_GET = do_POST  # noqa: N815


def found(run: Run, cwd: Path, *words: str, status: int = 0) -> dict[str, dict[str, Any]]:
    document = json.loads(run("git", "atom", "doctor", "--json", *words, cwd=cwd, status=status).stdout)
    assert document["schema"] == "git-atom-doctor/1" and document["works"] == (status == 0)
    return {row["name"]: row for row in document["findings"]}


@pytest.fixture
def server(home: Path, run: Run) -> Path:
    path = home / "server.git"
    run("git", "init", "-q", "--bare", path)
    return path


def test_a_machine_that_is_ready(project: Path, key: Path, run: Run, home: Path) -> None:
    rows = found(run, project)
    assert rows["signing key"]["ok"] and rows["signing key"]["found"].endswith("signs")
    assert rows["set here"] | {"ok": False, "found": "none"} == rows["set here"]
    assert not (home / ".local/share/git-atom").exists() and not (home / ".cache/git-atom").exists()
    run("git", "atom", "init", cwd=project)
    assert found(run, project)["set here"]["ok"]
    text = run("git", "atom", "doctor", cwd=project).stdout
    assert text.startswith("ok       git ") and text.endswith("atoms can be published and fetched here\n")


def test_a_machine_without_a_key(home: Path, run: Run) -> None:
    rows = found(run, home, status=6)
    assert not rows["signing key"]["ok"] and "ssh-keygen" in rows["signing key"]["needs"]
    assert "MISSING  signing key" in run("git", "atom", "doctor", cwd=home, status=6).stdout


def test_a_key_with_a_passphrase_is_not_asked_for(project: Path, key: Path, run: Run, home: Path) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", home / "locked")
    run("git", "config", "--global", "user.signingKey", str(home / "locked.pub"))
    assert "not tried" in found(run, project)["signing key"]["found"]


def test_settings_that_cannot_be_read(project: Path, key: Path, run: Run) -> None:
    run("git", "atom", "trust", "add", "blake3:" + "0" * 64, cwd=project)
    run("git", "config", "--global", "atom.minimumReleaseAge", "soon")
    assert "'soon' is not an age" in found(run, project, status=6)["trust and policy"]["found"]


def test_a_host_is_only_looked_at(project: Path, key: Path, server: Path, run: Run) -> None:
    before = oracle.state(server, project)
    rows = found(run, project, "--remote", str(server))
    assert oracle.state(server, project) == before
    assert all(rows[name]["ok"] for name in ("protocol version 2", "push", "atomic push"))
    assert not any(rows[name]["ok"] for name in ("partial clone", "set there", "refs/atoms/ accepted", "server hook"))
    run("git", "config", "uploadpack.allowFilter", "true", cwd=server)
    run("git", "config", "receive.advertiseAtomic", "false", cwd=server)
    rows = found(run, project, "--remote", str(server))
    assert rows["partial clone"]["ok"] and not rows["atomic push"]["ok"]
    found(run, project, "--remote", str(server) + ".none", status=6)
    run("git", "atom", "doctor", "--try-push", cwd=project, status=129)


def test_a_test_ref_is_taken_away_again(project: Path, key: Path, server: Path, run: Run) -> None:
    rows = found(run, project, "--remote", str(server), "--try-push")
    assert rows["refs/atoms/ accepted"]["ok"] and rows["server hook"]["found"].startswith("none")
    assert run("git", "for-each-ref", cwd=server).stdout == ""
    (server / "hooks/update").write_text(f'#!/bin/sh\n[ "$3" != {"0" * 40} ]\n')
    (server / "hooks/update").chmod(0o755)
    assert not found(run, project, "--remote", str(server), "--try-push", status=6)["test ref"]["ok"]


def test_a_server_with_the_hook(project: Path, key: Path, server: Path, run: Run) -> None:
    run("git", "atom", "hooks", "install", cwd=server)
    rows = found(run, project, "--remote", str(server), "--try-push")
    assert rows["server hook"]["ok"] and rows["refs/atoms/ accepted"]["ok"]
    assert run("git", "for-each-ref", cwd=server).stdout == ""


def test_a_host_that_takes_no_such_refs(project: Path, key: Path, server: Path, run: Run) -> None:
    run("git", "config", "receive.hideRefs", "refs/atoms", cwd=server)
    rows = found(run, project, "--remote", str(server), "--try-push")
    assert not rows["refs/atoms/ accepted"]["ok"] and not rows["server hook"]["ok"]


def test_hidden_refs(home: Path, key: Path, run: Run) -> None:
    forger = Forger(home / "mine.git").claim("a")
    for spec in forger.specs(forger.add("a", "1.0.0")):
        run("git", "update-ref", *reversed(spec.split(":")), cwd=forger.path)
    run("git", "clone", "-q", "--mirror", forger.path, home / "there.git")
    run("git", "remote", "add", "there", home / "there.git", cwd=forger.path)
    assert found(run, forger.path, "--remote", "there")["versions shown"]["ok"]
    # of one name: gits from 2.43 on hide packed refs/atoms-log/ together with refs/atoms
    run("git", "config", "transfer.hideRefs", "refs/atoms/a", cwd=home / "there.git")
    rows = found(run, forger.path, "--remote", "there")
    assert not rows["versions shown"]["ok"] and rows["set there"]["ok"]


def test_a_host_that_lets_nobody_push(project: Path, key: Path, server: Path, run: Run, home: Path) -> None:
    with http(home, Refusing) as url:
        rows = found(run, project, "--remote", f"{url}/server.git")
        assert rows["protocol version 2"]["ok"] and not rows["push"]["ok"] and "atomic push" not in rows
