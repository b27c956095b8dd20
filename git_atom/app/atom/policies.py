"""The user's policy for a set, from their own configuration, and since when this machine has known each of its versions."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from git_atom.app.atom import forks
from git_atom.core.digest import Digest, Oid
from git_atom.core.host import Host
from git_atom.core.statements import Release
from git_atom.errors import AtomError
from git_atom.git import config
from git_atom.git.objects import Objects
from git_atom.trust import log as logs
from git_atom.trust import policy as policies
from git_atom.trust.log import Log
from git_atom.trust.policy import Policy

MINIMUM_AGE, RETRACTED, REVOKED = "minimumReleaseAge", "retracted", "revoked"
MAXIMUM_AGE, STALE = "maximumLogAge", "staleLog"


class Seen(NamedTuple):
    """That a set's log stood at `head` when this user saw it, at `when` (seconds of the epoch, by this machine's clock)."""

    when: int
    head: Oid


def policy_of(host: Host, anchor: Digest) -> Policy:
    """The policy for one set: `atom.<anchor>.<setting>` before `atom.<setting>`, user's and system's files alone. Raises ATOM-3018."""

    def setting(name: str) -> tuple[str, str]:
        for key in (f"atom.{anchor}.{name}", f"atom.{name}"):
            found = config.user_only(key, host.environ)
            if found:
                return found[-1], key
        return "", ""

    ages, answers = [setting(MINIMUM_AGE), setting(MAXIMUM_AGE)], [setting(RETRACTED), setting(REVOKED), setting(STALE)]
    minimum, maximum = (policies.parse_age(*found) if found[0] else 0 for found in ages)
    retracted, revoked, stale = (policies.parse_answer(*found) if found[0] else "warn" for found in answers)
    return Policy(minimum, retracted, revoked, maximum, stale)


# ---- since when ------------------------------------------------------------------------------------------------------------


def _place(host: Host, anchor: Digest) -> str:
    return os.path.join(host.data, "seen", anchor.hex)


def seen(host: Host, anchor: Digest) -> list[Seen]:
    """When which head of a set was first seen here, oldest first; lines that cannot be read count as not there."""
    rows = []
    try:
        with open(_place(host, anchor), encoding="ascii", errors="replace") as file:
            for line in file:
                when, _, head = line.strip().partition(" ")
                if when.isdigit() and len(head) in (40, 64):
                    rows.append(Seen(int(when), Oid.parse(head)))
    except (OSError, AtomError):
        return rows
    return rows


def note_seen(host: Host, anchor: Digest, head: Oid) -> None:
    """Note that a verified head of a set is known from now on; never earlier than what was noted before."""
    rows = seen(host, anchor)
    if rows and rows[-1].head == head:
        return
    now = max([int(time.time()), *(row.when for row in rows[-1:])])
    place = _place(host, anchor)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "a", encoding="ascii") as file:
        file.write(f"{now} {head}\n")
        file.flush()
        os.fsync(file.fileno())


def fresh(host: Host, anchor: Digest, head: Oid, source: str) -> None:
    """Say that a place shows a log that has not changed for longer than the user wants, or refuse it. Raises ATOM-3017, 3018."""
    policy = policy_of(host, anchor)
    rows = seen(host, anchor) if policy.maximum_age else []
    if rows and rows[-1].head == head:
        for line in policies.admit_stale(policy, source, int(time.time()) - rows[-1].when):
            host.progress.say(f"warning: {line}")


class Ages:
    """Which versions of a set have been known long enough, by what this machine saw.

    A version is old enough when a head that holds it was seen that long ago. Of what was there already when the set was met for the
    first time, the date its signer stated is taken, since nothing better is known here.
    """

    def __init__(self, host: Host, objects: Objects, anchor: Digest, minimum: int) -> None:
        self._objects = objects
        self._since = int(time.time()) - minimum
        self._minimum = minimum
        rows = seen(host, anchor)
        held = [row for row in rows if objects.get(row.head) is not None] if minimum else []
        old = [row for row in held if row.when <= self._since]
        self._aged = objects.commit_tree(old[-1].head) if old else None
        self._first = objects.commit_tree(held[0].head) if held else None
        self._met = bool(held)

    def young(self, name: str, version: str, stated: str) -> bool:
        """Whether a version is too new to be chosen; `stated`: the time its release states."""
        if not self._minimum:
            return False
        if self._aged is not None and version in logs.versions(self._objects, self._aged, name):
            return False
        known = self._first is not None and version in logs.versions(self._objects, self._first, name)
        if known or not self._met:
            return seconds_of(stated) > self._since
        return True


def seconds_of(stated: str) -> int:
    """Seconds of the epoch of a time as releases state it."""
    import calendar

    return calendar.timegm(time.strptime(stated, "%Y-%m-%dT%H:%M:%SZ"))


def warned(host: Host, objects: Objects, log: Log, release: Release) -> None:
    """Say what goes with a version that was chosen before, or refuse it where the user's policy says so, or where two logs of the set
    are known and only one has it. Raises ATOM-3017, 3018, 3019."""
    forks.require_before(host, log.anchor, release)
    gone = logs.retraction(objects, log.tree, release.name, release.version)
    revoked = None
    if log.revoked:
        tag = logs.tag_of(objects, log.tree, release.name, release.version)
        key = logs.signer(tag, logs.holders(objects, log.tree, release.name))
        revoked = logs.revocation(objects, log.tree, key)
    if gone is None and revoked is None:
        return
    what = f"{release.name} {release.version}"
    for line in policies.admit(policy_of(host, log.anchor), what, gone, revoked):
        host.progress.say(f"warning: {line}")
