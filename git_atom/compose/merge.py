"""Merging trees into one: a partial, commutative, idempotent monoid over what the trees mean (path -> content; design section 6).

Two layers may give the same path when they give it the same content. Where they disagree there is no merge and no winner, but an
error that names both. A directory is the same thing in every layer, so an empty one merges with a filled one; a file or a symlink
merges with nothing but its like, which makes an alias such as `lib -> usr/lib` beside files below `lib/` a conflict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from git_atom.core.composition import Attribute, Entry, path_bytes
from git_atom.core.digest import MODE_LINK, MODE_TREE
from git_atom.core.tree import Leaf
from git_atom.errors import ConflictError

Layer = tuple[Entry, Sequence[Leaf]]


def merge(layers: Sequence[Layer]) -> list[Leaf]:
    """The leaves of all layers as one tree, sorted by path.

    A layer's leaves have paths relative to its entry; a file's or symlink's one leaf has the empty path. Raises ConflictError
    (ATOM-6001) that names the first path on which two layers disagree, both layers, and how many such paths there are.
    """
    table: dict[bytes, Leaf] = {}
    differ: set[bytes] = set()
    for entry, leaves in layers:
        for leaf in place(entry, leaves):
            held = table.setdefault(leaf.path, leaf)
            if held is not leaf and (held.digest != leaf.digest or held.mode != leaf.mode):
                differ.add(leaf.path)
    folders = _folders(table)
    through = {path for path in folders & table.keys() if table[path].mode != MODE_TREE}
    if differ or through:
        raise _conflict(layers, differ | through)
    for path in folders & table.keys():
        del table[path]
    return [table[path] for path in sorted(table)]


def place(entry: Entry, leaves: Iterable[Leaf]) -> Iterable[Leaf]:
    """The leaves of an entry under the entry's path."""
    if not entry.path:
        return leaves
    top = path_bytes(entry.path)
    return [leaf._replace(path=top + b"/" + leaf.path if leaf.path else top) for leaf in leaves]


def _folders(paths: Iterable[bytes]) -> set[bytes]:
    """Every directory that these paths lie in."""
    found: set[bytes] = set()
    for path in paths:
        cut = path.rfind(b"/")
        while cut > 0:
            path = path[:cut]
            if path in found:
                break
            found.add(path)
            cut = path.rfind(b"/")
    return found


def _conflict(layers: Sequence[Layer], paths: set[bytes]) -> ConflictError:
    first = min(paths)
    sides: dict[str, str] = {}  # what stands there -> who says so, the first by name
    for entry, leaves in layers:
        who = entry.origin or f"the {entry.kind} at '/{entry.path}'"
        for leaf in place(entry, leaves):
            what = ""
            if leaf.path == first:
                what = "a directory" if leaf.mode == MODE_TREE else _called(leaf)
            elif leaf.path.startswith(first + b"/"):
                what = "a directory"
            if what and (what not in sides or who < sides[what]):
                sides[what] = who
    (what, who), (other_what, other) = sorted(sides.items(), key=lambda side: (side[1], side[0]))[:2]
    more = f"; {len(paths) - 1} more such paths" if len(paths) > 1 else ""
    return ConflictError(
        "ATOM-6001",
        f"path '/{first.decode(errors='backslashreplace')}' is in '{who}' and in '{other}', and differs",
        note=f"{what} in the first, {other_what} in the second{more}",
        hint="leave one of them out, or put one below a path of its own with <path>=<what>",
    )


def _called(leaf: Leaf) -> str:
    kind = "a symlink" if leaf.mode == MODE_LINK else f"a file of mode {leaf.mode & 0o777:o}"
    return f"{kind} ({leaf.digest[:23]}...)"


def merge_attributes(tables: Sequence[tuple[str, Sequence[Attribute]]]) -> list[Attribute]:
    """Attribute tables (whose, rows) as one, by the same law. Raises ConflictError (ATOM-6002)."""
    found: dict[str, tuple[str, Attribute]] = {}
    for who, rows in tables:
        for row in rows:
            other, held = found.setdefault(row.path, (who, row))
            if held != row:
                raise ConflictError(
                    "ATOM-6002",
                    f"attributes of path '/{row.path}' differ between '{min(who, other)}' and '{max(who, other)}'",
                    note="owner, mode, capabilities or device",
                )
    return [found[path][1] for path in sorted(found)]
