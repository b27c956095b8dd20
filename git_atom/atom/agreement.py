"""Whether a lock is one of its manifest: everything the manifest names is pinned, as it asks, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator

from git_atom.core import choices, variant
from git_atom.core.lock import Lock, LockedAtom, LockedPin, LockedToolchain, parse_edge
from git_atom.core.manifest import Dep, Manifest, Pin, Src, Toolchain


def disagreements(manifest: Manifest, lock: Lock) -> list[str]:
    """What is wrong, each as one line; empty when the lock satisfies the manifest. Judged from the two texts alone."""
    return [
        *_names("variant", [name for name, _ in manifest.provide], [v.name for v in lock.variants]),
        *_names("dependency", [d.name for d in manifest.deps], [d.key for d in lock.deps]),
        *_names("pin", [p.name for p in manifest.pins], [p.name for p in lock.pins]),
        *_names(
            "source", [s.name for s in manifest.srcs], [*(f.name for f in lock.fetches), *(s.name for s in lock.subs)]
        ),
        *_variants(manifest, lock),
        *(problem for dep in manifest.deps for problem in _dep(dep, lock)),
        *(problem for pin in manifest.pins for problem in _pin(pin, lock)),
        *(problem for src in manifest.srcs for problem in _src(src, lock)),
        *_toolchain(manifest, lock),
    ]


def keeps_toolchain(wanted: Toolchain, asked: tuple[str, ...], locked: LockedToolchain) -> bool:
    """Whether a locked toolchain is what the manifest asks for. asked: all the packages, sorted, those of its variants included."""
    if wanted.environment:
        return locked.environment.rpartition("::")[2] == wanted.environment
    return locked.suite == wanted.suite and locked.debian == asked


def _names(what: str, wanted: list[str], locked: list[str]) -> Iterator[str]:
    yield from (f"{what} '{name}' is not locked" for name in sorted(set(wanted) - set(locked)))
    yield from (
        f"{what} '{name}' is locked and no longer in the manifest" for name in sorted(set(locked) - set(wanted))
    )


def _variants(manifest: Manifest, lock: Lock) -> Iterator[str]:
    """Each variant is taken by one of its candidates, and of the dependencies that are candidates those are locked that took one."""
    chosen = lock.taken
    for name, words in manifest.provide:
        if name in chosen and chosen[name] not in words:
            yield f"variant '{name}' is taken by '{chosen[name]}', which is no candidate"
    some, taken = choices.candidates(manifest), set(chosen.values())
    for row in lock.deps:
        if row.key in some and bool(row.uses) != (row.key in taken):
            yield f"dependency '{row.key}' is {'locked' if row.uses else 'not locked'}, and {'no' if row.uses else 'a'} variant is taken by it"


def _dep(dep: Dep, lock: Lock) -> Iterator[str]:
    locked = lock.dep(dep.name)
    if locked is None:
        return
    if not locked.uses:
        yield from _place(f"dependency '{dep.name}'", dep, locked.atom[0], lock)
        return
    atom = lock.atom(locked.atom)
    if atom is None:
        return
    if locked.uses != dep.uses:
        yield f"dependency '{dep.name}' is for {', '.join(dep.uses)}, and locked for {', '.join(locked.uses)}"
    yield from _atom(f"dependency '{dep.name}'", dep, atom, lock)


def _atom(what: str, dep: Dep, atom: LockedAtom, lock: Lock) -> Iterator[str]:
    if not dep.requirement.allows(atom.version):
        yield f"{what} asks for {dep.requirement}, and {atom.version} is locked"
    settled = dict(map(variant.parse, atom.variants))
    for name, word in dep.asks:
        if settled.get(name, variant.OFF) != word:
            yield f"{what} asks for '{variant.text((name, word))}', and is locked {f'with {name} = {settled[name]}' if name in settled else 'without'}"
    yield from _place(what, dep, atom.set, lock)


def _place(what: str, dep: Dep, anchor: str, lock: Lock) -> Iterator[str]:
    if bool(dep.path) == bool(anchor):
        yield f"{what} comes from elsewhere than the locked one"
    elif dep.url and dep.url not in next((s.mirrors for s in lock.sets if s.anchor == anchor), ()):
        yield f"{what} has another url than the locked one"


def keeps_pin(wanted: Pin, locked: LockedPin) -> bool:
    """Whether a locked pin is what the manifest asks for."""
    return wanted == Pin(locked.name, locked.git, locked.ref, locked.entry)


def _pin(pin: Pin, lock: Lock) -> Iterator[str]:
    if any(p.name == pin.name and not keeps_pin(pin, p) for p in lock.pins):
        yield f"pin '{pin.name}' is of another repository, ref or entry than the locked one"


def _src(src: Src, lock: Lock) -> Iterator[str]:
    fetches = [f for f in lock.fetches if f.name == src.name]
    subs = [s for s in lock.subs if s.name == src.name]
    if not fetches and not subs:
        return
    right = {
        "url": any(f.url == src.url for f in fetches) and len(fetches) == 1 and not subs,
        "debian": all(f.package == src.debian for f in fetches) and not subs,
        "path": bool(subs) and (bool(src.adopt) or not fetches),
    }
    form = "url" if src.url else "debian" if src.debian else "path"
    if not right[form]:
        yield f"source '{src.name}' is another than the locked one"


def _toolchain(manifest: Manifest, lock: Lock) -> Iterator[str]:
    wanted = manifest.toolchain
    if wanted is None:
        yield from ["a toolchain is locked and not in the manifest"] if lock.toolchains else []
    elif not lock.toolchains:
        yield "the toolchain is not locked"
    elif not all(
        keeps_toolchain(wanted, choices.toolchain(manifest, lock.taken), locked) for locked in lock.toolchains
    ):
        yield "the toolchain is another than the locked one"
    elif (dep := wanted.atom) is not None:
        found = {lock.atom(parse_edge(locked.environment)) for locked in lock.toolchains}
        yield from (wrong for atom in found if atom for wrong in _atom(f"toolchain '{dep.name}'", dep, atom, lock))
