"""What counts as read: files a build was given, not those it made."""

from git_atom.app.build.executing import given_reads
from git_atom.core.digest import EMPTY, MODE_FILE, Oid
from git_atom.core.tree import Leaf


def test_files_the_build_made_are_no_reads() -> None:
    given = [("src", [Leaf(b"lib/a.c", MODE_FILE, EMPTY, 0, Oid("0" * 40))])]
    reads = [
        b"build/src/",
        b"build/src/lib/",
        b"build/src/lib/a.c",
        b"build/src/lib/a.lo",
        b"build/tmp/",
        b"usr/bin/make",
        b"usr/lib/",
    ]
    assert given_reads(reads, given) == [
        b"build/src/",
        b"build/src/lib/",
        b"build/src/lib/a.c",
        b"usr/bin/make",
        b"usr/lib/",
    ]
