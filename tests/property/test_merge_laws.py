"""The laws of merging: a partial, commutative, associative, idempotent monoid over what trees mean."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from git_atom.compose.merge import Layer, merge, place
from git_atom.core.composition import Entry
from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, Oid, of_bytes
from git_atom.core.tree import Leaf, empty_dir, tree_digest
from git_atom.errors import ConflictError

NAMES = st.sampled_from([b"a", b"b", b"lib", b"usr"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(b"/".join)
MODES = st.sampled_from([MODE_FILE, MODE_FILE, MODE_EXEC, MODE_LINK, MODE_TREE])


def leaf(path: bytes, mode: int, content: int) -> Leaf:
    if mode == MODE_TREE:
        return empty_dir(path)
    return Leaf(path, mode, of_bytes(b"%d" % content), 1, Oid(f"{content:040d}"))


@st.composite
def trees(draw: st.DrawFn) -> list[Leaf]:
    """A tree: no two leaves at one path, none below another."""
    kept: dict[bytes, Leaf] = {}
    for path, mode, content in draw(st.lists(st.tuples(PATHS, MODES, st.integers(0, 1)), max_size=6)):
        if not any(p == path or p.startswith(path + b"/") or path.startswith(p + b"/") for p in kept):
            kept[path] = leaf(path, mode, content)
    return sorted(kept.values())


def layer(tree: Sequence[Leaf], name: str = "x") -> Layer:
    return Entry("", "tree", tree_digest(tree), origin=name), tree


def meaning(tree: Sequence[Leaf]) -> dict[bytes, object]:
    """What a tree means: every path with its content, directories included."""
    found: dict[bytes, object] = {}
    for one in tree:
        parts = one.path.split(b"/")
        for count in range(1, len(parts)):
            found[b"/".join(parts[:count])] = "directory"
        found[one.path] = "directory" if one.mode == MODE_TREE else (one.mode, one.digest)
    return found


def joined(*some: Sequence[Leaf]) -> list[Leaf] | None:
    try:
        return merge([layer(tree, str(i)) for i, tree in enumerate(some)])
    except ConflictError:
        return None


@given(trees(), trees())
def test_defined_exactly_where_meanings_agree(one: list[Leaf], other: list[Leaf]) -> None:
    a, b = meaning(one), meaning(other)
    made = joined(one, other)
    if all(a[path] == b[path] for path in a.keys() & b.keys()):
        assert made is not None and meaning(made) == a | b
    else:
        assert made is None


@given(trees())
def test_idempotent_and_empty_is_neutral(one: list[Leaf]) -> None:
    assert joined(one, one) == joined(one) == joined(one, []) == one


@given(trees(), trees())
def test_commutative(one: list[Leaf], other: list[Leaf]) -> None:
    assert joined(one, other) == joined(other, one)


@settings(max_examples=300)
@given(trees(), trees(), trees())
def test_associative(one: list[Leaf], two: list[Leaf], three: list[Leaf]) -> None:
    left, right = joined(one, two), joined(two, three)
    whole = joined(one, two, three)
    assert (joined(left, three) if left is not None else None) == whole
    assert (joined(one, right) if right is not None else None) == whole


@given(trees(), trees())
def test_a_conflict_names_both_sides_whatever_the_order(one: list[Leaf], other: list[Leaf]) -> None:
    said = []
    for layers in (
        [layer(one, "debian one"), layer(other, "debian two")],
        [layer(other, "debian two"), layer(one, "debian one")],
    ):
        try:
            merge(layers)
        except ConflictError as error:
            said.append((error.code, error.what, error.note))
    if said:
        assert said[0] == said[1] and said[0][0] == "ATOM-6001"
        assert "debian one" in said[0][1] and "debian two" in said[0][1]


@given(trees(), PATHS)
def test_an_entry_below_a_path_is_the_tree_there(tree: list[Leaf], path: bytes) -> None:
    below = Entry(path.decode(), "tree", tree_digest(tree), origin="x")
    moved = [one._replace(path=path + b"/" + one.path) for one in tree]
    assert merge([(below, tree)]) == moved == list(place(below, tree))
