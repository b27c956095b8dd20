"""Laws of merging manifests: what the sides said of different things is all there, no line is lost, and sides may be swapped."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st
from test_manifest_edits import manifests, paths

from git_atom.core import manifest_edit
from git_atom.core.manifest_merge import Sides, agrees, settle


@given(manifests(), st.lists(paths, min_size=2, max_size=4, unique=True), st.data())
def test_sides_that_say_different_things(text: str, named: list[tuple[str, str]], data: st.DataObject) -> None:
    texts, there = [text, text], tomllib.loads(text)
    wanted = tomllib.loads(text)
    for at, path in enumerate(named):
        side, value = at % 2, f"v{at}"
        if path[1] in there.get(path[0], {}) and data.draw(st.booleans()):
            texts[side] = manifest_edit.drop(texts[side].encode(), path).decode()
            del wanted[path[0]][path[1]]
        else:
            texts[side] = manifest_edit.put(texts[side].encode(), path, {"url": value}).decode()
            wanted.setdefault(path[0], {}).setdefault(path[1], {})["url"] = value
    for ours, theirs in (texts, texts[::-1]):
        sides = Sides(text, ours, theirs)
        made = settle(sides)
        assert made.base == made.ours == made.theirs and agrees(made.ours, sides)
        assert _full(tomllib.loads(made.ours)) == _full(wanted)
        kept = set(_lines(text)) & set(_lines(ours)) & set(_lines(theirs))
        new = (set(_lines(ours)) | set(_lines(theirs))) - set(_lines(text))
        assert kept | new <= set(_lines(made.ours))


def _full(value: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    return {key: one for key, one in value.items() if one}


def _lines(text: str) -> list[str]:
    return [line.rstrip("\r") for line in text.split("\n")]


@given(manifests(), manifests(), manifests())
def test_no_line_is_lost(base: str, ours: str, theirs: str) -> None:
    """Whatever the texts: what one side wrote and the base did not have is in the outcome of one of them."""
    made = settle(Sides(base, ours, theirs))
    for side, out in ((ours, made.ours), (theirs, made.theirs)):
        assert set(_lines(side)) - set(_lines(base)) <= set(_lines(out)) | {""}


@given(manifests(), manifests())
def test_one_side_alone(base: str, ours: str) -> None:
    for sides in (Sides(base, ours, base), Sides(base, base, ours), Sides(base, ours, ours), Sides(ours, ours, ours)):
        made = settle(sides)
        assert made.base == made.ours == made.theirs
        assert tomllib.loads(made.ours) == tomllib.loads(ours)
