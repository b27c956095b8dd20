"""A release is read the same by the pattern for usual ones and by the general reader."""

import pytest

from git_atom.core import statements
from git_atom.core.digest import Digest, Oid
from git_atom.core.statements import Release
from git_atom.errors import AtomError

D = Digest("blake3:" + "0a" * 32)
O = Oid("0b" * 20)  # noqa: E741
USUAL = Release(D, O, "id", D, "name", O, "pkgs/name", "1.0.0", "2026-01-02T03:04:05Z", D, "1.1.0-rc.1")


@pytest.mark.parametrize(
    "release", [USUAL, USUAL._replace(previous=None, path="."), USUAL._replace(commit=Oid("0c" * 32))]
)
def test_both_readers_agree(release: Release) -> None:
    text = release.encode()
    assert statements._RELEASE.fullmatch(text.decode())
    assert Release.decode(text) == release
    assert statements._release(text) == tuple(release)


@pytest.mark.parametrize(
    "release", [USUAL._replace(path='a "b"'), USUAL._replace(path="ä"), USUAL._replace(name="ñame")]
)
def test_what_is_not_usual_takes_the_general_reader(release: Release) -> None:
    text = release.encode()
    assert not statements._RELEASE.fullmatch(text.decode())
    assert Release.decode(text) == release


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"name":"name"', b'"name":"nul"'),
        (b'"version":"1.1.0-rc.1"', b'"version":"1.01.0"'),
        (b'"previous":"1.0.0"', b'"previous":""'),
        (b'"path":"pkgs/name"', b'"path":"../name"'),
        (b'"path":"pkgs/name"', b'"path":"\\u0061"'),
        (b'"time":"2026', b'"time":"26'),
        (b'{"anchor"', b'{ "anchor"'),
        (b'"id":"id",', b'"id":"id","id":"id",'),
        (b"}\n", b"}"),
        (b"}\n", b"}\n\n"),
        (b"0a0a", b"0A0a"),
    ],
)  # fmt: skip
def test_neither_takes_what_is_wrong(old: bytes, new: bytes) -> None:
    text = USUAL.encode()
    assert old in text and Release.decode(text) == USUAL
    with pytest.raises(AtomError):
        Release.decode(text.replace(old, new))
