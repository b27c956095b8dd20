"""`git atom hooks run`: what git asks of a hook, brought to the judges of `gate/` with everything they may look at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from git_atom.atom import objects as making
from git_atom.core import refnames
from git_atom.core.digest import Digest, Oid
from git_atom.core.host import Host
from git_atom.errors import AtomError, MalformedError, ManyErrors, RefusedError, UsageError
from git_atom.gate import receive, transaction
from git_atom.gate.verdict import MAX_BYTES as MAX_BYTES
from git_atom.gate.verdict import Update, Verdict, View, parse
from git_atom.git import config, refs
from git_atom.git import repo as repos
from git_atom.git.capped import Capped
from git_atom.git.digests import TreeDigests
from git_atom.git.repo import Repo

HOOKS = {"server": "pre-receive", "client": "reference-transaction"}
_KEPT = (
    "PATH", "HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "TMPDIR", "LANG", "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH",
)  # fmt: skip
_SHOWN = 10  # refusals that are told one by one
_FEW = 4  # refs that are looked up by name; more are read all at once
_FOUNDERS = "atom.receiveAnchor"


def run(host: Host, hook: str, state: str, data: bytes) -> Verdict:
    """Judge what git hands to a hook on its standard input; `state` is what reference-transaction is called with.

    Every problem raises, and whatever raises is a refusal. Raises ManyErrors with at most ten reasons, UsageError for another hook.
    """
    if hook not in HOOKS.values():
        raise UsageError("ATOM-9001", f"there is no hook '{hook}'", hint=f"one of {', '.join(HOOKS.values())}")
    if hook == HOOKS["client"] and state != "prepared":
        return Verdict()  # nothing can be stopped then, or it is a state this version does not know
    updates = parse(data)
    if not updates:
        return Verdict()
    host = host._replace(environ={key: host.environ[key] for key in _KEPT if key in host.environ} | _git_dir(host))
    repo = _here(host, len(updates[0].new or updates[0].old or ""))
    with Capped(repo) as objects:
        digests = TreeDigests(objects, os.path.join(host.cache, "trees"))
        view = View(
            objects,
            digests,
            _Refs(repo, [u.ref for u in updates]),
            making.check_commit,
            making.sub_commit_bytes,
            _founders(host, updates) if hook == HOOKS["server"] else frozenset(),
            lambda anchor: _floor(host, anchor),
            lambda ref: refs.only_unpacked(repo, ref),
        )
        judge = receive.judge if hook == HOOKS["server"] else transaction.judge
        verdict = judge(updates, view)
        if verdict.refused:
            raise _refusal(verdict)
        for tree in verdict.trees:
            digests.remember(tree)
    return verdict


def _git_dir(host: Host) -> dict[str, str]:
    """GIT_DIR as git gave it to the hook, or found from where the hook runs, in absolute form: a relative one breaks other calls."""
    named = host.environ.get("GIT_DIR") or repos.discover(host.cwd, host.environ).git_dir
    return {"GIT_DIR": os.path.normpath(os.path.join(host.cwd, named)), "LC_ALL": "C", "GIT_NO_REPLACE_OBJECTS": "1"}


def _here(host: Host, digits: int) -> Repo:
    """The repository of the hook, with the quarantine where there is one; its object format is told by the length of the ids."""
    git_dir = host.environ["GIT_DIR"]
    objects = host.environ.get("GIT_OBJECT_DIRECTORY") or os.path.join(git_dir, "objects")
    return Repo(git_dir, host.environ, True, None, "sha256" if digits == 64 else "sha1", "files", objects)


class _Refs:
    """Refs as they are now, read by one git for those that are asked for at first, and by one more when others are."""

    def __init__(self, repo: Repo, wanted: Sequence[str]) -> None:
        self._repo = repo
        logs = {refnames.LOG} | {f"{ref[:74]}/log" for ref in wanted if ref.startswith(refnames.SETS)}
        self._asked = {*wanted, *logs}
        self._all = len(self._asked) > _FEW
        self._found = self._everything() if self._all else self._one_by_one()

    def get(self, ref: str, /) -> Oid | None:
        if not self._all and ref not in self._asked:
            self._all, self._found = True, self._everything()
        return self._found.get(ref)

    def _one_by_one(self) -> dict[str, Oid]:
        """One git for each, which looks for that ref alone; one for all of them walks every ref that begins like any.

        A log's ref that is there and cannot be read is not taken for none: git leaves broken ones out of what it lists.
        """
        found: dict[str, Oid] = {}
        for name in sorted(self._asked):
            if name.endswith(("/log", "/head")):
                found |= {ref: oid for ref, oid in refs.listing(self._repo, name) if ref == name}
                self._check_log(name, found)
            elif (oid := refs.exact(self._repo, name)) is not None:
                found[name] = oid
        return found

    def _check_log(self, name: str, found: Mapping[str, Oid]) -> None:
        if name not in found and os.path.lexists(os.path.join(self._repo.git_dir, name)):
            raise MalformedError("ATOM-8517", f"ref '{name}' cannot be read", hint="git fsck")

    def _everything(self) -> dict[str, Oid]:
        prefixes = (refnames.ATOMS, refnames.SUBS, refnames.LOG, refnames.SETS)
        found = {ref: oid for prefix in prefixes for ref, oid in refs.listing(self._repo, prefix)}
        for name in self._asked:
            if name.endswith(("/log", "/head")):
                self._check_log(name, found)
        return found


def _founders(host: Host, updates: Sequence[Update]) -> frozenset[str]:
    """Anchors that the server's own configuration lets be founded; asked for only when a set is to be founded."""
    if not any(u.ref == refnames.LOG and u.old is None for u in updates):
        return frozenset()
    return frozenset(Digest.parse(value, _FOUNDERS) for value in config.user_only(_FOUNDERS, host.environ))


def _floor(host: Host, anchor: Digest) -> Oid | None:
    outside: Mapping[str, str] = {k: v for k, v in host.environ.items() if not k.startswith("GIT_") or "CONFIG" in k}
    return refs.get(repos.store(host._replace(environ=outside)), refnames.set_log(anchor))


def _refusal(verdict: Verdict) -> ManyErrors:
    errors: list[AtomError] = []
    for ref, why in verdict.refused[:_SHOWN]:
        first = why.errors[0] if isinstance(why, ManyErrors) else why
        told = type(first)(first.code, first.what, where=first.where, note=first.note, hint=first.hint)
        told.where = told.where or ref
        errors.append(told)
    more = len(verdict.refused) - len(errors)
    if more:
        errors.append(
            RefusedError("ATOM-8500", f"{more} more refs are refused", note="nothing of this push is accepted")
        )
    return ManyErrors(errors)
