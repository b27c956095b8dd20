"""What an atom may be published with, told from its manifest and lock alone."""

from __future__ import annotations

import pytest

from git_atom.atom.source import Source, check_public
from git_atom.core import manifest
from git_atom.core.digest import Oid, of_bytes
from git_atom.core.lock import Fetch, Lock
from git_atom.errors import CannotError

DIGEST = of_bytes(b"")


def source(url: str, locked: str = "") -> Source:
    text = f'[atom]\nid = "a"\nversion = "1.0.0"\n[srcs.t]\nurl = "{url}"\n'.encode()
    lock = Lock(fetches=(Fetch("t", locked or url, DIGEST, 0),))
    return Source("sub", Oid("1" * 40), Oid("2" * 40), DIGEST, manifest.parse(text), of_bytes(text), lock)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "FILE:///etc/passwd", "file://localhost/etc/passwd"])
def test_a_file_of_this_machine_is_not_published(url: str) -> None:
    with pytest.raises(CannotError) as caught:
        check_public(source(url))
    assert (caught.value.code, caught.value.where) == ("ATOM-8055", "sub/atom.toml")


@pytest.mark.parametrize("url", ["https://example.org/a.tar.gz", "http://127.0.0.1/a"])
def test_what_others_can_fetch_is_published(url: str) -> None:
    check_public(source(url))
    check_public(source(url, "debian:pool/main/z/zlib/zlib_1.dsc"))
    with pytest.raises(CannotError) as caught:  # a lock that was edited
        check_public(source(url, "/etc/passwd"))
    assert (caught.value.code, caught.value.where) == ("ATOM-8055", "sub/atom.lock")
