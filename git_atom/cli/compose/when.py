"""Seconds since the epoch as people read them."""

from __future__ import annotations

import time


def day(when: int) -> str:
    """`2026-11-21T02:20:51Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
