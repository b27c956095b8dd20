"""The manifest: the design's example is the schema test; errors come all at once with their places; hostile text is quick to refuse."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from git_atom.core import choices, manifest
from git_atom.core.manifest import Manifest
from git_atom.errors import AtomError, MalformedError, ManyErrors

GOLDEN = Path(__file__).parents[2] / "golden/design.atom.toml"
HEAD = '[atom]\nid = "x"\nversion = "1.0.0"\n'


def read(text: str) -> Manifest:
    return manifest.parse(text.encode())


def errors(text: str) -> list[str]:
    with pytest.raises(ManyErrors) as caught:
        read(text)
    return [f"{e.where} {e.code}" for e in caught.value.errors]


def test_design_example() -> None:
    got = manifest.parse(GOLDEN.read_bytes())
    assert (got.name, str(got.version), got.type) == ("curl", "8.5.0", "package")
    assert got.meta == ("Transfer data with URLs", "curl", ("Maintainer <maintainer@example.org>",))
    assert [(d.name, d.url, d.path, str(d.requirement), d.uses) for d in got.deps] == [
        ("zlib", "https://git.example.org/zlib", "", "^1.3", ("build", "run")),
        ("local", "", "../lib", "*", ("build", "run")),
    ]
    assert got.pins == (("certs", "https://git.example.org/certs", "2025", "bundle.pem"),)
    assert got.srcs == (
        ("src", "https://example.org/curl-8.5.0.tar.xz", "", "", "", ("build",)),
        ("other", "", "curl", "", "", ("build",)),
        ("tests", "", "", "../../shared/data", "", ("test",)),
        ("crates", "", "", "Cargo.lock", "cargo", ("build",)),
    )
    assert got.toolchain is not None
    assert (got.toolchain.suite, got.toolchain.debian) == ("bookworm", ("gcc", "libc6-dev", "make", "perl"))
    assert got.build.commands == (
        "./configure --prefix=/usr --with-openssl",
        "make -j${jobs}",
        "make install DESTDIR=${out}",
    )
    assert got.test == (("make test",), ("tests/**",))
    assert [str(one) for one in got.platform] == ["x86_64-linux", "x86_64-linux:aarch64-linux"]
    assert got.provide == (("cc", ("gcc", "clang")),)
    assert got.support == (("http3", ("--with-nghttp3",)), ("static", False))
    assert got.dist.formats == ("oci", "deb")


def test_short_form() -> None:
    build = read(HEAD + '[build]\nsystem = "autotools"\n').build
    assert build.commands == ("./configure --prefix=/usr", "make -j${jobs}", "make install DESTDIR=${out}")


def test_all_errors_at_once() -> None:
    text = """[atom]
idd = "x"
version = "1.0"
type = "packge"
[deps.zlib]
url = "+work/x"
path = "../y"
version = "^x"
for = ["biuld"]
[deps."a b"]
url = "https://u:p@h.example/x"
[srcs.src]
debian = "curl"
[srcs]
x = 3
[build]
run = ["a", 3]
system = "auto"
[bulid]
[test]
files = ["../x"]
[support]
x = 4
"""
    assert errors(text) == [
        "atom.toml:1:2 ATOM-1022", "atom.toml:2:1 ATOM-1021", "atom.toml:3:1 ATOM-1011", "atom.toml:4:1 ATOM-1024",
        "atom.toml:6:1 ATOM-1024", "atom.toml:7:1 ATOM-1024", "atom.toml:8:1 ATOM-1012", "atom.toml:9:1 ATOM-1024",
        "atom.toml:10:7 ATOM-1010", "atom.toml:11:1 ATOM-1024", "atom.toml:13:1 ATOM-1024", "atom.toml:15:1 ATOM-1023",
        "atom.toml:17:13 ATOM-1023", "atom.toml:18:1 ATOM-1024", "atom.toml:18:1 ATOM-1024", "atom.toml:19:2 ATOM-1021",
        "atom.toml:21:10 ATOM-1024", "atom.toml:23:1 ATOM-1023",
    ]  # fmt: skip


def test_errors_that_are_too_many_are_counted() -> None:
    with pytest.raises(ManyErrors) as caught:
        read(HEAD + "".join(f"[k{at}]\n" for at in range(60)))
    assert len(caught.value.errors) == 50 and caught.value.errors[-1].note.endswith("and 10 more errors after this one")


def test_unknown_key_suggests() -> None:
    with pytest.raises(ManyErrors) as caught:
        read(HEAD + '[biuld]\nrun = ["x"]\n')
    assert caught.value.hint == "did you mean 'build'?" and caught.value.exit == 7


@pytest.mark.parametrize(
    "tail",
    [
        '[deps.z]\nurl = "ext::sh"', '[deps.z]\nurl = "https://me:pw@h.example/x"', "[deps.z]", '[deps.z]\npath = "/etc"',
        '[deps.z]\npath = "a/../../b"', '[deps.z]\npath = "-x"', '[deps.x]\npath = "."', '[deps.z]\nurl = "+w/x"',
        '[pins.p]\ngit = "https://h.example/x"', '[pins.p]\ngit = "https://h.example/x"\nref = "-d"',
        '[pins.p]\ngit = "https://h.example/x"\nref = "a..b"', '[pins.p]\ngit = "https://h.example/x"\nref = "a"\nentry = "../x"',
        '[pins.atom]\ngit = "https://h.example/x"\nref = "a"', '[srcs.atom]\npath = "../x"',
        '[pins.s]\ngit = "https://h.example/x"\nref = "a"\n[srcs.s]\npath = "../x"',
        '[srcs."../x"]\nurl = "https://h.example/x"', '[srcs.s]\nurl = "ssh://h.example/x"', '[srcs.s]\nurl = "https://h.example/${name}"',
        '[srcs.s]\ndebian = "curl"', '[srcs.s]\ndebian = "../x"\n[toolchain]\nsuite = "s"\ndebian = ["gcc"]',
        '[srcs.s]\nurl = "https://h.example/x"\nadopt = "cargo"', '[toolchain]\ndebian = ["gcc"]', '[toolchain]\nsuite = "s"',
        '[toolchain]\nsuite = "s"\ndebian = ["--x"]', '[toolchain]\nenvironment = "e"', "[build]", "[build]\nrun = []", '[build]\nrun = [" "]',
        '[build]\nrun = "make"', '[test]\nfiles = ["/x"]', '[platform]\nsupported = ["<"]', '[provide]\ncc = []', '[support]\nx = 1',
        '[provide]\ncc = ["a"]\n[support]\ncc = true', '[dist]\nformats = ["rpm"]', "x = 1", "deps = 1", '[deps]\nz = "1"',
        '[build]\nrun = ["x\\u0000y"]', '[atom.meta]\ndescription = "a\\nb"',
    ],
)  # fmt: skip
def test_refuses(tail: str) -> None:
    assert errors(HEAD + tail + "\n")


WORLD = '[toolchain]\nsuite = "s"\ndebian = ["make"]\n'
DEPS = '[deps.openssl]\nurl = "https://h.example/o"\n[deps.gnutls]\nurl = "https://h.example/g"\n'


@pytest.mark.parametrize(
    ("tail", "place", "hint"),
    [
        (DEPS + '[provide]\ntls = [\n  "openssl",\n  "gnutl",\n]', "atom.toml:11:3", "did you mean 'gnutls'?"),
        (DEPS + '[provide]\ntls = ["openssl", "nome"]', "atom.toml:9:19", "did you mean 'none'?"),
        ('[provide]\ncc = ["gcc"]', "atom.toml:5:7", ""),
        ('[toolchain]\nenvironment = "e"\nurl = "https://h.example/e"\n[provide]\ncc = ["gcc"]', "atom.toml:8:7", ""),
        (WORLD + '[provide]\ncc = ["GCC"]', "atom.toml:8:7", ""),
        ('[provide]\ncc = ["g\\u0001c"]', "atom.toml:5:1", ""),
        ("[support]\nhttp-3 = true", "atom.toml:5:1", ""), ("[support]\nPATH = true", "atom.toml:5:1", ""),
        ("[support]\njobs = true", "atom.toml:5:1", ""), ('[support]\nx = ["-a b"]', "atom.toml:5:6", ""),
        (DEPS.replace('/o"\n', '/o"\nwith = ["http3", "tls=x=y"]\n'), "atom.toml:6:18", 'such as with = ["http3", "tls=openssl"]'),
        (DEPS.replace('/o"\n', '/o"\nwith = ["tls=a", "tls=b"]\n'), "atom.toml:6:18", ""),
        (DEPS.replace('/o"\n', '/o"\nwith = "http3"\n'), "atom.toml:6:1", ""),
        ('[deps.none]\nurl = "https://h.example/o"\n[provide]\ntls = ["none"]', "atom.toml:4:7", ""),
    ],
)  # fmt: skip
def test_variants_that_cannot_be(tail: str, place: str, hint: str) -> None:
    with pytest.raises(ManyErrors) as caught:
        read(HEAD + tail + "\n")
    assert [(e.where, e.hint) for e in caught.value.errors] == [(place, hint)]


def test_variants() -> None:
    text = WORLD + DEPS.replace('/o"\n', '/o"\nwith = ["small=off", "http3", "small=off", "tls=x.y"]\n')
    got = read(
        HEAD
        + text
        + '[provide]\ncc = ["gcc", "clang"]\ntls = ["none", "gnutls"]\n[support]\nbig = true\nfast = ["-a", "-b"]\nopt = []\n'
    )
    assert got.deps[0].asks == (("http3", "on"), ("small", "off"), ("tls", "x.y"))
    assert choices.words(got) == {
        "cc": ("gcc", "clang"),
        "tls": ("none", "gnutls"),
        "big": ("on", "off"),
        "fast": ("off", "on"),
        "opt": ("off", "on"),
    }
    assert choices.candidates(got) == {"gnutls"}
    plain = choices.default(got, {})
    assert choices.active(got, plain) == {"openssl"} and choices.packages(got, plain) == ("gcc",)
    assert choices.told(got, plain) == ("big", "cc=gcc", "tls=none")
    assert choices.shell(got, plain) == ("big=yes", "cc=gcc", "fast=''", "opt=''", "tls=''")
    other = choices.settled(got, ("cc=clang", "fast", "tls=gnutls"))
    assert other == {"cc": "clang", "tls": "gnutls", "big": "off", "fast": "on", "opt": "off"}
    assert choices.active(got, other) == {"openssl", "gnutls"} and choices.packages(got, other) == ("clang",)
    assert choices.settled(got, choices.told(got, other)) == other
    assert choices.shell(got, other) == ("big=''", "cc=clang", "fast='-a -b'", "opt=''", "tls=gnutls")
    assert choices.shell(read(HEAD), {}) == ()


@pytest.mark.parametrize("word", ["on", "off"])
def test_no_candidate_is_called_as_a_switch_is(word: str) -> None:
    """Of a lock's `with = ["tls"]` nobody could say which of both it means."""
    for more in (f'[deps.{word}]\nurl = "https://h.example/z"\n', '[toolchain]\nsuite = "trixie"\ndebian = ["gcc"]\n'):
        assert read(HEAD + more + '[provide]\ntls = ["none"]\n').provide
        with pytest.raises(ManyErrors, match=f"'{word}' is no candidate for 'tls'"):
            read(HEAD + more + f'[provide]\ntls = ["{word}"]\n')


def test_types_have_schemas_of_their_own() -> None:
    environment = HEAD + 'type = "environment"\n'
    assert read(environment + '[deps.z]\nurl = "https://h.example/z"\n').type == "environment"
    assert errors(environment + '[build]\nsystem = "make"\n')
    assert errors(HEAD + 'type = "generator"\n')


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[atom\n", "atom.toml:1:6"), ('[atom]\nid = "x', "atom.toml"), ("a = 1\na = 2\n", "atom.toml:2"), ("a = 0xzz", "atom.toml:1"),
        ("a = " + "9" * 399, ""), ("a = 1979-99-99", "atom.toml"),
    ],
)  # fmt: skip
def test_not_toml(text: str, where: str) -> None:
    with pytest.raises(AtomError) as caught:
        read(text)
    assert caught.value.exit == 7 and caught.value.where.startswith(where)


# catalogue R01, facts M9: each refused or read within a second
HOSTILE = {
    "one long dotted key": "a." * 20000 + "a = 1",
    "many dotted keys": "".join(f"{'.'.join([f'k{i}'] * 8)} = 1\n" for i in range(6000)),
    "many headers": "".join(f"[{'.'.join([f'k{i}'] * 8)}]\n" for i in range(6000)),
    "nested arrays": "a = " + "[" * 500 + "]" * 500,
    "nested tables": "a = " + "{b=" * 500 + "1" + "}" * 500,
    "arrays of tables": "[[a]]\n" * 40000,
    "one long number": "a = " + "9" * 5000,
    "unterminated strings": 'a = """' + 'x"' * 100000,
    "unknown keys": "".join(f"k{i} = 1\n" for i in range(15000)),
    "too large": "#" * 300_000,
    "inline": "a={" + ",".join(f"k{i}.b.c.d.e.f=1" for i in range(9000)) + "}",
    "candidates": HEAD + "[provide]\nx = [" + ",".join(f"'c{i:05}'" for i in range(26000)) + "]\n",
    "candidates like keys": HEAD
    + "".join(f"[deps.d{i:05}]\nurl='/x'\n" for i in range(5000))
    + "[provide]\nx = ["
    + ",".join(f"'e{i:05}'" for i in range(9000))
    + "]\n",
    "variants": HEAD + "[support]\n" + "".join(f"A{i} = 1\n" for i in range(20000)),
    "asks": HEAD + "[deps.z]\nurl = '/x'\nwith = [" + ",".join(f"'x=c{i:05}'" for i in range(20000)) + "]\n",
    "brackets": "]" * 1000 + "[" * 100000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_is_quick(name: str) -> None:
    start = time.process_time()
    with pytest.raises(AtomError) as caught:
        read(HOSTILE[name])
    assert caught.value.exit == 7
    assert time.process_time() - start < 2


def test_not_utf8() -> None:
    with pytest.raises(MalformedError) as caught:
        manifest.parse(b"[atom]\nid = '\xff'\n")
    assert caught.value.where == "atom.toml:2"


def test_place() -> None:
    assert manifest.place(GOLDEN.read_bytes(), "atom.toml", ("deps", "zlib", "version")) == "atom.toml:13"
