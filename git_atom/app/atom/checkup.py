"""`git atom doctor`: what this machine has for publishing and fetching, and what a host can do, found out without changing either."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from typing import NamedTuple

from git_atom.app.atom import policies, sets
from git_atom.app.atom.asking import locate
from git_atom.core import refnames, uri
from git_atom.core.digest import MODE_FILE, Oid
from git_atom.core.finding import Finding
from git_atom.core.host import Host
from git_atom.errors import AtomError
from git_atom.git import config, lsrefs, proc, refs
from git_atom.git import remote as remotes
from git_atom.git import repo as repos
from git_atom.git.lsrefs import Told
from git_atom.git.repo import Repo
from git_atom.git.source import protocols
from git_atom.git.trees import encode_tree
from git_atom.git.written import write_loose
from git_atom.trust.keys import HeldKey, user_key

OLDEST = (2, 34)  # the first git that signs with SSH keys
PROBE = refnames.atom_ref("git-atom-doctor", "0.0.0")
_NAMESPACE = "atom-doctor-v1"  # what is signed here to try a key is good for nothing else
_PERSON = "git-atom doctor <doctor@atom.invalid> 0 +0000"


class _Surroundings(NamedTuple):
    """What git commands get where there is no repository."""

    env: dict[str, str]


def machine(host: Host) -> list[Finding]:
    """This machine and this user: programs, identity, key, agent, store and settings. Nothing is made or changed."""
    here = _here(host)
    return [
        _git(host),
        _try("ssh-keygen", lambda: _keygen(host), required=False),
        _try("name and address", lambda: _identity(host, here), required=True),
        _try("signing key", lambda: _key(host, here), required=True),
        _agent(host),
        _try("store", lambda: _store(host), required=True),
        _try("trust and policy", lambda: _policy(host), required=True),
        _set(here),
    ]


def _finding(name: str, ok: bool, found: str, needs: str = "", *, required: bool = False) -> Finding:
    """As Finding, with `needs` only where something is missing."""
    return Finding(name, ok, found, "" if ok else needs, required)


def _here(host: Host) -> Repo | None:
    try:
        return repos.discover(host.cwd, host.environ)
    except AtomError:
        return None


def _try(name: str, look: Callable[[], str], *, required: bool) -> Finding:
    """A finding of what `look` sees, or of the error it raises."""
    try:
        return Finding(name, True, look(), required=required)
    except AtomError as error:
        return Finding(name, False, error.what, error.hint, required)


def _git(host: Host) -> Finding:
    words = proc.run(["git", "--version"], env=host.environ).out.decode(errors="replace").strip()
    found = re.search(r"(\d+)\.(\d+)", words)
    new = found is not None and (int(found[1]), int(found[2])) >= OLDEST
    needs = f"git {OLDEST[0]}.{OLDEST[1]} or newer"
    return _finding("git", new, words.removeprefix("git version "), needs, required=True)


def _keygen(host: Host) -> str:
    """Looked for by calling it for nothing: without arguments to -Y it only tells how it is used."""
    proc.run(["ssh-keygen", "-Y"], env=host.environ)
    done = proc.run(["ssh", "-V"], env=host.environ)
    return done.err.decode(errors="replace").strip()[:60] or "there"


def _identity(host: Host, here: Repo | None) -> str:
    told = config.identity(here or _Surroundings(dict(host.environ)))
    return told.rpartition(">")[0] + ">"


def _key(host: Host, here: Repo | None) -> str:
    """A key that needs no one's help is tried; one behind an agent, a passphrase or a touch only when the agent has it."""
    key = user_key(host, here)
    if isinstance(key, HeldKey) or key.public.split()[1] in _held_by_agent(host)[1]:
        key.sign(_NAMESPACE, b"")
        return f"{key.fingerprint}, signs"
    return f"{key.fingerprint}, not tried: it may ask for a passphrase or a touch"


def _held_by_agent(host: Host) -> tuple[int, str]:
    try:
        done = proc.run(["ssh-add", "-L"], env=host.environ)
    except AtomError:
        return 2, ""
    return done.status, done.out.decode(errors="replace")


def _agent(host: Host) -> Finding:
    status, keys = _held_by_agent(host)
    if status == 2:
        return Finding("ssh-agent", False, "there is none", "eval $(ssh-agent) && ssh-add, for keys with a passphrase")
    count = len(keys.splitlines()) if status == 0 else 0
    return Finding("ssh-agent", True, f"{count} keys")


def _store(host: Host) -> str:
    path, made = repos.store_is_made(host)
    if made:
        repos.open_at(path, host.environ)
    return path if made else f"{path}, made on first use"


def _policy(host: Host) -> str:
    trusted = sets.trusted(host)
    for anchor in trusted:
        policies.policy_of(host, anchor)
    return f"{len(trusted)} sets trusted"


def _set(here: Repo | None) -> Finding:
    head = refs.get(here, refnames.LOG) if here else None
    if here is None:
        return Finding("set here", False, "this is no git repository")
    return _finding("set here", head is not None, f"log at {head}" if head else "none", "git atom init")


def remote(host: Host, text: str, *, push: bool = False) -> list[Finding]:
    """A host, asked as a fetch and as a dry run of a push ask; with `push`, a test ref is pushed and deleted again."""
    here = _here(host)
    named = proc.run(["git", "remote"], env=here.env).out.decode(errors="replace").split() if here else []
    place = remotes.url_of(here, text) if here and text in named else locate(host, text)
    shown = uri.redact(place)
    try:
        told = lsrefs.told(place, [refnames.LOG], host.environ)
    except AtomError as error:
        return [Finding(shown, False, error.note or error.what, error.hint, required=True)]
    log = told.refs.get(refnames.LOG)
    found = [Finding(shown, True, "can be read", required=True), _protocol(told), _filter(told)]
    found.append(_finding("set there", log is not None, f"log at {log}" if log else "none", "git atom publish --push"))
    if here and log:
        found += _hidden(host, here, place, log)
    return found + _pushes(host, place, log, push)


def _protocol(told: Told) -> Finding:
    needs = "on the server: a git of 2018 or newer, and for ssh 'AcceptEnv GIT_PROTOCOL' in sshd_config"
    return _finding("protocol version 2", told.version == 2, f"version {told.version}", needs)


def _filter(told: Told) -> Finding:
    """Whether origins can be fetched without files (`git atom verify --source`)."""
    words = {word for line in told.abilities for word in line.replace("=", " ").split()}
    found = "filter" in words
    return _finding("partial clone", found, "yes" if found else "no", "on the server: uploadpack.allowFilter true")


def _hidden(host: Host, here: Repo, place: str, log: Oid) -> list[Finding]:
    """Whether a version that is in both logs shows there; asked of one only."""
    mine = refs.get(here, refnames.LOG)
    known = refs.listing(here, refnames.ATOMS)
    if mine != log or not known:
        return []
    ref = known[0][0]
    seen = ref in lsrefs.told(place, [ref], host.environ).refs
    needs = f"on the server: no transfer.hideRefs or uploadpack.hideRefs for {refnames.ATOMS}\ngit atom publish --push"
    return [_finding("versions shown", seen, ref if seen else f"'{ref}' is in the log and does not show", needs)]


def _pushes(host: Host, place: str, log: Oid | None, push: bool) -> list[Finding]:
    with tempfile.TemporaryDirectory(prefix="git-atom-doctor-") as folder:
        env = proc.clean_env(host.environ)
        proc.check(["git", "init", "--quiet", "--bare", "--template=", folder], env=env)
        repo = repos.open_at(folder, host.environ)
        tree = write_loose(repo, "tree", encode_tree([(MODE_FILE, b"probe", write_loose(repo, "blob", b""))]))
        text = f"tree {tree}\nauthor {_PERSON}\ncommitter {_PERSON}\n\ngit atom doctor\n"
        spec = f"{write_loose(repo, 'commit', text.encode())}:{PROBE}"
        atomic = _push(repo, place, spec, "--dry-run", "--atomic")
        plain = atomic if atomic.status == 0 else _push(repo, place, spec, "--dry-run")
        if plain.status != 0:
            return [Finding("push", False, _last(plain, place), "the right to push there")]
        needs = "on the server: receive.advertiseAtomic true, or a newer git"
        found = [Finding("push", True, "you may connect for it; nothing was sent")]
        found.append(_finding("atomic push", atomic.status == 0, "yes" if atomic.status == 0 else "no", needs))
        if push:
            return found + _tried(repo, place, spec)
    accepted = "yes, it has a log" if log else "not known"
    found.append(_finding("refs/atoms/ accepted", log is not None, accepted, "--try-push tries it with a test ref"))
    found.append(Finding("server hook", False, "not known", "--try-push tries it with a test ref"))
    return found


def _tried(repo: Repo, place: str, spec: str) -> list[Finding]:
    """What becomes of a test ref that no hook of ours would let in. It is deleted again where it came in."""
    done = _push(repo, place, spec)
    if done.status == 0:
        gone = _push(repo, place, f":{PROBE}")
        found = [
            Finding("refs/atoms/ accepted", True, "yes"),
            Finding("server hook", False, "none: an unsigned ref was let in", "there: git atom hooks install --server"),
        ]
        if gone.status != 0:
            found.append(Finding("test ref", False, f"'{PROBE}' could not be deleted: {_last(gone, place)}", "delete it there", required=True))  # fmt: skip
        return found
    ours = b"ATOM-85" in done.err
    return [
        _finding("refs/atoms/ accepted", ours, "yes, when signed" if ours else _last(done, place), "another host, or leave from whoever runs this one"),
        _finding("server hook", ours, "yes: an unsigned ref was refused" if ours else "not known"),
    ]  # fmt: skip


def _push(repo: Repo, place: str, spec: str, *options: str) -> proc.Done:
    argv = ["git", "push", "--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no", *options]
    return proc.run([*argv, "--", place, spec], env={**repo.env, "GIT_ALLOW_PROTOCOL": protocols(place)})


def _last(done: proc.Done, place: str) -> str:
    lines = [line for line in done.err.decode(errors="replace").splitlines() if line.strip()]
    told = next(
        (line for line in lines if line.startswith(("fatal: ", "error: ", "remote: "))), (lines or ["no word"])[-1]
    )
    return told.replace(place, uri.redact(place))[:200]
