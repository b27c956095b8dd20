"""Platform strings multiplied out, and the matrix they span with variants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_atom.core.platform import MAX_ROWS, Platform, expand, matrix
from git_atom.errors import MalformedError

X, A, R = "x86_64-linux", "aarch64-linux", "riscv64-linux"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (X, [(X, X, X)]), (f"{X}:{A}", [(X, A, A)]), (f"{X}:{A}:{R}", [(X, A, R)]), (f"{X}:<", [(X, X, X)]),
        (f"{X}:{{<,{A}}}", [(X, X, X), (X, A, A)]), (f"{{{X},{A}}}", [(X, X, X), (A, A, A)]),
        ("{x86_64,aarch64}-linux", [(X, X, X), (A, A, A)]),
        (f"{{{X},{A}}}:<:{R}", [(X, X, R), (A, A, R)]), (f"{X}:{A}:<", [(X, A, A)]),
        (f"{{{X},{X}}}", [(X, X, X)]),
        (f"{{{X},{A}}}:{{<,{R}}}", [(X, X, X), (X, R, R), (A, A, A), (A, R, R)]),
    ],
)  # fmt: skip
def test_expands(text: str, want: list[tuple[str, str, str]]) -> None:
    assert [tuple(one) for one in expand(text)] == want


@pytest.mark.parametrize(
    "text",
    ["", "<", ":", f"{X}:", f":{X}", f"{X}:{X}:{X}:{X}", "x86_64", f"{{{X}", f"{X}}}", f"{{{{{X}}}}}", f"{{{X},}}", "{}", f"{{<,{X}}}",
     f"<{X}", f"{X}:<-x", "x86_64 linux", "x\u00e4-linux", "-linux", f"{X}:" + "a" * 600, "{a,b,c,d,e,f,g,h}" * 5 + "-linux"],
)  # fmt: skip
def test_refuses(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        expand(text)
    assert caught.value.code == "ATOM-1024"


names = st.sampled_from([X, A, R, "{x86_64,aarch64}-linux", f"{{{X},{A}}}"])


@given(names, st.lists(st.one_of(names, st.just("<"), st.just(f"{{<,{R}}}")), max_size=2))
def test_a_platform_says_itself(first: str, rest: list[str]) -> None:
    for one in expand(":".join([first, *rest])):
        assert expand(str(one)) == (one,)


@given(st.text(st.sampled_from("x-{},<:a1"), max_size=30))
def test_never_crashes(text: str) -> None:
    try:
        assert expand(text)
    except MalformedError:
        pass


def test_matrix() -> None:
    rows = matrix(expand(f"{X}:{{<,{A}}}"), [("cc", ("gcc", "clang")), ("tls", ("a", "b", "c"))])
    assert len(rows) == 12 and rows[0] == (Platform(X, X, X), (("cc", "gcc"), ("tls", "a")))
    assert len(set(rows)) == 12
    assert matrix(expand(X), []) == ((Platform(X, X, X), ()),)
    many = [(f"v{at}", tuple("ab")) for at in range(11)]
    assert len(matrix(expand(X), many[:10])) == MAX_ROWS
    with pytest.raises(MalformedError):
        matrix(expand(X), many)
