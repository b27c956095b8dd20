"""Whether the atoms behind releases are what their signed tags say: commit, tree digest, manifest, lock. For many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from git_atom.core import lock as locks
from git_atom.core import manifest as manifests
from git_atom.core.digest import Oid, of_bytes
from git_atom.core.lock import LockedSub
from git_atom.core.statements import Release
from git_atom.errors import AtomError, CannotError, MalformedError, RefusedError
from git_atom.gate.content import Content, contents
from git_atom.gate.verdict import View

Checked = dict[str, "AtomError | tuple[LockedSub, ...]"]


def check(view: View, releases: Mapping[str, Release]) -> Checked:
    """For each key the sub-atoms its atom needs, or what is wrong with it. Raises MalformedError over limits of all together.

    Errors: ATOM-8005 (commit), 8012 (content), 8515 (manifest or lock), 8511 and 8512 (limits and names), those of the texts.
    """
    out: Checked = {}
    trees: dict[str, Oid] = {}
    commits = view.objects.many([release.commit for release in releases.values()])
    for (key, release), found in zip(releases.items(), commits, strict=True):
        try:
            if found is None or found[1] != "commit":
                raise CannotError("ATOM-2008", f"commit '{release.commit}' is not there", hint="git fsck")
            trees[key] = view.atom_tree(found[2], release)
        except AtomError as error:
            out[key] = error
    read = contents(view.objects, trees.values())
    for key, tree in trees.items():
        try:
            out[key] = read[tree].problem or _agree(releases[key], read[tree])
        except AtomError as error:
            out[key] = error
    return out


def check_subs(view: View, subs: Sequence[LockedSub]) -> dict[Oid, AtomError | Oid]:
    """For each sub-atom the id of the commit it must be, or what is wrong with its content."""
    wanted = {sub.object: sub for sub in subs}
    kinds: dict[Oid, str] = {}
    out: dict[Oid, AtomError | Oid] = {}
    files: dict[Oid, Content] = {}
    for thing, found in zip(wanted, view.objects.many(list(wanted)), strict=True):
        kinds[thing] = found[1] if found else ""
        if found is not None and found[1] == "blob":
            files[thing] = Content(of_bytes(found[2]), None, {})
    read = contents(view.objects, [thing for thing, kind in kinds.items() if kind == "tree"]) | files
    for thing, sub in wanted.items():
        content = read.get(thing)
        if content is None:
            out[thing] = RefusedError("ATOM-8507", f"sub-atom '{sub.name}' ({thing}) is not there")
        elif content.problem is not None:
            out[thing] = content.problem
        elif content.digest != sub.tree:
            out[thing] = MalformedError(
                "ATOM-8012",
                f"sub-atom '{sub.name}' is not what the lock names",
                note=f"locked {sub.tree}\nfound  {content.digest}",
            )
        else:
            out[thing] = sub_commit(view, thing, kinds[thing])
    return out


def sub_commit(view: View, thing: Oid, kind: str) -> Oid:
    """The id of the commit of a sub-atom."""
    from git_atom.git.written import oid_of

    fmt = view.objects.repo.object_format
    return oid_of("commit", view.sub_commit(thing, kind, fmt), fmt)


def _agree(release: Release, found: Content) -> tuple[LockedSub, ...]:
    if found.digest != release.tree:
        raise MalformedError(
            "ATOM-8012",
            f"the content of '{release.name} {release.version}' is not what its tag says",
            note=f"signed {release.tree}\nfound  {found.digest}",
        )
    text = found.texts.get(manifests.FILE.encode())
    if text is None or of_bytes(text) != release.manifest:
        raise _other(release, f"its {manifests.FILE} is another, or none")
    manifest = manifests.parse(text, f"{release.name}/{manifests.FILE}")
    if (manifest.name, str(manifest.version)) != (release.name, release.version):
        raise _other(release, f"its {manifests.FILE} is of '{manifest.name} {manifest.version}'")
    lock = found.texts.get(locks.FILE.encode())
    return locks.parse(lock, f"{release.name}/{locks.FILE}").subs if lock is not None else ()


def _other(release: Release, why: str) -> MalformedError:
    return MalformedError("ATOM-8515", f"'{release.name} {release.version}' is not what its manifest says", note=why)
