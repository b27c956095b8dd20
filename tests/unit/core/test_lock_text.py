"""The lock: one text for one value, held against a golden file and against tomllib; everything else refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from git_atom.core import lock as text
from git_atom.core.digest import Oid, of_bytes
from git_atom.core.lock import (
    Fetch,
    Lock,
    LockedAtom,
    LockedDep,
    LockedPackage,
    LockedPin,
    LockedSet,
    LockedSub,
    LockedToolchain,
    LockedVariant,
)  # fmt: skip
from git_atom.core.version import Version
from git_atom.errors import MalformedError

GOLDEN = Path(__file__).parents[2] / "golden/example.atom.lock"
ANCHOR = of_bytes(b"a charter")
SAMPLE = Lock(
    sets=(LockedSet(ANCHOR, Oid("1" * 40), ("https://git.example.org/zlib",)),),
    deps=(
        LockedDep("zlib", (ANCHOR, "zlib"), ("run", "build")),
        LockedDep("local", ("", "libx"), ("test",)),
    ),
    atoms=(
        LockedAtom(ANCHOR, "zlib", Version.parse("1.2.13"), Oid("2" * 40), of_bytes(b"zlib")),
        LockedAtom("", "libx", Version.parse("0.1.0-rc.1"), "", of_bytes(b"libx"), run=((ANCHOR, "zlib"),)),
    ),
    pins=(LockedPin("certs", "https://git.example.org/certs", "2025", "bundle.pem", Oid("3" * 40), of_bytes(b"certs")),),
    subs=(LockedSub("tests", Oid("4" * 40), of_bytes(b"tests")),),
    fetches=(
        Fetch("src", "https://example.org/curl-8.5.0.tar.xz", of_bytes(b"curl"), 4),
        Fetch("other", "debian:pool/main/z/zlib/zlib_1.2.13.dfsg.orig.tar.bz2", of_bytes(b"z"), 1, "zlib", "1:1.2.13.dfsg-1", True),
    ),
    toolchains=(
        LockedToolchain(
            "x86_64-linux",
            of_bytes(b"root"),
            "bookworm",
            ("make", "gcc"),
            "",
            (
                LockedPackage("make", "4.3-4.1", "amd64", of_bytes(b"make")),
                LockedPackage("gcc", "4:12.2.0-3", "amd64", of_bytes(b"gcc")),
            ),
        ),
    ),
)  # fmt: skip

VARIED = Lock(
    sets=(LockedSet(ANCHOR, Oid("1" * 40), ("https://git.example.org/tls",)),),
    variants=(LockedVariant("tls", "openssl"), LockedVariant("shape", "none")),
    deps=(
        LockedDep("openssl", (ANCHOR, "openssl"), ("run", "build")),
        LockedDep("gnutls", (ANCHOR, "gnutls"), ()),
        LockedDep("near", ("", "libnear"), (), Version.parse("0.2.0")),
        LockedDep("web", (ANCHOR, "web"), ("run",)),
    ),
    atoms=(
        LockedAtom(ANCHOR, "openssl", Version.parse("3.0.0"), Oid("2" * 40), of_bytes(b"openssl")),
        LockedAtom(ANCHOR, "web", Version.parse("1.0.0"), Oid("3" * 40), of_bytes(b"web"), ((ANCHOR, "openssl"),),
                   ((ANCHOR, "openssl"),), ("tls=openssl", "http3")),
    ),
)  # fmt: skip


def test_golden_with_variants() -> None:
    data = text.format(VARIED)
    assert data == (GOLDEN.parent / "variants.atom.lock").read_bytes()
    assert of_bytes(data) == "blake3:95a7d78b3f59ea06732c71bb0550ea016a8be32cd0056cc66a8e2ef13e205569"
    assert text.format(text.parse(data)) == data and text.parse(data).atoms[1].variants == ("http3", "tls=openssl")


def test_golden() -> None:
    """A change of these bytes is a change of the format."""
    assert text.format(SAMPLE) == GOLDEN.read_bytes()
    assert of_bytes(GOLDEN.read_bytes()) == "blake3:0fb19fb09313b2b285b0fc78f3e51024860e3efe1bed3b12827d7e3eb0bc148c"


def test_round_trip_and_order() -> None:
    data = text.format(SAMPLE)
    parsed = text.parse(data)
    assert text.format(parsed) == data
    shuffled = parsed._replace(atoms=parsed.atoms[::-1], fetches=parsed.fetches[::-1], deps=parsed.deps[::-1])
    assert text.format(shuffled) == data
    assert parsed.atoms[0].name == "libx" and parsed.deps[1].uses == ("build", "run")
    assert text.parse(text.format(Lock())) == Lock()


def test_is_toml() -> None:
    raw = tomllib.loads(text.format(SAMPLE).decode())
    assert raw["format"] == 1
    assert raw["toolchains"][0]["packages"][0]["name"] == "gcc"
    assert raw["atoms"][1]["set"] == ANCHOR


def test_every_changed_byte_is_seen() -> None:
    data = text.format(SAMPLE)
    for at in range(0, len(data), 3):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            assert text.parse(changed) != text.parse(data)
        except MalformedError:
            pass


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d + b"\n", lambda d: d.replace(b"\n", b"\r\n"), lambda d: d + b"# note\n", lambda d: d.replace(b" = ", b"=", 1),
        lambda d: d.replace(b"size = 4", b"size = 04"), lambda d: d.replace(b"size = 4", b"size = true"), lambda d: d[:-1],
        lambda d: d.replace(b'name = "gcc"', b'name = "zzz"'), lambda d: d.replace(b"[[pins]]", b"<<<<<<< HEAD\n[[pins]]"),
        lambda d: d.replace(b"repacked = true\n", b"repacked = true\nrepacked = true\n"), lambda d: d + d[d.index(b"[[pins]]") :],
        lambda d: d.replace(b'"2025"', b"'2025'"), lambda d: d.replace(b"[[subs]]", b"[[subz]]"), lambda d: b"", lambda d: b"\xff" + d,
        lambda d: d.replace(b"ref = ", b"reff = "), lambda d: d.replace(b'commit = "2', b'commit = "g'),
        lambda d: d.replace(b"    \"build\",\n", b""), lambda d: d.replace(b"format = 1", b"format = 0"),
    ],
)  # fmt: skip
def test_refuses_what_is_not_canonical(change: object) -> None:
    data = change(text.format(SAMPLE))  # type: ignore[operator]
    if data != text.format(SAMPLE):
        try:
            parsed = text.parse(data)
        except MalformedError as error:
            assert error.exit == 7
        else:
            assert parsed != text.parse(text.format(SAMPLE)) and text.format(parsed) == data


def test_newer_format() -> None:
    with pytest.raises(MalformedError) as caught:
        text.parse(text.format(SAMPLE).replace(b"format = 1", b"format = 2"))
    assert caught.value.code == "ATOM-1032"


@pytest.mark.parametrize(
    "lock",
    [
        SAMPLE._replace(atoms=SAMPLE.atoms[:1]), SAMPLE._replace(sets=()), SAMPLE._replace(deps=SAMPLE.deps[:1]),
        SAMPLE._replace(atoms=SAMPLE.atoms + SAMPLE.atoms[:1]), SAMPLE._replace(pins=SAMPLE.pins * 2),
        SAMPLE._replace(atoms=(SAMPLE.atoms[0]._replace(commit=""), SAMPLE.atoms[1])),
        SAMPLE._replace(atoms=(SAMPLE.atoms[0], SAMPLE.atoms[1]._replace(commit=Oid("9" * 40)))),
        SAMPLE._replace(deps=(SAMPLE.deps[0]._replace(uses=()), SAMPLE.deps[1])),
        SAMPLE._replace(sets=(*SAMPLE.sets, LockedSet(of_bytes(b"x"), Oid("1" * 40)))),
        SAMPLE._replace(pins=(SAMPLE.pins[0]._replace(ref="a\nb"),)),
        VARIED._replace(variants=()), VARIED._replace(variants=VARIED.variants * 2), VARIED._replace(sets=()),
        VARIED._replace(deps=(*VARIED.deps[:2], VARIED.deps[2]._replace(version=""), VARIED.deps[3])),
        VARIED._replace(deps=(*VARIED.deps[:3], VARIED.deps[3]._replace(version=Version.parse("1.0.0")))),
    ],
)  # fmt: skip
def test_does_not_hold_together(lock: Lock) -> None:
    with pytest.raises(MalformedError) as caught:
        text.format(lock)
    assert caught.value.code == "ATOM-1031"


def test_the_way_back_from_a_lock_that_does_not_hold_together() -> None:
    # to run git atom lock alone reads it first, and comes to the same error
    data = text.format(SAMPLE)
    with pytest.raises(MalformedError) as caught:
        text.parse(data[: data.index(b"[[atoms]]")] + data[data.index(b"[[pins]]") :], "app/atom.lock")
    assert caught.value.code == "ATOM-1031"
    assert caught.value.hint == "take a version that was committed, or delete 'app/atom.lock', and run git atom lock"
