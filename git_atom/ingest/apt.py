"""apt in a private state: the distribution's packages resolved, downloaded and signature-checked without touching the machine.

Mirrors come from the machine's own sources, keys from the distribution's keyring; lists, archives and dpkg status are ours, in the
user's cache, so nothing needs root and nothing the machine has installed changes an answer. See apt.conf(5), sources.list(5).
"""

from __future__ import annotations

import fcntl
import glob
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from git_atom.core.host import Host
from git_atom.errors import AtomError, CannotError, RefusedError, UnavailableError
from git_atom.git import proc

# Of a machine's apt configuration, what tells how to reach the network, and nothing else (no hooks, pins or targets).
_KEPT = re.compile(r"Acquire::(?!IndexTargets|GzipIndexes|CompressionTypes|Languages|Changelogs|cdrom)")
_PARTS = ("", "-updates", "-security", "/updates")
_ROLLING = ("sid", "unstable", "experimental")  # suites without the other parts
# Components of Debian and Ubuntu: a third party's source may use a suite's name, too, and is told by its own components.
_COMPONENTS = {"main", "contrib", "non-free", "non-free-firmware", "restricted", "universe", "multiverse"}
# What apt would take for something else than a package must not reach it: options, files, patterns, `name-` (remove), `name/suite`.
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](?::[a-z0-9-]+)?(?:=[A-Za-z0-9.+:~-]+)?")
# Words of gpgv and sqv for lists that are not signed as they should be.
_UNSIGNED = re.compile(
    r"NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|KEYEXPIRED|NODATA|sqv|is not signed|not valid yet|is expired"
)
_URI = re.compile(r"'[^']+' (\S+) (\d+) SHA256:([0-9a-f]{64})")


class Deb(NamedTuple):
    """A binary package as the signed index names it: name, version, architecture, size in bytes, SHA-256 of the .deb."""

    name: str
    version: str
    architecture: str
    size: int
    sha256: str

    @property
    def file(self) -> str:
        """Name of the .deb in the archives directory, as apt writes it."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"


class Target(NamedTuple):
    """An index as apt holds it: its file and its architecture (apt-get(8), indextargets)."""

    path: str
    architecture: str


class Origin(NamedTuple):
    """One line of sources: base URI, suite, components, keyring (path or empty for the machine's trusted keys)."""

    uri: str
    suite: str
    components: tuple[str, ...]
    keyring: str


class AptState:
    """A private apt state for one suite. kind `bin` knows binary packages, `src` source packages.

    suite: codename such as `bookworm`; empty for the machine's own. Raises CannotError (ATOM-5001) when no mirror or keyring of that
    suite's distribution is known here.
    """

    def __init__(self, host: Host, suite: str = "", kind: str = "bin") -> None:
        self.host = host
        release = _os_release()
        self.suite = suite or release.get("VERSION_CODENAME", "")
        self.kind = kind
        self.origins, self.borrowed = _origins(self.suite, release)
        self.root = os.path.join(host.cache, "apt", f"{self.suite}-{kind}")
        self.archives = os.path.join(host.cache, "apt", "archives")
        theirs = proc.clean_env(host.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
        self.machine_env = theirs  # with the user's own APT_CONFIG, if any
        self.env = theirs | {"APT_CONFIG": os.path.join(self.root, "apt.conf")}

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One process at a time in this state; a second one waits."""
        os.makedirs(self.root, exist_ok=True)
        with open(os.path.join(self.root, "lock"), "w", encoding="ascii") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _write_conf(self) -> None:
        for path in ("lists/partial", "cache", "empty/partial", "state"):
            os.makedirs(os.path.join(self.root, path), exist_ok=True)
        os.makedirs(os.path.join(self.archives, "partial"), exist_ok=True)
        word = "deb" if self.kind == "bin" else "deb-src"
        lines = [
            f"{word}{f' [signed-by={o.keyring}]' if o.keyring else ''} {o.uri} {o.suite} {' '.join(o.components)}\n"
            for o in self.origins
        ]
        dump = proc.check(["apt-config", "dump"], env=self.machine_env).decode()
        kept = [line for line in dump.splitlines() if _KEPT.match(line)]
        native = re.search(r'^APT::Architecture "([a-z0-9-]+)";', dump, re.M)
        settings = {
            "Dir::Etc::main": "/dev/null", "Dir::Etc::parts": "/dev/null", "Dir::Etc::sourcelist": f"{self.root}/sources.list",
            "Dir::Etc::sourceparts": "/dev/null", "Dir::Etc::preferences": "/dev/null", "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": f"{self.root}/state", "Dir::State::status": f"{self.root}/status", "Dir::State::lists": f"{self.root}/lists",
            "Dir::Cache": f"{self.root}/cache", "Dir::Cache::archives": self.archives, "Dir::Log": f"{self.root}/state",
            "Acquire::Languages": "none", "Acquire::ForceHash": "sha256", "APT::Install-Recommends": "false", "APT::Install-Suggests": "false",
            "APT::Get::Assume-Yes": "true", "APT::Get::AllowUnauthenticated": "false", "APT::Sandbox::User": "",
            "APT::Architecture": native[1] if native else "", "APT::Architectures": native[1] if native else "",
            "Acquire::AllowInsecureRepositories": "false", "Acquire::AllowWeakRepositories": "false",
            "Acquire::AllowDowngradeToInsecureRepositories": "false", "APT::Cmd::Pattern-Only": "true",
            "APT::Update::Error-Mode": "any", "APT::Cmd::Disable-Script-Warning": "true", "Dpkg::Use-Pty": "false", "Acquire::Retries": "2",
        }  # fmt: skip
        conf = "\n".join(kept + [f'{key} "{value}";' for key, value in settings.items()]) + "\n"
        for name, text in (("sources.list", "".join(lines)), ("apt.conf", conf), ("status", "")):
            _write_if_changed(os.path.join(self.root, name), text)

    def _ready(self, fresh: bool = False) -> None:
        """Lists are there and were made for these sources; `fresh` fetches them anew. The lock is held."""
        self._write_conf()
        if self._fetched() and not fresh:
            return
        self.host.progress.say(f"fetching the package lists of {self.suite}")
        done = self._apt(["apt-get", "-qq", "update"])
        if done.status != 0:
            proc.check_room(self.root, done.err)
            raise self._no_lists(done.err)
        with open(os.path.join(self.root, "sources.list"), encoding="utf-8") as file:
            _write_if_changed(os.path.join(self.root, "updated"), file.read())

    def _fetched(self) -> bool:
        return _lines(os.path.join(self.root, "updated")) == _lines(os.path.join(self.root, "sources.list"))

    def kept(self) -> bool:
        """Whether there are lists of these sources, so that nothing asked of them needs the network."""
        with self._lock():
            self._write_conf()
            return self._fetched()

    def _no_lists(self, err: bytes) -> AtomError:
        """Why the lists could not be fetched: not signed as they should be, no such suite at these mirrors, or no network."""
        text = err.decode(errors="replace")
        if _UNSIGNED.search(text):
            return RefusedError("ATOM-5007", f"the package lists of '{self.suite}' are not signed by their distribution", note=_last(err),
                                hint="install the distribution's keyring, e.g. debian-archive-keyring, and check the clock")  # fmt: skip
        hint = "check the network, then run the same command again"
        if self.borrowed:
            hint += f"; if '{self.suite}' is of another distribution, add a source of it to /etc/apt/sources.list.d"
        return UnavailableError("ATOM-5002", f"the package lists of '{self.suite}' could not be fetched", note=_last(err), hint=hint)  # fmt: skip

    def _apt(self, argv: Sequence[str]) -> proc.Done:
        return proc.run(argv, env=self.env, cwd=self.root)

    def run(self, argv: Sequence[str]) -> bytes:
        """Run an apt tool (`apt-cache`, `apt-get source --print-uris`) in this state and return its output.

        Raises UnavailableError (ATOM-5002) without lists and network, CannotError (ATOM-5003) when the tool fails.
        """
        with self._lock():
            self._ready()
            done = self._apt(argv)
        if done.status != 0:
            proc.check_room(self.root, done.err)
            raise CannotError("ATOM-5003", f"'{' '.join(argv[:2])}' failed for '{self.suite}'", note=_last(done.err))
        return done.out

    def refresh(self) -> None:
        """Fetch the lists anew. Raises UnavailableError (ATOM-5002)."""
        with self._lock():
            self._ready(fresh=True)

    def key(self) -> str:
        """What the answers of this state rest on: names and times of its lists; empty when there are none yet."""
        rows = []
        for path in sorted(glob.glob(os.path.join(self.root, "lists", "*Release"))):
            seen = os.stat(path)
            rows.append(f"{os.path.basename(path)} {seen.st_size} {seen.st_mtime_ns}")
        return "\n".join(rows)

    def closure(self, packages: Sequence[str]) -> list[Deb]:
        """Everything an empty system needs to have these packages (`name` or `name=version`), recommendations left out, by name.

        Raises CannotError (ATOM-5004) for an unknown package, with near names; CannotError (ATOM-5003) when apt finds no solution;
        as `run` without lists.
        """
        check_names(packages)
        with self._lock():
            self._ready()
            empty = [
                "-o",
                f"Dir::Cache::archives={self.root}/empty",
            ]  # apt leaves out of the list what it has downloaded
            done = self._apt(["apt-get", "-q", *empty, "--print-uris", "install", *packages])
            if done.status != 0:
                proc.check_room(self.root, done.err)
                unknown = [p for p in packages if self._apt(["apt-cache", "show", "--", p]).status != 0]
                if unknown:
                    raise self.unknown(unknown[0])
                raise CannotError(
                    "ATOM-5003",
                    f"apt finds no way to have {', '.join(packages)} together",
                    note=_reason(done.err + done.out),
                    hint="leave one of them out, or ask for versions that go together",
                )
        out = []
        for file, size, sha in _URI.findall(done.out.decode()):
            name, version, rest = file.split("_", 2)
            out.append(Deb(name, version.replace("%3a", ":"), rest.removesuffix(".deb"), int(size), sha))
        return sorted(out)

    def newest(self, packages: Sequence[str]) -> dict[str, str]:
        """The newest version the lists have of each of these packages that they have. Raises as `closure` for names, and as `run`."""
        check_names(packages)
        out: dict[str, str] = {}
        for line in self.run(["apt-cache", "madison", "--", *packages]).decode().splitlines() if packages else ():
            name, version = (word.strip() for word in line.split("|")[:2])
            out.setdefault(name, version)  # the newest comes first
        return out

    @contextmanager
    def indexes(self) -> Iterator[list[Target]]:
        """The package indexes of this suite, checked by apt against the signed Release files; they stay as they are within the context.

        Raises UnavailableError (ATOM-5002), RefusedError (ATOM-5007), CannotError (ATOM-5003) when apt fails.
        """
        with self._lock():
            self._ready()
            fields = "$(FILENAME)\t$(ARCHITECTURE)"
            done = self._apt(["apt-get", "indextargets", "--format", fields, "Created-By: Packages"])
            if done.status != 0:
                raise CannotError(
                    "ATOM-5003", f"apt does not say what the lists of '{self.suite}' are", note=_last(done.err)
                )
            yield [Target(*line.split("\t")) for line in done.out.decode().splitlines()]

    def unknown(self, package: str) -> CannotError:
        """The error (ATOM-5004) for a package that the lists do not have, with what they have instead."""
        import difflib

        name = package.partition("=")[0]
        known = self._apt(["apt-cache", "pkgnames"]).out.decode().split()
        near = difflib.get_close_matches(name, known, n=5)
        near.sort(key=lambda other: sorted(other) != sorted(name))  # letters that changed places come before others
        what = f"'{self.suite}' has no package '{package}'"
        if name in known:
            versions = self._apt(["apt-cache", "madison", name]).out.decode().split("|")[1:2]
            return CannotError("ATOM-5004", what, hint=f"it has {name}={versions[0].strip()}" if versions else "")
        return CannotError("ATOM-5004", what, hint=f"did you mean '{near[0]}'?" if near else "")

    def download(self, debs: Sequence[Deb]) -> list[str]:
        """Have these .debs in the archives, checked by apt against the signed index; returns their paths in order.

        Lists that have grown old (the mirror no longer has a file) are fetched anew once. Raises UnavailableError (ATOM-5005).
        """
        paths = [os.path.join(self.archives, deb.file) for deb in debs]
        missing = [deb for deb, path in zip(debs, paths, strict=True) if _size(path) != deb.size]
        if missing:
            size = sum(deb.size for deb in missing)
            self.host.progress.say(f"fetching {len(missing)} packages, {size / 1e6:.1f} MB")
            with self._lock():
                self._ready()
                argv = ["apt-get", "-qq", "--download-only", "install", *(f"{d.name}={d.version}" for d in debs)]
                done = self._apt(argv)
                if done.status != 0:
                    self._ready(fresh=True)
                    done = self._apt(argv)
            if done.status != 0:
                proc.check_room(self.archives, done.err)
                raise UnavailableError("ATOM-5005", "the packages could not be fetched", note=_last(done.err),
                                       hint="check the network and the free space, then run the same command again")  # fmt: skip
        return paths


def check_names(packages: Sequence[str]) -> None:
    """Raise CannotError (ATOM-5004) unless each is `name`, `name:architecture` or one of these with `=version`."""
    for package in packages:
        if not _PACKAGE.fullmatch(package):
            raise CannotError("ATOM-5004", f"'{package}' is not the name of a package", hint="<name> or <name>=<version>")  # fmt: skip


def mirror() -> str:
    """Base URI of the machine's first mirror of its own distribution; raises CannotError (ATOM-5001)."""
    release = _os_release()
    return _origins(release.get("VERSION_CODENAME", ""), release)[0][0].uri


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return -1


def _last(err: bytes) -> str:
    lines = [line for line in err.decode(errors="replace").splitlines() if line.startswith(("E:", "W:"))]
    return lines[-1][2:].strip() if lines else ""


def _reason(text: bytes) -> str:
    """What apt says about relationships that cannot hold; its own last word when it says nothing."""
    lines = [" ".join(line.split()) for line in text.decode(errors="replace").splitlines()]
    unmet = [line for line in lines if re.search(r"(?:Depends|Conflicts|Breaks): ", line)]
    return "\n".join(unmet or [line[2:].strip() for line in lines if line.startswith("E:")])[:600]


def _write_if_changed(path: str, text: str) -> None:
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        pass
    temporary = f"{path}.new"  # the state is locked: one writer at a time, and what a killed one left is written over
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def _os_release() -> dict[str, str]:
    """The machine's os-release(5)."""
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            rows = (line.rstrip("\n").split("=", 1) for line in file if "=" in line)
            return {key: value.strip("\"'") for key, value in rows}
    except FileNotFoundError:
        return {}


def _origins(suite: str, release: dict[str, str]) -> tuple[tuple[Origin, ...], bool]:
    """Where the machine gets this suite from, and whether that had to be borrowed from its own suite: the same mirrors, the other name."""
    if not suite:
        raise CannotError(
            "ATOM-5001", "this machine does not say what suite it runs", hint="name one, e.g. --suite bookworm"
        )
    if not re.fullmatch(r"[a-z][a-z0-9.-]*", suite):
        raise CannotError("ATOM-5001", f"'{suite}' is not the name of a suite", hint="a codename, such as bookworm")
    keyring = f"/usr/share/keyrings/{release.get('ID', 'debian')}-archive-keyring.gpg"
    keyring = keyring if os.path.exists(keyring) else ""
    known, own = [o for o in _machine_origins() if _COMPONENTS & set(o.components)], release.get("VERSION_CODENAME", "")
    wanted = [o for o in known if o.suite in {suite + part for part in _PARTS}]
    borrowed = not wanted
    if borrowed:
        parts = [""] if suite in _ROLLING else _PARTS
        wanted = [o._replace(suite=suite + part) for o in known for part in parts if own and o.suite == own + part]
    if not wanted:
        raise CannotError("ATOM-5001", f"no mirror for suite '{suite}' is known on this machine", note="mirrors are taken from the machine's own apt sources",
                          hint="add a source of that distribution to /etc/apt/sources.list.d, with its keyring")  # fmt: skip
    return tuple(dict.fromkeys(o._replace(keyring=o.keyring or keyring) for o in wanted)), borrowed


def _machine_origins() -> Iterator[Origin]:
    """Every binary source of the machine, in both of apt's formats (sources.list(5))."""
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*.list"))]:
        for line in _lines(path):
            match = re.match(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)", line.split("#")[0].strip())
            if match:
                options = dict(o.split("=", 1) for o in (match[1] or "").split() if "=" in o)
                if match[2].startswith("cdrom:"):
                    continue
                yield Origin(match[2], match[3], tuple(match[4].split()), options.get("signed-by", ""))
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
        text = "\n".join(line for line in _lines(path) if not line.startswith("#"))
        for stanza in re.split(r"\n\s*\n", text):
            fields = {k.lower(): v.strip() for k, v in re.findall(r"^([A-Za-z-]+):(.*(?:\n[ \t].*)*)", stanza, re.M)}
            if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() not in ("no", "false"):
                signed = fields.get("signed-by", "")
                for uri in fields.get("uris", "").split():
                    for suite in fields.get("suites", "").split():
                        components = tuple(fields.get("components", "").split())
                        yield Origin(
                            uri, suite, components, signed if signed.startswith("/") and "\n" not in signed else ""
                        )


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []
