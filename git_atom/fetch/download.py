"""Fetching one file by URL into the user's cache, where it lies under its digest.

https, http and file only. A redirect never leads to a file, from https to http, or to this machine; the body is as long as it says,
under a cap, and what was promised (BLAKE3 of a lock, SHA-256 and size of a signed index) before it gets its name in the cache.
Proxies and certificates come from the environment handed in.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, NamedTuple

from git_atom.core import uri
from git_atom.core.digest import Digest, Hasher
from git_atom.core.host import Progress
from git_atom.errors import AtomError, CannotError, MalformedError, RefusedError, UnavailableError
from git_atom.git import leftovers

if TYPE_CHECKING:
    from http.client import HTTPResponse

CHUNK = 1 << 20
LIMIT = 4 << 30
TIMEOUT = 30.0  # seconds without a byte
PATIENCE = 3600.0  # seconds for a whole body
HOPS = 5
TRIES = 3
AGENT = "git-atom/1"
GONE = ("ATOM-5021", "ATOM-5025")  # there is an answer, and it is not the file
PASSING = "ATOM-5026"  # a failure that may pass by itself, so it is tried again
_PART = r"\.part-.+"


class Wanted(NamedTuple):
    """What is known of a file before it is fetched; empty or -1 is unknown."""

    url: str
    digest: str = ""
    sha256: str = ""
    size: int = -1


class File(NamedTuple):
    """A fetched file in the cache, 0444, named by its digest."""

    path: str
    digest: Digest
    size: int


def download(
    wanted: Wanted,
    directory: str,
    environ: Mapping[str, str],
    progress: Progress,
    *,
    offline: bool = False,
    limit: int = LIMIT,
) -> File:
    """The file a URL names, from the cache or the network.

    Raises UnavailableError: ATOM-5020 offline, 5021 the server, 5026 the way to it; RefusedError: 5022 other content than promised, 5024 a
    redirect that may not be followed; MalformedError 5023 over the limit; CannotError 5025 a file URL that names no file.
    """
    known = cached(wanted, directory)
    if known is not None:
        return known
    shown = uri.redact(wanted.url)
    if offline and uri.is_remote(wanted.url):
        raise UnavailableError("ATOM-5020", f"'{shown}' is not in the cache, and the network may not be used", where=directory,
                               hint="run the same command once without --offline")  # fmt: skip
    os.makedirs(directory, 0o755, exist_ok=True)
    attempt = 1
    while True:
        try:
            return _once(wanted, directory, environ, progress, limit)
        except UnavailableError as error:
            if error.code != PASSING or attempt == TRIES:
                raise
            progress.say(f"{error.note}; trying '{shown}' again")
        time.sleep(attempt)
        attempt += 1


def cached(wanted: Wanted, directory: str) -> File | None:
    """The file if the cache has it, hashed again; a damaged copy is removed."""
    name = Digest(wanted.digest).hex if wanted.digest else ""
    if not name and wanted.sha256:
        try:
            name = os.readlink(os.path.join(directory, "sha256-" + wanted.sha256))
        except OSError:
            return None
    if not name:
        return None
    path = os.path.join(directory, name)
    try:
        with open(path, "rb") as source:
            strong, check, size = _drain(source, None)
    except OSError:
        return None
    if strong.hex == name and (not wanted.sha256 or check == wanted.sha256):
        return File(path, strong, size)
    os.unlink(path)
    return None


def _drain(source: IO[bytes], sink: IO[bytes] | None) -> tuple[Digest, str, int]:
    strong, check, size = Hasher(), hashlib.sha256(), 0
    while chunk := source.read(CHUNK):
        strong.update(chunk)
        check.update(chunk)
        size += len(chunk)
        if sink is not None:
            sink.write(chunk)
    return strong.digest(), check.hexdigest(), size


def _once(wanted: Wanted, directory: str, environ: Mapping[str, str], progress: Progress, limit: int) -> File:
    body = _local(wanted.url) if wanted.url.lower().startswith("file:") else _remote(wanted.url, environ)
    cap = min(limit, wanted.size) if wanted.size >= 0 else limit
    strong, check, size = Hasher(), hashlib.sha256(), 0
    progress.say(f"fetching {uri.redact(wanted.url)}")
    leftovers.sweep(directory, _PART)
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".part-", delete=False) as sink:
        try:
            for chunk in body:
                size += len(chunk)
                if size > cap:
                    raise _too_long(wanted, cap, limit)
                strong.update(chunk)
                check.update(chunk)
                sink.write(chunk)
            found = strong.digest()
            _compare(wanted, found, check.hexdigest(), size)
            sink.flush()
            os.fsync(sink.fileno())
            os.chmod(sink.name, 0o444)
            path = os.path.join(directory, found.hex)
            os.replace(sink.name, path)
        except BaseException:
            os.unlink(sink.name)
            raise
    _remember(directory, check.hexdigest(), found)
    return File(path, found, size)


def _remember(directory: str, sha256: str, found: Digest) -> None:
    """Let the file be found by its SHA-256 as well, for signed indexes that promise that."""
    link = os.path.join(directory, "sha256-" + sha256)
    try:
        os.symlink(found.hex, link)
    except FileExistsError:
        if os.readlink(link) != found.hex:
            os.unlink(link)


def _too_long(wanted: Wanted, cap: int, limit: int) -> AtomError:
    shown = uri.redact(wanted.url)
    if cap < limit:
        return RefusedError(
            "ATOM-5022", f"'{shown}' is not the file that was promised", note=f"it is longer than {cap} bytes"
        )
    return MalformedError("ATOM-5023", f"'{shown}' is over the limit", note=f"at most {limit} bytes are fetched")


def _compare(wanted: Wanted, digest: Digest, sha256: str, size: int) -> None:
    pairs = ((wanted.digest, str(digest)), (wanted.sha256 and f"sha256:{wanted.sha256}", f"sha256:{sha256}"))
    for promised, found in pairs:
        if promised and promised != found:
            raise RefusedError(
                "ATOM-5022", f"'{uri.redact(wanted.url)}' is not the file that was promised",
                note=f"promised {promised}\nfound    {found}",
                hint="if upstream changed the file on purpose, remove its entry from atom.lock and run git atom lock",
            )  # fmt: skip
    if wanted.size >= 0 and size != wanted.size:
        raise RefusedError("ATOM-5022", f"'{uri.redact(wanted.url)}' is not the file that was promised",
                           note=f"promised {wanted.size} bytes, found {size}")  # fmt: skip


def _local(url: str) -> Iterator[bytes]:
    from urllib.parse import unquote, urlsplit

    path = unquote(urlsplit(url).path)
    try:
        source = open(path, "rb")
    except OSError as error:
        raise CannotError("ATOM-5025", f"'{url}' cannot be read", note=(error.strerror or "").lower()) from error
    with source:
        while chunk := source.read(CHUNK):
            yield chunk


# ---- http ------------------------------------------------------------------------------------------------------------


def _remote(url: str, environ: Mapping[str, str]) -> Iterator[bytes]:
    """The body behind a URL, redirects followed by our rules; every network error as one of ours."""
    from http.client import HTTPException

    start = time.monotonic()
    try:
        with _follow(url, environ) as response:
            length = response.headers.get("Content-Length", "")
            got = 0
            while chunk := response.read(CHUNK):
                got += len(chunk)
                if time.monotonic() - start > PATIENCE:
                    raise _failed(url, "the server is too slow")
                yield chunk
            if length.isdecimal() and int(length) != got:
                raise _passing(url, f"the body ended after {got} of {length} bytes")
    except (OSError, HTTPException) as error:
        raise _network(url, error) from error


def _failed(url: str, why: str) -> UnavailableError:
    return UnavailableError("ATOM-5021", f"'{uri.redact(url)}' could not be fetched", note=why,
                            hint="ask whoever serves it, or name another place that has this file")  # fmt: skip


def _passing(url: str, why: str) -> UnavailableError:
    return UnavailableError("ATOM-5026", f"'{uri.redact(url)}' could not be fetched now", note=why,
                            hint="check the network, and http_proxy and https_proxy in the environment")  # fmt: skip


def _network(url: str, error: Exception) -> AtomError:
    import ssl

    reason = getattr(error, "reason", error)
    said = str(getattr(reason, "strerror", "") or reason or type(reason).__name__).lower()
    if isinstance(reason, ssl.SSLCertVerificationError):
        return RefusedError("ATOM-5027", f"the certificate of '{uri.redact(url)}' does not hold", note=said,
                            hint="SSL_CERT_FILE names further certificates to trust")  # fmt: skip
    return _passing(url, said)


def _follow(url: str, environ: Mapping[str, str]) -> HTTPResponse:
    from urllib.error import HTTPError
    from urllib.parse import urljoin

    for _ in range(HOPS + 1):
        try:
            response = _open(url, environ)
        except HTTPError as error:
            target = error.headers.get("Location")
            error.close()
            if error.code in (301, 302, 303, 307, 308) and target:
                following = urljoin(url, target)
                _may_follow(url, following)
                url = following
                continue
            said = f"the server answered {error.code} {error.reason}".lower()
            if error.code in (408, 429) or error.code >= 500:
                raise _passing(url, said) from error
            raise _failed(url, said) from error
        if response.headers.get("Content-Encoding", "identity") != "identity":
            response.close()
            raise _failed(url, "the server insists on an encoding")
        return response
    raise RefusedError("ATOM-5024", f"'{uri.redact(url)}' redirects too often", note=f"at most {HOPS} times")


def _may_follow(url: str, target: str) -> None:
    """Refuse a redirect to another scheme than http(s), from https to http, with credentials, or to this machine's own addresses."""
    from urllib.parse import urlsplit

    old, new = urlsplit(url), urlsplit(target)
    if new.scheme not in ("http", "https"):
        problem = f"it leads to '{new.scheme}:'"
    elif old.scheme == "https" and new.scheme == "http":
        problem = "it leads from https to http"
    elif new.username or new.password:
        problem = "it carries credentials"
    elif new.hostname != old.hostname and _is_inward(new.hostname or "") and not _is_inward(old.hostname or ""):
        problem = "it leads to an address of this machine or its own network"
    else:
        return
    raise RefusedError(
        "ATOM-5024", f"a redirect of '{uri.redact(url)}' is not followed", note=f"{problem}: {uri.redact(target)}"
    )


def _is_inward(host: str) -> bool:
    import ipaddress
    import socket

    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(host)
    except ValueError:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))  # 2130706433, 0x7f.1 and the like
        except (OSError, UnicodeError):
            return False
    return not address.is_global


def _open(url: str, environ: Mapping[str, str]) -> HTTPResponse:
    import ssl
    from urllib import request
    from urllib.parse import urlsplit

    class Stay(request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    context = ssl.create_default_context()
    if environ.get("SSL_CERT_FILE") or environ.get("SSL_CERT_DIR"):
        context.load_verify_locations(environ.get("SSL_CERT_FILE") or None, environ.get("SSL_CERT_DIR") or None)
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(_proxies(urlsplit(url).hostname or "", environ)), request.HTTPHandler(),
        request.HTTPSHandler(context=context), request.HTTPErrorProcessor(), request.HTTPDefaultErrorHandler(), Stay(),
    ):  # fmt: skip
        opener.add_handler(handler)
    asked = request.Request(url, headers={"User-Agent": AGENT, "Accept-Encoding": "identity"})
    response: HTTPResponse = opener.open(asked, timeout=TIMEOUT)
    return response


def _proxies(host: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Proxies for a host out of http_proxy, https_proxy, all_proxy and no_proxy, lower case first (curl(1))."""
    off = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    for one in (part.strip().lstrip(".").lower() for part in off.split(",")):
        if one == "*" or (one and (host == one or host.endswith("." + one))):
            return {}
    out = {}
    for scheme in ("http", "https"):
        value = environ.get(f"{scheme}_proxy") or (environ.get("HTTPS_PROXY") if scheme == "https" else "")
        value = value or environ.get("all_proxy") or environ.get("ALL_PROXY")
        if value:
            out[scheme] = value
    return out
