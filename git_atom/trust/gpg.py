"""Signing through the user's gpg, as git does with gpg.format=openpgp, and taking a public key out of the user's keyring when one is named.

Verifying needs neither gpg nor a keyring: see `openpgp.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from git_atom.errors import CannotError, UnavailableError
from git_atom.git import config, proc
from git_atom.trust import openpgp, signature
from git_atom.trust.publickey import PublicKey

FINGERPRINT = re.compile(r"[0-9A-Fa-f]{40}")
_KEYS = ("pub", "sec", "sub", "ssb")


class _Row(NamedTuple):
    """One key of a listing: what may be done with it (a letter each), when it was made, its fingerprint; whether gpg would use it now."""

    primary: bool
    abilities: str
    made: int
    fingerprint: str
    usable: bool


def program(environ: Mapping[str, str]) -> str:
    """The gpg to run; only the user's own files may name one (git-config(1), gpg.program)."""
    named = [v for key in ("gpg.program", "gpg.openpgp.program") for v in config.user_only(key, environ)[-1:]]
    return named[-1] if named else "gpg"


def signing(name: str, environ: Mapping[str, str]) -> PublicKey:
    """The key that gpg would sign with for a key id, fingerprint or user id: its newest subkey that signs, else itself; with `!`, just it.

    Raises CannotError ATOM-3005 when there is none, those of keys when it is of a kind that is not accepted.
    """
    rows = [row for row in _rows("--list-secret-keys", name, environ) if row.usable and "s" in row.abilities]
    wanted = name.removesuffix("!").removeprefix("0x").upper()
    if name.endswith("!"):
        rows = [row for row in rows if row.fingerprint.endswith(wanted)]
    if not rows:
        raise CannotError(
            "ATOM-3005",
            f"gpg has no key '{name}' that can sign",
            where="user.signingKey",
            hint="gpg --list-secret-keys --keyid-format long",
        )
    best = max(rows, key=lambda row: (not row.primary, row.made))
    return _exported(best.fingerprint, environ)


def public(fingerprint: str, environ: Mapping[str, str]) -> PublicKey:
    """The key of this whole fingerprint, or the one it signs with, out of the user's keyring. Raises CannotError ATOM-3005 and those of keys."""
    rows = [row for row in _rows("--list-keys", fingerprint, environ) if "s" in row.abilities]
    exact = [row for row in rows if row.fingerprint == fingerprint.upper()]
    usable = [row for row in rows if row.usable]
    if not exact and not usable:
        raise CannotError(
            "ATOM-3005", f"gpg has no key '{fingerprint}' that signs", hint="gpg --import <its public key>"
        )
    best = exact[0] if exact and len(usable) < 2 else max(usable, key=lambda row: (not row.primary, row.made))
    return _exported(best.fingerprint, environ)


def sign(key: PublicKey, namespace: str, message: bytes, environ: Mapping[str, str]) -> bytes:
    """An armored signature by this key over a message; gpg-agent may ask for a passphrase. Raises UnavailableError ATOM-3007."""
    argv = [
        program(environ),
        "--quiet",
        "--no-armor",
        "--digest-algo",
        "SHA512",
        "--detach-sign",
        "-u",
        f"{key.fingerprint}!",
    ]
    done = proc.run(argv, env=environ, stdin=signature.to_sign(namespace, message))
    if done.status != 0:
        last = done.err.decode(errors="replace").strip().splitlines()[-1:]
        raise UnavailableError(
            "ATOM-3007",
            f"signing key {key.fingerprint} cannot be used now",
            note=last[0] if last else "",
            hint=f"gpg --list-secret-keys {key.fingerprint}",
        )
    made = openpgp.armor(done.out)
    signature.check(made, (key,), namespace, message)
    return made


def _rows(verb: str, name: str, environ: Mapping[str, str]) -> list[_Row]:
    """What gpg lists of a key (doc/DETAILS of GnuPG, --with-colons)."""
    argv = [program(environ), "--batch", "--with-colons", "--fixed-list-mode", verb, "--", name]
    done = proc.run(argv, env={**environ, "LC_ALL": "C"})
    found: list[_Row] = []
    head: list[str] = []
    for line in done.out.decode(errors="replace").splitlines() if done.status == 0 else ():
        fields = line.split(":")
        if fields[0] in _KEYS and len(fields) > 11:
            head = fields
        elif fields[0] == "fpr" and head and len(fields) > 9:
            gone, made = head[1][:1] in ("i", "d", "r", "e", "n"), int(head[5]) if head[5].isdigit() else 0
            found.append(_Row(head[0] in ("pub", "sec"), head[11], made, fields[9], not gone and "D" not in head[11]))
            head = []
    return found


def _exported(fingerprint: str, environ: Mapping[str, str]) -> PublicKey:
    argv = [program(environ), "--batch", "--export-options", "export-minimal", "--export", "--", f"{fingerprint}!"]
    for tag, body in openpgp.packets(proc.check(argv, env=environ)):
        if tag in (6, 14):  # a public key, primary or subkey
            if openpgp.fingerprint(body) == fingerprint:
                return openpgp.key_of_body(body)
    raise CannotError("ATOM-3005", f"gpg does not export key '{fingerprint}'", hint=f"gpg --export {fingerprint}")
