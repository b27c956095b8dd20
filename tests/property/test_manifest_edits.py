"""Laws of editing a manifest in place: it says what was asked for, what was not touched stays to the byte, and taking out undoes putting in."""

from __future__ import annotations

import tomllib
from collections import Counter

import pytest
import tomlkit
from hypothesis import assume, given
from hypothesis import strategies as st

from git_atom.core import manifest_edit, toml_lines
from git_atom.errors import CannotError

words = st.from_regex(r"[a-z][a-z0-9+-]{0,6}", fullmatch=True)
values = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=8)
names = st.one_of(words, st.from_regex(r"[a-z.]{1,6}", fullmatch=True))
paths = st.tuples(st.sampled_from(["deps", "pins", "srcs"]), names)
comments = st.from_regex(r"# [a-z\"\],]{0,8}", fullmatch=True)


@st.composite
def lists(draw: st.DrawFn) -> str:
    """A list of strings as people lay it out: in a line or one to a line, with a last comma or without, with comments."""
    items = [
        f'"{item}"' if draw(st.booleans()) else f"'{item}'" for item in draw(st.lists(words, min_size=1, max_size=4))
    ]
    last = draw(st.booleans())
    if draw(st.booleans()):
        return f"[{draw(st.sampled_from(['', ' ']))}{', '.join(items)}{',' if last else ''} ]"
    lines = []
    for at, item in enumerate(items):
        comma = "," if last or at < len(items) - 1 else ""
        lines.append(f"    {item}{comma}{'  ' + draw(comments) if draw(st.booleans()) else ''}\n")
        if draw(st.integers(0, 3)) == 0:
            lines.append(f"    {draw(comments)}\n")
    return f"[\n{''.join(lines)}]"


@st.composite
def manifests(draw: st.DrawFn) -> str:
    """A manifest with tables, comments, blank lines and inline tables in any order, ending with or without a line end."""
    tables = ['[atom]\nid = "a"\nversion = "1.0.0"', f'[toolchain] # world\nsuite = "s"\ndebian = {draw(lists())}']
    for section, name in draw(st.lists(paths, unique=True, max_size=4)):
        key = tomlkit.key([section, name]).as_string()
        tables.append(f'[{key}]{draw(st.sampled_from(["", " # why"]))}\nurl   = "x"  # keep')
    tables += draw(st.sampled_from([[], ["[provide] # x\n# y"], ["[deps] # x\n# y"]]))
    text = ""
    for table in draw(st.permutations(tables)):
        text += f"{table}\n" + draw(st.sampled_from(["", "\n", "# between\n", "\n# before\n", "# own\n\n"]))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return text if draw(st.booleans()) else text.rstrip("\r\n")


@given(manifests(), paths, values, values)
def test_putting_in_and_taking_out_a_table(text: str, path: tuple[str, str], one: str, other: str) -> None:
    before = tomllib.loads(text)
    assume(path[1] not in before.get(path[0], {}))
    data = manifest_edit.put(text.encode(), path, {"url": one, "for": ("build",)})
    assert tomllib.loads(data.decode())[path[0]][path[1]] == {"url": one, "for": ["build"]}
    lines, mine = _lines(data), _lines(text.encode())
    at = next(at for at, (one, two) in enumerate(zip(lines, [*mine, ""], strict=False)) if one != two)
    assert lines[:at] + lines[at + 3 :] == mine, "three lines are new, and nothing else"
    assert _own(text) <= _own(data.decode()), "comments stand below what they stood below"
    changed = manifest_edit.put(data, path, {"url": other})
    assert [*lines[: at + 1], *lines[at + 2 :]] == [*_lines(changed)[: at + 1], *_lines(changed)[at + 2 :]]
    gone = manifest_edit.drop(changed, path)
    assert _lines(gone) == mine and tomllib.loads(gone.decode()) == before


def _own(text: str) -> Counter[tuple[str, str]]:
    """Comments right below something that is no comment of what follows, each with the line above it."""
    found: Counter[tuple[str, str]] = Counter()
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = block.strip("\n").split("\n")
        tail = next((n for n, line in enumerate(reversed(lines)) if not line.startswith("#")), 0)
        found.update((lines[-n - 1], lines[-n]) for n in range(1, tail + 1))
    return found


def _lines(data: bytes) -> list[str]:
    return [line for line in data.decode().replace("\r\n", "\n").split("\n") if line]


@given(manifests(), st.lists(words, min_size=1, max_size=3, unique=True))
def test_items_put_in_and_taken_out_leave_no_trace(text: str, new: list[str]) -> None:
    there = tomllib.loads(text)["toolchain"]["debian"]
    assume(not set(new) & set(there))
    data = manifest_edit.put_items(text.encode(), ("toolchain",), "debian", new)
    assert tomllib.loads(data.decode())["toolchain"]["debian"] == there + new
    for item in reversed(new):
        data = manifest_edit.drop_item(data, ("toolchain",), "debian", item)
    assert data == text.encode()


@given(manifests(), st.data())
def test_any_item_can_be_taken_out(text: str, data: st.DataObject) -> None:
    there = tomllib.loads(text)["toolchain"]["debian"]
    item = data.draw(st.sampled_from(there))
    made = manifest_edit.drop_item(text.encode(), ("toolchain",), "debian", item).decode()
    wanted = tomllib.loads(text)
    wanted["toolchain"]["debian"] = [one for one in there if one != item]
    assert tomllib.loads(made) == wanted
    kept = [line for line in text.splitlines() if f'"{item}"' not in line and f"'{item}'" not in line]
    assert set(map(_plain, kept)) <= set(map(_plain, made.splitlines())) | {""}


@st.composite
def commented(draw: st.DrawFn, items: list[str]) -> str:
    """A list with a comment for each item, behind it or above it; the first may stand on the line of the bracket."""
    text, last = "[", draw(st.booleans())
    for at, item in enumerate(items):
        comma = "," if last or at < len(items) - 1 else ""
        above = draw(st.integers(0, 3)) == 0
        new = "\n" if above or at or draw(st.booleans()) else ""
        text += f"{new}    # of {item}\n" if above else new
        text += f'    "{item}"{comma}{"" if above else f" # of {item}"}'
    return f"{text}\n]"


@given(
    st.data(),
    st.lists(words, min_size=1, max_size=4, unique=True),
    st.lists(words, min_size=1, max_size=4, unique=True),
)
def test_a_list_that_is_said_anew(data: st.DataObject, old: list[str], extra: list[str]) -> None:
    """Items that are said again stay with their comments, whoever else comes or goes."""
    items = data.draw(commented(old))
    new = data.draw(st.permutations([*extra, *data.draw(st.lists(st.sampled_from(old), unique=True))]))
    new = list(dict.fromkeys(new))
    text = f'[deps.a]\nfor = {items} # all\nurl = "x"\n'
    made = manifest_edit.put(text.encode(), ("deps", "a"), {"for": tuple(new)}).decode()
    stays = [item for item in old if item in new]
    assert tomllib.loads(made)["deps"]["a"]["for"] == stays + [item for item in new if item not in old]
    assert made.endswith('] # all\nurl = "x"\n')
    lines = made.splitlines()
    for item in stays:
        here = next(line for line in lines if f'"{item}"' in line)
        assert here.endswith(f" # of {item}") or lines[lines.index(here) - 1].strip() == f"# of {item}"
    for item in set(new) - set(old):
        assert "#" not in next(line for line in lines if f'"{item}"' in line), "a comment of another"


@pytest.mark.parametrize("shape", ["{ %s }", "{%s}", "{   %s  } # why"])
@given(one=values.map(toml_lines.quote), new=words)
def test_a_key_more_in_an_inline_table(shape: str, one: str, new: str) -> None:
    text = f"[deps]\na = {shape}\nb = 1\n"
    made = manifest_edit.put((text % f"x = [{one}]").encode(), ("deps", "a"), {"url": new})
    assert made.decode() == text % f'x = [{one}], url = "{new}"'


def _plain(line: str) -> str:
    return " ".join(line.replace(",", " ").split())


@given(manifests(), values)
def test_the_outcome_is_what_tomlkit_says(text: str, value: str) -> None:
    """Another editor of the same text, which may lay it out otherwise, comes to the same values."""
    document = tomlkit.parse(text)
    document["toolchain"]["suite"] = value  # type: ignore[index]
    made = manifest_edit.put(text.encode(), ("toolchain",), {"suite": value})
    assert tomllib.loads(made.decode()) == tomllib.loads(document.as_string())


@pytest.mark.parametrize(
    "form",
    [
        'pins.a = { git = "x", ref = "1" }',
        '[pins]\na = { git = "x", ref = "1" } # why',
        '[pins]\na.git = "x"\na.ref = "1"',
    ],
)
def test_other_forms_of_a_table(form: str) -> None:
    text = f'{form}\n[atom]\nid = "a" # me\nversion = "1.0.0"\n'
    try:
        made = manifest_edit.put(text.encode(), ("pins", "a"), {"ref": "2"})
        assert tomllib.loads(made.decode())["pins"]["a"] == {"git": "x", "ref": "2"} and b'id = "a" # me' in made
        made = manifest_edit.drop(text.encode(), ("pins", "a"))
        assert not tomllib.loads(made.decode()).get("pins")
    except CannotError as error:
        assert error.code == "ATOM-1026"
