"""Laws of the texts of compositions: one text per value, everything else refused; listings and attribute tables."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_atom.compose.merge import merge_attributes
from git_atom.core import composition
from git_atom.core.composition import EXACT, INTERFACE, LINK, PLAIN, TREE, Attribute, Composition, Entry
from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, Oid, of_bytes
from git_atom.core.tree import Leaf, check_path, decode_listing, empty_dir, encode_listing
from git_atom.errors import AtomError, ConflictError, MalformedError

few = settings(max_examples=50, deadline=None)

names = st.sampled_from([b"a", b"b", b"lib", b"usr"])
paths = st.lists(names, min_size=1, max_size=4).map(b"/".join)
contents = st.sampled_from([b"", b"one", b"two"])
modes = st.sampled_from([MODE_FILE, MODE_FILE, MODE_EXEC, MODE_LINK, MODE_TREE])


def _fits_git(part: bytes) -> bool:
    try:
        check_path(part)
    except MalformedError:
        return False
    return True


def leaf(path: bytes, mode: int, content: bytes) -> Leaf:
    if mode == MODE_TREE:
        return empty_dir(path)
    return Leaf(path, mode, of_bytes(content), len(content), Oid(of_bytes(content).hex[:40]))


@st.composite
def trees(draw: st.DrawFn) -> list[Leaf]:
    """A tree that can be: no file in whose place another path needs a directory, no empty directory that is not empty."""
    found: dict[bytes, Leaf] = {}
    for path, mode, content in draw(st.lists(st.tuples(paths, modes, contents), max_size=6)):
        parents = {path.rsplit(b"/", n)[0] for n in range(1, path.count(b"/") + 1)}
        if not parents & found.keys() and not any(other.startswith(path + b"/") for other in found):
            found[path] = leaf(path, mode, content)
    return list(found.values())


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
digests = st.binary(max_size=2).map(of_bytes)
raw_paths = st.binary(min_size=1, max_size=12).filter(lambda p: b"\0" not in p)
good_paths = st.lists(
    raw_paths.filter(lambda p: b"/" not in p and _fits_git(p)),
    min_size=1,
    max_size=3,
).map(lambda parts: composition.path_text(b"/".join(parts)))


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from([TREE, PLAIN, LINK]))
    path = draw(st.one_of(st.just(""), good_paths) if kind == TREE else good_paths)
    proof = draw(st.one_of(st.none(), digests))
    constraint = EXACT if proof is None else INTERFACE
    if kind == LINK:
        target = composition.path_text(draw(raw_paths))
        return Entry(path, kind, None, target, draw(texts), constraint, False, proof)
    return Entry(path, kind, draw(digests), "", draw(texts), constraint, kind == PLAIN and draw(st.booleans()), proof)


owners = st.integers(0, 2**32 - 1)
attributes = st.builds(
    lambda path, mode, uid, gid, held: Attribute(path, mode, uid, gid, held), good_paths, st.one_of(st.none(), st.integers(0, 0o7777)), owners, owners,
    st.sampled_from(["", "00", "0100000200200000"]),
)  # fmt: skip
compositions = st.builds(
    composition.make,
    st.lists(entries(), max_size=5),
    st.lists(attributes, max_size=4, unique_by=lambda a: a.path),
)


@few
@given(compositions)
def test_reading_what_was_written_gives_it_back(made: Composition) -> None:
    assert composition.parse(composition.format(made)) == made


@few
@given(compositions, compositions)
def test_different_compositions_have_different_roots(one: Composition, other: Composition) -> None:
    assert (composition.root(one) == composition.root(other)) == (one == other)


@few
@given(compositions, st.data())
def test_a_changed_text_is_refused_or_means_something_else(made: Composition, data: st.DataObject) -> None:
    text = composition.format(made)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + bytes([data.draw(st.integers(0, 255))]) + text[at + 1 :]
    try:
        read = composition.parse(changed)
    except AtomError:
        return
    assert composition.format(read) == changed
    assert (read == made) == (changed == text)


@few
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(AtomError):
        composition.parse(data)
    with pytest.raises(AtomError):
        composition.parse(b"# Written by git compose; do not edit.\nformat = 1\n\n[[entries]]\n" + data)


@few
@given(st.binary(max_size=40))
def test_a_path_and_its_text_are_one(path: bytes) -> None:
    assert composition.path_bytes(composition.path_text(path)) == path


@few
@given(trees())
def test_a_listing_is_read_as_written(leaves: list[Leaf]) -> None:
    assert decode_listing(encode_listing(leaves)) == sorted(leaves)


@few
@given(st.lists(st.lists(attributes, max_size=3, unique_by=lambda a: a.path), min_size=1, max_size=3))
def test_attribute_tables_merge_by_the_same_law(tables: list[list[Attribute]]) -> None:
    def tried(order: list[list[Attribute]]) -> list[Attribute] | None:
        try:
            return merge_attributes([(str(n), rows) for n, rows in enumerate(order)])
        except ConflictError:
            return None

    first = tried(tables)
    assert all(tried(list(order)) == first for order in permutations(tables))
    assert tried(tables + tables) == first
