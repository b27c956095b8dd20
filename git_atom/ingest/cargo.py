"""Cargo's lockfile adopted as the set of files to fetch, and crates laid out as the directory source that Cargo reads offline.

Taken: `Cargo.lock` of version 3 or 4, whose every package is of the workspace itself or of crates.io with its SHA-256 (Cargo Book,
Cargo.lock; Registry Index, dl). Laid out: Source Replacement, directory sources: `<crate>-<version>/` with `.cargo-checksum.json`.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from git_atom.core.digest import MODE_FILE, of_bytes
from git_atom.core.tree import Leaf
from git_atom.errors import CannotError, MalformedError
from git_atom.git.written import oid_of

FORMATS = (3, 4)
MAX_BYTES = 16 << 20
REGISTRIES = ("registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/")
HOST = "https://static.crates.io/crates/"
CHECKSUMS = b".cargo-checksum.json"
CONFIG = b"config.toml"
_NAME = r"[A-Za-z][A-Za-z0-9_-]{0,63}"
_VERSION = r"[0-9]+\.[0-9]+\.[0-9]+(?:[-+][0-9A-Za-z.+-]{1,120})?"


class Crate(NamedTuple):
    """One crate of crates.io: name, version, SHA-256 of its archive in hex."""

    name: str
    version: str
    sha256: str

    @property
    def url(self) -> str:
        """Where the registry serves it."""
        return f"{HOST}{self.name}/{self.name}-{self.version}.crate".replace("+", "%2B")


def parse(data: bytes, where: str) -> list[Crate]:
    """The crates that a lockfile names, in order. Raises MalformedError ATOM-5040, CannotError ATOM-5041 for a package that cannot be taken."""
    import tomllib

    if len(data) > MAX_BYTES:
        raise _broken(where, f"it has more than {MAX_BYTES} bytes")
    try:
        value = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise _broken(where, "it is not TOML") from error
    if value.get("version") not in FORMATS:
        stated = f"of format {value['version']}" if isinstance(value.get("version"), int) else "of a format before 3"
        raise _broken(
            where, f"it is {stated}, and 3 and 4 are read", "cargo generate-lockfile, with Cargo 1.53 or later"
        )
    rows = value.get("package", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _broken(where, "its packages are no tables")
    crates = [_crate(row, where) for row in rows if "source" in row]
    if len({crate.url for crate in crates}) != len(crates):
        raise _broken(where, "a crate stands there twice")
    return sorted(crates)


def _crate(row: dict[str, Any], where: str) -> Crate:
    name, version, source, digest = (str(row.get(key, "")) for key in ("name", "version", "source", "checksum"))
    if not re.fullmatch(_NAME, name) or not re.fullmatch(_VERSION, version):
        raise _broken(where, f"'{name[:80]} {version[:80]}' is no crate")
    if source not in REGISTRIES:
        git = source.startswith("git+")
        raise CannotError("ATOM-5041", f"crate '{name} {version}' is not of crates.io", where=where, note=f"its source is '{source[:200]}'",
                          hint="take it as [pins], and patch Cargo.toml to its path" if git else "only crates.io can be adopted")  # fmt: skip
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise CannotError("ATOM-5041", f"crate '{name} {version}' has no SHA-256", where=where, note="nothing would say what is fetched",
                          hint="cargo generate-lockfile")  # fmt: skip
    return Crate(name, version, digest)


def place(url: str) -> str:
    """The directory of a crate in its directory source, from its URL; "" for a URL that is none of a crate."""
    found = re.fullmatch(rf"{HOST}({_NAME})/(\1-{_VERSION})\.crate", url.replace("%2B", "+"))
    return found[2] if found else ""


def checksums(sha256: str) -> tuple[Leaf, bytes]:
    """The file that makes an unpacked crate one of a directory source, and its bytes."""
    return _file(CHECKSUMS, json.dumps({"files": {}, "package": sha256}).encode())


def config(folder: str) -> tuple[Leaf, bytes]:
    """The settings that send Cargo to a directory source at `folder` for all of crates.io, and their bytes."""
    text = f'[source.crates-io]\nreplace-with = "adopted"\n\n[source.adopted]\ndirectory = "{folder}"\n'
    return _file(CONFIG, text.encode())


def _file(path: bytes, data: bytes) -> tuple[Leaf, bytes]:
    return Leaf(path, MODE_FILE, of_bytes(data), len(data), oid_of("blob", data)), data


def _broken(where: str, why: str, hint: str = "") -> MalformedError:
    return MalformedError(
        "ATOM-5040", f"'{where}' is no Cargo.lock that can be adopted", where=where, note=why, hint=hint
    )
