"""Reading git objects without libgit2: one long-lived `git cat-file --batch-command`.

Every object read is hashed again and must have the name it was asked by, because git itself does not check loose objects when it
reads them. File content is digested with BLAKE3 over the bytes at the moment of use (`Objects.listing`).
"""

from __future__ import annotations

import re
import subprocess
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, cast

from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, Oid, of_bytes, sort_key
from git_atom.core.text import shell
from git_atom.core.tree import Leaf, check_path, empty_dir
from git_atom.errors import CannotError, MalformedError
from git_atom.git import proc, trees, written
from git_atom.git.repo import Repo

MODE_SUBMODULE = 0o160000
MAX_LEAVES = 2_000_000
MAX_DEPTH = 1024
_WINDOW = 256  # requests sent before answers are read: far below what a pipe holds
_MAX_HELD = 500_000  # entries of trees kept in memory
_MAX_NOTED = 200_000  # entries, folders or differences of trees that are noted to be met again
MAX_FILES = 1_000_000  # that trees warmed together bring
MAX_LEVELS = 64
KEPT = 96 << 20  # bytes of kept objects
_WIDE = 16  # entries of a tree from which on searching by halves is quicker
_KINDS = {kind.encode(): kind for kind in ("blob", "tree", "commit", "tag")}
_SEEK = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

Entry = trees.Entry


class Objects:
    """Reader of one repository's objects; a context manager. Not for use by several threads at once."""

    ARGV: Sequence[str] = ("git", "cat-file", "--batch-command")

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self._process: subprocess.Popen[bytes] | None = None
        self._trees: dict[str, list[Entry]] = {}
        self._held = 0
        self._kept: dict[str, tuple[Oid, str, bytes]] = {}
        self._room = KEPT
        self._folders: dict[tuple[str, bytes], Oid | None] = {}
        self._differences: dict[tuple[Oid, Oid], tuple[list[Entry], list[Entry]]] = {}

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the git process; reading again starts a new one."""
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._process.wait()
            self._process = None

    def forked(self) -> None:
        """Leave the git process to whom this process was forked from; reading starts a new one."""
        self._process = None

    def load(self, oids: Iterable[Oid]) -> None:
        """Read trees in few questions for those who will ask for them one by one; what is no tree is left to those who ask."""
        self._rows(oids)

    def _hold(self, oid: str, entries: list[Entry]) -> list[Entry]:
        self._trees[oid] = entries
        self._held += len(entries)
        if self._held > _MAX_HELD:
            self._trees, self._held = {oid: entries}, len(entries)
        return entries

    def _pipe(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process is None:
            pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
            self._process = proc.begun(self.ARGV, pipe, pipe, nothing, env=self.repo.env, size=1 << 16)
        return cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)

    def get(self, name: str) -> tuple[Oid, str, bytes] | None:
        """Oid, kind and bytes of an object named by id or revision, or None when there is none.

        Raises MalformedError ATOM-2009 when the stored bytes do not have that id or cannot be unpacked.
        """
        if (kept := self._kept.get(name)) is not None:
            return kept
        return next(self.many([name]))

    def read(self, name: str) -> tuple[Oid, str, bytes]:
        """As `get`, but a missing object raises CannotError ATOM-2008."""
        found = self.get(name)
        if found is None:
            raise CannotError(
                "ATOM-2008",
                f"object '{name}' is not in '{self.repo.git_dir}'",
                hint=f"git --git-dir={shell(self.repo.git_dir)} fsck",
            )
        return found

    def many(self, names: Sequence[str]) -> Iterator[tuple[Oid, str, bytes] | None]:
        """As `get` for several names, in order, with the questions sent ahead of the answers."""
        awaited = written.awaited(self.repo.objects)
        if not self._kept and not awaited:
            return self._ask(names)
        known = {name: found for name in names if (found := self._kept.get(name)) is not None}
        known |= {name: (Oid(name), *awaited[name]) for name in names if name in awaited} if awaited else {}
        rest = self._ask([name for name in names if name not in known]) if len(known) < len(names) else iter(())
        return (known[name] if name in known else next(rest) for name in names) if known else rest

    def _ask(self, names: Sequence[str]) -> Iterator[tuple[Oid, str, bytes] | None]:
        if any("\n" in name for name in names):
            raise CannotError("ATOM-2016", "a revision cannot hold a newline")
        for at in range(0, len(names), _WINDOW):
            write, read = self._pipe()
            window = names[at : at + _WINDOW]
            self._admit(window, write, read)
            self._question("contents", window, write)
            done = 0
            try:
                for name in window:
                    done += 1
                    yield self._answer(name, read)
            finally:
                if done < len(window):  # the caller stopped early: unread answers would be taken for later ones
                    self.close()

    def _question(self, verb: str, window: Sequence[str], write: IO[bytes]) -> None:
        """Ask git one thing of each of these names (git-cat-file(1), --batch-command)."""
        try:
            write.write("".join(f"{verb} {name}\n" for name in window).encode())
            write.flush()
        except BrokenPipeError:
            raise self._damaged(window[0]) from None

    def keep(self, names: Iterable[str]) -> None:
        """Read objects in few questions and keep them for those who will ask one by one, as long as there is room; `cool` lets go of them.

        What is not there is left to those who ask.
        """
        for found in self._ask([name for name in dict.fromkeys(names) if name not in self._kept]):
            if found is not None and self._room > len(found[2]):
                self._kept[found[0]] = found
                self._room -= len(found[2]) + 200

    def cool(self) -> None:
        """Let go of what `keep` and `warm` kept."""
        self._kept, self._room = {}, KEPT
        self._folders, self._differences = {}, {}

    def differ(self, old: Oid | None, new: Oid | None) -> tuple[list[Entry], list[Entry]]:
        """The entries that the directory `old` has and `new` has not, and the other way round, in git's order; None has none.

        Raises as `tree`.
        """
        if old is None or new is None:
            return self.tree(old) if old else [], self.tree(new) if new else []
        return self._differences.get((old, new)) or self._difference(old, new, self.tree(old), self.tree(new))

    def _difference(
        self, old: Oid, new: Oid, rows: list[Entry], others: list[Entry]
    ) -> tuple[list[Entry], list[Entry]]:
        """What `differ` says of two directories that are read already, noted for whoever asks again."""
        if len(self._differences) > _MAX_NOTED:
            self._differences.clear()
        was, now = set(rows), set(others)
        found = [entry for entry in rows if entry not in now], [entry for entry in others if entry not in was]
        self._differences[old, new] = found
        return found

    def warm(self, pairs: Sequence[tuple[Oid | None, Oid]]) -> None:
        """Keep what of each pair the second tree has and the first has not, read level by level, all pairs at once.

        Raises MalformedError ATOM-2015 when that is more than can be looked at one by one: a few trees can stand for billions of files.
        What is not there or not sound is left to those who ask; so is what takes more memory than is meant for this.
        """
        level: dict[tuple[Oid | None, Oid], int] = dict.fromkeys(pairs, 1)
        files = 0
        for _ in range(MAX_LEVELS):
            rows = self._rows(oid for pair in level for oid in pair if oid is not None)
            below: dict[tuple[Oid | None, Oid], int] = {}
            blobs: list[Oid] = []
            for (was, now), times in level.items():
                if was is None or was not in rows or now not in rows:
                    gone, fresh = list[Entry](), rows.get(now, [])
                else:
                    gone, fresh = self._difference(was, now, rows[was], rows[now])
                before = {name: oid for _, name, oid in gone}
                files += times * len(fresh)
                if files > MAX_FILES:
                    raise MalformedError(
                        "ATOM-2015", f"tree '{now}' brings more than {MAX_FILES} files and directories"
                    )
                for mode, name, oid in fresh:
                    if mode == MODE_TREE:
                        below[before.get(name), oid] = below.get((before.get(name), oid), 0) + times
                    else:
                        blobs.append(oid)
            self.keep(blobs)
            level = below
            if not level:
                return
        raise MalformedError("ATOM-2015", f"tree '{pairs[0][1]}' is nested more than {MAX_LEVELS} levels deep")

    def _rows(self, oids: Iterable[Oid]) -> dict[str, list[Entry]]:
        """The entries of those of these that are trees."""
        wanted = list(dict.fromkeys(oids))
        out: dict[str, list[Entry]] = {oid: self._trees[oid] for oid in wanted if oid in self._trees}
        asked = [oid for oid in wanted if oid not in out]
        for oid, found in zip(asked, self.many(asked), strict=True):
            if found is not None and found[1] == "tree":
                out[oid] = self._hold(oid, trees.decode_tree(found[2], found[0]))
        return out

    def _admit(self, window: Sequence[str], write: IO[bytes], read: IO[bytes]) -> None:
        """Called before these objects are asked for."""

    def _answer(self, name: str, read: IO[bytes]) -> tuple[Oid, str, bytes] | None:
        header = read.readline()
        if not header:
            raise self._damaged(name)
        words = header.split(b" ")  # id, kind, size; or the name asked for and why there is none
        if len(words) != 3 or not words[2][:-1].isdigit():
            return None
        size = int(words[2])
        data = read.read(size + 1)
        if len(data) != size + 1:
            raise self._damaged(name)
        oid, kind, content = Oid(words[0].decode()), _KINDS[words[1]], data[:-1]
        if written.oid_of(kind, content, self.repo.object_format) != oid or (name != oid and _SEEK.fullmatch(name)):
            raise MalformedError(
                "ATOM-2009",
                f"object '{oid}' in '{self.repo.git_dir}' is damaged",
                note="its bytes do not have this id",
                hint=f"git --git-dir={shell(self.repo.git_dir)} fsck  # then fetch it again",
            )
        return oid, kind, content

    def _damaged(self, name: str) -> MalformedError:
        self.close()
        return MalformedError(
            "ATOM-2009",
            f"object '{name}' in '{self.repo.git_dir}' is damaged",
            note="git could not unpack it",
            hint=f"git --git-dir={shell(self.repo.git_dir)} fsck  # then fetch it again",
        )

    def ancestors(self, commit: Oid, until: Oid | None) -> list[Oid]:
        """A commit and its first parents down to its root or to `until` (left out), as git tells them; empty where git cannot tell."""
        argv = ["git", "-c", "core.commitGraph=false", "rev-list", "--first-parent", commit]
        done = proc.run([*argv, *([f"^{until}"] if until else []), "--"], env=self.repo.env)
        return [Oid(line) for line in done.out.decode().split()] if done.status == 0 else []

    def commit_tree(self, name: str) -> Oid:
        """The tree of the commit that a revision or id (tags are followed) names; raises ATOM-2008 when there is none."""
        kept = self._kept.get(name)
        if kept is not None and kept[1] == "commit":
            return Oid(kept[2][5:].partition(b"\n")[0].decode())
        return Oid(self.read(name + "^{tree}")[0])

    def tree(self, oid: str) -> list[Entry]:
        """Entries (mode, name, oid) of one directory; raises MalformedError ATOM-2009 when it is not a sound tree."""
        entries = self._trees.get(oid)
        if entries is None:
            found, kind, data = self.read(oid)
            if kind != "tree":
                raise MalformedError("ATOM-2009", f"object '{oid}' is a {kind}, not a tree")
            entries = self._hold(oid, trees.decode_tree(data, found))
        return entries

    def _measure(self, oid: str, seen: dict[str, int], depth: int = 0) -> int:
        """Number of leaves below a tree, each distinct tree looked at once: a small pack can stand for billions of files."""
        if depth > MAX_DEPTH:
            raise MalformedError("ATOM-2015", f"tree '{oid}' is nested more than {MAX_DEPTH} levels deep")
        if oid not in seen:
            seen[oid] = sum(
                self._measure(child, seen, depth + 1) if mode == MODE_TREE else 1 for mode, _, child in self.tree(oid)
            )
            if seen[oid] > MAX_LEAVES:
                raise MalformedError("ATOM-2015", f"tree '{oid}' holds more than {MAX_LEAVES} files")
        return seen[oid]

    def walk(self, tree_oid: str) -> Iterator[tuple[bytes, int, Oid]]:
        """Path, mode and oid of every file, link, submodule and empty directory below a tree. Raises ATOM-2015 over the limits."""
        self._ahead(Oid(tree_oid))
        self._measure(tree_oid, {})
        yield from self._walk(tree_oid, b"")

    def _ahead(self, tree_oid: Oid) -> None:
        """Read a tree and those below it level by level; how much that may be is `_measure`'s question."""
        level, entries = [tree_oid], 0
        for _ in range(MAX_DEPTH):
            rows = self._rows(level)
            entries += sum(map(len, rows.values()))
            level = [child for row in rows.values() for mode, _, child in row if mode == MODE_TREE]
            if not level or entries > _MAX_HELD:
                return

    def _walk(self, oid: str, prefix: bytes) -> Iterator[tuple[bytes, int, Oid]]:
        for mode, name, child in self.tree(oid):
            if mode != MODE_TREE:
                yield prefix + name, mode, child
            elif self.tree(child):
                yield from self._walk(child, prefix + name + b"/")
            else:
                yield prefix + name, mode, child

    def listing(self, tree_oid: str) -> list[Leaf]:
        """Every leaf below a tree with BLAKE3 digest and size taken from the bytes now.

        Raises MalformedError ATOM-1004 for what a leaf cannot be (a submodule, an odd mode, a name such as `.git`).
        """
        rows = list(self.walk(tree_oid))
        for path, mode, _ in rows:
            check_path(path)
            if mode not in (MODE_FILE, MODE_EXEC, MODE_LINK, MODE_TREE):
                what = "is a submodule" if mode == MODE_SUBMODULE else f"has mode {mode:o}"
                raise MalformedError(
                    "ATOM-1004",
                    f"path '{path.decode(errors='backslashreplace')}' {what}",
                    note="a source tree holds files, links and directories",
                    hint="take what it stands for as [pins]" if mode == MODE_SUBMODULE else "",
                )
        blobs = iter(self.many([oid for _, mode, oid in rows if mode != MODE_TREE]))
        out = []
        for path, mode, oid in rows:
            if mode == MODE_TREE:
                out.append(empty_dir(path))
                continue
            found = next(blobs)
            if found is None:
                raise CannotError(
                    "ATOM-2008",
                    f"object '{oid}' is not in '{self.repo.git_dir}'",
                    hint=f"git --git-dir={shell(self.repo.git_dir)} fsck",
                )
            if found[1] != "blob":
                raise MalformedError("ATOM-2009", f"object '{oid}' is a {found[1]}, not a file")
            out.append(Leaf(path, mode, of_bytes(found[2]), len(found[2]), oid))
        return out

    def at(self, tree_oid: str, path: bytes) -> tuple[int, Oid] | None:
        """Mode and oid of what lies at a path below a tree, or None."""
        if not path:
            return MODE_TREE, Oid(tree_oid)
        above, slash, name = path.rpartition(b"/")
        here = self._folder(tree_oid, above) if above or not slash else None  # no path begins with a slash
        entry = self._entry(here, name) if here is not None else None
        return (entry[0], entry[2]) if entry is not None else None

    def _folder(self, tree_oid: str, path: bytes) -> Oid | None:
        """The directory at a path below a tree, noted with those above it: who asks for one mostly asks for its neighbours."""
        unknown: list[bytes] = []
        while path and (tree_oid, path) not in self._folders:
            unknown.append(path)
            path = path.rpartition(b"/")[0]
        here = self._folders[tree_oid, path] if path else Oid(tree_oid)
        for path in reversed(unknown):
            entry = self._entry(here, path.rpartition(b"/")[2]) if here is not None else None
            here = self._note(tree_oid, path, entry)
        return here

    def _note(self, tree_oid: str, path: bytes, entry: Entry | None) -> Oid | None:
        if len(self._folders) > _MAX_NOTED:
            self._folders.clear()
        here = entry[2] if entry is not None and entry[0] == MODE_TREE else None
        self._folders[tree_oid, path] = here
        return here

    def at_all(self, tree_oid: str, paths: Sequence[bytes]) -> list[tuple[int, Oid] | None]:
        """As `at` for several paths, with the trees on all of them, and those they lead to, read level by level."""
        levels: list[dict[bytes, None]] = []
        for path in dict.fromkeys(path for path in paths if not path.startswith(b"/")):
            while path:
                depth = path.count(b"/")
                levels += [{} for _ in range(depth + 1 - len(levels))]
                if path in levels[depth]:
                    break
                levels[depth][path] = None
                path = path.rpartition(b"/")[0]
        here: dict[bytes, Oid | None] = {b"": Oid(tree_oid)}
        found: dict[bytes, tuple[int, Oid] | None] = {b"": (MODE_TREE, Oid(tree_oid))}
        self.load([Oid(tree_oid)])
        for level in levels:
            for path in level:
                above, _, name = path.rpartition(b"/")
                folder = here[above]
                entry = self._entry(folder, name) if folder is not None else None
                here[path] = self._note(tree_oid, path, entry)
                found[path] = (entry[0], entry[2]) if entry is not None else None
            self.load([oid for path in level if (oid := here[path]) is not None])
        return [found.get(path) for path in paths]

    def _entry(self, tree_oid: str, name: bytes) -> Entry | None:
        entries = self.tree(tree_oid)
        if len(entries) < _WIDE:
            for entry in entries:
                if entry[1] == name:
                    return entry
            return None
        for key in (name, name + b"/"):  # a directory stands elsewhere than a file of its name
            place = bisect_left(entries, key, key=_place)
            if place < len(entries) and entries[place][1] == name:
                return entries[place]
        return None


def _place(entry: Entry) -> bytes:
    return sort_key(entry[0], entry[1])


def graft(repo: Repo, objects: Objects, tree: Oid | None, files: Mapping[str, Oid]) -> Oid:
    """Write the tree that is `tree` with plain files (path -> blob) put in; only the directories on their paths are rewritten."""
    entries = {name: (mode, name, oid) for mode, name, oid in objects.tree(tree)} if tree else {}
    deeper: dict[str, dict[str, Oid]] = {}
    for path, blob in files.items():
        first, slash, rest = path.partition("/")
        if slash:
            deeper.setdefault(first, {})[rest] = blob
        else:
            entries[path.encode()] = (MODE_FILE, path.encode(), blob)
    for name, inside in deeper.items():
        old = entries.get(name.encode())
        below = graft(repo, objects, old[2] if old and old[0] == MODE_TREE else None, inside)
        entries[name.encode()] = (MODE_TREE, name.encode(), below)
    return written.write_loose(repo, "tree", trees.encode_tree(entries.values()))
