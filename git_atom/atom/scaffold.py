"""A manifest to start from: commented, with the build system guessed from the files that are there and the guess written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from git_atom.core.manifest import COMMANDS, TYPES

# build system -> files that give it away, the surest first, and what its world needs beside a shell and coreutils
_SIGNS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("autotools", ("configure", "configure.ac", "configure.in"), ("gcc", "libc6-dev", "make")),
    ("meson", ("meson.build",), ("gcc", "libc6-dev", "meson", "ninja-build", "pkg-config")),
    ("cmake", ("CMakeLists.txt",), ("gcc", "g++", "libc6-dev", "make", "cmake")),
    ("python", ("pyproject.toml", "setup.py"), ("python3", "python3-pip", "python3-setuptools", "python3-wheel")),
    ("make", ("Makefile", "GNUmakefile", "makefile"), ("gcc", "libc6-dev", "make")),
)
_ALWAYS = ("bash", "coreutils", "dash", "diffutils", "findutils", "gawk", "grep", "sed")

_UNCONFIGURED = ("configure.ac", "configure.in")


class Guess(NamedTuple):
    """What the files say: build system ("" for none of those known), the file that told, packages its world needs."""

    system: str
    sign: str
    packages: tuple[str, ...]


def guess(exists: Callable[[str], bool]) -> Guess:
    """Look for the files that give a build system away."""
    for system, signs, packages in _SIGNS:
        for sign in signs:
            if exists(sign):
                more = ("autoconf", "automake", "libtool") if sign in _UNCONFIGURED else ()
                return Guess(system, sign, tuple(sorted((*_ALWAYS, *packages, *more))))
    return Guess("", "", _ALWAYS)


def manifest(name: str, kind: str, found: Guess, suite: str) -> str:
    """The text of a new manifest."""
    lines = [
        "# What this atom is and what it is built from; gitatom-manifest(5) has every key.",
        "",
        "[atom]",
        f'id = "{name}"',
        'version = "0.1.0"',
        f'type = "{kind}"'.ljust(32) + f"# {' | '.join(TYPES)}",
        "",
        "[atom.meta]",
        'description = ""',
        'license = ""'.ljust(32) + "# an SPDX expression, e.g. Apache-2.0",
        "maintainers = []",
        "",
        "# [deps.zlib]                   # another atom that this one needs",
        '# url = "https://git.example.org/zlib"',
        '# version = "^1.3"',
        "",
    ]
    if kind != "environment":
        lines += [
            "# [srcs.src]                    # unpacked to /build/src; without it, this directory is what is built",
            '# url = "https://example.org/releases/' + name + '-${version}.tar.gz"',
            '# debian = "'
            + name
            + '"'.ljust(0)
            + "               # or: the upstream tarball of a Debian source package",
            "",
        ]
    lines += [
        "[toolchain]                     # the world the build runs in, nothing else is there",
        f'suite = "{suite}"',
        "debian = [" + ", ".join(f'"{package}"' for package in found.packages) + "]",
        "",
    ]
    return "\n".join(lines + (_build(found) if kind != "environment" else []))


def _build(found: Guess) -> list[str]:
    commands = [*COMMANDS.get(found.system, ())]
    if found.sign in _UNCONFIGURED:
        commands.insert(0, "autoreconf -fi")
    why = f"guessed from {found.sign}; change it freely" if found.system else "no build system was recognised; say how"
    commands = commands or ["mkdir -p ${out}/usr/share && cp -r . ${out}/usr/share/"]
    body = [f"    {_quoted(command)}," for command in commands]
    return [f"[build]                         # {why}", "run = [", *body, "]", ""]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
