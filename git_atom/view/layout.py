"""A view as the materialisers consume it: directories, links and files in fixed order, with where each file's bytes lie.

A layout is derived data, compiled from leaves once per view and kept in the cache; it carries its own BLAKE3, so that damage is
noticed (`compile.py`). Imports nothing: the supervisor reads layouts. Grammar: `atom-layout/1 SP <dirs> SP <links> SP <files> LF`, then NUL-ended fields column by column (directory paths;
link paths, link targets; file paths, redirects, sizes, modes `-` or `x`), then 32 bytes of BLAKE3 over all before.
"""

from __future__ import annotations

# Version of everything a process can tell a materialised view by: modes, owners, times, order, mount points. Part of a request's digest.
LAYOUT = 1
EPOCH = 315532800  # 1980-01-01T00:00:00Z, the earliest time a zip archive can hold: mtime of every path in a view
MODE_PLAIN, MODE_PROGRAM, MODE_DIR = 0o444, 0o555, 0o755
MOUNT_POINTS = (b"build", b"dev", b"out", b"proc", b"tmp")
HEADER = b"atom-layout/1 "


class Layout:
    """The columns of a layout; `redirects` are `/aa/rest` under the cache's blob directory, `digest` is the layout's own, in hex."""

    __slots__ = ("digest", "dirs", "files", "links", "modes", "redirects", "sizes", "targets")

    def __init__(self, data: bytes) -> None:
        head, _, body = data[:-32].partition(b"\n")
        dirs, links, files = (int(n) for n in head[len(HEADER) :].split())
        fields = body.split(b"\0")
        cuts = [0]
        for count in (dirs, links, links, files, files, files, files):
            cuts.append(cuts[-1] + count)
        columns = [fields[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
        self.dirs, self.links, self.targets, self.files, self.redirects = columns[:5]
        self.sizes = [int(n) for n in columns[5]]
        self.modes = [MODE_PROGRAM if mode == b"x" else MODE_PLAIN for mode in columns[6]]
        self.digest = data[-32:].hex()
