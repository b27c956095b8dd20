"""Merging locks with variants: what one side chose is taken, what both chose differently is told."""

from __future__ import annotations

from test_lock_text import ANCHOR, VARIED

from git_atom.core import lock as locks
from git_atom.core.digest import Oid, of_bytes
from git_atom.core.lock import Lock, LockedAtom, LockedDep, LockedVariant
from git_atom.core.lock_merge import merge
from git_atom.core.version import Version

BASE = locks.parse(locks.format(VARIED))
GNU = LockedAtom(ANCHOR, "gnutls", Version.parse("4.0.0"), Oid("4" * 40), of_bytes(b"gnutls"))


def with_gnutls() -> Lock:
    """The base where `gnutls` has taken `tls`, and web is had with it."""
    web = BASE.atoms[1]._replace(build=(), run=((ANCHOR, "gnutls"),), variants=("tls=gnutls",))
    deps = (BASE.deps[0]._replace(uses=("build", "run")), BASE.deps[1], BASE.deps[2]._replace(uses=()), BASE.deps[3])
    return BASE._replace(variants=(BASE.variants[0], LockedVariant("tls", "gnutls")), deps=deps, atoms=(GNU, web))


def test_a_variant_beside_a_new_dependency() -> None:
    zlib = LockedAtom(ANCHOR, "zlib", Version.parse("1.3.0"), Oid("5" * 40), of_bytes(b"zlib"))
    other = BASE._replace(deps=(*BASE.deps, LockedDep("zlib", (ANCHOR, "zlib"), ("run",))), atoms=(*BASE.atoms, zlib))
    for ours, theirs in (with_gnutls(), other), (other, with_gnutls()):
        made = merge(BASE, ours, theirs, lambda one, _: one.head)
        assert made.conflicts == ()
        assert {a.name for a in made.lock.atoms} == {"gnutls", "web", "zlib"}
        assert made.lock.variants == with_gnutls().variants
        locks.parse(locks.format(made.lock))


def test_a_set_that_only_a_candidate_is_of_stays() -> None:
    left = Lock(BASE.sets, BASE.deps[:2], (), variants=BASE.variants)
    made = merge(left, left._replace(variants=(BASE.variants[1],)), left, lambda one, _: one.head)
    assert made.conflicts == () and made.lock.sets == BASE.sets


def test_one_variant_chosen_twice() -> None:
    none = BASE._replace(variants=(BASE.variants[0], LockedVariant("tls", "none")))
    made = merge(BASE, with_gnutls(), none, lambda one, _: one.head)
    assert "variants: 'tls' is 'gnutls' here and 'none' there" in made.conflicts
