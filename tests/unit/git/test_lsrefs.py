"""What servers say is taken apart as gitprotocol-v2(5) lays it out, and what is none of it is an error."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest

from git_atom.errors import AtomError
from git_atom.git import lsrefs, wire
from git_atom.git.wire import Wire, packet

OID = "4abbd2644bc3585e9be95deb277ccf48f6ed26ac"


TAG = "68b63bd131acd23bdfd57983fe85ba7c092ce02f"


def heard(data: bytes, most: int = 1 << 20) -> Wire:
    made = Wire("/there", {}, io.BytesIO(), io.BytesIO(data))
    made.most = most
    return made


def answer(data: bytes, most: int = 100, peel: bool = False) -> dict[str, str]:
    return dict(lsrefs._rows(heard(data).lines(), ["refs/atoms/a/"], most, peel))


def test_packets_end_at_a_flush() -> None:
    data = packet(b"one") + packet(b"two") + b"0000" + packet(b"three")
    assert list(heard(data).lines()) == [b"one", b"two"]


def test_no_more_is_taken_than_may_come() -> None:
    assert list(heard(packet(b"one") + b"0000", 8).lines()) == [b"one"]
    with pytest.raises(AtomError) as caught:
        list(heard(packet(b"one") + packet(b"two"), 15).lines())
    assert caught.value.code == "ATOM-2023"


def test_abilities_have_a_limit() -> None:
    with pytest.raises(AtomError) as caught:
        lsrefs.ask(heard(packet(b"version 2") + packet(b"x") * 2000), ["refs/"])
    assert caught.value.code == "ATOM-2022"


@pytest.mark.parametrize("data", [b"", b"00", b"0009on"])
def test_a_cut_answer_is_the_end(data: bytes) -> None:
    with pytest.raises(AtomError) as caught:
        list(heard(data).lines())
    assert caught.value.code == "ATOM-2011"


@pytest.mark.parametrize(
    "data", [b"zzzz", b"0003", packet(b"x refs/atoms/a/1") + b"0000", packet(OID.encode()) + b"0000"]
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(AtomError) as caught:
        answer(data)
    assert caught.value.code == "ATOM-2022" and caught.value.exit == 7


def test_only_what_was_asked_for_is_taken() -> None:
    rows = [f"{OID} refs/atoms/a/1.0.0 peeled:{OID}", f"{OID} refs/atoms/ab/1.0.0", f"{OID} refs/heads/main"]
    assert answer(b"".join(packet(row.encode()) for row in rows) + b"0000") == {"refs/atoms/a/1.0.0": OID}


@pytest.mark.parametrize(
    "rows", [[f"{TAG} refs/atoms/a/1 peeled:{OID}"], [f"{TAG} refs/atoms/a/1", f"{OID} refs/atoms/a/1^{{}}"]]
)
def test_a_tag_is_followed_when_that_is_asked_for(rows: list[str]) -> None:
    data = b"".join(packet(row.encode()) for row in rows) + b"0000"
    assert answer(data) == {"refs/atoms/a/1": TAG} and answer(data, peel=True) == {"refs/atoms/a/1": OID}


def test_an_answer_has_a_limit() -> None:
    rows = b"".join(packet(f"{OID} refs/atoms/a/{n}".encode()) for n in range(3))
    with pytest.raises(AtomError, match="does not answer"):
        answer(rows + b"0000", 2)


def test_a_repository_here(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "r"], check=True)
    assert lsrefs.told(str(tmp_path / "r"), ["refs/"], os.environ) == (
        {}, 2, lsrefs.told(str(tmp_path / "r"), [""], os.environ).abilities
    )  # fmt: skip
    with pytest.raises(AtomError) as caught:
        lsrefs.told(str(tmp_path / "none"), [""], os.environ)
    assert caught.value.code == "ATOM-2011"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("ssh://me@host:22/a/b.git", ["-p", "22", "--", "me@host", "git-upload-pack '/a/b.git'"]),
        ("ssh://[::1]/a", ["--", "::1", "git-upload-pack '/a'"]),
        ("ssh://host/~me/a", ["--", "host", "git-upload-pack '~me/a'"]),
        ("me@host:it's", ["--", "me@host", "git-upload-pack 'it'\\''s'"]),
    ],
)
def test_ssh_is_called_as_git_calls_it(place: str, words: list[str]) -> None:
    road = wire._ssh(place, {"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
    assert road is not None and list(road.argv) == ["ssh", "-o", "SendEnv=GIT_PROTOCOL", *words]
    env = {"PATH": os.environ["PATH"], "GIT_SSH_COMMAND": "/opt/plink -x"}
    assert wire._ssh(place, env) is None
