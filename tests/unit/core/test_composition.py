"""The manifest of a composition: one text per value, every field in the root, hostile text refused quickly."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from git_atom.core import composition
from git_atom.core.composition import Attribute, Composition, Entry, make, path_bytes, path_text
from git_atom.core.digest import MODE_FILE, Digest, Oid, of_bytes
from git_atom.core.tree import Leaf
from git_atom.errors import MalformedError

GOLDEN = Path(__file__).resolve().parents[2] / "golden/example.composition.toml"
A, B = of_bytes(b"a"), of_bytes(b"b")


def example() -> Composition:
    return make(
        [
            Entry("", "tree", A, origin="debian bookworm gcc-12 12.2.0-14 amd64"),
            Entry("", "tree", B, origin="debian bookworm libc6 2.36-9 amd64"),
            Entry("bin", "symlink", target="usr/bin", origin="usrmerge"),
            Entry("etc/motd", "file", of_bytes(b"hi\n"), origin="file motd"),
            Entry("opt/run", "file", of_bytes(b"#!/bin/sh\n"), origin="file run", executable=True),
            Entry("opt/ssl", "tree", A, origin="atom openssl 3.0.1", constraint="interface", proof=B),
        ],
        [
            Attribute("usr/bin/passwd", 0o4755),
            Attribute("dev/null", 0o666, kind="char", device="1:3"),
            Attribute("srv/.git", kind="file", digest=A),
            Attribute("var/mail", 0o2775, gid=8),
            Attribute("usr/bin/ping", capabilities="0100000200200000000000000000000000000000"),
        ],
    )


def test_golden() -> None:
    assert composition.format(example()).decode() == GOLDEN.read_text()
    assert composition.parse(GOLDEN.read_bytes()) == example()
    assert composition.root(example()) == of_bytes(GOLDEN.read_bytes())


def test_order_and_repetition_do_not_matter() -> None:
    e = example()
    assert composition.root(
        Composition((*reversed(e.entries), e.entries[0]), tuple(reversed(e.attributes)))
    ) == composition.root(e)


OTHER: dict[str, Any] = {
    "path": "elsewhere", "digest": of_bytes(b"other"), "target": "other", "origin": "other", "executable": True, "mode": 0o1777,
    "uid": 7, "gid": 7, "capabilities": "00ff", "device": "9:9",
}  # fmt: skip


@pytest.mark.parametrize("index", range(6))
def test_every_field_of_an_entry_is_in_the_root(index: int) -> None:
    whole = example()
    entry = whole.entries[index]
    for field in Entry._fields:
        changed: Entry = Entry(**(entry._asdict() | {field: OTHER.get(field)}))
        if field == "constraint":
            changed = (
                entry._replace(constraint="interface", proof=A)
                if not entry.proof
                else entry._replace(constraint="exact", proof=None)
            )
        elif field == "proof":
            changed = entry._replace(proof=A) if entry.proof else entry
        elif field == "kind":
            changed = entry._replace(kind="tree", executable=False) if entry.kind == "file" else entry
        if changed == entry:
            continue
        try:
            root = composition.root(whole._replace(entries=tuple(changed if e == entry else e for e in whole.entries)))
        except MalformedError:
            continue  # such an entry cannot be
        assert root != composition.root(whole), field


def test_every_field_of_an_attribute_is_in_root_and_view() -> None:
    base = Attribute("a", 0o644, 1, 2, "aa", "char", "1:3")
    made = make([], [base])
    for field in ("path", "mode", "uid", "gid", "capabilities", "device"):
        other = make([], [base._replace(**{field: OTHER[field]})])
        assert composition.root(other) != composition.root(made)
        assert composition.view([], other.attributes) != composition.view([], made.attributes)
    fifo = make([], [base._replace(kind="fifo", device="")])
    named = [make([], [Attribute("a", kind="file", digest=d)]) for d in (A, B)]
    assert len({composition.view([], m.attributes) for m in (made, fifo, *named)}) == 4


def test_view_depends_on_tree_and_table() -> None:
    leaf = Leaf(b"a", MODE_FILE, A, 1, Oid("0" * 40))
    assert composition.view([leaf]) != composition.view([leaf._replace(digest=B)])
    assert composition.view([leaf]) != composition.view([leaf], [Attribute("a", 0o4755)])


@pytest.mark.parametrize(
    "entry",
    [
        Entry("", "file", A),
        Entry("a", "tree"),
        Entry("a", "symlink", A, target="b"),
        Entry("a", "symlink"),
        Entry("a", "tree", A, target="b"),
        Entry("a", "directory", A),
        Entry("/a", "tree", A),
        Entry("a/../b", "tree", A),
        Entry("a/", "tree", A),
        Entry("a/.GIT", "tree", A),
        Entry("a%0a", "tree", A),
        Entry("a\nb", "tree", A),
        Entry("a%2Fb", "tree", A),
        Entry("a", "tree", A, executable=True),
        Entry("a", "tree", A, constraint="any"),
        Entry("a", "tree", A, proof=B),
        Entry("a", "tree", A, constraint="interface"),
        Entry("a", "tree", A, origin="x\x1b[31m"),
        Entry("a", "tree", A, origin="\udcff"),
        Entry("a" * 5000, "tree", A),
        Entry("a", "symlink", target="b%00"),
    ],
)
def test_entries_that_cannot_be(entry: Entry) -> None:
    with pytest.raises(MalformedError) as caught:
        composition.format(Composition((entry,)))
    assert caught.value.code in ("ATOM-1041", "ATOM-1004")


@pytest.mark.parametrize(
    "attribute",
    [
        Attribute("a", 0o10000),
        Attribute("a", -1),
        Attribute("a", uid=-1),
        Attribute("a", gid=2**32),
        Attribute("a", capabilities="0g"),
        Attribute("a", kind="char"),
        Attribute("a", device="1:3"),
        Attribute("a", kind="socket"),
        Attribute("a", kind="file"),
        Attribute("a", digest=A),
        Attribute("../a", 0o4755),
        Attribute("x/../a", kind="file", digest=A),
    ],
)
def test_attributes_that_cannot_be(attribute: Attribute) -> None:
    with pytest.raises(MalformedError) as caught:
        composition.format(Composition((), (attribute,)))
    assert caught.value.code in ("ATOM-1041", "ATOM-1004")


def test_two_rows_for_one_path() -> None:
    with pytest.raises(MalformedError, match="two rows"):
        make([], [Attribute("a", 0o4755), Attribute("a", 0o755)])


TEXT = composition.format(example()).decode()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("format = 1", "format = 2", "ATOM-1042"),
        ("format = 1", "format = 0", "ATOM-1040"),
        ("# Written", "# written", "ATOM-1040"),
        ("[[entries]]", "[entries]", "ATOM-1040"),
        ("[[entries]]", "[[other]]", "ATOM-1040"),
        ('constraint = "exact"\n', 'constraint = "exact"\nextra = "x"\n', "ATOM-1040"),
        ('constraint = "exact"\n', "", "ATOM-1041"),
        ("executable = true", 'executable = "true"', "ATOM-1040"),
        ('mode = "4755"', 'mode = "04755"', "ATOM-1040"),
        ('mode = "4755"', 'mode = "9"', "ATOM-1040"),
        ('mode = "4755"', "mode = 4755", "ATOM-1040"),
        ("gid = 8", "gid = 08", "ATOM-1040"),
        ('target = "usr/bin"', 'target = "usr\\u002fbin"', "ATOM-1040"),
        ('digest = "blake3:', 'digest = "BLAKE3:', "ATOM-1001"),
        ('kind = "file"', 'kind = "device"', "ATOM-1041"),
        ('origin = "usrmerge"', 'origin = "usrmerge" ', "ATOM-1040"),
        ("\n\n[[entries]]", "\n[[entries]]", "ATOM-1040"),
        ("\n", "\r\n", "ATOM-1040"),
    ],
)
def test_any_other_text_is_refused(old: str, new: str, code: str) -> None:
    assert old in TEXT
    with pytest.raises(MalformedError) as caught:
        composition.parse(TEXT.replace(old, new, 1).encode())
    assert caught.value.code == code


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 1000,
        b"[" * 2_000_000,
        (composition.HEADER + "format = 1\n").encode() + b'a = "' + b"\\" * 2_000_000,
        (composition.HEADER + "format = 1\n\n[[entries]]\n").encode() + b'path = "' + b"%41" * 500_000 + b'"\n',
        b"x" * (composition.MAX_BYTES + 1),
        TEXT.encode()[:-1],
        TEXT.encode() + b"\n",
        TEXT.encode() * 2,
    ],
    ids=range(9),
)
def test_hostile_text_is_refused_quickly(data: bytes) -> None:
    start = time.monotonic()
    with pytest.raises(MalformedError):
        composition.parse(data)
    assert time.monotonic() - start < 1.5


@pytest.mark.parametrize("raw", [b"a", b"a b", b"100%", b"\xff\xfe", "ä".encode(), b"a\nb", b"%41"])
def test_paths_have_one_text(raw: bytes) -> None:
    text = path_text(raw)
    assert path_bytes(text) == raw and text.isprintable()


def test_a_digest_is_needed() -> None:
    with pytest.raises(MalformedError):
        make([Entry("a", "tree", Digest("blake3:0"), target="x")])
