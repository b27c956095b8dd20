"""The variants of an atom at hand, settled: what each can come to, and what follows for its dependencies, its toolchain and its build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from git_atom.core import variant
from git_atom.core.manifest import Manifest


def words(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """For each variant of a manifest the words that settle it, the default first."""
    out = dict(manifest.provide)
    for name, value in manifest.support:
        out[name] = (variant.ON, variant.OFF) if value is True else (variant.OFF, variant.ON)
    return out


def candidates(manifest: Manifest) -> frozenset[str]:
    """The keys of [deps] that are candidates of a variant, and so not needed by themselves."""
    keys = {dep.name for dep in manifest.deps}
    return frozenset(word for _, some in manifest.provide for word in some if word in keys)


def active(manifest: Manifest, settled: Mapping[str, str]) -> frozenset[str]:
    """The keys of the dependencies that an atom has with its variants settled so."""
    taken = {settled.get(name, "") for name, _ in manifest.provide}
    return frozenset(dep.name for dep in manifest.deps) - (candidates(manifest) - taken)


def packages(manifest: Manifest, settled: Mapping[str, str]) -> tuple[str, ...]:
    """The packages of the toolchain's distribution that settled variants add to it, sorted."""
    keys = {dep.name for dep in manifest.deps} | {variant.NONE}
    return tuple(sorted({settled.get(name, some[0]) for name, some in manifest.provide} - keys))


def toolchain(manifest: Manifest, settled: Mapping[str, str]) -> tuple[str, ...]:
    """All packages of the distribution that a build is in: those that the manifest names and those of its variants, sorted."""
    named = manifest.toolchain.debian if manifest.toolchain else ()
    return tuple(sorted({*named, *packages(manifest, settled)}))


def settled(manifest: Manifest, rows: Iterable[str]) -> dict[str, str]:
    """All variants of a manifest, as the rows of a lock's `with` settle them; what they do not name is off, or its default."""
    said = dict(map(variant.parse, rows))
    out = {name: said.get(name, some[0]) for name, some in manifest.provide}
    return out | {name: said.get(name, variant.OFF) for name, _ in manifest.support}


def default(manifest: Manifest, chosen: Mapping[str, str]) -> dict[str, str]:
    """All variants of an atom that nobody asks anything: those of [provide] as its lock has them, else the defaults."""
    return {name: chosen.get(name, some[0]) for name, some in words(manifest).items()}


def told(manifest: Manifest, settled: Mapping[str, str]) -> tuple[str, ...]:
    """The rows of a lock's `with`, sorted: what each variant of [provide] came to, and what is on of [support]."""
    return tuple(
        sorted(variant.text((name, settled[name])) for name in words(manifest) if settled[name] != variant.OFF)
    )


def shell(manifest: Manifest, settled: Mapping[str, str]) -> tuple[str, ...]:
    """Commands that tell a build its variants, one assignment each, in order of name; nothing for a manifest without variants."""
    import shlex

    values = {name: "" if settled[name] == variant.NONE else settled[name] for name, _ in manifest.provide}
    for name, value in manifest.support:
        arguments = "yes" if isinstance(value, bool) else " ".join(value)
        values[name] = arguments if settled[name] == variant.ON else ""
    return tuple(f"{name}={shlex.quote(value)}" for name, value in sorted(values.items()))
