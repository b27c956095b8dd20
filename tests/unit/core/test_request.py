"""A request's digest covers every field; its stratum follows from its channels."""

from __future__ import annotations

from typing import Any

import pytest

from git_atom.core import request as requests
from git_atom.core.digest import of_bytes
from git_atom.core.request import CHANNELS, CLOSED, OPEN, PINNED, Channel, Input, Limits, Policy, Request
from git_atom.errors import MalformedError

PLAIN = Request(of_bytes(b"view"), ("/bin/sh", "-c", "make"), "x86_64-linux")
OTHER: dict[str, Any] = {
    "view": of_bytes(b"other"), "argv": ("/bin/sh", "-c", "make "), "platform": "aarch64-linux", "inputs": (Input("src", of_bytes(b"s")),),
    "environment": (("A", "b"),), "directory": "/build/src", "outputs": ("/out", "/build/log"), "policy": Policy(network=Channel(OPEN)),
    "limits": Limits(seconds=1), "layout": 2,
}  # fmt: skip


def test_every_field_counts() -> None:
    assert set(OTHER) == set(Request._fields)
    digests = {requests.digest(PLAIN)} | {requests.digest(PLAIN._replace(**{k: v})) for k, v in OTHER.items()}
    assert len(digests) == len(OTHER) + 1


def test_every_field_inside_counts() -> None:
    variants = [
        PLAIN._replace(policy=Policy(**{c: Channel(CLOSED)})) for c in CHANNELS if getattr(Policy(), c).state != CLOSED
    ]
    variants += [PLAIN._replace(policy=Policy(**{c: Channel(PINNED, "x")})) for c in CHANNELS]
    variants += [PLAIN._replace(policy=Policy(**{c: Channel(OPEN)})) for c in CHANNELS]
    variants += [PLAIN._replace(limits=Limits(**{f: 7})) for f in Limits._fields]
    variants += [PLAIN._replace(inputs=(Input(p, of_bytes(t)),)) for p, t in (("a", b"1"), ("b", b"1"), ("a", b"2"))]
    variants += [
        PLAIN._replace(environment=e) for e in ((("A", "b"),), (("A", "c"),), (("B", "b"),), (("A", "b"), ("B", "")))
    ]
    variants += [PLAIN._replace(argv=a) for a in (("a", "b c"), ("a b", "c"), ("a", "b", "c"))]
    assert len({requests.digest(v) for v in variants}) == len(variants)


def test_the_digest_is_this_one() -> None:
    assert requests.digest(PLAIN) == "blake3:677b3869dbf5e42a593a9b9c509d15328c37cdc813653027d86ff80195990de2"


def test_channels() -> None:
    assert set(CHANNELS) == set(Policy._fields)
    assert requests.stratum(PLAIN) == "action"
    for name in CHANNELS:
        assert requests.stratum(PLAIN._replace(policy=Policy(**{name: Channel(OPEN)}))) == "trial"


@pytest.mark.parametrize(
    "change",
    [
        {"argv": ()}, {"argv": ("",)}, {"argv": ("a\0b",)}, {"environment": (("A=B", "c"),)}, {"environment": (("", "c"),)}, {"directory": "build"},
        {"directory": "/build/../etc"}, {"outputs": ("/usr",)}, {"outputs": ("out",)}, {"inputs": (Input("../x", of_bytes(b"")),)},
        {"inputs": (Input("/x", of_bytes(b"")),)}, {"policy": Policy(network=Channel("ajar"))}, {"policy": Policy(network=Channel(CLOSED, "x"))},
    ],
)  # fmt: skip
def test_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        requests.digest(PLAIN._replace(**change))


def test_environment_is_fixed() -> None:
    fixed = requests.fixed_environment(PLAIN._replace(environment=(("PATH", "/x"), ("NEW", "1"))))
    assert (
        fixed["PATH"] == "/x"
        and fixed["NEW"] == "1"
        and fixed["TZ"] == "UTC"
        and fixed["SOURCE_DATE_EPOCH"] == str(requests.EPOCH)
    )
