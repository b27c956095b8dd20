"""Whether a lock with variants is one of its manifest, judged from the two texts alone."""

from __future__ import annotations

import pytest

from git_atom.atom.agreement import disagreements
from git_atom.core import manifest
from git_atom.core.digest import Oid, of_bytes
from git_atom.core.lock import Lock, LockedAtom, LockedDep, LockedSet, LockedToolchain, LockedVariant
from git_atom.core.version import Version

ANCHOR = of_bytes(b"a set")
URL = "https://h.example/set"
TEXT = f"""[atom]
id = "app"
version = "1.0.0"
[deps.openssl]
url = "{URL}"
[deps.gnutls]
url = "{URL}"
version = "^4"
[deps.web]
url = "{URL}"
with = ["http3", "shape=round", "static=off"]
[toolchain]
suite = "s"
debian = ["make"]
[provide]
tls = ["openssl", "gnutls", "none"]
cc = ["gcc", "clang"]
"""


def row(name: str, *with_: str) -> LockedAtom:
    return LockedAtom(ANCHOR, name, Version.parse("1.0.0"), Oid("2" * 40), of_bytes(name.encode()), (), (), with_)


LOCK = Lock(
    sets=(LockedSet(ANCHOR, Oid("1" * 40), (URL,)),),
    deps=(
        LockedDep("gnutls", (ANCHOR, "gnutls"), ()),
        LockedDep("openssl", (ANCHOR, "openssl"), ("build", "run")),
        LockedDep("web", (ANCHOR, "web"), ("build", "run")),
    ),
    atoms=(row("openssl"), row("web", "http3", "shape=round")),
    toolchains=(LockedToolchain("p", of_bytes(b""), "s", ("gcc", "make")),),
    variants=(LockedVariant("cc", "gcc"), LockedVariant("tls", "openssl")),
)


def test_agrees() -> None:
    assert disagreements(manifest.parse(TEXT.encode()), LOCK) == []


@pytest.mark.parametrize(
    ("text", "lock", "wrong"),
    [
        (TEXT.replace('["openssl", "gnutls", "none"]', '["gnutls", "openssl"]'), LOCK, []),  # another default
        (TEXT.replace('"openssl", "gnutls", "none"', '"gnutls"'), LOCK, ["variant 'tls' is taken by 'openssl', which is no candidate"]),
        (TEXT.replace("tls = ", "ssl = "), LOCK, ["variant 'ssl' is not locked", "variant 'tls' is locked and no longer in the manifest"]),
        (TEXT, LOCK._replace(variants=(LockedVariant("cc", "gcc"), LockedVariant("tls", "none"))),
         ["dependency 'openssl' is locked, and no variant is taken by it"]),
        (TEXT, LOCK._replace(variants=(LockedVariant("cc", "gcc"), LockedVariant("tls", "gnutls"))),
         ["dependency 'gnutls' is not locked, and a variant is taken by it", "dependency 'openssl' is locked, and no variant is taken by it"]),
        (TEXT, LOCK._replace(variants=(LockedVariant("cc", "clang"), LOCK.variants[1])), ["the toolchain is another than the locked one"]),
        (TEXT.replace(f'[deps.gnutls]\nurl = "{URL}"', '[deps.gnutls]\nurl = "https://h.example/other"'), LOCK,
         ["dependency 'gnutls' has another url than the locked one"]),
        (TEXT.replace("^4", "^5"), LOCK, []),  # nothing of it is chosen
        (TEXT, LOCK._replace(atoms=(row("openssl"), row("web", "shape=square", "static"))),
         ["dependency 'web' asks for 'http3', and is locked without",
          "dependency 'web' asks for 'shape=round', and is locked with shape = square",
          "dependency 'web' asks for 'static=off', and is locked with static = on"]),
    ],
)  # fmt: skip
def test_disagrees(text: str, lock: Lock, wrong: list[str]) -> None:
    assert disagreements(manifest.parse(text.encode()), lock) == wrong
