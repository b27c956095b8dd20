"""Names: what is accepted, what is refused, what looks alike."""

from __future__ import annotations

import pytest

from git_atom.core.name import check_name, skeleton
from git_atom.errors import MalformedError


@pytest.mark.parametrize(
    "text", ["curl", "a", "zlib1g-dev", "größe", "日本ライブラリ", "привет", "A_b-C", "x" * 128, "xyz-"]
)
def test_accepts(text: str) -> None:
    assert check_name(text, exact=True) == text


# catalogue N01, N02, N03
@pytest.mark.parametrize(
    "text",
    [
        "", "-rf", "--upload-pack=x", "..", "a/../b", ".git", "x.lock", "@", "HEAD", "CON", "Aux", "com1", "x" * 300, "é" * 65,
        "7zip", "_x", "a b", "a\u200db", "a\ufeff", "a\u202eb", "a\udce9", "a\x9bb", "p\u0430ypal", "a$(id)", "a;b", "a\nb", "\u0301a",
        "a\u2024b",
    ],
)  # fmt: skip
def test_refuses(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        check_name(text)
    assert caught.value.code == "ATOM-1010" and caught.value.exit == 7 and caught.value.hint


def test_normal_form() -> None:
    assert check_name("cafe\u0301") == "café"
    assert check_name("\uff46\uff4f\uff4f") == "foo"
    for text in ("cafe\u0301", "\uff46\uff4f\uff4f"):
        with pytest.raises(MalformedError) as caught:
            check_name(text, exact=True)
        assert "U+" in caught.value.note


@pytest.mark.parametrize(
    "pair", [("zlib", "ZLIB"), ("a-b", "a_b"), ("modern", "modem"), ("lib1", "libl"), ("сора", "copa"), ("foo", "f0o")]
)
def test_siblings(pair: tuple[str, str]) -> None:
    assert skeleton(pair[0]) == skeleton(pair[1])
    assert skeleton("zlib") != skeleton("curl")
