"""What a build is: the action, a digest over everything that is known before and can change the result (design section 8).

An action digests parsed values, never the text of manifest or lock, and holds no name, version, path, time or signer: two atoms that
come to the same steps over the same bytes are one action.
"""

from __future__ import annotations

from collections.abc import Iterable
from re import DOTALL, Pattern, escape
from re import compile as pattern
from typing import TYPE_CHECKING, NamedTuple

from git_atom.core import canon
from git_atom.core.digest import Digest
from git_atom.core.tree import Leaf

if TYPE_CHECKING:
    from git_atom.core.manifest import Manifest

LABEL = "atom-action/1"
JOBS = 8  # what ${jobs} says: a constant of every build, so the machine's processors never enter one
OWN = "atom"  # directory below /build that holds the atom's own files
OUT = "/out"


class Source(NamedTuple):
    """One source as the build sees it: directory below /build, and the digest of the file (or tree) that fills it."""

    path: str
    kind: str  # "fetch": an archive, unpacked; "tree": files as they are; "cargo fetch", "cargo lockfile": parts of a directory source
    digest: Digest


class Action(NamedTuple):
    """Everything that decides a build. deps: (name, action digest) sorted; toolchain: composition root; layout: the materialiser's."""

    run: tuple[str, ...]
    files: Digest
    sources: tuple[Source, ...]
    deps: tuple[tuple[str, Digest], ...]
    toolchain: Digest
    platform: str
    jobs: int
    layout: int


def digest(action: Action) -> Digest:
    """The action's digest: BLAKE3 over its canonical record, all fields included."""
    return canon.digest(
        {
            "type": LABEL,
            "run": list(action.run),
            "files": action.files,
            "sources": [list(s) for s in action.sources],
            "deps": [list(d) for d in action.deps],
            "toolchain": action.toolchain,
            "platform": action.platform,
            "jobs": action.jobs,
            "layout": action.layout,
        }
    )


def environment() -> tuple[tuple[str, str], ...]:
    """What a build's commands find in their environment beside the sandbox's own: ${jobs} and ${out}."""
    return (("jobs", str(JOBS)), ("out", OUT))


def own_files(manifest: Manifest, leaves: Iterable[Leaf]) -> list[Leaf]:
    """The atom's own files that its build may see: all but manifest, lock, and what only tests need."""
    from git_atom.core import lock
    from git_atom.core import manifest as manifests

    tests = [_glob(text) for text in manifest.test.files]
    kept = []
    for leaf in leaves:
        text = leaf.path.decode(errors="surrogateescape")
        if text not in (manifests.FILE, lock.FILE) and not any(test.match(text) for test in tests):
            kept.append(leaf)
    return kept


def _glob(text: str) -> Pattern[str]:
    """A glob of the manifest: `*` and `?` stay within a directory, `**` crosses them, `**/` may stand for no directory at all."""
    made, at = "", 0
    while at < len(text):
        for glob, meaning in (("**/", "(?:.*/)?"), ("**", ".*"), ("*", "[^/]*"), ("?", "[^/]")):
            if text.startswith(glob, at):
                made += meaning
                at += len(glob)
                break
        else:
            made += escape(text[at])
            at += 1
    return pattern(made + r"\Z", DOTALL)


def directory(places: Iterable[str], pins: Iterable[str] = ()) -> str:
    """Where the commands start, of the places below /build: the one called `src`, else the first that is not a pin, else the first pin."""
    beside = set(pins)
    paths = sorted(places, key=lambda path: path in beside)
    return "/build/" + ("src" if "src" in paths else paths[0].split("/")[0] if paths else OWN)
