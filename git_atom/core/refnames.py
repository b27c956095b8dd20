"""Every ref name of the suite, in one place (design section 4). Depth is fixed, so names never collide as file against directory."""

from __future__ import annotations

import re
from typing import NamedTuple

from git_atom.core.digest import Digest, Oid
from git_atom.errors import MalformedError

ATOMS = "refs/atoms/"
SUBS = "refs/subs/"
LOG = "refs/atoms-log/head"  # two levels, because git refuses a push to any ref that is a single name below refs/
SETS = "refs/sets/"
SET_LOGS = f"{SETS}*/log"  # every log of the store, as git matches refs
UNSIGNED = "refs/unsigned/"
PINS = "refs/pins/"
COMPOSITIONS = "refs/compositions/"
BUILDS = "refs/builds/"
RECORDINGS = "refs/recordings/"


def tag_name(name: str, version: str) -> str:
    """Name inside the tag object of one version."""
    return f"{name}/{version}"


def atom_ref(name: str, version: str) -> str:
    """Signed tag of one published version, in the project's own repository."""
    return f"{ATOMS}{name}/{version}"


def sub_ref(tree: Oid) -> str:
    """Orphan commit over one sub-atom's tree."""
    return SUBS + tree


def set_prefix(anchor: Digest) -> str:
    """Everything of one set, in the user's store."""
    return f"{SETS}{anchor.hex}/"


def set_log(anchor: Digest) -> str:
    """Newest verified log head of a set, in the user's store."""
    return f"{SETS}{anchor.hex}/log"


def set_atom(anchor: Digest, name: str, version: str) -> str:
    """A fetched atom of a set, in the user's store."""
    return f"{SETS}{anchor.hex}/atoms/{name}/{version}"


def set_sub(anchor: Digest, tree: Oid) -> str:
    """A fetched sub-atom of a set, in the user's store."""
    return f"{SETS}{anchor.hex}/subs/{tree}"


def set_forks(anchor: Digest) -> str:
    """Prefix of the evidence that there are two logs of a set, in the user's store."""
    return f"{SETS}{anchor.hex}/forks/"


def set_fork(anchor: Digest, shown: Oid, part: str) -> str:
    """One head of two logs that part ways: `seen` before, `shown` afterwards (which names both), and `settled`, the one decided for."""
    return f"{set_forks(anchor)}{shown}/{part}"


def unsigned(place: str, name: str, version: str) -> str:
    """A fetched atom that nobody signed, by the place it came from, in the user's store."""
    from git_atom.core.digest import of_bytes

    return f"{UNSIGNED}{of_bytes(place.encode(errors='surrogateescape')).hex}/{name}/{version}"


def pin(commit: Oid, tree: Digest) -> str:
    """What a pin of some repository's commit came to, by the commit and the tree digest that a lock states, in the user's store."""
    return f"{PINS}{commit}/{tree.hex}"


def composition(name: str) -> str:
    """Head of a composition's chain of generations."""
    return COMPOSITIONS + name


def builds_of(action: Digest) -> str:
    """Prefix of all witnesses of one action."""
    return f"{BUILDS}{action.hex}/"


def build(action: Digest, witness: Digest) -> str:
    """One witness of one action; the witness is the digest of the builder's key."""
    return f"{BUILDS}{action.hex}/{witness.hex}"


def recording(name: str) -> str:
    """What a recording trial fetched."""
    return RECORDINGS + name


class Place(NamedTuple):
    """What a ref name says. set: hex of a set's anchor in the store, or empty for the repository's own set.

    kind: `log`, `atom`, `sub` or `fork`; name and version of an atom; thing: the tree or file of a sub-atom.
    """

    set: str
    kind: str
    name: str = ""
    version: str = ""
    thing: str = ""


_GUARDED = tuple(prefix.rstrip("/") for prefix in (ATOMS, SUBS, "refs/atoms-log/", SETS))
_SET = r"refs/sets/([0-9a-f]{64})/(.+)"
_THING = r"[0-9a-f]{40}|[0-9a-f]{64}"


def guarded(ref: str) -> bool:
    """Whether a ref lies where signed things of a set are kept; in any case of letters, since file systems may not tell them apart."""
    low = ref.lower()
    return any(low == prefix or low.startswith(prefix + "/") for prefix in _GUARDED)


def read(ref: str) -> Place:
    """What a guarded ref names; every ref this suite makes, and no other. Raises MalformedError ATOM-1017, 1010 (name), 1011 (version)."""
    match = re.fullmatch(_SET, ref)
    inside = match[2] if match else ref.removeprefix("refs/")
    owner = match[1] if match else ""
    if ref == LOG or (match and inside == "log"):
        return Place(owner, "log")
    first, _, rest = inside.partition("/")
    if first == "subs" and re.fullmatch(_THING, rest):
        return Place(owner, "sub", thing=rest)
    if owner and re.fullmatch(rf"forks/({_THING})/(seen|shown|settled)", inside):
        return Place(owner, "fork")
    name, _, version = rest.partition("/")
    if first != "atoms" or not version or "/" in version or not ref.startswith("refs/"):
        forms = "refs/atoms/<name>/<version>, refs/subs/<tree>, refs/atoms-log/head"
        raise MalformedError("ATOM-1017", f"'{ref}' is not a ref of a set", note=f"its refs are {forms}")
    from git_atom.core.name import check_name
    from git_atom.core.version import Version

    return Place(owner, "atom", check_name(name, ref, exact=True), str(Version.parse(version, ref)))
