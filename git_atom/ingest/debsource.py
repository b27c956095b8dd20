"""The orig tarball of a Debian source package, and how far its origin is proven.

The chain is: the archive's signed Release file, checked by apt against the distribution's keyring; the Sources index by its digest; the
.dsc by its SHA-256 there; the tarball by SHA-256 in both. The uploader's own signature on the .dsc is checked as well where the machine
has the developers' keyring. Debian Policy 5.4, dsc(5), deb-src-files(5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote

from git_atom.core import debversion
from git_atom.core.host import Progress
from git_atom.errors import CannotError, MalformedError, RefusedError, UnavailableError
from git_atom.fetch.download import GONE, File, Wanted, download
from git_atom.git import proc
from git_atom.ingest.unpack import members

Apt = Callable[
    [list[str]], bytes
]  # runs an apt tool in a private state whose source indexes are there and signature-checked

SCHEME = "debian:"  # how a lock writes the path of a file in the archive, free of any mirror
DEVELOPERS = "/usr/share/keyrings/debian-keyring.gpg"
SMALL = 512 * 1024
_URI = re.compile(r"'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})")
_SUM = re.compile(r"^ ([0-9a-f]{64}) +(\d+) +(\S+)$", re.M)
_FOLDER = re.compile(r"(?!.*(?:^|/)\.\.?(?:/|$))[A-Za-z0-9][A-Za-z0-9./+_~-]*")
_REPACKED = re.compile(r"[.+~](?:really)?(?:dfsg|ds|repack|repacked)[0-9.]*$|[.+~](?:dfsg|repack)", re.ASCII)
_ORIG = re.compile(r"\.orig(?:-([a-zA-Z0-9-]+))?\.tar\.(?:gz|bz2|xz|lzma|zst)$", re.ASCII)


class Part(NamedTuple):
    """A file of a source package: its path in the archive, where this machine's mirror has it, size and SHA-256."""

    path: str
    url: str
    size: int
    sha256: str

    @property
    def wanted(self) -> Wanted:
        """What is to be fetched."""
        return Wanted(self.url, sha256=self.sha256, size=self.size)


class Source(NamedTuple):
    """A source package: Debian's version, its .dsc, its upstream tarballs (one, or one a component), the packaging, all files."""

    package: str
    version: str
    dsc: Part
    origs: tuple[Part, ...]
    packaging: Part | None


class Checked(NamedTuple):
    """The fetched tarballs, whether and why Debian repacked them, and who vouches for the .dsc."""

    files: tuple[tuple[Part, File], ...]
    repacked: str  # "" or the sign of it
    proof: str


def bring(
    package: str, suite: str, apt: Apt, directory: str, environ: Mapping[str, str], progress: Progress
) -> tuple[Source, Checked]:
    """The newest version of a source package that a suite has, its tarballs fetched and checked.

    A mirror may lack files that its signed index names. Another version of the index serves as well, when its tarballs are by SHA-256 the
    very same: what a mirror keeps back can then change who packaged it, and not one byte of what is built. Raises as `find` and `fetch` do.
    """
    newest = find(package, suite, apt)
    try:
        return newest, fetch(newest, directory, environ, progress)
    except (UnavailableError, CannotError) as error:
        if error.code not in GONE:
            raise
        for other in _same_tarballs(newest, suite, apt):
            progress.say(f"{package} {newest.version} is not to be had; {other.version} has the same tarballs")
            try:
                return other, fetch(other, directory, environ, progress)
            except (UnavailableError, CannotError) as again:
                progress.say(f"warning: {again.what}")
        raise


def find(package: str, suite: str, apt: Apt, version: str = "") -> Source:
    """The newest version of a source package that a suite has, or the one named.

    Raises CannotError (ATOM-5033) when there is none, MalformedError (ATOM-5034) when the archive's own texts do not agree.
    """
    argv = ["apt-get", "source", "--print-uris", "--download-only", "--only-source", "-qq"]
    uris = apt([*argv, f"{package}={version}" if version else package]).decode(errors="replace")
    found = {name: Part("", url, int(size), sha) for url, name, size, sha in _URI.findall(uris)}
    dsc = next((name for name in found if name.endswith(".dsc")), "")
    for fields in _stanzas(package, apt) if dsc else ():
        sums = _sums(fields)
        folder = fields.get("directory", "")
        if dsc in sums and not _FOLDER.fullmatch(folder):
            raise MalformedError("ATOM-5034", f"the source package '{package}' lies in no directory of the archive")
        if dsc in sums and unquote(found[dsc].url).endswith(f"/{folder}/{dsc}"):
            break
    else:
        raise CannotError("ATOM-5033", f"'{suite}' has no source package '{package}'",
                          hint="a source package may be named otherwise than its binaries; apt-cache showsrc tells")  # fmt: skip
    for name, part in found.items():
        if sums.get(name) != (part.sha256, part.size):
            raise MalformedError("ATOM-5034", f"the archive disagrees with itself on '{name}'")
    parts = {name: part._replace(path=f"{folder}/{name}") for name, part in found.items()}
    origs = [parts[name] for name in _tarballs(parts)]
    packaging = next((part for name, part in parts.items() if ".debian.tar." in name), None)
    return Source(package, fields.get("version", ""), parts[dsc], tuple(sorted(origs)), packaging)


def _tarballs(names: Iterable[str]) -> list[str]:
    """The upstream tarballs among a source package's files; a native package is its own upstream."""
    known = list(names)
    return [n for n in known if _ORIG.search(n)] or [n for n in known if re.search(r"\.tar\.\w+$", n)]


def _same_tarballs(source: Source, suite: str, apt: Apt) -> Iterator[Source]:
    """The other versions of a package, newest first, whose tarballs are those of `source` by SHA-256 and size."""
    wanted = {(part.sha256, part.size) for part in source.origs}
    versions = set()
    for fields in _stanzas(source.package, apt):
        sums = _sums(fields)
        if {sums[name] for name in _tarballs(sums)} == wanted:
            versions.add(fields.get("version", ""))
    for version in sorted(versions - {source.version, ""}, key=debversion.key, reverse=True):
        yield find(source.package, suite, apt, version)


def _stanzas(package: str, apt: Apt) -> Iterator[dict[str, str]]:
    """What the signed indexes say of a source package, a paragraph each."""
    text = _quietly(apt, ["apt-cache", "showsrc", "--only-source", package])
    return (fields for stanza in text.split("\n\n") if (fields := _fields(stanza)).get("package") == package)


def _sums(fields: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """SHA-256 and size of each file that a paragraph names."""
    return {name: (sha, int(size)) for sha, size, name in _SUM.findall(fields.get("checksums-sha256", ""))}


def _quietly(apt: Apt, argv: list[str]) -> str:
    """What a tool says; nothing when it fails, which is how apt says that it knows no such package."""
    try:
        return apt(argv).decode(errors="replace")
    except CannotError:
        return ""


def fetch(
    source: Source, directory: str, environ: Mapping[str, str], progress: Progress, *, offline: bool = False
) -> Checked:
    """Fetch and check a source package's tarballs into the cache directory.

    Raises what `download` raises, and RefusedError (ATOM-5035) when the .dsc promises another tarball or carries a bad signature.
    """
    dsc = download(source.dsc.wanted, directory, environ, progress, offline=offline)
    with open(dsc.path, "rb") as text:
        signed = text.read(1 << 20)
    proof = _signature(dsc.path, environ)
    body = signed.decode(errors="replace")
    body = body.split("\n\n", 1)[1] if body.startswith("-----BEGIN PGP SIGNED") and "\n\n" in body else body
    sums = _sums(_fields(body))
    files = []
    for part in source.origs:
        name = part.path.rpartition("/")[2]
        if sums.get(name) != (part.sha256, part.size):
            raise RefusedError("ATOM-5035", f"the .dsc of '{source.package}' does not vouch for '{name}'",
                               note="the archive's index states another digest")  # fmt: skip
        files.append((part, download(part.wanted, directory, environ, progress, offline=offline)))
    repacked = _repacked(source, directory, environ, progress, offline)
    return Checked(tuple(files), repacked, proof)


def component(url: str) -> str:
    """The directory below the source's own into which a component tarball (`orig-<component>`) is unpacked; "" for the main one."""
    match = _ORIG.search(url)
    return match[1] or "" if match else ""


def _fields(stanza: str) -> dict[str, str]:
    """Fields of a control paragraph by lower-case name (deb822(5)); continuation lines are kept with their leading space."""
    out: dict[str, str] = {}
    name = ""
    for line in stanza.split("\n"):
        if line[:1] in (" ", "\t"):
            if name:
                out[name] += "\n" + line
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.lower()
            out.setdefault(name, value.strip())
    return out


def _repacked(source: Source, directory: str, environ: Mapping[str, str], progress: Progress, offline: bool) -> str:
    """How we know that the tarball is not what upstream released; "" when nothing says so."""
    upstream = source.version.partition(":")[2] or source.version
    upstream = upstream.rpartition("-")[0] or upstream
    match = _REPACKED.search(upstream)
    if match:
        return f"its version says '{match[0].strip('.+~')}'"
    part = source.packaging
    if part is None or part.size > SMALL or (offline and part.url.startswith("http")):
        return ""
    packed = download(part.wanted, directory, environ, progress, offline=offline)
    for member in members(packed.path, part.path):
        if member.path == b"debian/copyright":
            head = member.data[: 1 << 20].decode(errors="replace").split("\n\n", 1)[0]
            return "its copyright file has Files-Excluded" if "files-excluded" in _fields(head) else ""
    return ""


def _signature(path: str, environ: Mapping[str, str]) -> str:
    """Who vouches for a .dsc: the archive alone, or the uploader as well, whose signature is checked where the keyring is there."""
    import os

    chain = "signed Release, Sources, SHA-256"
    if not os.path.exists(DEVELOPERS):
        return f"{chain}; the uploader's signature was not checked, this machine has no debian-keyring"
    tool = next((t for t in ("sqv", "gpgv") if _has(t, environ)), "")
    if not tool:
        return f"{chain}; the uploader's signature was not checked, this machine has neither sqv nor gpgv"
    if tool == "sqv":
        good = proc.run(["sqv", "--keyring", DEVELOPERS, "--cleartext", path], env=environ).status == 0
        return f"{chain}; the uploader's signature " + (
            "is good" if good else "could not be checked with debian-keyring"
        )
    status = proc.run(["gpgv", "--status-fd", "1", "--keyring", DEVELOPERS, path], env=environ).out.decode(
        errors="replace"
    )
    if "[GNUPG:] BADSIG" in status:
        raise RefusedError("ATOM-5035", "the .dsc carries a signature that is wrong", where=path)
    return f"{chain}; the uploader's signature " + (
        "is good" if "[GNUPG:] VALIDSIG" in status else "could not be checked with debian-keyring"
    )


def _has(tool: str, environ: Mapping[str, str]) -> bool:
    from shutil import which

    return which(tool, path=environ.get("PATH", "/usr/bin:/bin")) is not None
