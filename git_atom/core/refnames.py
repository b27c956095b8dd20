"""Every ref name of the suite, in one place (design section 4). Depth is fixed, so names never collide as file against directory."""

from __future__ import annotations

from git_atom.core.digest import Digest, Oid

ATOMS = "refs/atoms/"
SUBS = "refs/subs/"
LOG = "refs/atoms-log/head"  # two levels, because git refuses a push to any ref that is a single name below refs/
SETS = "refs/sets/"
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
