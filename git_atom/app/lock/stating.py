"""What the words of `git atom add` and `git atom remove` mean in a manifest: pins, sources, packages of the toolchain, and what each is called.

Dependencies on atoms are looked for, so `editing` does those; everything here follows from words and manifest alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_atom.app.atom import asking
from git_atom.app.lock.intent import Files, unknown
from git_atom.core import uri, variant
from git_atom.core.host import Host
from git_atom.core.manifest import USES, Dep, Manifest, Pin, Src
from git_atom.core.text import shell
from git_atom.errors import AtomError, ConflictError, UsageError
from git_atom.git.source import expanded

DEP, PIN, SRC, DEBIAN = "dep", "pin", "src", "debian"
KINDS = (DEP, PIN, SRC, DEBIAN)
_WORDS = {DEP: "dependency", PIN: "pin", SRC: "source", DEBIAN: "package of the toolchain"}
_FORMS = {PIN: "<name>=<repository>[@<ref>]", SRC: "<name>=<url>, <name>=<path> or <name>=debian:<package>"}
_PACKAGE = "debian:"


class Asked(NamedTuple):
    """What is to be added: words of one kind, and what is said of all of them."""

    kind: str
    words: tuple[str, ...]
    uses: tuple[str, ...] = ()
    entry: str = ""
    adopt: str = ""
    suite: str = ""
    asks: tuple[str, ...] = ()  # variants; one empty word for none


def check(asked: Asked) -> None:
    """Options that go with another kind of requirement, or with one word alone, raise UsageError ATOM-9001."""
    for option, value, kinds in (
        ("--for", asked.uses, (DEP, SRC)), ("--entry", asked.entry, (PIN,)), ("--with", asked.asks, (DEP,)), ("--adopt", asked.adopt, (SRC,)), ("--suite", asked.suite, (DEBIAN,)),
    ):  # fmt: skip
        if value and asked.kind not in kinds:
            raise UsageError("ATOM-9001", f"'{option}' says nothing of a {_WORDS[asked.kind]}", hint="git atom add -h")
        if value and option in ("--entry", "--adopt") and len(asked.words) > 1:
            raise UsageError("ATOM-9001", f"'{option}' is for one at a time", hint="give the command once for each")
    _once(asked)


def _once(asked: Asked) -> None:
    seen: dict[str, str] = {}
    for word in asked.words if asked.kind != DEBIAN else ():
        one = uri.Uri.parse(word) if asked.kind == DEP else None
        name = one.name if one else word.partition("=")[0]
        told = str(one._replace(source=uri.redact(one.source))) if one else word
        if seen.setdefault(name, told) != told:
            # what is no URI may hold credentials wherever they do not belong, so it is not shown
            raise UsageError("ATOM-9001", f"'{name}' is asked for in two ways", note=f"{seen[name]}\n{told}" if one else "",
                             hint="give one of them")  # fmt: skip


def state(host: Host, files: Files, asked: Asked) -> bytes:
    """The manifest with pins, sources or packages put in. Raises UsageError ATOM-9001, ConflictError ATOM-8730, and as sources and editing."""
    if asked.kind == DEBIAN:
        return _packages(host, files, asked)
    from git_atom.core import manifest_edit

    data = files.data
    for word in asked.words:
        name, equals, what = word.partition("=")
        if not name or not equals or not what:
            # the word may hold credentials wherever they do not belong, so it is not shown
            raise UsageError("ATOM-9001", f"'--{asked.kind}' takes {_FORMS[asked.kind]}", hint="git atom add -h")
        if asked.kind == PIN:
            data = manifest_edit.put(data, ("pins", name), _pin(host, files, name, what, asked.entry))
            continue
        values = _src(host, files, what)
        old = next((src for src in files.value.srcs if src.name == name), None)
        for key in ("url", "debian", "path", *(() if "path" in values else ("adopt",))):
            if old is not None and key not in values:
                data = manifest_edit.drop_key(data, ("srcs", name), key)
        if asked.adopt:
            values["adopt"] = asked.adopt
        uses = tuple(use for use in USES if use in asked.uses)
        data = manifest_edit.put(data, ("srcs", name), values | ({"for": uses} if uses else {}))
    return data


def _pin(host: Host, files: Files, name: str, what: str, entry: str) -> dict[str, str]:
    """The keys of a pin. A source that is left out is that of the pin as it is; a ref that is left out stays, or is HEAD."""
    source, ref = _split(what)
    old = next((pin for pin in files.value.pins if pin.name == name), None)
    if not source and old is None:
        raise UsageError("ATOM-9001", f"'{name}={what}' names no repository", note=f"there is no pin '{name}' yet",
                         hint=f"write {_FORMS[PIN]}")  # fmt: skip
    values = {"git": _public(host, source)} if source else {}
    if ref or old is None:
        values["ref"] = ref or "HEAD"
    return values | ({"entry": entry} if entry else {})


def _split(what: str) -> tuple[str, str]:
    """A repository and a ref, split at the last '@' that has a whole source before it and what can be a ref behind it."""
    source, at, ref = what.rpartition("@")
    if not at or not ref or ":" in ref:
        return what, ""
    try:
        return (uri.check_source(source) if source else ""), ref
    except AtomError:
        return what, ""  # that '@' is one of user@host


def _src(host: Host, files: Files, what: str) -> dict[str, str | tuple[str, ...]]:
    """The keys of a source: a package of Debian, a URL, or a path of this repository as seen from the manifest."""
    if what.startswith(_PACKAGE):
        return {"debian": what.removeprefix(_PACKAGE)}
    if "://" in what or uri.kind(what) == "alias":
        return {"url": _public(host, what)}
    return {"path": os.path.relpath(os.path.normpath(os.path.join(files.folder, what)), files.folder)}


def _public(host: Host, source: str) -> str:
    """A source as it may stand in a manifest: aliases expanded, a path made absolute, credentials left out."""
    text = expanded(source, host.environ, host.cwd)
    return asking.locate(host, text) if uri.kind(text) == "path" else without_credentials(host, text)


def without_credentials(host: Host, url: str) -> str:
    """A URL as it may stand in a manifest; who gave credentials with it is told that they do not."""
    if uri.has_credentials(url):
        host.progress.say("credentials are not written down; git's credential helpers give them when they are needed")
    return uri.public(url)


def _packages(host: Host, files: Files, asked: Asked) -> bytes:
    from git_atom.core import manifest_edit

    tools = files.value.toolchain
    packages = tuple(dict.fromkeys(asked.words))
    if tools is None:
        from git_atom.app.lock import starting

        return manifest_edit.put(
            files.data, ("toolchain",), {"suite": asked.suite or starting.suite(host), "debian": packages}
        )
    if tools.environment:
        raise ConflictError("ATOM-8730", f"the toolchain of '{files.value.name}' is the environment '{tools.environment}'", where=files.manifest,
                            hint="add the packages to that environment, or take 'environment' out of [toolchain]")  # fmt: skip
    data = manifest_edit.put(files.data, ("toolchain",), {"suite": asked.suite} if asked.suite else {})
    new = [package for package in packages if package not in tools.debian]
    return manifest_edit.put_items(data, ("toolchain",), "debian", new) if new else data


# ---- taking out ----------------------------------------------------------------------------------------------------------


def without(files: Files, names: Sequence[str], kind: str) -> bytes:
    """The manifest without these names, of one kind or of whichever they are. Raises NegativeError ATOM-8708, ConflictError ATOM-8731, ATOM-1026."""
    from git_atom.core import manifest_edit

    tables = {one: known for one, known in _names(files.value).items() if kind in ("", one)}
    every = {name for known in tables.values() for name in known}
    data, left = files.data, len(tables.get(DEBIAN, ()))
    for name in dict.fromkeys(names):
        found = [one for one in tables if name in tables[one]]
        if not found:
            raise unknown(name, every, files.manifest)
        if len(found) > 1:
            words = " and a ".join(_WORDS[one] for one in found)
            raise ConflictError("ATOM-8731", f"'{name}' is the name of a {words}", where=files.manifest,
                                note="\n".join(_table(one, name) for one in found), hint=f"git atom remove --{found[-1]} {shell(name)}")  # fmt: skip
        if found[0] != DEBIAN:
            data = manifest_edit.drop(data, (f"{found[0]}s", name))
            continue
        left -= 1
        if left:
            data = manifest_edit.drop_item(data, ("toolchain",), "debian", name)
        else:
            data = manifest_edit.drop(data, ("toolchain",))
    return data


def _names(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    tools = manifest.toolchain
    return {
        DEP: tuple(dep.name for dep in manifest.deps), PIN: tuple(pin.name for pin in manifest.pins),
        SRC: tuple(src.name for src in manifest.srcs), DEBIAN: tools.debian if tools else (),
    }  # fmt: skip


def _table(kind: str, name: str) -> str:
    return f"[toolchain] debian: {name}" if kind == DEBIAN else f"[{kind}s.{name}]"


# ---- telling -------------------------------------------------------------------------------------------------------------


def differences(old: Manifest, new: Manifest) -> tuple[str, ...]:
    """What is other in a manifest, a line each: `+`, `-` or `~` and the requirement."""
    was, now = dict(_told(old)), dict(_told(new))
    out = []
    for key in sorted(was.keys() | now.keys(), key=lambda key: (KINDS.index(key[0]), key[1])):
        if was.get(key) != now.get(key):
            sign = "+" if key not in was else "-" if key not in now else "~"
            out.append(f"{sign} {now.get(key) or was[key]}")
    return tuple(out)


def _told(manifest: Manifest) -> Iterator[tuple[tuple[str, str], str]]:
    yield from (((DEP, dep.name), _dep_told(dep)) for dep in manifest.deps)
    yield from (((PIN, pin.name), _pin_told(pin)) for pin in manifest.pins)
    yield from (((SRC, src.name), _src_told(src)) for src in manifest.srcs)
    if manifest.toolchain and manifest.toolchain.debian:
        yield (DEBIAN, ""), f"suite {manifest.toolchain.suite}"
        yield from (((DEBIAN, name), f"package {name}") for name in manifest.toolchain.debian)


def _dep_told(dep: Dep) -> str:
    asks = f" with {', '.join(map(variant.text, dep.asks))}" if dep.asks else ""
    return f"{dep.url or dep.path}::{dep.name}@{dep.requirement}" + _for(dep.uses, ("build", "run")) + asks


def _pin_told(pin: Pin) -> str:
    return f"pin {pin.name} = {pin.git}@{pin.ref}" + (f" {pin.entry}" if pin.entry else "")


def _src_told(src: Src) -> str:
    what = src.url or src.path or _PACKAGE + src.debian
    return (
        f"source {src.name} = {what}" + (f" adopted from {src.adopt}" if src.adopt else "") + _for(src.uses, ("build",))
    )


def _for(uses: tuple[str, ...], usual: tuple[str, ...]) -> str:
    return "" if uses == usual else f" for {', '.join(uses)}"
