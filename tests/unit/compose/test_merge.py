"""Overlaps that must be conflicts, overlaps that must not, and how fast it goes."""

from __future__ import annotations

import time

import pytest

from git_atom.compose.merge import Layer, merge, merge_attributes
from git_atom.core.composition import Attribute, Entry
from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, Digest, Oid, of_bytes
from git_atom.core.tree import Leaf, empty_dir, tree_digest
from git_atom.errors import ConflictError

OID = Oid("0" * 40)


def file(path: str, content: bytes = b"x", mode: int = MODE_FILE) -> Leaf:
    return Leaf(path.encode(), mode, of_bytes(content), len(content), OID)


def layer(origin: str, *leaves: Leaf, path: str = "") -> Layer:
    return Entry(path, "tree", tree_digest(leaves), origin=origin), leaves


def link(path: str, target: str) -> Layer:
    leaf = Leaf(b"", MODE_LINK, of_bytes(target.encode()), len(target), OID)
    return Entry(path, "symlink", target=target, origin="usrmerge"), [leaf]


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        (layer("one", file("a")), layer("two", file("a", b"y")), "/a"),
        (layer("one", file("a")), layer("two", file("a", mode=MODE_EXEC)), "/a"),
        (layer("one", file("a")), layer("two", file("a/b")), "/a"),
        (layer("one", file("a")), layer("two", empty_dir(b"a")), "/a"),
        (layer("one", file("lib/libc.so")), link("lib", "usr/lib"), "/lib"),
        (layer("one", empty_dir(b"lib")), link("lib", "usr/lib"), "/lib"),
        (link("lib", "usr/lib64"), link("lib", "usr/lib"), "/lib"),
        (layer("one", file("usr/lib/x")), layer("two", file("x", b"y"), path="usr/lib"), "/usr/lib/x"),
        (layer("one", file("usr/lib")), layer("two", file("x"), path="usr/lib"), "/usr/lib"),
    ],
)
def test_conflicts(one: Layer, other: Layer, path: str) -> None:
    for layers in ([one, other], [other, one], [one, one, other]):
        with pytest.raises(ConflictError) as caught:
            merge(layers)
        assert caught.value.exit == 5 and caught.value.code == "ATOM-6001"
        assert f"path '{path}'" in caught.value.what
        assert f"'{one[0].origin}'" in caught.value.what and f"'{other[0].origin}'" in caught.value.what


def test_what_agrees_merges() -> None:
    both = merge(
        [
            layer("one", file("usr/share/doc/copyright"), empty_dir(b"var/lib"), empty_dir(b"srv")),
            layer("two", file("usr/share/doc/copyright"), file("var/lib/db"), empty_dir(b"srv")),
            link("bin", "usr/bin"),
            link("bin", "usr/bin"),
        ]
    )
    assert [leaf.path for leaf in both] == [b"bin", b"srv", b"usr/share/doc/copyright", b"var/lib/db"]


def test_three_sides_name_the_two_that_disagree() -> None:
    layers = [layer("empty", empty_dir(b"d")), layer("filled", file("d/x")), layer("plain", file("d"))]
    with pytest.raises(ConflictError, match="'empty' and in 'plain'"):
        merge(layers)


def test_attributes_merge_by_the_same_law() -> None:
    one, other = [Attribute("a", 0o4755)], [Attribute("a", 0o4755), Attribute("b", uid=3)]
    assert merge_attributes([("one", one), ("two", other)]) == other
    with pytest.raises(ConflictError, match="'one' and 'two'"):
        merge_attributes([("two", [Attribute("a", 0o755)]), ("one", one)])


def test_a_toolchain_merges_in_no_time() -> None:
    """8,000 leaves in 80 layers stay below 60 ms; the best of three, for other work on the machine."""
    layers = []
    for i in range(80):
        leaves = [
            Leaf(
                b"usr/lib/package%d/part%d/file%d" % (i, j % 7, j),
                MODE_FILE,
                Digest(f"blake3:{i:032x}{j:032x}"),
                1,
                OID,
            )
            for j in range(100)
        ]
        layers.append((Entry("", "tree", Digest(f"blake3:{i:064x}"), origin=f"debian {i}"), leaves))
    best = 9.0
    for _ in range(3):
        start = time.perf_counter()
        assert len(merge(layers)) == 8000
        best = min(best, time.perf_counter() - start)
    assert best < 0.06
