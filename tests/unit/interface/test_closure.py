"""The closure over small packages made to measure: what is kept and why, what is missing, and what the loader would say."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import forge

from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, Digest, Oid, of_bytes
from git_atom.core.tree import Leaf
from git_atom.interface import closure, manifest
from git_atom.interface.closure import Closure, Package

BYTES: dict[Digest, bytes] = {}
LOADER = "/lib64/ld-linux-x86-64.so.2"


def package(name: str, files: Mapping[str, bytes | str]) -> Package:
    """A package of files; text is a symlink's target, and files below bin are executable."""
    leaves = []
    for path, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        digest = of_bytes(data)
        BYTES[digest] = data
        mode = MODE_LINK if isinstance(content, str) else MODE_EXEC if "bin/" in path else MODE_FILE
        leaves.append(Leaf(path.encode(), mode, digest, len(data), Oid("0" * 40)))
    return Package(name, sorted(leaves), lambda: manifest.analyze(leaves, lambda leaf: BYTES[leaf.digest]))


def close(wanted: list[Package], candidates: list[Package]) -> Closure:
    return closure.close(wanted, candidates, lambda leaf: BYTES[leaf.digest])


LIBC = package("libc6", {
    "usr/lib/x86_64-linux-gnu/libc.so.6": forge.library("libc.so.6", needed=["ld-linux-x86-64.so.2"], exports=[("malloc", "GLIBC_2.2.5"), ("free", "GLIBC_2.2.5")]),
    "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": forge.library("ld-linux-x86-64.so.2", exports=[("__tls_get_addr", "GLIBC_2.3")]),
    "usr/lib64/ld-linux-x86-64.so.2": "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
})  # fmt: skip
USRMERGE = package("usrmerge lib64", {"lib64": "usr/lib64"})
BIN = package("usrmerge bin", {"bin": "usr/bin"})
DASH = package(
    "dash",
    {
        "usr/bin/dash": forge.library(
            needed=["libc.so.6"], wants=[("malloc", "GLIBC_2.2.5", "libc.so.6")], interp=LOADER
        ),
        "usr/bin/sh": "dash",
    },
)
ZLIB1G = package("zlib1g", {
    "usr/lib/x86_64-linux-gnu/libz.so.1.3": forge.library("libz.so.1", needed=["libc.so.6"], exports=[("inflate", ""), ("deflate", "")]),
    "usr/lib/x86_64-linux-gnu/libz.so.1": "libz.so.1.3",
})  # fmt: skip
UNUSED = package("gcc", {"usr/bin/gcc": forge.library(needed=["libc.so.6", "libz.so.1"], interp=LOADER)})
ZLIB = package(
    "zlib",
    {
        "usr/lib/libz.so.1.2": forge.library(
            "libz.so.1", needed=["libc.so.6"], exports=[("inflate", ""), ("deflate", "")]
        ),
        "usr/lib/libz.so.1": "libz.so.1.2",
    },
)
CURL = package("curl", {
    "usr/bin/curl": forge.library(needed=["libcurl.so.4", "libz.so.1", "libc.so.6"], wants=[("easy", "CURL_4", "libcurl.so.4"), ("inflate", "", ""), ("free", "GLIBC_2.2.5", "libc.so.6")], interp=LOADER),
    "usr/lib/libcurl.so.4": forge.library("libcurl.so.4", needed=["libz.so.1", "libc.so.6"], exports=[("easy", "CURL_4")], wants=[("deflate", "", ""), ("malloc", "GLIBC_2.2.5", "libc.so.6")], weak=["nowhere"]),
    "usr/bin/curl-config": b"#!/bin/sh\necho\n",
})  # fmt: skip
WORLD = [UNUSED, ZLIB1G, DASH, LIBC, USRMERGE, BIN]


def test_only_what_is_needed_and_why() -> None:
    found = close([CURL, ZLIB], WORLD)
    assert set(found.kept) == {"curl", "zlib", "libc6", "usrmerge lib64", "usrmerge bin", "dash"}
    assert found.missing == () and found.expected == ()
    assert {(b.consumer, b.name) for b in found.why("dash")} == {("curl", "/bin/sh")}
    assert {b.space for b in found.why("usrmerge lib64")} == {"link"}
    assert all(found.why(name) for name in found.kept if name not in ("curl", "zlib"))
    assert {b.provider for b in found.bindings if b.name == "libz.so.1"} == {"zlib"}


def test_a_candidate_gives_what_is_not_wanted() -> None:
    assert "zlib1g" in close([CURL], WORLD).kept


def test_a_choice_between_providers_is_recorded() -> None:
    assert close([CURL, ZLIB], WORLD).choices == (closure.Choice("libz.so.1", "zlib", ("zlib1g",)),)
    assert close([CURL], WORLD).choices == ()


@pytest.mark.parametrize("dropped", ["libc6", "usrmerge lib64", "usrmerge bin", "dash", "zlib"])
def test_dropping_anything_justified_breaks_a_binding(dropped: str) -> None:
    wanted, rest = [CURL, ZLIB], [LIBC, USRMERGE, BIN, DASH]
    found = close([p for p in wanted if p.name != dropped], [p for p in rest if p.name != dropped])
    assert found.missing


def test_missing_is_named() -> None:
    found = close([CURL], [LIBC, USRMERGE])
    told = {str(lack) for lack in found.missing}
    assert "libz.so.1 (soname), needed by usr/lib/libcurl.so.4 of curl" in told
    assert "/bin/sh (script), needed by usr/bin/curl-config of curl" in told


def test_the_order_of_wanted_packages_does_not_matter() -> None:
    results = {
        (frozenset(r.kept), r.bindings, r.missing)
        for order in permutations([CURL, ZLIB, UNUSED])
        for r in [close(list(order), [ZLIB1G, DASH, LIBC, USRMERGE, BIN])]
    }
    assert len(results) == 1


def test_a_symbol_or_version_the_provider_lacks() -> None:
    lame = package("lame", {"usr/lib/libz.so.1": forge.library("libz.so.1", exports=[("inflate", "")])})
    told = [str(lack) for lack in close([CURL, lame], [LIBC, USRMERGE, BIN, DASH]).expected]
    assert told == ["symbol deflate (symbol), needed by usr/lib/libcurl.so.4 of curl"]
    other = package("other", {"usr/lib/x86_64-linux-gnu/libc.so.6": forge.library("libc.so.6", exports=[("malloc", "GLIBC_9"), ("free", "GLIBC_9")]),
                              "usr/lib64/ld-linux-x86-64.so.2": forge.library("ld-linux-x86-64.so.2")})  # fmt: skip
    told = [str(lack) for lack in close([DASH], [other, USRMERGE]).missing]
    assert any("version GLIBC_2.2.5 of libc.so.6" in t for t in told) and any(
        "symbol malloc@GLIBC_2.2.5" in t for t in told
    )


def test_a_library_without_versions_satisfies_any_version() -> None:
    musl = package(
        "plain",
        {
            "usr/lib/libc.so.6": forge.library("libc.so.6", exports=[("malloc", "")]),
            "usr/lib64/ld-linux-x86-64.so.2": forge.library("ld-linux-x86-64.so.2"),
        },
    )
    assert close([DASH], [musl, USRMERGE]).missing == ()


def test_another_machine_never_satisfies() -> None:
    foreign = package(
        "foreign",
        {"usr/lib/libz.so.1": forge.library("libz.so.1", exports=[("inflate", ""), ("deflate", "")], machine=183)},
    )
    assert "zlib1g" in close([CURL, foreign], WORLD).kept
    assert any(lack.name == "libz.so.1" for lack in close([CURL, foreign], [LIBC, USRMERGE, BIN, DASH]).missing)


def test_run_paths() -> None:
    private = package("app", {
        "opt/app/bin/tool": forge.library(needed=["libown.so"], interp=LOADER, runpath="$ORIGIN/../lib"),
        "opt/app/lib/libown.so": forge.library("libown.so"),
        "opt/app/bin/odd": forge.library(needed=["libodd.so"], interp=LOADER, runpath="lib:.."),
        "lib.so/libodd.so": forge.library("libodd.so"),
    })  # fmt: skip
    found = close([private], [LIBC, USRMERGE])
    assert [(b.name, b.found) for b in found.bindings if b.space == "soname" and b.consumer == "app"] == [
        ("libown.so", "opt/app/lib/libown.so")
    ]
    assert [lack.name for lack in found.missing] == ["libodd.so"]


def test_a_name_that_climbs_is_never_followed() -> None:
    evil = package(
        "evil",
        {"usr/bin/evil": forge.library(needed=["../../etc/libz.so.1", "/usr/../usr/lib/libz.so.1"], interp=LOADER)},
    )
    assert len(close([evil, ZLIB], [LIBC, USRMERGE]).missing) == 2


def test_env_and_links_in_circles() -> None:
    script = package(
        "script",
        {
            "usr/bin/tool": b"#!/usr/bin/env -S perl -w\n",
            "usr/bin/a": "b",
            "usr/bin/b": "a",
            "usr/bin/x": b"#!/usr/bin/a\n",
        },
    )
    perl = package("perl", {"usr/bin/perl": forge.library(interp=LOADER)})
    tools = package("coreutils", {"usr/bin/env": forge.library(interp=LOADER)})
    found = close([script], [perl, tools, LIBC, USRMERGE])
    assert {"perl", "coreutils"} <= set(found.kept)
    assert [lack.name for lack in found.missing] == ["/usr/bin/a"]


def test_interfaces_survive_their_cache_form() -> None:
    for one in (CURL, LIBC, ZLIB1G, DASH):
        interface = one.interface()
        assert manifest.decode(manifest.encode(interface)) == interface
        assert manifest.encode(interface) == manifest.encode(one.interface())


def test_pkg_config_and_names() -> None:
    text = b"prefix=/usr\nv=1.2\nName: zlib\nVersion: ${v}\nRequires: libone >= 2, libtwo\nRequires.private: three\nLibs: -lz\n"
    found = manifest.analyze(
        package("dev", {"usr/lib/pkgconfig/zlib.pc": text}).leaves, lambda leaf: BYTES[leaf.digest]
    )
    assert found.packages == (
        manifest.PkgConfig("usr/lib/pkgconfig/zlib.pc", "zlib", "1.2", ("libone", "libtwo"), ("three",)),
    )
    assert manifest.Name("pkg-config", "zlib", "usr/lib/pkgconfig/zlib.pc") in manifest.provides(found)
    assert {n.name for n in manifest.requires(found)} == {"libone", "libtwo", "three"}


def test_exports_digest_is_blind_to_order_and_sees_a_removed_symbol() -> None:
    from git_atom.interface import elf

    def of(*exports: tuple[str, str]) -> Digest:
        return manifest.exports_digest(elf.read(forge.library("l.so", exports=exports)))

    assert of(("a", "V1"), ("b", "V1")) == of(("b", "V1"), ("a", "V1"))
    assert len({of(("a", "V1"), ("b", "V1")), of(("a", "V1")), of(("a", "V2"), ("b", "V1"))}) == 3
