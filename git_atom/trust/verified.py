"""`Verified[T]`: a value whose signatures and digests were checked. Only modules of `trust/` make one; others may only ask for it."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Verified(Generic[T]):
    """Holds `value`, which somebody the user trusts vouched for."""

    __slots__ = ("value",)

    value: T


def vouch(value: T) -> Verified[T]:
    """Make a Verified value; called from `trust/` alone, at the end of a check (a test holds this)."""
    made: Verified[T] = object.__new__(Verified)
    made.value = value
    return made
