"""Canonical bytes: the public RFC 8785 implementation is the oracle."""

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from git_atom.core import canon
from git_atom.errors import MalformedError

keys = st.text(st.characters(min_codepoint=1, max_codepoint=126), max_size=8)
text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_equals_the_public_encoder_and_decodes_to_itself(value: Any) -> None:
    data = canon.encode(value)
    assert data == rfc8785.dumps(value)
    assert canon.decode(data) == value


@pytest.mark.parametrize(
    "bad",
    [
        b'{"a":1,"a":2}',
        b'{ "a":1}',
        b'{"b":1,"a":2}',
        b"1.5",
        b"NaN",
        b'"\\u0041"',
        b"[" * 100_000,
        b"\xff",
        b'{"a":1}\n',
        b'"\\ud800"',
    ],
)
def test_s14_refuses_what_is_not_canonical(bad: bytes) -> None:
    with pytest.raises(MalformedError):
        canon.decode(bad)
