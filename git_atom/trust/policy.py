"""What a user makes of things that are true and unwelcome: retracted versions, revoked keys, versions that are very new. Pure.

The policy comes from the user's own configuration; nothing of a set or a repository can change it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from git_atom.core.statements import Retraction, Revocation
from git_atom.errors import CannotError, RefusedError

ANSWERS = ("warn", "refuse")
_AGE = re.compile(r"(\d{1,9})(s|m|h|d|w)?", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class Policy(NamedTuple):
    """minimum_age: seconds a version must have been known before it is chosen anew; retracted, revoked: `warn` or `refuse`.

    maximum_age: seconds after which a log that a place still shows unchanged is stale, 0 for never; stale: `warn` or `refuse`.
    """

    minimum_age: int = 0
    retracted: str = "warn"
    revoked: str = "warn"
    maximum_age: int = 0
    stale: str = "warn"


def parse_age(text: str, where: str) -> int:
    """Seconds in `90s`, `30m`, `12h`, `7d`, `2w` or a bare number of seconds. Raises CannotError ATOM-3018."""
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise CannotError("ATOM-3018", f"'{text}' is not an age", where=where, hint="say '7d', '12h', or 0 for none")
    return int(found[1]) * _UNITS[found[2] or "s"]


def parse_answer(text: str, where: str) -> str:
    """One of `warn` and `refuse`. Raises CannotError ATOM-3018."""
    if text not in ANSWERS:
        raise CannotError("ATOM-3018", f"'{text}' is not an answer", where=where, hint="say 'warn' or 'refuse'")
    return text


def admit(policy: Policy, what: str, gone: Retraction | None, revoked: Revocation | None) -> list[str]:
    """Take a version that was chosen before: the warnings that go with it. Raises RefusedError ATOM-3017 where the policy refuses."""
    warnings = []
    if gone is not None:
        words = f"'{what}' is retracted: {gone.reason}"
        _answer(policy.retracted, words, "atom.retracted", "choose another version, git atom list")
        warnings.append(words)
    if revoked is not None:
        words = f"'{what}' was signed by a key that was revoked later: {revoked.reason}"
        _answer(policy.revoked, words, "atom.revoked", "ask its publisher for a new version")
        warnings.append(words)
    return warnings


def admit_stale(policy: Policy, source: str, unchanged: int) -> list[str]:
    """Take a log that a place has shown unchanged for so many seconds: the warning that goes with it. Raises RefusedError ATOM-3017."""
    if not policy.maximum_age or unchanged <= policy.maximum_age:
        return []
    words = f"'{source}' shows the same log as {unchanged // 86400} days ago"
    _answer(policy.stale, words, "atom.staleLog", "ask whoever serves it; another place may have a newer one")
    return [words]


def _answer(answer: str, words: str, setting: str, way: str) -> None:
    if answer == "refuse":
        raise RefusedError("ATOM-3017", words, note=f"your configuration says {setting} = refuse", hint=way)
