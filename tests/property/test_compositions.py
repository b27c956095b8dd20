"""Laws of compositions: one text per value; merging is a partial commutative idempotent monoid over what paths mean."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_atom.compose.merge import Layer, merge, merge_attributes
from git_atom.core import composition
from git_atom.core.composition import EXACT, INTERFACE, LINK, PLAIN, TREE, Attribute, Composition, Entry
from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, Oid, of_bytes
from git_atom.core.tree import Leaf, decode_listing, empty_dir, encode_listing, tree_digest
from git_atom.errors import AtomError, ConflictError

few = settings(max_examples=50, deadline=None)

# few names, so that layers meet often; few contents, so that they often agree
names = st.sampled_from([b"a", b"b", b"lib", b"usr"])
paths = st.lists(names, min_size=1, max_size=4).map(b"/".join)
contents = st.sampled_from([b"", b"one", b"two"])
modes = st.sampled_from([MODE_FILE, MODE_FILE, MODE_EXEC, MODE_LINK, MODE_TREE])


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


@st.composite
def layer_lists(draw: st.DrawFn, least: int = 0) -> list[Layer]:
    made = []
    for number, leaves in enumerate(draw(st.lists(trees(), min_size=least, max_size=3))):
        where = draw(st.sampled_from(["", "", "usr", "opt/x"]))
        made.append((Entry(where, TREE, tree_digest(leaves), origin=f"layer {number}"), leaves))
    return made


def outcome(layers: list[Layer]) -> list[Leaf] | None:
    try:
        return merge(layers)
    except ConflictError as error:
        assert error.code == "ATOM-6001"
        return None


def whole(leaves: list[Leaf] | None) -> list[Layer]:
    """A merged tree as a layer of its own."""
    return [] if leaves is None else [(Entry("", TREE, tree_digest(leaves), origin="whole"), leaves)]


def meaning(layers: list[Layer]) -> dict[bytes, object] | None:
    """What the layers mean, computed the slow way: every directory, file and link at its path; None when they disagree."""
    found: dict[bytes, object] = {}
    for entry, leaves in layers:
        for one in leaves:
            path = entry.path.encode() + (b"/" if entry.path else b"") + one.path
            rows = {path.rsplit(b"/", n)[0]: "directory" for n in range(1, path.count(b"/") + 1)}
            rows[path] = "directory" if one.mode == MODE_TREE else (one.mode, one.digest)  # type: ignore[assignment]
            for key, value in rows.items():
                if found.setdefault(key, value) != value:
                    return None
    return found


@settings(max_examples=150, deadline=None)
@given(layer_lists())
def test_merging_means_what_its_layers_mean_and_conflicts_exactly_when_they_do(layers: list[Layer]) -> None:
    merged = outcome(layers)
    assert (meaning(whole(merged)) if merged is not None else None) == meaning(layers)


@few
@given(layer_lists(least=2))
def test_order_does_not_matter(layers: list[Layer]) -> None:
    assert len({repr(outcome(list(order))) for order in permutations(layers)}) == 1


@few
@given(layer_lists())
def test_merging_is_idempotent(layers: list[Layer]) -> None:
    merged = outcome(layers)
    assert outcome(layers + layers) == merged
    if merged is not None:
        assert outcome(whole(merged) + whole(merged)) == merged
        assert outcome(layers + whole(merged)) == merged


@few
@given(layer_lists(), layer_lists(), layer_lists())
def test_grouping_does_not_matter(a: list[Layer], b: list[Layer], c: list[Layer]) -> None:
    left, right = outcome(a + b), outcome(b + c)
    if left is not None and right is not None:
        assert outcome(whole(left) + c) == outcome(a + whole(right)) == outcome(a + b + c)
    else:
        assert outcome(a + b + c) is None  # what disagrees once never agrees again


@few
@given(trees())
def test_nothing_is_neutral(leaves: list[Leaf]) -> None:
    one = whole(leaves)
    assert outcome([*one, (Entry("", TREE, tree_digest([]), origin="empty"), [])]) == outcome(one) == sorted(leaves)


@few
@given(layer_lists(least=2))
def test_a_conflict_names_both_sides_whatever_the_order(layers: list[Layer]) -> None:
    said = set()
    for order in permutations(layers):
        try:
            merge(list(order))
        except ConflictError as error:
            said.add((error.what, error.note))
            assert sum(entry.origin in error.what for entry, _ in layers) >= 1
    assert len(said) <= 1


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
digests = st.binary(max_size=2).map(of_bytes)
raw_paths = st.binary(min_size=1, max_size=12).filter(lambda p: b"\0" not in p)
good_paths = st.lists(
    raw_paths.filter(lambda p: b"/" not in p and p not in (b".", b"..") and p.lower() != b".git"),
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
