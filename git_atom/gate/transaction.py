"""The verdict on a change of refs in a user's own repository or store (reference-transaction): nothing bad comes in, nothing published moves.

Softer than the server's: versions stand in their refs before the log is moved (git's transactions over several refs are not
crash-atomic, the log is the commit point), and entries that no remote accepted yet may be put on top of others and signed anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from git_atom.core import refnames
from git_atom.core.digest import Oid
from git_atom.core.statements import Release, name_folder, read_tag
from git_atom.errors import AtomError, ConflictError, RefusedError
from git_atom.gate import release as releases
from git_atom.gate.succession import warm
from git_atom.gate.verdict import Asked, Refusal, Update, Verdict, View, sort
from git_atom.git.written import oid_of
from git_atom.trust import log as logs
from git_atom.trust.delta import check_release, read_release
from git_atom.trust.log import Log
from git_atom.trust.objects import split_tag
from git_atom.trust.publickey import PublicKey, parse
from git_atom.trust.verified import Verified


def judge(updates: Sequence[Update], view: View) -> Verdict:
    """Judge a prepared transaction by the refs as they still are. Raises AtomError for what makes judging impossible: also a no."""
    moving = [u for u in updates if u.new != view.refs.get(u.ref) and not (u.new is None and view.survives(u.ref))]
    by_set, refused = sort(moving)
    trees: list[Oid] = []
    for owner, asked in by_set.items():
        refused += _Change(owner, asked, view, trees).judge()
    return Verdict(tuple(refused), tuple(trees))


class _Change:
    """What one transaction changes of one set; owner: hex of its anchor in a store, empty for the repository's own set."""

    def __init__(self, owner: str, asked: Sequence[Asked], view: View, trees: list[Oid]) -> None:
        self._owner = owner
        self._view = view
        self._asked = asked
        self._trees = trees
        self._log_ref = f"{refnames.SETS}{owner}/log" if owner else refnames.LOG

    def judge(self) -> list[Refusal]:
        """Everything that is wrong, by ref."""
        log_update = next((a.update for a in self._asked if a.place.kind == "log"), None)
        try:
            before, after = self._logs(log_update)
        except AtomError as error:
            return [Refusal(self._log_ref, error)]
        if after is not None:
            self._trees.append(after.value.tree)
        refused = []
        good: dict[str, Release] = {}
        for asked in self._asked:
            try:
                release = self._one(asked, before, after)
            except AtomError as error:
                refused.append(Refusal(asked.update.ref, error))
                continue
            if release is not None:
                good[asked.update.ref] = release
        checked = releases.check(self._view, good)
        return refused + [Refusal(ref, found) for ref, found in checked.items() if isinstance(found, AtomError)]

    def _logs(self, update: Update | None) -> tuple[Log | None, Verified[Log] | None]:
        """The log as it stands, and as it would stand, verified."""
        view, old = self._view, self._view.refs.get(self._log_ref)
        before = logs.remembered(view.objects, old) if old else None
        if update is None:
            return before.value if before else None, before
        if update.new is None:
            if before is None:
                return None, None
            raise RefusedError(
                "ATOM-8503",
                f"'{self._log_ref}' may not be deleted",
                note="it remembers the newest log seen; without it an older one would be believed",
                hint=_ANYWAY,
            )
        after = self._continued(before, update.new)
        anchor = before.value.anchor.hex if before else self._owner or after.value.anchor.hex
        if after.value.anchor.hex != anchor or (self._owner and self._owner != anchor):
            raise RefusedError("ATOM-8516", "the log shown is that of another set", note=f"shown {after.value.anchor}")
        return before.value if before else None, after

    def _continued(self, before: Verified[Log] | None, head: Oid) -> Verified[Log]:
        """Verify a new head: as a continuation, or in the user's own repository as the same versions in another order."""
        view = self._view
        warm(view.objects, before.value if before else None, head)
        try:
            return logs.verify(view.objects, view.digests, head, floor=before)
        except RefusedError as error:
            if self._owner or before is None or error.code not in ("ATOM-3011", "ATOM-3012"):
                raise
        anchor = before.value.anchor
        accepted = view.floor(anchor)
        floor = logs.remembered(view.objects, accepted) if accepted and view.objects.get(accepted) else None
        after = logs.verify(view.objects, view.digests, head, anchor=anchor, floor=floor)
        for path in logs.added(view.objects, before.value.tree, after.value.tree)[1]:
            parts = path.split("/")
            if len(parts) == 5 and parts[3] == "versions":
                self._kept(parts[2], parts[4], before.value, after.value)
        return after

    def _kept(self, name: str, version: str, before: Log, after: Log) -> None:
        was, now = self._logged(before, name, version), self._logged(after, name, version)
        if was is None or (now is not None and _said(was).tree == _said(now).tree):
            return
        raise RefusedError(
            "ATOM-8510",
            f"the log would lose '{name} {version}'" if now is None else f"the log would change '{name} {version}'",
            note="what is published stays; a log is never moved back",
            hint="git atom publish --push <remote> puts this repository's entries on top of the remote's",
        )

    def _one(self, asked: Asked, before: Log | None, after: Verified[Log] | None) -> Release | None:
        """Judge one ref; the release whose content is to be checked, or None. Raises what is wrong."""
        new = asked.update.new
        if asked.place.kind in ("log", "fork"):  # evidence is judged by whoever reads it
            return None
        if new is None:
            held = asked.place.kind == "atom" and before is not None and not self._owner
            if held and before is not None and self._logged(before, asked.place.name, asked.place.version):
                raise RefusedError(
                    "ATOM-8503", f"'{asked.update.ref}' is published and may not be deleted", hint=_ANYWAY
                )
            return None
        if asked.place.kind == "sub":
            self._sub(asked, new)
            return None
        if after is None:
            raise RefusedError(
                "ATOM-8509",
                f"there is no '{self._log_ref}' to judge '{asked.update.ref}' by",
                hint="git fetch <remote> refs/atoms-log/head:refs/atoms-log/head",
            )
        return self._atom(asked, new, after.value)

    def _atom(self, asked: Asked, new: Oid, log: Log) -> Release:
        name, version = asked.place.name, asked.place.version
        logged = self._logged(log, name, version)
        if logged is not None and oid_of("tag", logged, self._view.objects.repo.object_format) == new:
            return _said(logged)
        found = self._view.objects.get(new)
        if found is None or found[1] != "tag":
            kind = found[1] if found else "missing object"
            raise RefusedError("ATOM-8505", f"'{asked.update.ref}' would be a {kind}, not a signed tag")
        if self._owner:
            raise RefusedError("ATOM-8505", f"'{asked.update.ref}' is not the tag that the log holds")
        release = read_release(found[2], self._may_publish(log, name))
        check_release(release, log.anchor, log.charter, name, version)
        known = logged or self._pending(asked)
        if known is not None and _said(known)._replace(previous=None, time="") != release._replace(
            previous=None, time=""
        ):
            raise ConflictError(
                "ATOM-8504",
                f"'{asked.update.ref}' is published and may not be changed",
                hint="raise the version in atom.toml",
            )
        return release

    def _pending(self, asked: Asked) -> bytes | None:
        """The tag a ref has now, when it is one; a version that is not in the log yet does not change either."""
        now = self._view.refs.get(asked.update.ref)
        found = self._view.objects.get(now) if now else None
        try:
            return found[2] if found and found[1] == "tag" and _said(found[2]) else None
        except AtomError:
            return None

    def _may_publish(self, log: Log, name: str) -> frozenset[PublicKey]:
        claim = logs.claim_in(self._view.objects, log.tree, name)
        lines = log.charter.owners if claim is None else claim.keys
        return frozenset(key for key in map(parse, lines) if key.digest.hex not in log.revoked)

    def _sub(self, asked: Asked, new: Oid) -> None:
        thing = Oid(asked.place.thing)
        found = self._view.objects.get(thing)
        if found is None or found[1] not in ("tree", "blob") or releases.sub_commit(self._view, thing, found[1]) != new:
            raise RefusedError("ATOM-8507", f"'{asked.update.ref}' would not be the sub-atom of that name")

    def _logged(self, log: Log, name: str, version: str) -> bytes | None:
        found = self._view.objects.at(log.tree, f"{name_folder(name)}/versions/{version}".encode())
        return self._view.objects.read(found[1])[2] if found else None


_ANYWAY = "to do it all the same: git -c core.hooksPath=/dev/null <command>"


def _said(tag: bytes) -> Release:
    return read_tag(split_tag(tag)[0])
