"""The interface manifest of a tree: what it provides and requires, by name. It names no other artifact (design section 7).

Pure over leaves and their bytes, so what was found is kept under (`ANALYZER`, tree digest). Looked at are files that can take part in
linking or running by their name or mode: executables, `*.so*`, `*.pc`. ELF facts come from `elf`, scripts from their first line
(execve(2)), pkg-config files as pkg-config(1) reads them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from git_atom.core import canon
from git_atom.core.composition import path_text
from git_atom.core.digest import MODE_EXEC, MODE_FILE, Digest, Oid, of_bytes
from git_atom.core.tree import Leaf, tree_digest
from git_atom.errors import AtomError, MalformedError
from git_atom.interface import elf
from git_atom.interface.elf import Dlopen, ElfFacts, Export, VersionNeed, Want

ANALYZER = "atom-interface/1"  # with every change of what is found, this changes
SHEBANG_LIMIT = 256  # BINPRM_BUF_SIZE of Linux
MAX_TEXT = 1 << 20
_NOWHERE = Oid("0" * 40)  # storage key of a file that is in no store

Read = Callable[[Leaf], bytes]

_PKG_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_PKG_WORD = re.compile(r"([^\s,<>=!]+)\s*(?:(?:<=|>=|!=|=|<|>)\s*[^\s,]+)?")


class ElfFile(NamedTuple):
    """An ELF file of the tree and what the loader sees in it."""

    path: str
    facts: ElfFacts


class Script(NamedTuple):
    """An executable text that names its interpreter, and the rest of that line."""

    path: str
    interpreter: str
    argument: str


class PkgConfig(NamedTuple):
    """A pkg-config file: package name (the file's own), version, and the packages it names under Requires and Requires.private."""

    path: str
    name: str
    version: str
    requires: tuple[str, ...]
    private: tuple[str, ...]


class Interface(NamedTuple):
    """Everything found in one tree, by path. problems: (path, what could not be read)."""

    tree: Digest
    elfs: tuple[ElfFile, ...] = ()
    scripts: tuple[Script, ...] = ()
    packages: tuple[PkgConfig, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()


class Name(NamedTuple):
    """One provided or required name: namespace (`soname`, `interpreter`, `script`, `pkg-config`, `dlopen`), name, the path that has it."""

    space: str
    name: str
    path: str


def analyze(leaves: Iterable[Leaf], read: Read, tree: Digest | None = None) -> Interface:
    """The interface of a tree; `tree` is its digest when the caller has it. A file that cannot be understood is a problem, not an error."""
    listing = sorted(leaves)
    elfs: list[ElfFile] = []
    scripts: list[Script] = []
    packages: list[PkgConfig] = []
    problems: list[tuple[str, str]] = []
    for leaf in listing:
        if leaf.mode not in (MODE_FILE, MODE_EXEC) or not _may_matter(leaf):
            continue
        path, data = path_text(leaf.path), read(leaf)
        if data[:4] == elf.MAGIC:
            facts = elf.read(data)
            problems += [(path, flaw) for flaw in facts.problems]
            if facts.dynamic or facts.kind == "program":
                elfs.append(ElfFile(path, facts))
        elif data[:2] == b"#!" and leaf.mode == MODE_EXEC:
            scripts += _script(path, data)
        elif leaf.path.endswith(b".pc"):
            packages += _pkg_config(path, data)
    return Interface(tree or tree_digest(listing), tuple(elfs), tuple(scripts), tuple(packages), tuple(problems))


def of_bytes_at(path: str, data: bytes, executable: bool = True) -> Interface:
    """The interface of a single file called `path`."""
    digest = of_bytes(data)
    mode = MODE_EXEC if executable else MODE_FILE
    leaf = Leaf(path.encode(errors="surrogateescape"), mode, digest, len(data), _NOWHERE)
    return analyze([leaf], lambda _: data, digest)


def _may_matter(leaf: Leaf) -> bool:
    name = leaf.path.rpartition(b"/")[2]
    return leaf.mode == MODE_EXEC or name.endswith((b".so", b".pc")) or b".so." in name


def _script(path: str, data: bytes) -> Iterator[Script]:
    line = data[2:SHEBANG_LIMIT].split(b"\n", 1)[0].strip(b" \t\r")
    words = line.split(None, 1)
    if words and words[0].startswith(b"/"):
        yield Script(path, path_text(words[0]), path_text(words[1]) if len(words) > 1 else "")


def _pkg_config(path: str, data: bytes) -> Iterator[PkgConfig]:
    if len(data) > MAX_TEXT:
        return
    variables: dict[str, str] = {}
    fields: dict[str, str] = {}
    for line in data.decode("utf-8", "backslashreplace").replace("\\\n", " ").split("\n"):
        line = line.split("#", 1)[0].strip()
        named = re.match(r"([A-Za-z0-9_.]+)\s*([=:])\s*(.*)", line)
        if named is None:
            continue
        value = _PKG_VARIABLE.sub(lambda m: variables.get(m[1], ""), named[3])[:4096]
        (variables if named[2] == "=" else fields)[named[1]] = value
    name = path.rpartition("/")[2].removesuffix(".pc")
    requires, private = (_words(fields.get(key, "")) for key in ("Requires", "Requires.private"))
    yield PkgConfig(path, name, fields.get("Version", ""), requires, private)


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(m[1] for m in _PKG_WORD.finditer(text)))


# ---- names -------------------------------------------------------------------------------------------------------------


def provides(interface: Interface) -> list[Name]:
    """The names a tree gives: sonames (the file's own name where it has none), programs, pkg-config packages."""
    out = [
        Name("soname", e.facts.soname or e.path.rpartition("/")[2], e.path)
        for e in interface.elfs
        if e.facts.kind == "shared"
    ]
    out += [Name("program", e.path, e.path) for e in interface.elfs if e.facts.kind == "program"]
    out += [Name("program", s.path, s.path) for s in interface.scripts]
    out += [Name("pkg-config", p.name, p.path) for p in interface.packages]
    return sorted(out)


def requires(interface: Interface) -> list[Name]:
    """The names a tree needs at run time and, under `pkg-config`, when something is built against it; path: the file that needs it."""
    out = []
    for path, facts in interface.elfs:
        out += [Name("soname", name, path) for name in facts.needed]
        out += [Name("interpreter", facts.interp, path)] if facts.interp else []
        out += [Name("dlopen", "|".join(d.sonames), path) for d in facts.dlopen]
    out += [Name("script", s.interpreter, s.path) for s in interface.scripts]
    out += [Name("pkg-config", name, p.path) for p in interface.packages for name in (*p.requires, *p.private)]
    return sorted(out)


def exports_digest(facts: ElfFacts) -> Digest:
    """Identity of what a library exports: symbol, version, whether default, type; blind to layout, order and time."""
    return canon.digest([ANALYZER, facts.soname, sorted([e.name, e.version, e.default, e.type] for e in facts.exports)])


def summary(interface: Interface) -> list[str]:
    """A few words a library or program: `libz.so.1: 88 symbols, needs libc.so.6`, `usr/bin/curl: needs libcurl.so.4, libc.so.6`."""
    out = []
    for path, facts in interface.elfs:
        needs = f"needs {', '.join(facts.needed)}" if facts.needed else "needs nothing"
        if facts.kind == "shared":
            count = len(facts.exports)
            out.append(f"{facts.soname or path}: {count} symbol{'' if count == 1 else 's'}, {needs}")
        else:
            out.append(f"{path}: {needs}")
    return out


# ---- keeping -----------------------------------------------------------------------------------------------------------


def encode(interface: Interface) -> bytes:
    """An interface as canonical bytes; derived data, kept by the caller under (`ANALYZER`, tree digest)."""
    return canon.encode({
        "analyzer": ANALYZER,
        "tree": interface.tree,
        "elfs": [[e.path, _plain(e.facts)] for e in interface.elfs],
        "scripts": [list(s) for s in interface.scripts],
        "packages": [[p.path, p.name, p.version, list(p.requires), list(p.private)] for p in interface.packages],
        "problems": [list(p) for p in interface.problems],
    })  # fmt: skip


def decode(data: bytes) -> Interface:
    """Inverse of encode; raises MalformedError (ATOM-6031) for what another version wrote or something damaged."""
    import json

    try:
        row = json.loads(data)
        if row["analyzer"] != ANALYZER:
            raise _unknown()
        return Interface(
            Digest.parse(row["tree"]),
            tuple(ElfFile(path, _facts(value)) for path, value in row["elfs"]),
            tuple(Script(*s) for s in row["scripts"]),
            tuple(PkgConfig(p[0], p[1], p[2], tuple(p[3]), tuple(p[4])) for p in row["packages"]),
            tuple((path, what) for path, what in row["problems"]),
        )
    except (ValueError, KeyError, TypeError, IndexError, AtomError) as error:
        raise _unknown() from error


def _plain(facts: ElfFacts) -> dict[str, Any]:
    return facts._asdict()


def _facts(row: dict[str, Any]) -> ElfFacts:
    return ElfFacts(
        row["bits"], row["endian"], row["machine"], row["kind"], row["soname"], tuple(row["needed"]), tuple(row["rpath"]),
        tuple(row["runpath"]), row["interp"], tuple(map(Export._make, row["exports"])), tuple(map(Want._make, row["wants"])),
        tuple(row["verdefs"]), tuple(map(VersionNeed._make, row["verneeds"])),
        tuple(Dlopen(tuple(d[0]), d[1], d[2]) for d in row["dlopen"]), row["dynamic"], tuple(row["problems"]),
    )  # fmt: skip


def _unknown() -> MalformedError:
    return MalformedError("ATOM-6031", "a kept interface is damaged or of another version")


__all__ = [
    "ANALYZER", "ElfFile", "Interface", "Name", "PkgConfig", "Script", "analyze", "decode", "encode", "exports_digest",
    "of_bytes_at", "provides", "requires", "summary",
]  # fmt: skip
