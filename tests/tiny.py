"""A small world made of this machine's own programs and the libraries they need, for tests that must not wait for packages."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, Digest, Oid, of_bytes
from git_atom.core.tree import Leaf

NO_OID = Oid("0" * 40)
TOOLS = ("dash", "cat", "ls", "mkdir", "chmod", "cp", "ln", "sleep", "id", "env", "mkfifo", "uname", "nproc", "mount", "touch",
         "rm", "stat", "dd", "readlink", "head", "tail", "perl", "tty")  # fmt: skip


class World:
    """Leaves and, in memory, their contents."""

    def __init__(self) -> None:
        self.contents: dict[Digest, bytes] = {}
        self.entries: dict[bytes, Leaf] = {}

    def add(self, path: str, data: bytes, mode: int = MODE_FILE) -> Leaf:
        digest = of_bytes(data)
        self.contents[digest] = data
        leaf = self.entries[path.encode()] = Leaf(path.encode(), mode, digest, len(data), NO_OID)
        return leaf

    def link(self, path: str, target: str) -> Leaf:
        return self.add(path, target.encode(), MODE_LINK)

    def read(self, leaf: Leaf) -> bytes:
        return self.contents[leaf.digest]

    @property
    def leaves(self) -> list[Leaf]:
        return sorted(self.entries.values())

    def program(self, name: str) -> None:
        source = next(p for d in ("/usr/bin", "/bin") if os.path.exists(p := os.path.realpath(f"{d}/{name}")))
        self.add(f"usr/bin/{name}", Path(source).read_bytes(), MODE_EXEC)
        for word in subprocess.run(["ldd", source], capture_output=True, text=True, check=False).stdout.split():
            if word.startswith("/"):
                place = "usr/lib64" if word.startswith("/lib64/") else "usr/lib"
                self.add(f"{place}/{os.path.basename(word)}", Path(os.path.realpath(word)).read_bytes(), MODE_EXEC)


def world(*programs: str) -> World:
    """dash as sh, the small tools, and the usual links."""
    out = World()
    for name in programs or TOOLS:
        out.program(name)
    for path, target in (
        ("bin", "usr/bin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
        ("usr/bin/sh", "dash"),
    ):
        out.link(path, target)
    out.add("usr/include/a.h", b"int a;\n")
    out.add("usr/include/same.h", b"int a;\n")
    return out
