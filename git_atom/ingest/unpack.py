"""Source archives as leaves: a tar reader of our own that writes nothing by itself (ustar, GNU and pax; gz, bz2, xz, zst).

The standard library's extraction follows links out of its destination on some versions, and its reader trusts the sizes it is told;
this one yields members in order, under caps, and refuses absolute paths, `..`, devices and links that lead out. Formats: tar(5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, of_bytes
from git_atom.core.tree import Leaf, check_path, empty_dir, mode_of
from git_atom.errors import MalformedError, UnavailableError
from git_atom.git.written import oid_of

BLOCK = 512
PIECE = 1 << 20
MAX_MEMBERS = 1_000_000
MAX_FILE = 2 << 30
MAX_TOTAL = 16 << 30
MAX_NAME = 4096
MAX_PAX = 1 << 20
MAX_RATIO, FREE = 1000, 64 << 20  # unpacked bytes for each packed one, beyond the first 64 MiB

Keep = Callable[[Leaf, bytes], None]


class Member(NamedTuple):
    """One member: path without leading `./`, git mode, content (or link target), and for a hard link the path it repeats."""

    path: bytes
    mode: int
    data: bytes
    same_as: bytes = b""


def unpack(path: str, keep: Keep, shown: str = "") -> list[Leaf]:
    """The leaves of a tar archive, its single top directory stripped; `keep` is handed every leaf with its bytes.

    Raises MalformedError: ATOM-5030 not a whole tar archive or over a cap, 5031 a member that must not be unpacked; UnavailableError 5032
    for a compression this Python lacks.
    """
    shown = shown or path.rpartition("/")[2]
    found: dict[bytes, Leaf] = {}
    folders: set[bytes] = set()
    links: dict[bytes, bytes] = {}
    for member in members(path, shown):
        if member.mode == MODE_TREE:
            folders.add(member.path)
            continue
        if member.same_as:
            if member.same_as not in found:
                raise _hostile(shown, member.path, "it is a hard link to a file that is not in the archive before it")
            leaf = found[member.same_as]._replace(path=member.path)
        else:
            size = len(member.data)
            leaf = Leaf(member.path, member.mode, of_bytes(member.data), size, oid_of("blob", member.data))
            keep(leaf, member.data)
        if found.get(member.path, leaf) != leaf:
            raise _hostile(shown, member.path, "it stands there twice, with different content")
        found[member.path] = leaf
        target = links.get(member.same_as, b"") if member.same_as else member.data if member.mode == MODE_LINK else b""
        if target:
            links[member.path] = target
    return _strip(found, folders, links, shown)


def _strip(found: dict[bytes, Leaf], folders: set[bytes], links: dict[bytes, bytes], shown: str) -> list[Leaf]:
    tops = {path.split(b"/", 1)[0] for path in (*found, *folders)}
    cut = 0
    if len(tops) == 1 and not tops & found.keys():
        cut = len(next(iter(tops))) + 1
    for path, target in links.items():
        if _leads_out(path[cut:], target):
            raise _hostile(shown, path, "it is a link that leads out of the archive")
    filled = {path[:at] for path in (*found, *folders) for at in range(len(path)) if path[at : at + 1] == b"/"}
    leaves = [leaf._replace(path=path[cut:]) for path, leaf in found.items()]
    leaves += [empty_dir(path[cut:]) for path in folders - filled - found.keys() if path[cut:]]
    by_path = {leaf.path: leaf for leaf in leaves}
    for leaf in leaves:
        parts = leaf.path.split(b"/")
        for at in range(1, len(parts)):
            if b"/".join(parts[:at]) in by_path:
                raise _hostile(shown, leaf.path, "its path runs through a file or a link")
    return sorted(leaves)


def members(path: str, shown: str) -> Iterator[Member]:
    """The members of an archive in its own order, checked one by one; data of one member is held at a time."""
    import lzma
    import zlib

    try:
        with open(path, "rb") as packed, _unpacked(packed, shown) as stream:
            reader = _Reader(stream, packed, shown)
            yield from reader.members()
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise _broken(shown, "its compressed data ends early or is damaged") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _broken(shown, "its compressed data is damaged") from error


def _unpacked(packed: IO[bytes], shown: str) -> IO[bytes]:
    """The stream of an archive, by its magic number."""
    import bz2
    import gzip
    import lzma

    magic = packed.read(6)
    packed.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=packed)  # type: ignore[return-value]
    if magic[:3] == b"BZh":
        return bz2.BZ2File(packed)
    if magic == b"\xfd7zXZ\0" or magic[:3] == b"\x5d\0\0":
        return lzma.LZMAFile(packed)
    if magic[:4] == b"\x28\xb5\x2f\xfd":
        return _zstd(packed, shown)
    if magic[:4] in (b"PK\3\4", b"7z\xbc\xaf"):
        raise UnavailableError("ATOM-5032", f"'{shown}' cannot be unpacked here", note="zip and 7z archives are not supported",
                               hint="upstream likely offers a tar archive too")  # fmt: skip
    return packed


def _zstd(packed: IO[bytes], shown: str) -> IO[bytes]:
    from importlib import import_module

    try:
        opened: IO[bytes] = import_module("compression.zstd").ZstdFile(packed)
    except ImportError as error:
        raise UnavailableError("ATOM-5032", f"'{shown}' cannot be unpacked here", note="this Python has no zstd",
                               hint="use the xz or gz archive, or Python 3.14") from error  # fmt: skip
    return opened


class _Reader:
    """Walks the blocks of a tar stream."""

    def __init__(self, stream: IO[bytes], packed: IO[bytes], shown: str) -> None:
        self.stream = stream
        self.packed = packed
        self.shown = shown
        self.total = 0
        self.more: dict[str, bytes] = {}  # what extension headers say of the next member

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes, read in pieces so that a bomb is met before it fills the memory."""
        pieces: list[bytes] = []
        while size:
            piece = self.stream.read(min(size, PIECE))
            if not piece:
                raise _broken(self.shown, "it ends in the middle of a member")
            self.count(len(piece))
            size -= len(piece)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def count(self, size: int) -> None:
        """Count unpacked bytes against the caps."""
        self.total += size
        if self.total > MAX_TOTAL or self.total > FREE + MAX_RATIO * max(self.packed.tell(), 1):
            raise _broken(self.shown, f"it unpacks to more than {MAX_TOTAL} bytes, or {MAX_RATIO} times its size")

    def body(self, size: int, cap: int) -> bytes:
        if size > cap:
            raise _broken(self.shown, f"a member states {size} bytes, at most {cap}")
        data = self.take(size)
        if size % BLOCK:
            self.take(BLOCK - size % BLOCK)
        return data

    def members(self) -> Iterator[Member]:
        count = 0
        while True:
            head = self.stream.read(BLOCK)
            if not head.strip(b"\0"):
                if not count and not head:
                    raise _broken(self.shown, "it is empty")
                while rest := self.stream.read(PIECE):  # to the end, so that the compression's own checksum is checked
                    self.count(len(rest))
                return
            if len(head) != BLOCK:
                raise _broken(self.shown, "it ends in the middle of a header")
            self._checksum(head)
            member = self._member(head)
            if member is not None:
                yield member
            count += 1
            if count > MAX_MEMBERS:
                raise _broken(self.shown, f"it has more than {MAX_MEMBERS} members")

    def _checksum(self, head: bytes) -> None:
        stated = self._number(head[148:156])
        found = sum(head) - sum(head[148:156]) + 8 * 32
        if stated != found:
            raise _broken(self.shown, "a header's checksum is wrong, or it is no tar archive")

    def _number(self, field: bytes) -> int:
        if field[0] & 0x80:  # GNU base 256; the sign bit is the second highest
            if field[0] != 0x80:
                raise _broken(self.shown, "a header holds a negative number")
            return int.from_bytes(field[1:], "big")
        digits = field.split(b"\0", 1)[0].strip()
        if digits and not all(48 <= c < 56 for c in digits):
            raise _broken(self.shown, "a header holds a number that is not octal")
        return int(digits or b"0", 8)

    def _member(self, head: bytes) -> Member | None:
        kind, size = head[156:157], self._number(head[124:136])
        if kind in (b"x", b"g"):
            pax = self._pax(self.body(size, MAX_PAX))
            if kind == b"x":
                self.more.update(pax)
            return None
        if kind in (b"L", b"K"):
            self.more["path" if kind == b"L" else "linkpath"] = self.body(size, MAX_NAME).rstrip(b"\0")
            return None
        more, self.more = self.more, {}
        name = more.get("path") or _name(head)
        link = more.get("linkpath") or head[157:257].split(b"\0", 1)[0]
        if "size" in more:
            size = (
                self._number(b"%o" % int(more["size"]))
                if more["size"].isdigit() and len(more["size"]) < 20
                else MAX_FILE + 1
            )
        if any(key.startswith("GNU.sparse") for key in more) or kind not in (b"0", b"\0", b"7", b"1", b"2", b"5"):
            what = "a sparse file" if kind in (b"S", b"0", b"\0") else "a device, a pipe or something else than a file"
            raise _hostile(self.shown, name, f"it is {what}")
        folder = kind == b"5" or (kind in (b"0", b"\0") and name.endswith(b"/"))
        path = self._path(name)
        data = self.body(size, MAX_FILE) if kind in (b"0", b"\0", b"7") and not folder else b""
        if not path:
            return None
        if folder:
            return Member(path, MODE_TREE, b"")
        if kind == b"1":
            return Member(path, MODE_FILE, b"", self._path(link))
        if kind == b"2":
            if link.startswith(b"/") or not link or b"\0" in link or len(link) > MAX_NAME:
                raise _hostile(self.shown, path, "it is a link to an absolute path")
            return Member(path, MODE_LINK, link)
        return Member(path, mode_of(bool(self._number(head[100:108]) & 0o100)), data)

    def _pax(self, data: bytes) -> dict[str, bytes]:
        out: dict[str, bytes] = {}
        while data.strip(b"\0"):
            length, space, _ = data[:20].partition(b" ")
            if not space or not length.isdigit() or not len(length) + 3 <= int(length) <= len(data):
                raise _broken(self.shown, "an extended header is damaged")
            key, sign, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
            if not sign:
                raise _broken(self.shown, "an extended header is damaged")
            out[key.decode(errors="replace")] = value
            data = data[int(length) :]
        return out

    def _path(self, name: bytes) -> bytes:
        if name.startswith(b"/"):
            raise _hostile(self.shown, name, "its path is absolute")
        path = b"/".join(part for part in name.split(b"/") if part not in (b"", b"."))
        if len(path) > MAX_NAME or b".." in path.split(b"/") or b"\0" in path:
            raise _hostile(self.shown, name, "its path leads out, or is too long")
        if path:
            check_path(path)
        return path


def _leads_out(path: bytes, target: bytes) -> bool:
    """Whether a link's target, counted from the link's own directory, climbs above the top at any step."""
    depth = path.count(b"/")
    for part in target.split(b"/"):
        depth += -1 if part == b".." else 0 if part in (b"", b".") else 1
        if depth < 0:
            return True
    return False


def _name(head: bytes) -> bytes:
    name = head[:100].split(b"\0", 1)[0]
    prefix = head[345:500].split(b"\0", 1)[0] if head[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _broken(shown: str, why: str) -> MalformedError:
    return MalformedError("ATOM-5030", f"'{shown}' is not a tar archive that can be unpacked", note=why)


def _hostile(shown: str, path: bytes, why: str) -> MalformedError:
    name = path[:200].decode(errors="backslashreplace")
    return MalformedError("ATOM-5031", f"'{name}' in '{shown}' is not unpacked", note=why)


__all__ = ["MODE_EXEC", "Keep", "Member", "members", "unpack"]
