"""The run-time closure: requires bound to providers to a fixpoint, at package granularity, every entry justified, what is missing named.

Candidates come in order of preference; a package that is wanted, or already chosen, is asked before any other, so a name has one
provider. The order of wanted packages does not matter: each round binds in order of package and path, and takes what it needs at once.
Bound are: ELF interpreters, NEEDED libraries along the loader's search order, interpreters of scripts (through `env` as well), and
libraries a `.note.dlopen` marks as required.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from git_atom.core.composition import path_bytes, path_text
from git_atom.core.tree import Leaf
from git_atom.interface import satisfy
from git_atom.interface.elf import ElfFacts
from git_atom.interface.manifest import Interface, Script
from git_atom.interface.satisfy import Exports
from git_atom.interface.search import PROGRAMS, Found, Union, directories, system_directories


class Package(NamedTuple):
    """A package: what it is called, its files at their places in the view, and its interface, computed when first asked for."""

    name: str
    leaves: Sequence[Leaf]
    interface: Callable[[], Interface]


class Binding(NamedTuple):
    """A require tied to what satisfies it. space: `soname`, `interpreter`, `script`, `dlopen` or `link` (a symlink on the way there)."""

    consumer: str
    path: str
    space: str
    name: str
    provider: str
    found: str


class Lack(NamedTuple):
    """A require nobody satisfies: who needs it, in which file, and what."""

    consumer: str
    path: str
    space: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.space}), needed by {self.path} of {self.consumer}"


class Choice(NamedTuple):
    """A library that several packages could have given: its name, the one that was taken, and the others."""

    name: str
    taken: str
    others: tuple[str, ...]


class Closure(NamedTuple):
    """kept: names of the packages, wanted ones first. expected: symbols a library leaves to whatever loads it (a plug-in's)."""

    kept: tuple[str, ...]
    bindings: tuple[Binding, ...]
    choices: tuple[Choice, ...]
    missing: tuple[Lack, ...]
    expected: tuple[Lack, ...]

    def why(self, package: str) -> list[Binding]:
        """The bindings that a package is kept for; none for a wanted one that nothing else needs."""
        return [b for b in self.bindings if b.provider == package and b.consumer != package]


class _Need(NamedTuple):
    consumer: int
    path: str
    space: str
    name: str
    facts: ElfFacts | None


def close(wanted: Sequence[Package], candidates: Sequence[Package], target: Callable[[Leaf], bytes]) -> Closure:
    """The closure of wanted packages over candidates. target: the bytes of a symlink's leaf."""
    return _Closer([*wanted, *candidates], len(wanted), target).run()


class _Closer:
    """One computation: packages by index, wanted ones first; `kept` grows until nothing new is needed."""

    def __init__(self, packages: Sequence[Package], wanted: int, target: Callable[[Leaf], bytes]) -> None:
        self.packages = packages
        self.union = Union([p.leaves for p in packages], target)
        self.kept: dict[int, None] = dict.fromkeys(range(wanted))
        self.bound: dict[tuple[str, tuple[int, str, str]], Found] = {}  # (soname, class) -> its one provider
        self.interfaces: dict[int, Interface] = {}
        self.facts: dict[tuple[int, str], ElfFacts] = {}
        self.exports: dict[tuple[int, str], Exports] = {}
        self.libraries: dict[tuple[int, str], dict[str, Found]] = {}  # ELF file -> NEEDED name -> provider
        self.bindings: dict[Binding, None] = {}
        self.missing: dict[Lack, None] = {}

    def run(self) -> Closure:
        done: set[int] = set()
        while todo := [index for index in self.kept if index not in done]:
            for index in sorted(todo):
                done.add(index)
                for need in self._needs(index):
                    self._bind(need)
        expected: list[Lack] = []
        for index in sorted(self.kept):
            for file in self._interface(index).elfs:
                lacks = self._unmet(index, file.path, file.facts)
                if file.facts.kind == "program":
                    self.missing.update(dict.fromkeys(lacks))
                else:
                    expected += lacks
        names = tuple(self.packages[i].name for i in self.kept)
        return Closure(
            names,
            tuple(sorted(self.bindings)),
            tuple(self._choices()),
            tuple(sorted(self.missing)),
            tuple(sorted(expected)),
        )

    def _choices(self) -> Iterator[Choice]:
        """Names that other packages have too, in the loader's own directories."""
        for (name, _), found in sorted(self.bound.items(), key=lambda row: row[0]):
            facts = self.facts[found.package, path_text(found.path)]
            others = {
                self.packages[other].name
                for directory in system_directories(facts)
                for other in self.union.holders(directory + b"/" + name.encode("utf-8", "surrogateescape"))
            } - {self.packages[found.package].name}
            if others:
                yield Choice(name, self.packages[found.package].name, tuple(sorted(others)))

    def _interface(self, index: int) -> Interface:
        if index not in self.interfaces:
            found = self.interfaces[index] = self.packages[index].interface()
            self.facts.update({(index, e.path): e.facts for e in found.elfs})
        return self.interfaces[index]

    def _needs(self, index: int) -> Iterator[_Need]:
        interface = self._interface(index)
        for path, facts in interface.elfs:
            if facts.interp and facts.kind == "program":
                yield _Need(index, path, "interpreter", facts.interp, facts)
            for name in facts.needed:
                yield _Need(index, path, "soname", name, facts)
            for row in facts.dlopen:
                if row.priority == "required":
                    yield _Need(index, path, "dlopen", "|".join(row.sonames), facts)
        for script in interface.scripts:
            yield _Need(index, script.path, "script", script.interpreter, None)
            if program := _through_env(script):
                yield _Need(index, script.path, "script", program, None)

    def _bind(self, need: _Need) -> None:
        found = self._find(need)
        consumer = self.packages[need.consumer].name
        if found is None:
            self.missing[Lack(consumer, need.path, need.space, need.name)] = None
            return
        for index in (*found.via, found.package):
            self.kept.setdefault(index)
        provider = self.packages[found.package].name
        self.bindings[Binding(consumer, need.path, need.space, need.name, provider, path_text(found.path))] = None
        for index in found.via:
            if index not in (need.consumer, found.package):
                link = self.packages[index].name
                self.bindings[Binding(consumer, need.path, "link", need.name, link, path_text(found.path))] = None
        if need.space == "soname":
            self.libraries.setdefault((need.consumer, need.path), {})[need.name] = found

    def _find(self, need: _Need) -> Found | None:
        if need.space == "script" and not need.name.startswith("/"):
            return self._first(lambda among: self._program(need.name, among))
        if need.space in ("interpreter", "script"):
            return self._first(lambda among: self.union.find(path_bytes(need.name), among))
        if need.facts is None:
            return None
        if need.space == "dlopen":
            return next((f for f in (self._library(need, n, need.facts) for n in need.name.split("|")) if f), None)
        return self._library(need, need.name, need.facts)

    def _first(self, look: Callable[[Collection[int] | None], Found | None]) -> Found | None:
        """Among what is kept already, else anywhere."""
        return look(self.kept) or look(None)

    def _program(self, name: str, among: Collection[int] | None) -> Found | None:
        if "/" in name:
            return None
        return next((f for d in PROGRAMS if (f := self.union.find(d + b"/" + path_bytes(name), among))), None)

    def _library(self, need: _Need, name: str, facts: ElfFacts) -> Found | None:
        """The one provider of a library: what this name was bound to before, else the loader's choice among what is kept, else the
        first candidate that has it. A library of another class or machine is passed over, as the loader does."""
        key = (name, (facts.bits, facts.endian, facts.machine))
        private = bool(facts.runpath or facts.rpath)
        if not private and key in self.bound:
            return self.bound[key]
        if "/" in name:
            found = self.union.find(name.encode()) if name.startswith("/") and ".." not in name.split("/") else None
        else:
            found = self._search(need, name, facts)
        if found is not None and not private:
            self.bound[key] = found
        return found

    def _search(self, need: _Need, name: str, facts: ElfFacts) -> Found | None:
        places = directories(facts, path_bytes(need.path))
        file = name.encode("utf-8", "surrogateescape")
        for directory in places:
            found = self.union.find(directory + b"/" + file, self.kept)
            if found is not None and self._fits(facts, found):
                return found
        for index in range(len(self.packages)):
            if index in self.kept:
                continue
            for directory in places:
                found = self.union.find(directory + b"/" + file, (index,))
                if found is not None and self._fits(facts, found):
                    return found
        return None

    def _fits(self, consumer: ElfFacts, found: Found) -> bool:
        self._interface(found.package)
        provider = self.facts.get((found.package, path_text(found.path)))
        return provider is not None and satisfy.fits(consumer, provider)

    # ---- symbols ----

    def _unmet(self, index: int, path: str, facts: ElfFacts) -> list[Lack]:
        scope = self._scope(index, path)
        if scope is None:
            return []  # a library is missing, which is said already
        bound = self.libraries.get((index, path), {})
        named: Mapping[str, Exports] = {name: self._exports(found) for name, found in bound.items()}
        named = {**{one.facts.soname: one for one in scope if one.facts.soname}, **named}
        name = self.packages[index].name
        return [Lack(name, path, u.kind, str(u)) for u in satisfy.unmet(facts, named, scope)]

    def _scope(self, index: int, path: str) -> list[Exports] | None:
        """All libraries below a file, breadth first as the loader maps them; None when one of them is missing."""
        order: dict[tuple[int, str], None] = {}
        todo = [(index, path)]
        while todo:
            at = todo.pop(0)
            facts = self.facts.get(at)
            rows = self.libraries.get(at, {})
            if facts is None or any(name not in rows for name in facts.needed):
                return None
            for name in facts.needed:
                key = (rows[name].package, path_text(rows[name].path))
                if key not in order:
                    order[key] = None
                    todo.append(key)
        loader = self._loader(index, path)
        return [self._exports_at(*key) for key in order] + ([loader] if loader else [])

    def _loader(self, index: int, path: str) -> Exports | None:
        facts = self.facts[index, path]
        found = self.union.find(path_bytes(facts.interp), self.kept) if facts.interp else None
        return self._exports(found) if found and (found.package, path_text(found.path)) in self.facts else None

    def _exports(self, found: Found) -> Exports:
        return self._exports_at(found.package, path_text(found.path))

    def _exports_at(self, index: int, path: str) -> Exports:
        if (index, path) not in self.exports:
            self.exports[index, path] = Exports(self.facts[index, path])
        return self.exports[index, path]


def _through_env(script: Script) -> str:
    """The program a `#!/usr/bin/env program` line runs; "" when it is not of that form."""
    if script.interpreter.rpartition("/")[2] != "env":
        return ""
    words = script.argument.split()
    while words and (words[0].startswith("-") or "=" in words[0]):
        words.pop(0)
    return words[0] if words else ""


__all__ = ["Binding", "Choice", "Closure", "Lack", "Package", "close"]
