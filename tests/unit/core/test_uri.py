"""URIs, sources, aliases: every form of the grammar and what must not reach git or a file."""

from __future__ import annotations

import pytest

from git_atom.core import uri
from git_atom.core.uri import Uri
from git_atom.errors import AtomError, CannotError, MalformedError

ALIASES = {
    "work": "https://git.example.org/team", "gh": "git@github.example", "host": "git.example.org", "chain": "+work/x", "a": "+b",
    "b": "+a", "self": "+self", "bare": "git.example.org",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "source", "name", "wanted"),
    [
        ("zlib", "", "zlib", None),
        ("::zlib@^1", "", "zlib", "^1"),
        ("../x::zlib@>=1, <2", "../x", "zlib", ">=1, <2"),
        ("https://h.example/a::b", "https://h.example/a", "b", None),
        ("git@h.example:o/r::x@*", "git@h.example:o/r", "x", "*"),
        ("ssh://git@[::1]:22/x::b", "ssh://git@[::1]:22/x", "b", None),
        ("file:///srv/x.git::b", "file:///srv/x.git", "b", None),
        ("+work:repo::zlib@^1", "+work:repo", "zlib", "^1"),
        ("cafe\u0301", "", "café", None),
    ],
)
def test_forms(text: str, source: str, name: str, wanted: str | None) -> None:
    parsed = Uri.parse(text)
    assert (parsed.source, parsed.name) == (source, name)
    assert (str(parsed.requirement) if parsed.requirement else None) == wanted
    assert Uri.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("zlib@", "1013"), ("a::", "1013"), ("", "1013"), ("x" * 5000, "1013"), ("a::b@x", "1012"), ("a::-b", "1010"),
        # catalogue F10, N01
        ("ext::sh -c id::n", "1014"), ("ssh://-oProxyCommand=id/p::n", "1014"), ("--upload-pack=id::n", "1014"),
        ("-x@h.example:p::n", "1014"), ("fd::7::n", "1014"), ("ssh://h.example::n", "1014"), ("gopher://h.example/x::n", "1014"),
        ("https://h ost/x::n", "1014"), ("x\x1b[2J::n", "1014"), ("a\nb::n", "1014"), ("git@h.example:-x::n", "1014"),
        ("+::n", "1014"), ("file://other.example/x::n", "1014"), ("https://\u0440.example/x::n", "1014"),
    ],
)  # fmt: skip
def test_refuses(text: str, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Uri.parse(text)
    assert caught.value.code == f"ATOM-{code}"


@pytest.mark.parametrize(
    ("source", "full"),
    [
        ("+work:repo", "https://git.example.org/team/repo"),
        ("+work/repo", "https://git.example.org/team/repo"),
        ("+gh:o/r", "git@github.example:o/r"),
        ("https://+host/x", "https://git.example.org/x"),
        ("git@+host:o/r", "git@git.example.org:o/r"),
        ("ssh://git@+host:22/o", "ssh://git@git.example.org:22/o"),
        ("+chain/y", "https://git.example.org/team/x/y"),
        ("../no+alias", "../no+alias"),
    ],
)
def test_expand(source: str, full: str) -> None:
    assert uri.expand(source, ALIASES.get) == full


def test_expand_refuses() -> None:
    for source, shown in (("+a/x", "+a -> +b -> +a"), ("+self", "+self -> +self")):
        with pytest.raises(MalformedError) as caught:
            uri.expand(source, ALIASES.get)
        assert caught.value.code == "ATOM-1016" and caught.value.note == shown
    with pytest.raises(CannotError) as unknown:
        uri.expand("+nope/x", ALIASES.get)
    assert unknown.value.code == "ATOM-1015" and "atom.alias.nope" in unknown.value.hint
    with pytest.raises(MalformedError):
        uri.expand("+bare/x", ALIASES.get)
    with pytest.raises(AtomError):
        uri.expand("+evil", {"evil": "ext::sh -c id"}.get)


def test_credentials_are_kept_back() -> None:
    assert uri.public("https://me:token@h.example/x") == "https://h.example/x"
    assert uri.public("https://token@h.example/x") == "https://h.example/x"
    assert uri.public("ssh://git:pw@h.example/x") == "ssh://git@h.example/x"
    assert uri.public("git@h.example:x") == "git@h.example:x"
    assert "token" not in uri.redact("https://me:token@h.example/x")
    assert uri.has_credentials("https://u@h.example/x") and not uri.has_credentials("ssh://git@h.example/x")
    with pytest.raises(MalformedError):
        uri.public("+work/x")


def test_remote() -> None:
    assert uri.is_remote("https://h.example/x") and uri.is_remote("git@h.example:x")
    assert not uri.is_remote("../x") and not uri.is_remote("file:///x")
