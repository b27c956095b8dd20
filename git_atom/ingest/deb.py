"""Debian packages as git trees: what `dpkg-deb -x` would write, without writing it, and without running any maintainer script.

Content goes into one pack; paths of the unmerged layout (`bin/`, `lib/`, …) are rewritten below `usr/`, as Debian's usrmerge does.
What a git tree cannot hold (owners, odd modes, device nodes) is returned beside the leaves. deb(5), tar(5).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from git_atom.core.digest import MODE_LINK, Digest, Oid, of_bytes
from git_atom.core.tree import Leaf, check_path, empty_dir, mode_of, tree_digest
from git_atom.errors import MalformedError
from git_atom.git import proc
from git_atom.git.pack import Packed, PackWriter, entry
from git_atom.git.written import tree_of

MERGED = (b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32")  # top-level directories that are links into usr/
_KINDS = {tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block", tarfile.FIFOTYPE: "fifo"}


class Odd(NamedTuple):
    """What a git tree cannot hold of one path: mode bits, owner, group, and `char 1:3` and the like for a device."""

    path: bytes
    mode: int
    uid: int
    gid: int
    device: str = ""


class Package(NamedTuple):
    """One imported package: leaves with usrmerge applied, odd attributes, its git tree and its tree digest."""

    leaves: tuple[Leaf, ...]
    odd: tuple[Odd, ...]
    tree: Oid
    digest: Digest


def unpack(path: str, sha256: str, env: Mapping[str, str], put: Callable[[Packed], Oid]) -> Package:
    """Read one .deb whose SHA-256 must be `sha256`, giving every object to `put`.

    Raises MalformedError (ATOM-5006) for a damaged file, (ATOM-1004) for names git cannot hold; the file is removed when damaged.
    """
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        os.unlink(path)
        raise MalformedError("ATOM-5006", f"package file '{os.path.basename(path)}' is damaged", note=f"SHA-256 is {found}, the index says {sha256}",
                             hint="run the same command again; it fetches the file anew")  # fmt: skip
    try:
        process = subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, bufsize=0
        )
    except FileNotFoundError as error:
        raise proc.missing("dpkg-deb") from error
    reader = _Reader(put)
    try:
        with tarfile.open(fileobj=process.stdout, mode="r|", bufsize=1 << 20) as tar:
            for member in tar:
                reader.take(tar, member)
    except tarfile.TarError as error:
        raise MalformedError(
            "ATOM-5006", f"package file '{os.path.basename(path)}' holds no readable archive", note=str(error)
        ) from error
    finally:
        if process.stdout:
            process.stdout.close()
        status = process.wait()
    if status != 0:
        raise MalformedError(
            "ATOM-5006",
            f"package file '{os.path.basename(path)}' cannot be unpacked",
            note=f"dpkg-deb ended with {status}",
        )
    return reader.package()


class _Reader:
    """Collects the members of one package."""

    def __init__(self, put: Callable[[Packed], Oid]) -> None:
        self.put = put
        self.leaves: dict[bytes, Leaf] = {}
        self.folders: set[bytes] = set()
        self.odd: list[Odd] = []

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        raw = _path(member.name)
        if raw in MERGED and member.issym() and os.fsencode(member.linkname).lstrip(b"/") == b"usr/" + raw:
            return  # base-files brings these since Debian 13; a composition has them as entries of its own
        path = merged(raw)
        if not path:
            return
        check_path(path)
        mode = member.mode & 0o7777
        usual = mode in (0o755,) if member.isdir() else mode in (0o644, 0o755) or member.issym()
        device = f"{_KINDS[member.type]} {member.devmajor}:{member.devminor}" if member.type in _KINDS else ""
        if not usual or member.uid or member.gid or device:
            self.odd.append(Odd(path, mode, member.uid, member.gid, device))
        if member.isdir():
            self.folders.add(path)
        elif member.issym():
            self._leaf(path, MODE_LINK, os.fsencode(member.linkname))
        elif member.islnk():
            target = merged(_path(member.linkname))
            if target not in self.leaves:
                raise MalformedError("ATOM-5006", f"hard link '{member.name}' leads to nothing before it")
            self.leaves[path] = self.leaves[target]._replace(path=path)
        elif member.isreg():
            stream = tar.extractfile(member)
            self._leaf(path, mode_of(bool(mode & 0o111)), stream.read() if stream else b"")

    def _leaf(self, path: bytes, mode: int, data: bytes) -> None:
        if path in self.leaves:
            raise MalformedError(
                "ATOM-5006", f"path '{path.decode(errors='backslashreplace')}' comes twice in one package"
            )
        oid = self.put(entry("blob", data))
        self.leaves[path] = Leaf(path, mode, of_bytes(data), len(data), oid)

    def package(self) -> Package:
        filled = {path.rsplit(b"/", n)[0] for path in self.leaves for n in range(1, path.count(b"/") + 1)}
        nested = {path.rsplit(b"/", n)[0] for path in self.folders for n in range(1, path.count(b"/") + 1)}
        empty = [empty_dir(path) for path in self.folders - filled - nested]
        leaves = tuple(sorted([*self.leaves.values(), *empty]))
        tree = tree_of(leaves, lambda data: self.put(entry("tree", data)))
        return Package(leaves, tuple(sorted(self.odd)), tree, tree_digest(leaves))


def _path(name: str) -> bytes:
    raw = os.fsencode(name)
    return raw.removeprefix(b"./").strip(b"/") if raw != b"." else b""


def merged(path: bytes) -> bytes:
    """A path of the unmerged layout rewritten below `usr/`; the top-level alias itself is not a path of any package (b"")."""
    first, slash, rest = path.partition(b"/")
    if first not in MERGED:
        return path
    return b"usr/" + path if slash and rest else b"usr/" + first if first != b"" else b""


def unpack_all(
    files: Sequence[tuple[str, str]],
    writer: PackWriter,
    env: Mapping[str, str],
    workers: int,
    tell: Callable[[int], None] = lambda _: None,
) -> list[Package]:
    """Read many .debs (path, SHA-256) into one pack, largest first, several at once; results in the order given.

    Decompression runs in dpkg-deb's processes and hashing without the interpreter lock, so `workers` is the number of cores.
    """
    order = sorted(range(len(files)), key=lambda i: -os.stat(files[i][0]).st_size)
    results: dict[int, Package] = {}
    with ThreadPoolExecutor(workers) as pool:
        futures = {i: pool.submit(unpack, files[i][0], files[i][1], env, writer.append) for i in order}
        try:
            for i in order:
                results[i] = futures[i].result()
                tell(len(results))
        except BaseException:
            for future in futures.values():
                future.cancel()
            raise
    return [results[i] for i in range(len(files))]
