"""A new manifest is one that can be read, whatever was guessed."""

from __future__ import annotations

import pytest

from git_atom.atom import scaffold
from git_atom.core import manifest


@pytest.mark.parametrize(
    "sign", ["configure", "configure.ac", "meson.build", "CMakeLists.txt", "setup.py", "Makefile", "nothing"]
)
@pytest.mark.parametrize("kind", manifest.TYPES)
def test_is_a_manifest(sign: str, kind: str) -> None:
    found = scaffold.guess(lambda name: name == sign)
    got = manifest.parse(scaffold.manifest("größe", kind, found, "bookworm").encode())
    assert (got.name, got.type) == ("größe", kind)
    assert bool(got.build.run) == (kind != "environment")
    assert got.toolchain is not None and list(got.toolchain.debian) == sorted(set(got.toolchain.debian))
    assert found.system in (*manifest.SYSTEMS, "") and (found.sign == sign) == bool(found.system)
