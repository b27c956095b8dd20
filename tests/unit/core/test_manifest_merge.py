"""Merging manifests: what one side said is taken with its comments and layout, what both said differently is left for marks."""

from __future__ import annotations

import pytest

from git_atom.core.manifest_merge import Sides, agrees, readable, settle

BASE = """\
# the app
[atom]
id = "app"
version = "1.0.0"   # first

[deps.base]         # the base
url = "https://e.org/b"

# what it is built with
[toolchain]
suite = "s"
debian = ["gcc", "make"]
"""
LEFT = '[deps.zlib]\nurl = "https://e.org/a"   # ours\n# version = "^1"\n'
RIGHT = '# much older\n[deps.old]\nurl = "https://e.org/o"\nversion = "^1"\n'
PLACE = "\n# what it is built with"


def merged(base: str, ours: str, theirs: str) -> str:
    """The one text that both sides come to."""
    sides = Sides(base, ours, theirs)
    assert readable(sides)
    made = settle(sides)
    assert made.base == made.ours == made.theirs
    assert agrees(made.ours, sides)
    return made.ours


def test_tables_that_each_side_adds() -> None:
    ours, theirs = (BASE.replace(PLACE, f"\n{one}{PLACE}") for one in (LEFT, RIGHT))
    assert merged(BASE, ours, theirs) == BASE.replace(PLACE, f"\n{LEFT}\n{RIGHT}{PLACE}")
    assert merged(BASE, theirs, ours) == BASE.replace(PLACE, f"\n{RIGHT}\n{LEFT}{PLACE}")
    assert merged(BASE, ours, ours) == ours and merged(BASE, BASE, theirs) == theirs
    assert merged("", ours, ours) == ours


def test_at_the_end_of_a_file() -> None:
    short = BASE.partition(PLACE)[0].rstrip("\n")  # its last line has no end
    made = merged(short, f"{short}\n\n{LEFT}", f"{short}\n\n{RIGHT}")
    assert made == f"{short}\n\n{LEFT}\n{RIGHT}"


def test_keys_of_one_table() -> None:
    """One line after the other, which git takes for one change."""
    ours = BASE.replace('org/b"\n', 'org/b"\n# newer\nversion = "^2"\n').replace("[toolchain]\n", "[toolchain] # all\n")
    theirs = BASE.replace('org/b"\n', 'org/c"   # moved\nfor = ["build"]\n').replace('"gcc", "make"', '"gcc"')
    wanted = BASE.replace('org/b"\n', 'org/c"   # moved\n# newer\nversion = "^2"\nfor = ["build"]\n')
    wanted = wanted.replace("[toolchain]\n", "[toolchain] # all\n").replace('"gcc", "make"', '"gcc"')
    assert merged(BASE, ours, theirs) == wanted


def test_what_one_side_takes_out() -> None:
    gone = BASE.replace('[deps.base]         # the base\nurl = "https://e.org/b"\n\n', "")
    theirs = BASE.replace("[toolchain]\n", f"{RIGHT}\n[toolchain]\n")
    assert "deps.base" not in merged(BASE, gone, theirs) and RIGHT in merged(BASE, gone, theirs)
    assert "deps.base" not in merged(BASE, theirs, gone) and RIGHT in merged(BASE, theirs, gone)


def test_inline_tables_below_a_new_header() -> None:
    start = '[atom]\nid = "a"\nversion = "1.0.0"\n'
    ours, theirs = (f'{start}\n[deps]\n{name} = {{ url = "https://e.org/{name}" }} # {name}\n' for name in "xy")
    assert merged(start, ours, theirs).count("[deps]") == 1
    assert merged(start, ours, theirs).endswith('/x" } # x\ny = { url = "https://e.org/y" } # y\n')


@pytest.mark.parametrize(
    ("ours", "theirs", "left"),
    [
        (("1.0.0", "1.1.0"), ("1.0.0", "1.2.0"), ['version = "1.1.0"   # first\n', 'version = "1.2.0"   # first\n']),
        (("# first", "# mine"), ("# first", "# yours"), ['version = "1.0.0"   # mine\n', 'version = "1.0.0"   # yours\n']),
        ((PLACE, "\n" + LEFT + PLACE), (PLACE, "\n" + LEFT.replace("/a", "/n") + PLACE), ["\n" + LEFT, "\n" + LEFT.replace("/a", "/n")]),
        (('[deps.base]         # the base\nurl = "https://e.org/b"\n\n', ""), ("org/b", "org/c"), ["", '\n[deps.base]         # the base\nurl = "https://e.org/c"\n']),
    ],
)  # fmt: skip
def test_what_both_say_differently_is_left(ours: tuple[str, str], theirs: tuple[str, str], left: list[str]) -> None:
    sides = Sides(BASE, BASE.replace(*ours), BASE.replace(*theirs))
    made = settle(sides)
    assert made.ours != made.theirs
    for one, text in zip(left, made[1:], strict=True):
        assert one in text
    assert made.ours.replace(left[0], "") == made.theirs.replace(left[1], ""), "and nothing else"


def test_what_git_merges_wrongly_does_not_agree() -> None:
    """Lines that do not meet, and no manifest."""
    ours, theirs = LEFT + "\n" + BASE, BASE + "\n" + LEFT
    twice = LEFT + "\n" + BASE + "\n" + LEFT
    assert not agrees(twice, Sides(BASE, ours, theirs))
    assert merged(BASE, ours, theirs).count("[deps.zlib]") == 1
    pin = '[pins.x]\ngit = "https://e.org/p"\nref = "1"\n'
    src = '[srcs.x]\nurl = "https://e.org/s"\n'
    sides = Sides(BASE, f"{BASE}\n{pin}", f"{BASE}\n{src}")
    assert not agrees(settle(sides).ours, sides)


def test_what_is_no_toml_is_not_taken_apart() -> None:
    assert not readable(Sides("<<<<<<< ours\n", BASE, BASE)) and not readable(Sides("a = [" * 50, BASE, BASE))
