"""The verdict on a push (pre-receive): signed, claimed, new atoms with their log entries come in, and nothing else below our refs.

Judged by what was accepted before the push. Cheap checks first: names, then what may move at all, then the log, then content.
"""

from __future__ import annotations

from collections.abc import Sequence

from git_atom.core import refnames
from git_atom.core.digest import Oid
from git_atom.core.lock import LockedSub
from git_atom.core.statements import Release, name_folder, read_tag
from git_atom.errors import AtomError, ConflictError, RefusedError
from git_atom.gate import release as releases
from git_atom.gate.succession import check_old_state, warm
from git_atom.gate.verdict import Asked, Refusal, Update, Verdict, View, sort
from git_atom.git.written import oid_of
from git_atom.trust import log as logs
from git_atom.trust.log import Log
from git_atom.trust.objects import split_tag
from git_atom.trust.verified import Verified


def judge(updates: Sequence[Update], view: View) -> Verdict:
    """Judge a push by the refs and the log that are accepted now. Raises AtomError for what makes judging impossible: also a no."""
    by_set, refused = sort(updates)
    for asked in by_set.values():
        refused += [Refusal(a.update.ref, e) for a in asked if (e := _may_move(a, view)) is not None]
    if refused:
        return Verdict(tuple(refused))
    trees: list[Oid] = []
    for owner, asked in by_set.items():
        refused += _Push(owner, asked, view, trees).judge()
    return Verdict(tuple(refused), tuple(trees))


def _may_move(asked: Asked, view: View) -> AtomError | None:
    """Without reading an object: nothing is deleted, and what the pusher believes to be there is there."""
    ref, now = asked.update.ref, view.refs.get(asked.update.ref)
    if asked.update.new is None:
        return RefusedError(
            "ATOM-8503", f"'{ref}' may not be deleted", hint="git atom retract withdraws a version with a reason"
        )
    if asked.update.old != now:
        return ConflictError(
            "ATOM-2010", f"'{ref}' moved", note=f"found {now or 'no ref'}", hint="run the same command again"
        )
    return None


class _Push:
    """What one push brings to one set; owner: hex of its anchor when it lies below refs/sets/, else empty."""

    def __init__(self, owner: str, asked: Sequence[Asked], view: View, trees: list[Oid]) -> None:
        self._owner = owner
        self._view = view
        self._trees = trees
        self._log_ref = f"{refnames.SETS}{owner}/log" if owner else refnames.LOG
        self._atoms = {a.update.ref: a for a in asked if a.place.kind == "atom"}
        self._subs = {Oid(a.place.thing): a.update for a in asked if a.place.kind == "sub"}
        self._forks = [a.update.ref for a in asked if a.place.kind == "fork"]
        self._head = next((a.update.new for a in asked if a.place.kind == "log"), None)

    def judge(self) -> list[Refusal]:
        """Everything that is wrong, by ref."""
        if self._forks:
            own = RefusedError("ATOM-8500", "evidence of a fork is kept in a user's store alone and is not pushed")
            return [Refusal(ref, own) for ref in self._forks]
        try:
            before, after = self._logs()
        except AtomError as error:
            return [Refusal(self._log_ref, error)]
        if after is None:
            nothing = RefusedError(
                "ATOM-8509",
                "there is no log to judge this by",
                hint="push refs/atoms-log/head together with the versions",
            )
            return [Refusal(ref, nothing) for ref in [*self._atoms, *(u.ref for u in self._subs.values())]]
        self._trees.append(after.value.tree)
        return self._judge_atoms(before.value if before else None, after.value)

    def _logs(self) -> tuple[Verified[Log] | None, Verified[Log] | None]:
        """The log accepted before, and the one after this push, verified as its continuation."""
        view, old = self._view, self._view.refs.get(self._log_ref)
        before = logs.remembered(view.objects, old) if old else None
        if self._head is None:
            return before, before
        warm(view.objects, before.value if before else None, self._head)
        after = logs.verify(view.objects, view.digests, self._head, floor=before, brings=len(self._atoms))
        if self._owner and after.value.anchor.hex != self._owner:
            raise RefusedError("ATOM-8516", "the log shown is that of another set", note=f"shown {after.value.anchor}")
        if before is not None:
            check_old_state(view.objects, before.value, after.value)
        elif view.founders and not self._owner and after.value.anchor not in view.founders:
            raise RefusedError(
                "ATOM-8513",
                "this set may not be founded here",
                note=f"anchor {after.value.anchor}",
                hint=f"on the server: git config --global --add atom.receiveAnchor {after.value.anchor}",
            )
        return before, after

    def _judge_atoms(self, before: Log | None, after: Log) -> list[Refusal]:
        view = self._view
        brought = _brought(view, before, after)
        refused = [] if self._owner else self._without_ref(brought)
        good: dict[str, Release] = {}
        for ref, asked in self._atoms.items():
            tag = brought.get((asked.place.name, asked.place.version)) or _logged(view, after, asked)
            error = self._not_the_tag(asked, tag, before)
            if error is not None or tag is None:
                refused += [Refusal(ref, error)] if error else []
                continue
            good[ref] = read_tag(split_tag(tag)[0])
        if refused:
            return refused  # before content is read
        needed = []
        for ref, found in releases.check(view, good).items():
            if isinstance(found, AtomError):
                refused.append(Refusal(ref, found))
            else:
                needed += [(ref, sub) for sub in found]
        return refused or self._judge_subs(needed)

    def _without_ref(self, brought: dict[tuple[str, str], bytes]) -> list[Refusal]:
        """A version in the log must come with its ref, or have it already."""
        out = []
        for (name, version), tag in brought.items():
            ref = refnames.atom_ref(name, version)
            if ref not in self._atoms and self._view.refs.get(ref) != self._oid(tag):
                error = RefusedError(
                    "ATOM-8506",
                    f"'{name} {version}' is in the log and '{ref}' is not pushed",
                    hint=f"push {ref} as well",
                )
                out.append(Refusal(self._log_ref, error))
        return out

    def _not_the_tag(self, asked: Asked, tag: bytes | None, before: Log | None) -> AtomError | None:
        ref, now, new = asked.update.ref, self._view.refs.get(asked.update.ref), asked.update.new
        if now is not None and before is not None and _logged(self._view, before, asked) is not None and now != new:
            return ConflictError(
                "ATOM-8504", f"'{ref}' is published and may not be changed", hint="raise the version in atom.toml"
            )
        if tag is None:
            return RefusedError(
                "ATOM-8505",
                f"'{asked.place.name} {asked.place.version}' is not in the log",
                note="a version comes with the signed entry that publishes it",
                hint="git atom publish --push <remote>",
            )
        if self._oid(tag) != new:
            return RefusedError(
                "ATOM-8505", f"'{ref}' is not the tag that the log holds", note=f"in the log {self._oid(tag)}"
            )
        return None

    def _judge_subs(self, needed: Sequence[tuple[str, LockedSub]]) -> list[Refusal]:
        """Sub-atoms are those that the atoms of this push need, all of them, with the very content their locks name."""
        out = []
        found = releases.check_subs(self._view, [sub for _, sub in needed])
        for ref, sub in needed:
            want = found[sub.object]
            sub_ref = self._sub_ref(sub.object)
            update = self._subs.get(sub.object)
            have = update.new if update else self._view.refs.get(sub_ref)
            if isinstance(want, AtomError):
                out.append(Refusal(ref, want))
            elif have != want:
                why = f"'{sub_ref}' is {'another commit' if have else 'not there'}"
                out.append(Refusal(ref, RefusedError("ATOM-8507", f"sub-atom '{sub.name}' is missing", note=why)))
        for thing, update in self._subs.items():
            if thing not in found:
                error = RefusedError("ATOM-8507", f"no atom of this push needs sub-atom '{thing}'")
                out.append(Refusal(update.ref, error))
        return out

    def _sub_ref(self, thing: Oid) -> str:
        return f"{refnames.SETS}{self._owner}/subs/{thing}" if self._owner else refnames.sub_ref(thing)

    def _oid(self, tag: bytes) -> Oid:
        return oid_of("tag", tag, self._view.objects.repo.object_format)


def _brought(view: View, before: Log | None, after: Log) -> dict[tuple[str, str], bytes]:
    """The versions that the new log has and the old one has not, with the bytes of their tags."""
    if before is not None and before.head == after.head:
        return {}
    out = {}
    for file in logs.added(view.objects, before.tree if before else None, after.tree)[0]:
        parts = file.path.split("/")
        if len(parts) == 5 and parts[0] == "names" and parts[3] == "versions":
            out[parts[2], parts[4]] = file.data
    return out


def _logged(view: View, log: Log, asked: Asked) -> bytes | None:
    """The bytes of a version's tag in a log, or None."""
    found = view.objects.at(log.tree, f"{name_folder(asked.place.name)}/versions/{asked.place.version}".encode())
    return view.objects.read(found[1])[2] if found else None
