"""What a doctor found: one thing looked at, for `git build doctor` and `git atom doctor`."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing looked at. found: what was seen; needs: what would make it work, one step a line; required: nothing goes without it."""

    name: str
    ok: bool
    found: str
    needs: str = ""
    required: bool = False


def works(findings: list[Finding]) -> bool:
    """Whether all that is required is there."""
    return all(finding.ok for finding in findings if finding.required)
