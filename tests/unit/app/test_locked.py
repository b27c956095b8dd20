"""What `tree`, `why` and `outdated` tell of a lock that holds more than atoms."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_atom.app.lock.locked import Old, newer_packages, tree, why
from git_atom.core import lock as locks
from git_atom.core.digest import Digest, Oid, of_bytes
from git_atom.core.host import Host, Progress
from git_atom.core.lock import Fetch, Lock, LockedAtom, LockedDep, LockedPackage, LockedSub, LockedToolchain
from git_atom.core.version import Version
from git_atom.errors import NegativeError

MANIFEST = """\
[atom]
id = "app"
version = "1.0.0"
type = "package"
[provide]
awk = ["mawk", "gawk"]
[srcs.z]
url = "https://example.org/z-${version}.tar.gz"
[srcs.crates]
path = "Cargo.lock"
adopt = "cargo"
[srcs.up]
debian = "hello"
for = ["test"]
[toolchain]
suite = "bookworm"
debian = [
  "gcc", "make",
  "dash",
]
"""
DIGEST = of_bytes(b"it")
SHORT = DIGEST.hex[:12]
VERSIONS = {"dash": "0.5.12-2", "gcc": "4:12.2.0-3", "libc6": "2.36-9", "make": "4.3-4.1", "mawk": "1.3.4-3.1"}
WORLD = LockedToolchain(
    "x86_64-linux",
    DIGEST,
    "bookworm",
    ("dash", "gcc", "make", "mawk"),
    "",
    tuple(LockedPackage(name, version, "amd64", DIGEST) for name, version in VERSIONS.items()),
)
LOCK = Lock(
    subs=(LockedSub("crates", Oid("0" * 40), DIGEST),),
    fetches=(
        Fetch("crates", "https://example.org/a.crate", DIGEST, 1),
        Fetch("crates", "https://example.org/b.crate", DIGEST, 1),
        Fetch("up", "debian:pool/hello.dsc", DIGEST, 1, "hello", "2.10-3"),
        Fetch("up", "debian:pool/hello.orig.tar.gz", DIGEST, 1, "hello", "2.10-3"),
        Fetch("z", "https://example.org/z-1.0.0.tar.gz", DIGEST, 1),
    ),
    toolchains=(WORLD,),
    variants=(locks.LockedVariant("awk", "mawk"),),
)


def host(folder: Path, manifest: str = MANIFEST, lock: Lock = LOCK) -> Host:
    (folder / "atom.toml").write_text(manifest)
    (folder / "atom.lock").write_bytes(locks.format(lock))
    here = str(folder)
    return Host(here, {}, here, here, here, here, 0, Progress())


def lines(rows: list) -> list[str]:  # type: ignore[type-arg]
    return [f"{row.drawn}{row.name} {row.version}" for row in rows]


def test_the_tree_shows_sources_and_what_the_toolchain_was_asked_for(tmp_path: Path) -> None:
    rows = tree(host(tmp_path), [])
    assert lines(rows) == [
        "app 1.0.0",
        f"├── crates {SHORT}",
        "├── toolchain debian bookworm",
        "│   ├── dash 0.5.12-2",
        "│   ├── gcc 4:12.2.0-3",
        "│   ├── make 4.3-4.1",
        "│   └── mawk 1.3.4-3.1",
        "├── up 2.10-3",
        f"└── z {SHORT}",
    ]
    told = {row.name: row for row in rows}
    assert (told["z"].kind, told["z"].wanted, told["z"].uses) == (
        "source",
        "https://example.org/z-1.0.0.tar.gz",
        "build",
    )
    assert (told["up"].wanted, told["up"].uses, told["crates"].wanted) == ("debian:hello", "test", "Cargo.lock")
    assert (told["crates"].more, told["up"].more, told["toolchain"].more) == (2, 0, 1)
    assert (told["toolchain"].kind, told["toolchain"].platform) == ("toolchain", "x86_64-linux")
    assert (told["mawk"].kind, told["mawk"].variant) == ("package", "awk=mawk")


def test_the_tree_from_a_name_and_the_other_way_up(tmp_path: Path) -> None:
    here = host(tmp_path)
    assert lines(tree(here, ["libc6"])) == ["libc6 2.36-9"]
    assert lines(tree(here, ["libc6", "z"], inverted=True)) == [
        "libc6 2.36-9", "└── toolchain debian bookworm", f"z {SHORT}",
    ]  # fmt: skip
    tops = [row.name for row in tree(here, [], inverted=True) if not row.depth]
    assert sorted(tops) == ["crates", "dash", "gcc", "make", "mawk", "up", "z"]


def test_why_names_the_line_of_the_manifest(tmp_path: Path) -> None:
    here, world = host(tmp_path), "toolchain debian bookworm (x86_64-linux)"
    assert why(here, "z") == [("app 1.0.0", f"z {SHORT} (https://example.org/z-1.0.0.tar.gz, atom.toml:7)")]
    assert why(here, "crates")[0][1] == f"crates {SHORT} (Cargo.lock, atom.toml:9)"
    assert why(here, "dash") == [("app 1.0.0", world, "dash 0.5.12-2 (atom.toml:19)")]
    assert why(here, "mawk")[0][2] == "mawk 1.3.4-3.1 (awk=mawk, atom.toml:6)"
    closure = "libc6 2.36-9 (in the closure of dash at atom.toml:19; gcc, make at atom.toml:18; mawk at atom.toml:6)"
    assert why(here, "libc6") == why(here, "libc6", every=True) == [("app 1.0.0", world, closure)]
    with pytest.raises(NegativeError) as caught:
        why(here, "libc")
    assert caught.value.hint == "did you mean 'libc6'?"
    with pytest.raises(NegativeError) as caught:
        why(here, "zzzzzzzz")
    assert caught.value.note == "it has crates, dash, gcc, make, mawk, toolchain, up, z"


def test_an_atom_is_told_beside_a_package_of_its_name(tmp_path: Path) -> None:
    atoms = tuple(
        LockedAtom("", name, Version.parse("1.0.0"), "", DIGEST, run=run)
        for name, run in (("gcc", ()), ("lib", (("", "gcc"),)))
    )
    other = LOCK._replace(deps=(LockedDep("lib", ("", "lib"), ("build", "run")),), atoms=atoms)
    here = host(tmp_path, MANIFEST + '[deps.lib]\npath = "../lib"\nversion = "^1"\n', other)
    assert [path[-1] for path in why(here, "gcc")] == ["gcc 1.0.0", "gcc 4:12.2.0-3 (atom.toml:18)"]
    assert len([row for row in tree(here, [], inverted=True) if row.name == "gcc"]) == 2


def test_the_toolchain_of_an_environment_hangs_below_it(tmp_path: Path) -> None:
    anchor = of_bytes(b"set")
    lock = Lock(
        sets=(locks.LockedSet(Digest(anchor), Oid("1" * 40)),),
        atoms=(LockedAtom(anchor, "tools", Version.parse("1.2.0"), "2" * 40, DIGEST),),
        toolchains=(WORLD._replace(debian=(), environment=f"{anchor}::tools"),),
    )
    text = MANIFEST.partition("[provide]")[0]
    text += '[toolchain]\nenvironment = "tools"\nurl = "https://example.org/tools"\nversion = "^1"\n'
    here = host(tmp_path, text, lock)
    rows = tree(here, [])
    assert lines(rows) == ["app 1.0.0", "└── tools 1.2.0", "    └── toolchain debian bookworm"] and rows[-1].more == 5
    assert why(here, "libc6") == [
        ("app 1.0.0", "tools 1.2.0 (^1)", "toolchain debian bookworm (x86_64-linux)", "libc6 2.36-9 (in the closure of tools)")
    ]  # fmt: skip


def test_packages_that_could_be_newer() -> None:
    asked = ("dash", "gcc", "make", "virtual")
    then = VERSIONS | {"gcc": "4:12.2.1-1", "libc6": "2.36-9+deb12u1", "mawk": "1.3.4-4", "make": "4.3-4"}
    newest = {"dash": "0.5.13-1", "gcc": "4:12.2.1-1", "make": "4.3-4"}
    assert newer_packages(VERSIONS, asked, then, newest, "debian bookworm") == [
        Old("dash", "0.5.12-2", "0.5.12-2", "0.5.13-1", ""),
        Old("gcc", "4:12.2.0-3", "4:12.2.1-1", "4:12.2.1-1", ""),
        Old("toolchain", "debian bookworm", "", "debian bookworm", "2 other packages are newer"),
    ]
    assert newer_packages(VERSIONS, asked, VERSIONS, {}, "debian bookworm") == []
