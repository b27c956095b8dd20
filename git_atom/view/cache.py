"""The user's cache of blobs: uncompressed file contents under their BLAKE3, from which views are mounted.

`<cache>/blobs/<aa>/<rest>`, mode 0444, mtime fixed, written to `<cache>/tmp` and renamed. A blob is hashed when it enters and again
whenever its (device, inode, size, ctime) no longer is what was noted then. Notes stand in `<cache>/tokens`, an append-only file
of 64-byte records: 32 bytes of digest, then device, inode, size, ctime in nanoseconds as little-endian 64-bit integers.
All of it is derived data of one user; deleting any part of it, at any time, costs only the work of making it again.
"""

from __future__ import annotations

import errno
import os
import stat
from binascii import unhexlify
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from struct import Struct

from git_atom.core.digest import Digest, of_bytes, of_chunks
from git_atom.core.tree import MODE_LINK, MODE_TREE, Leaf
from git_atom.errors import AtomError, CannotError, MalformedError, RefusedError, UnavailableError
from git_atom.git import leftovers
from git_atom.view.compile import compile_layout, intact
from git_atom.view.layout import EPOCH, MODE_PLAIN, MODE_PROGRAM, Layout

_TOKEN = Struct("<QQQQ")
_RECORD = 32 + _TOKEN.size
_CHUNK = 1 << 20
_MANY = 16384  # notes from which on a shorter file is worth writing
_COUNTER = count()  # threads of one process write side by side

Read = Callable[[Leaf], bytes]


class Blobs:
    """The blobs of one cache directory (`<host.cache>`), made on first use with mode 0700.

    `programs` is a second set of the same contents with mode 0555, which only hard-link trees need.
    """

    def __init__(self, root: str, *, programs: bool = False) -> None:
        self.root = root
        self.room = "exec" if programs else "blobs"
        self.mode = stat.S_IFREG | (MODE_PROGRAM if programs else MODE_PLAIN)
        self._known: set[bytes] | None = None
        self._tokens_path = f"{root}/tokens" + ("-exec" if programs else "")
        try:
            os.makedirs(root, mode=0o700, exist_ok=True)
            os.makedirs(f"{root}/{self.room}", exist_ok=True)
            os.makedirs(f"{root}/tmp", exist_ok=True)
            owner = os.stat(root).st_uid
        except OSError as error:
            raise _os(error, f"the cache '{root}' cannot be used") from error
        leftovers.sweep(f"{root}/tmp")
        if owner != os.geteuid():
            raise RefusedError(
                "ATOM-4004",
                f"the cache '{root}' belongs to another user",
                hint="set XDG_CACHE_HOME to a directory of your own",
            )

    def path(self, digest: Digest) -> str:
        """Where the bytes of a digest lie, or would lie."""
        return self._at(digest[7:])

    def _at(self, name: str) -> str:
        return f"{self.root}/{self.room}/{name[:2]}/{name[2:]}"

    def ensure(self, leaves: Iterable[Leaf], read: Read | None = None) -> None:
        """See that the contents of all leaves are here and are what they are called; what is missing or damaged is read anew.

        Raises MalformedError (ATOM-4001) for a damaged blob `read` cannot replace, UnavailableError (ATOM-4002) when there is no space.
        """
        wanted = {leaf.digest[7:]: leaf for leaf in leaves if leaf.mode != MODE_TREE}
        for name, broken in self._suspects(map(_split, wanted)):
            leaf = wanted[name]
            if read is None:
                raise self._lost(leaf.digest, broken)
            self.put(leaf.digest, read(leaf))

    def check(self, names: Iterable[str]) -> list[str]:
        """Of hex digests, those whose blob is missing or damaged."""
        return [name for name, _ in self._suspects(map(_split, names))]

    def put(self, digest: Digest, data: bytes) -> None:
        """Let bytes enter under their digest; raises MalformedError (ATOM-4001) when they have another, UnavailableError (ATOM-4002)."""
        if of_bytes(data) != digest:
            raise MalformedError(
                "ATOM-4001", f"blob '{digest}' is corrupt", note=f"the bytes given for it have digest {of_bytes(data)}"
            )
        temporary = self._temporary()
        try:
            self._write(temporary, data)
            self._place(temporary, digest)
            now = os.stat(self.path(digest), follow_symlinks=False)
        except OSError as error:
            raise _os(error, f"blob '{digest}' cannot be written to the cache") from error
        finally:
            _forget(temporary)
        if now.st_mode == self.mode and now.st_size == len(data):
            self._note([digest.raw + _token(now)])

    def _place(self, temporary: str, digest: Digest) -> None:
        """Give a written blob its name; a good one that is there already keeps its inode, for trees may be linked to it."""
        path = self.path(digest)
        for _ in range(2):
            try:
                os.link(temporary, path)
                os.unlink(temporary)
                return
            except FileNotFoundError:
                os.makedirs(os.path.dirname(path), exist_ok=True)
            except OSError as error:
                if error.errno == errno.EEXIST and self._good(digest.hex):
                    return
                break  # damaged, or no hard links on this disk
        os.rename(temporary, path)

    def read(self, leaf: Leaf) -> bytes:
        """The bytes of a leaf, hashed as they are read; raises MalformedError (ATOM-4001) when damaged or missing."""
        try:
            with open(self.path(leaf.digest), "rb") as file:
                data = file.read()
        except OSError as error:
            raise self._lost(leaf.digest, False) from error
        if of_bytes(data) != leaf.digest:
            raise self._lost(leaf.digest, True)
        return data

    def rehash(self, names: Iterable[str]) -> list[str]:
        """Of hex digests, those whose blob's bytes, all read again, are something else now."""
        return [name for name in names if not self._good(name)]

    def refresh(self, names: Iterable[str]) -> None:
        """Note the tokens of blobs anew after an act of ours (a hard link) has moved their ctime; call it only on verified blobs."""
        notes = []
        for name in names:
            found = os.stat(self._at(name), follow_symlinks=False)
            notes.append(bytes.fromhex(name) + _token(found))
        self._note(notes)

    def layout(
        self, key: Digest | None, leaves: Sequence[Leaf], read: Read | None = None, *, mount_points: bool = True
    ) -> bytes:
        """The layout of a view, kept under `key` (the view's digest). Raises what `ensure` raises for a symlink's target."""
        path = f"{self.root}/layouts/{key.hex}-{int(mount_points)}" if key else ""
        if path:
            try:
                with open(path, "rb") as file:
                    data = file.read()
                if intact(data):
                    return data
            except OSError:
                pass  # not made yet
        self.ensure([leaf for leaf in leaves if leaf.mode == MODE_LINK], read)
        data = compile_layout(leaves, self.read, mount_points)
        if path:
            self._keep(path, data)
        return data

    def ensure_layout(self, layout: Layout, leaves: Iterable[Leaf], read: Read | None) -> None:
        """`ensure` for the files of a layout; the leaves are looked at only when something is missing or damaged."""
        suspects = self._suspects(redirect[1:] for redirect in set(layout.redirects))
        if suspects:
            bad = {name for name, _ in suspects}
            self.ensure([leaf for leaf in leaves if leaf.digest[7:] in bad], read)

    def _keep(self, path: str, data: bytes) -> None:
        temporary = self._temporary()
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._write(temporary, data)
            os.rename(temporary, path)
        except OSError as error:
            _forget(temporary)
            raise _os(error, "a layout cannot be written to the cache") from error

    def _temporary(self) -> str:
        return f"{self.root}/tmp/{os.getpid()}-{next(_COUNTER)}"

    def _write(self, temporary: str, data: bytes) -> os.stat_result:
        fd = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fchmod(fd, stat.S_IMODE(self.mode))
            os.utime(fd, (EPOCH, EPOCH))
            return os.fstat(fd)
        finally:
            os.close(fd)

    def _suspects(self, names: Iterable[bytes]) -> list[tuple[str, bool]]:
        """(hex digest, damaged) of blobs that are missing (False) or whose bytes are wrong (True); fresh tokens are noted."""
        suspects: list[tuple[str, bool]] = []
        notes: list[bytes] = []
        for path in self._doubtful(names):
            name = (path[:2] + path[3:]).decode()
            try:
                found = os.stat(self._at(name), follow_symlinks=False)
            except FileNotFoundError:
                suspects.append((name, False))
                continue
            if stat.S_ISREG(found.st_mode) and self._good(name):
                notes.append(self._settle(name, found))
            else:
                suspects.append((name, True))
        self._note(notes)
        return suspects

    def _doubtful(self, paths: Iterable[bytes]) -> list[bytes]:
        """Of `aa/rest`, those whose blob is not as it was noted; every execution asks for all files of its view, so this is short."""
        known, mode = self._tokens(), self.mode
        look, pack, unhex = os.stat, _TOKEN.pack, unhexlify
        room = os.open(f"{self.root}/{self.room}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        doubtful = []
        try:
            for path in paths:
                try:
                    s = look(path, dir_fd=room, follow_symlinks=False)
                except OSError:
                    doubtful.append(path)
                    continue
                record = unhex(path[:2] + path[3:]) + pack(s.st_dev, s.st_ino, s.st_size, s.st_ctime_ns)
                if record not in known or s.st_mode != mode:
                    doubtful.append(path)
        finally:
            os.close(room)
        return doubtful

    def _settle(self, name: str, seen: os.stat_result) -> bytes:
        path = self._at(name)
        if seen.st_mode != self.mode or seen.st_mtime != EPOCH:
            os.chmod(path, stat.S_IMODE(self.mode))
            os.utime(path, (EPOCH, EPOCH))
            seen = os.stat(path, follow_symlinks=False)
        return bytes.fromhex(name) + _token(seen)

    def _good(self, name: str) -> bool:
        try:
            fd = os.open(self._at(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return of_chunks(iter(lambda: os.read(fd, _CHUNK), b"")) == "blake3:" + name
        except OSError:
            return False  # a medium that cannot be read
        finally:
            os.close(fd)

    def _tokens(self) -> set[bytes]:
        if self._known is None:
            self._known = self._load()
        return self._known

    def _load(self) -> set[bytes]:
        try:
            with open(self._tokens_path, "rb") as file:
                data = file.read()
        except OSError:
            return set()
        if len(data) % _RECORD:
            _forget(self._tokens_path)  # torn: forget all notes, every blob is hashed again
            return set()
        if len(data) > _MANY * _RECORD:
            data = self._compact(data)
        return {data[i : i + _RECORD] for i in range(0, len(data), _RECORD)}

    def _compact(self, data: bytes) -> bytes:
        """Of the notes on each blob, the last; written back when that makes the file much smaller."""
        last = {data[i : i + 32]: data[i : i + _RECORD] for i in range(0, len(data), _RECORD)}
        if len(last) * _RECORD * 2 > len(data):
            return data
        data = b"".join(last.values())
        temporary = self._temporary()
        try:
            self._write(temporary, data)
            os.chmod(temporary, 0o600)
            os.rename(temporary, self._tokens_path)
        except OSError:
            _forget(temporary)  # the long file serves as well
        return data

    def _note(self, records: list[bytes]) -> None:
        if not records:
            return
        if self._known is not None:
            self._known.update(records)
        data = b"".join(records)
        try:
            fd = os.open(self._tokens_path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                written = os.write(fd, data)
            finally:
                os.close(fd)
        except OSError as error:
            _forget(self._tokens_path)
            raise _os(error, "the cache's notes cannot be written") from error
        if written != len(data):
            _forget(self._tokens_path)
            raise _os(OSError(errno.ENOSPC, "short write", self._tokens_path), "the cache's notes cannot be written")

    def _lost(self, digest: Digest, broken: bool) -> AtomError:
        word = "corrupt" if broken else "missing"
        return MalformedError(
            "ATOM-4001",
            f"blob '{digest}' is {word} in the cache",
            where=self.path(digest),
            hint="give the command the store that holds it, or import its source again; the cache itself may be deleted",
        )


def _split(name: str) -> bytes:
    return f"{name[:2]}/{name[2:]}".encode()


def _token(found: os.stat_result) -> bytes:
    return _TOKEN.pack(found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it was never there


def _os(error: OSError, what: str) -> AtomError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UnavailableError(
            "ATOM-4002",
            f"no space: {what}",
            where=str(error.filename or ""),
            hint="free some space, or set XDG_CACHE_HOME to a larger disk; the cache may be deleted at any time",
        )
    return CannotError("ATOM-4003", what, where=str(error.filename or ""), note=(error.strerror or "").lower())
