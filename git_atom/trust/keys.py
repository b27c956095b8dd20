"""Keys that sign: the user's own (user.signingKey, as git takes it) and the machine user's builder key."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping

from git_atom.core.digest import Digest
from git_atom.core.host import Host
from git_atom.core.text import shell
from git_atom.errors import CannotError, RefusedError, UnavailableError
from git_atom.git import config, proc
from git_atom.git.repo import Repo
from git_atom.trust import gpg, sshsig
from git_atom.trust.primitives import PrivateKey, generate, load
from git_atom.trust.publickey import PublicKey, parse

_GPG_ID = re.compile(r"(0x)?[0-9A-Fa-f]{8,40}!?")  # with no gpg.format git asks gpg


class Signer:
    """A key that can sign. `key` is its public half."""

    def __init__(self, key: PublicKey) -> None:
        self.key = key

    @property
    def public(self) -> str:
        """The public key as a line without comment."""
        return self.key.line

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen -l or gpg prints it."""
        return self.key.fingerprint

    @property
    def key_digest(self) -> Digest:
        """BLAKE3 of the public key's wire bytes."""
        return self.key.digest

    def sign(self, namespace: str, message: bytes) -> bytes:
        """An armored signature over a message; raises UnavailableError ATOM-3007 when the key cannot be used now."""
        raise RefusedError("ATOM-3006", "this key does not sign", note=namespace)

    def sign_raw(self, message: bytes) -> bytes:
        """Bare Ed25519 signature bytes; only the builder key does this."""
        raise RefusedError("ATOM-3006", "this key does not sign envelopes", note="the builder key does")


class HeldKey(Signer):
    """A private key read from an unencrypted file."""

    def __init__(self, private: PrivateKey) -> None:
        super().__init__(private.public)
        self._private = private

    def sign(self, namespace: str, message: bytes) -> bytes:
        """As Signer.sign, in this process."""
        signature = self._private.sign(sshsig.to_sign(namespace, "sha512", message))
        return sshsig.armor(sshsig.Parts(self.key, namespace, "sha512", signature))


class BuilderKey(HeldKey):
    """The builder key of this machine's user: the one key that also signs envelopes."""

    def sign_raw(self, message: bytes) -> bytes:
        """As Signer.sign_raw."""
        return self._private.sign_raw(message)


class OutsideKey(Signer):
    """A key that `ssh-keygen -Y sign` reaches for us: in an agent, behind a passphrase, or on a security token."""

    def __init__(self, key: PublicKey, path: str | None, environ: Mapping[str, str]) -> None:
        super().__init__(key)
        self._path = path
        self._environ = environ

    def sign(self, namespace: str, message: bytes) -> bytes:
        """As Signer.sign; a passphrase or a touch may be asked for on the terminal."""
        import tempfile

        with tempfile.TemporaryDirectory(prefix="git-atom-key-") as folder:
            path = self._path
            if path is None:
                path = os.path.join(folder, "key.pub")
                with open(path, "w", encoding="ascii") as file:
                    file.write(self.key.line + "\n")
            argv = ["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", path]
            done = proc.run(argv, env=self._environ, stdin=message)
        if done.status != 0:
            last = done.err.decode(errors="replace").strip().splitlines()[-1:]
            raise UnavailableError(
                "ATOM-3007",
                f"signing key {self.fingerprint} cannot be used now",
                note=last[0] if last else "",
                hint=shell("ssh-add", *([path] if self._path else [])) + "  # then run the same command again",
            )
        sshsig.verify(self.key, namespace, message, done.out)
        return done.out


class GpgKey(Signer):
    """An OpenPGP key that the user's gpg signs with."""

    def __init__(self, key: PublicKey, environ: Mapping[str, str]) -> None:
        super().__init__(key)
        self._environ = environ

    def sign(self, namespace: str, message: bytes) -> bytes:
        """As Signer.sign; gpg-agent may ask for a passphrase."""
        return gpg.sign(self.key, namespace, message, self._environ)


def user_key(host: Host, repo: Repo | None) -> Signer:
    """The key the user signs with: `atom.signingKey`, else git's own `user.signingKey`, in any of the forms git takes.

    As for git, gpg.format says whether a name is one of gpg's; what is a file or an SSH key line is never one. Raises CannotError ATOM-3005
    with the commands to type when there is none, RefusedError ATOM-3006 when it is of a kind that is not accepted.
    """
    value = config.get(repo, "atom.signingKey", host.environ) or config.get(repo, "user.signingKey", host.environ)
    if not value:
        value = _default_key(host)
    if not value:
        raise _no_key(host)
    if value.startswith("key::") or value.startswith(("ssh-", "ecdsa-", "sk-")):
        return OutsideKey(parse(value.removeprefix("key::"), "user.signingKey"), None, host.environ)
    path = os.path.join(host.cwd, value.replace("~", host.home, 1) if value.startswith("~/") else value)
    if not os.path.isfile(path):
        form = config.get(repo, "gpg.format", host.environ)
        if form == "openpgp" or (form is None and _GPG_ID.fullmatch(value)):
            return GpgKey(gpg.signing(value, host.environ), host.environ)
        raise CannotError(
            "ATOM-3005",
            f"signing key '{value}' is not there",
            where="user.signingKey",
            note="it is neither a file nor, by gpg.format, the name of a key of gpg's",
            hint=_no_key(host).hint,
        )
    return _from_file(path, host)


def _default_key(host: Host) -> str:
    """What gpg.ssh.defaultKeyCommand prints (git-config(1)); only the user's own files may name a program."""
    import shlex

    for command in config.user_only("gpg.ssh.defaultKeyCommand", host.environ)[-1:]:
        done = proc.run(shlex.split(command), env=host.environ)
        for line in done.out.decode(errors="replace").splitlines() if done.status == 0 else ():
            if line.startswith(("key::", "ssh-", "ecdsa-", "sk-")):
                return line
    return ""


def _no_key(host: Host) -> CannotError:
    path = os.path.join(host.home, ".ssh", "id_ed25519")
    make = [] if os.path.exists(path + ".pub") else ["ssh-keygen -t ed25519 -f ~/.ssh/id_ed25519"]
    use = ["git config --global gpg.format ssh"] if not make else []
    return CannotError(
        "ATOM-3005",
        "there is no signing key",
        note="atoms are signed with your own SSH key, the one git signs with",
        hint="\n".join([*make, *use, "git config --global user.signingKey ~/.ssh/id_ed25519.pub"]),
    )


def _from_file(path: str, host: Host) -> Signer:
    with open(path, "rb") as file:
        data = file.read(64 * 1024)
    if b"PRIVATE KEY-----" in data[:64]:
        held, public_path = load(data), path + ".pub"
        if held is not None:
            return HeldKey(held)
        private: str | None = path
    else:
        public_path = path
        private = path.removesuffix(".pub")
        if private != path and os.path.isfile(private):
            with open(private, "rb") as file:
                held = load(file.read(64 * 1024))
            if held is not None and held.public == _public(path):
                return HeldKey(held)
        else:
            private = None
    if not os.path.isfile(public_path):
        raise CannotError(
            "ATOM-3009",
            f"the public half of '{path}' is not beside it",
            hint=f"ssh-keygen -y -f {shell(path)} > {shell(path + '.pub')}",
        )
    return OutsideKey(_public(public_path), private, host.environ)


def _public(path: str) -> PublicKey:
    with open(path, encoding="utf-8", errors="replace") as file:
        return parse(file.read(64 * 1024).strip(), path)


def builder_key(host: Host) -> BuilderKey:
    """The key that signs records of builds on this machine: Ed25519, made on first use, readable by its user alone."""
    folder = os.path.join(host.data, "builder")
    path = os.path.join(folder, "id_ed25519")
    if not os.path.exists(path):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        _write_once(path, generate().file_bytes(), 0o600)
    with open(path, "rb") as file:
        held = load(file.read(64 * 1024))
    if held is None:
        raise CannotError(
            "ATOM-3009",
            f"builder key '{path}' cannot be read as an Ed25519 key",
            hint=f"rm {shell(path)}  # a new one is made",
        )
    if not os.path.exists(path + ".pub"):  # made from the key that is kept: of two makers that is the first one's
        _write_once(path + ".pub", held.public.line.encode() + b"\n", 0o644)
    return BuilderKey(held)


def builder_public(host: Host) -> PublicKey:
    """The builder key's public half, without loading the private one (it is hot)."""
    path = os.path.join(host.data, "builder", "id_ed25519.pub")
    if not os.path.exists(path):
        return builder_key(host).key
    return _public(path)


def _write_once(path: str, data: bytes, mode: int) -> None:
    """Put a new file in place whole, unless there is one already: of two makers the first wins.

    Made without a name where the file system can do that (open(2), O_TMPFILE), so that a killed maker leaves no key behind.
    """
    folder = os.path.dirname(path)
    try:
        handle, temporary = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600), ""
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise
        import tempfile

        handle, temporary = tempfile.mkstemp(prefix=".new-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(data)
            file.flush()
            os.fsync(handle)
            try:
                # a directory descriptor, though the path is absolute, makes this linkat(2), which can follow /proc/self/fd
                os.link(temporary or f"/proc/self/fd/{handle}", path, src_dir_fd=handle, follow_symlinks=True)
            except FileExistsError:
                pass
    finally:
        if temporary:
            os.unlink(temporary)
