"""Whether a provider satisfies a consumer: class and machine, versions, symbols; what is unmet is listed by name.

Pure over facts, and written to agree with the loader under LD_BIND_NOW (ld.so(8), elf/dl-lookup.c, elf/dl-version.c): a versioned
symbol is looked up by name and version through the whole scope, a library without any versions satisfies every version of its names,
weak symbols never block. Symbols are necessary, not sufficient: what a function does with its arguments is not in here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from git_atom.core import canon
from git_atom.core.digest import Digest
from git_atom.interface.elf import ElfFacts, Want


class Unmet(NamedTuple):
    """Something a consumer needs and the scope lacks: a `symbol` or a `version` (name empty), and the library it was linked against."""

    kind: str
    name: str
    version: str
    file: str

    def __str__(self) -> str:
        of = f" of {self.file}" if self.file else ""
        if self.kind == "version":
            return f"version {self.version}{of}"
        return f"symbol {self.name}{'@' + self.version if self.version else ''}{of}"


class Exports:
    """What one library gives, ready for lookups. Made once a library."""

    __slots__ = ("facts", "names", "pairs", "versions")

    def __init__(self, facts: ElfFacts) -> None:
        self.facts = facts
        self.names = {e.name for e in facts.exports}
        self.pairs = {(e.name, e.version) for e in facts.exports}
        self.versions = frozenset(facts.verdefs)

    def has(self, want: Want) -> bool:
        """Whether the loader would take this library's symbol for what is wanted."""
        if not want.version:
            return want.name in self.names
        return (want.name, want.version) in self.pairs or (not self.versions and want.name in self.names)


def fits(consumer: ElfFacts, provider: ElfFacts) -> bool:
    """Whether the loader may map the two into one process: same class, byte order and machine, and the provider a shared object."""
    same = (consumer.bits, consumer.endian, consumer.machine) == (provider.bits, provider.endian, provider.machine)
    return same and provider.dynamic and provider.kind in ("shared", "program")


def unmet(consumer: ElfFacts, bound: Mapping[str, Exports], scope: Sequence[Exports]) -> list[Unmet]:
    """What is missing. bound: library name as in NEEDED -> its provider; scope: all libraries in load order, the consumer itself left out."""
    out = []
    for need in consumer.verneeds:
        provider = bound.get(need.file)
        if provider is not None and not need.weak and provider.versions and need.version not in provider.versions:
            out.append(Unmet("version", "", need.version, need.file))
    own = {e.name for e in consumer.exports}
    for want in consumer.wants:
        if want.weak:
            continue
        provider = bound.get(want.file)
        if provider is not None and provider.has(want):
            continue
        if not any(one.has(want) for one in scope) and not (want.name in own and not want.version):
            out.append(Unmet("symbol", want.name, want.version, want.file))
    return out


def needs_of(consumer: ElfFacts, provider: Exports, name: str) -> list[tuple[str, str]]:
    """The (symbol, version) pairs the consumer takes from a provider it knows as `name`: the witness of their binding."""
    return sorted(
        (w.name, w.version) for w in consumer.wants if (w.file == name if w.file else w.name in provider.names)
    )


def witness(pairs: Iterable[tuple[str, str]]) -> Digest:
    """Digest of a set of (symbol, version) pairs, for a certificate."""
    return canon.digest(["atom-symbols/1", sorted([n, v] for n, v in set(pairs))])


def holds(pairs: Iterable[tuple[str, str]], provider: Exports) -> bool:
    """Check a witness without analysing the consumer again: every pair is among what the provider exports."""
    return all(provider.has(Want(name, version, "", False)) for name, version in pairs)
