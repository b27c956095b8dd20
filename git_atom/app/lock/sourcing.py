"""What a manifest builds from beside atoms: fetched files, the distribution's source packages, paths of this repository, the toolchain.

What is locked and still asked for is kept without looking; everything else is fetched, checked and digested now.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from git_atom.app.lock.ground import ONLINE, Ground, Work, holds, inside, within_itself
from git_atom.atom.agreement import keeps_toolchain
from git_atom.core import choices
from git_atom.core.digest import MODE_LINK
from git_atom.core.lock import Fetch, LockedPackage, LockedSub, LockedToolchain
from git_atom.core.manifest import Src
from git_atom.core.tree import tree_digest
from git_atom.errors import CannotError, UnavailableError
from git_atom.fetch.download import Wanted, download
from git_atom.git import worktree
from git_atom.ingest import cargo, debsource
from git_atom.ingest.apt import AptState


def downloads(cache: str) -> str:
    """Where fetched files lie, below the user's cache."""
    return os.path.join(cache, "downloads")


def platform() -> str:
    """The platform this machine builds on, as a manifest names it."""
    return f"{os.uname().machine}-linux"


def fetches(ground: Ground) -> tuple[Fetch, ...]:
    """The files to fetch for every source given by URL, Debian package or upstream lockfile."""
    out: list[Fetch] = []
    for src in ground.manifest.srcs:
        if src.url:
            out.append(_by_url(ground, src))
        elif src.debian:
            out += _by_package(ground, src)
        elif src.adopt:
            out += _adopted(ground, src)
    return tuple(out)


def _by_url(ground: Ground, src: Src) -> Fetch:
    kept = next((f for f in ground.kept.fetches if (f.name, f.url) == (src.name, src.url)), None)
    if kept is not None:
        return kept
    host = ground.host
    file = download(Wanted(src.url), downloads(host.cache), host.environ, host.progress, offline=ground.offline)
    return Fetch(src.name, src.url, file.digest, file.size)


def _by_package(ground: Ground, src: Src) -> list[Fetch]:
    host, toolchain = ground.host, ground.manifest.toolchain
    suite = toolchain.suite if toolchain else ""
    kept = [f for f in ground.kept.fetches if f.name == src.name and f.package == src.debian]
    if kept and all(t.suite == suite for t in ground.kept.toolchains):
        return kept
    if ground.offline:
        raise UnavailableError("ATOM-5020", f"source package '{src.debian}' has to be looked for, and the network may not be used",
                               where=ground.where("srcs", src.name, "debian"), hint=ONLINE)  # fmt: skip
    run = AptState(host, suite, "src").run
    source, checked = debsource.bring(src.debian, suite, run, downloads(host.cache), host.environ, host.progress)
    host.progress.say(f"{source.package} {source.version}: {checked.proof}")
    if checked.repacked:
        host.progress.say(
            f"{source.package} {source.version}: repacked by Debian, not upstream's own tarball; {checked.repacked}"
        )
    return [
        Fetch(
            src.name,
            debsource.SCHEME + part.path,
            file.digest,
            file.size,
            source.package,
            source.version,
            bool(checked.repacked),
        )
        for part, file in checked.files
    ]


def _adopted(ground: Ground, src: Src) -> list[Fetch]:
    """What an upstream lockfile names, each file held against the digest it states; kept while the lockfile is the one that was locked.

    Raises UnavailableError ATOM-8047 for a kind that is not read yet, MalformedError ATOM-5040, CannotError ATOM-5041, and as download.
    """
    host, where = ground.host, ground.where("srcs", src.name, "path")
    if src.adopt != "cargo":
        raise not_yet(f"'adopt = {src.adopt}' of [srcs.{src.name}]", ground.where("srcs", src.name, "adopt"))
    work, path = inside(ground, src.path, where)
    leaf = work.leaf_at(path)
    if leaf is None or leaf.mode == MODE_LINK:
        raise CannotError("ATOM-8052", f"there is no file at '{src.path}'", where=where,
                          note="a file that git ignores does not count", hint=_to_have(work, path))  # fmt: skip
    with open(os.path.join(work.top, path), "rb") as file:
        crates = cargo.parse(
            file.read(cargo.MAX_BYTES + 1), os.path.relpath(os.path.join(ground.folder, src.path), host.cwd)
        )
    kept = {f.url: f for f in ground.kept.fetches if f.name == src.name}
    same = any((s.name, s.tree) == (src.name, leaf.digest) for s in ground.old.subs)
    if same and kept.keys() == {crate.url for crate in crates}:
        return list(kept.values())
    out = []
    for crate in crates:
        got = download(Wanted(crate.url, sha256=crate.sha256), downloads(host.cache), host.environ, host.progress, offline=ground.offline)  # fmt: skip
        out.append(Fetch(src.name, crate.url, got.digest, got.size))
    return out


def subs(ground: Ground) -> tuple[LockedSub, ...]:
    """The paths of this repository that become sub-atoms, as they stand in the work tree."""
    out = []
    for src in ground.manifest.srcs:
        if not src.path:
            continue
        where = ground.where("srcs", src.name, "path")
        work, path = inside(ground, src.path, where)
        if holds(work, ground, path):
            raise within_itself(src.path, where)
        leaf = work.leaf_at(path)
        if leaf is not None:
            out.append(LockedSub(src.name, leaf.oid, leaf.digest))
            continue
        files = work.leaves(path)
        if not files:
            raise CannotError("ATOM-8052", f"there is nothing at '{src.path}'", where=where,
                              note="a path that git ignores does not count", hint=_to_have(work, path))  # fmt: skip
        out.append(LockedSub(src.name, worktree.tree_id(files, work.repo.object_format), tree_digest(files)))
    return tuple(out)


def _to_have(work: Work, path: str) -> str:
    """The way out where a source path of the work tree has nothing: what is there and ignored is tracked from now on."""
    import shlex

    place = os.path.join(work.top, path)
    ignored = os.path.isfile(place) or any(files for _, _, files in os.walk(place))
    return f"git add -f {shlex.quote(work.shown(path))}" if ignored else "name a path where something is"


def toolchains(ground: Ground, settled: Mapping[str, str]) -> tuple[LockedToolchain, ...]:
    """The toolchain of a distribution's packages for this platform, and those locked for others as long as they are what is asked for.

    settled: the atom's variants, whose candidates may be packages, too.
    """
    wanted = ground.manifest.toolchain
    if wanted is None:
        return ()
    asked = choices.toolchain(ground.manifest, settled)
    kept = [t for t in ground.kept.toolchains if keeps_toolchain(wanted, asked, t)]
    here = platform()
    if any(t.platform == here for t in kept):
        return tuple(kept)
    if ground.offline:
        raise UnavailableError("ATOM-5020", "the toolchain has to be chosen anew, and the network may not be used",
                               where=ground.where("toolchain"), hint=ONLINE)  # fmt: skip
    from git_atom.app.world.imports import import_debian

    made = import_debian(ground.host, asked, wanted.suite)
    packages = tuple(LockedPackage(*p) for p in made.packages)
    return (*kept, LockedToolchain(here, made.root, wanted.suite, asked, "", packages))


def not_yet(what: str, where: str) -> UnavailableError:
    """The error for a key of the manifest that this version reads and cannot lock."""
    return UnavailableError("ATOM-8047", f"{what} cannot be locked by this version", where=where,
                            hint="take it out of the manifest, or use a newer git-atom")  # fmt: skip
