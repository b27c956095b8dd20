"""`atom.toml`, the manifest (design section 5): static TOML read into values, every error in one pass with line and column.

Only what can be known from the bytes alone is checked here; whether paths exist or versions can be had is for `app/`. Format page:
gitatom-manifest(5).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from git_atom.core import platform, uri, variant
from git_atom.core.name import check_name
from git_atom.core.platform import Platform
from git_atom.core.toml_place import Path, Place, check, places
from git_atom.core.toml_read import Notes, Table, near
from git_atom.core.version import ANY, Requirement, Version
from git_atom.errors import MalformedError

FILE = "atom.toml"
OWN = "atom"  # directory below /build that holds the atom's own files
ENVIRONMENT = "environment"
TYPES = ("package", ENVIRONMENT, "generator")
USES = ("build", "run", "test")
SYSTEMS = ("autotools", "cmake", "meson", "make", "python")
ADOPTS = ("cargo", "npm", "pypi", "go")
MAX_HINTS = 4  # of candidates: looking for like names takes time
FORMATS = ("composefs", "oci", "tar", "dir", "deb", "cyclonedx", "spdx", "slsa", "nar")

# patterns are compiled by re when they are first used: starting must be quick
_DEBIAN_PACKAGE = r"(?a)[a-z0-9][a-z0-9.+-]+"  # Debian Policy 5.6.1
_SUITE = r"(?a)[a-z0-9][a-z0-9.-]*(?:/[a-z0-9.-]+)?"
_PLACEHOLDER = r"\$\{([^}]*)\}"
_LABEL = r"(?a)[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}"
_REF = r"(?!.*(?:\.\.|//|@\{|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\/.-][^\x00-\x20\x7f~^:?*\[\\]*(?<![./])"


class Meta(NamedTuple):
    """[atom.meta]: what people want to know."""

    description: str = ""
    license: str = ""
    maintainers: tuple[str, ...] = ()


class Dep(NamedTuple):
    """[deps.<name>]: another atom, of a repository (url) or of this one (path, relative to the manifest's directory)."""

    name: str
    url: str
    path: str
    requirement: Requirement
    uses: tuple[str, ...]  # of build, run, test
    asks: tuple[variant.Ask, ...] = ()  # the variants it is to have


class Pin(NamedTuple):
    """[pins.<name>]: what is laid out at /build/<name> from any git repository at a ref: a path in it, or all of it ("")."""

    name: str
    git: str
    ref: str
    entry: str


class Src(NamedTuple):
    """[srcs.<name>]: something unpacked to /build/<name>; exactly one of url, debian, path is set. url has ${version} expanded."""

    name: str
    url: str
    debian: str
    path: str
    adopt: str  # "" or the ecosystem whose lockfile `path` is
    uses: tuple[str, ...]  # of build, test


class Toolchain(NamedTuple):
    """[toolchain]: packages of a distribution's suite, or a published environment atom."""

    suite: str
    debian: tuple[str, ...]
    environment: str
    url: str
    requirement: Requirement

    @property
    def atom(self) -> Dep | None:
        """The environment as something this atom depends on to be built; None for packages of a distribution."""
        return Dep(self.environment, self.url, "", self.requirement, ("build",)) if self.environment else None


class Build(NamedTuple):
    """[build]: shell commands as written, or the short form's name; `commands` gives what really runs."""

    run: tuple[str, ...] = ()
    system: str = ""

    @property
    def commands(self) -> tuple[str, ...]:
        """The shell commands to run in /build/src, the short form expanded; ${jobs} and ${out} are variables of their environment."""
        return self.run or COMMANDS.get(self.system, ())


class Test(NamedTuple):
    """[test]: shell commands, and globs of files of this directory that only tests need."""

    run: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class Dist(NamedTuple):
    """[dist]: the forms a release is exported in."""

    formats: tuple[str, ...] = ()


class Manifest(NamedTuple):
    """A manifest read and checked. provide: variant -> candidates; support: variant -> arguments, or whether it is on."""

    name: str
    version: Version
    type: str
    meta: Meta
    deps: tuple[Dep, ...]
    pins: tuple[Pin, ...]
    srcs: tuple[Src, ...]
    toolchain: Toolchain | None
    build: Build
    test: Test
    platform: tuple[Platform, ...]
    provide: variant.Provide
    support: variant.Support
    dist: Dist


# what the short form `system = "..."` stands for
COMMANDS: dict[str, tuple[str, ...]] = {
    "autotools": ("./configure --prefix=/usr", "make -j${jobs}", "make install DESTDIR=${out}"),
    "cmake": (
        "cmake -S . -B _build -DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_BUILD_TYPE=Release",
        "cmake --build _build -j ${jobs}",
        "DESTDIR=${out} cmake --install _build",
    ),
    "meson": (
        "meson setup _build --prefix=/usr --buildtype=release",
        "ninja -C _build -j ${jobs}",
        "DESTDIR=${out} meson install -C _build --no-rebuild",
    ),
    "make": ("make -j${jobs}", "make install PREFIX=/usr prefix=/usr DESTDIR=${out}"),
    "python": ("python3 -m pip install --no-index --no-build-isolation --no-deps --prefix=/usr --root=${out} .",),
}


def parse(data: bytes, where: str = FILE) -> Manifest:
    """Read a manifest. Raises MalformedError for a text that is not TOML or over a limit, else ManyErrors with all that is wrong."""
    text = check(data, where)
    raw = _toml(text, where)
    notes = Notes()
    manifest = _manifest(Table(raw, (), notes))
    notes.report(text, where)
    return manifest


def place(data: bytes, where: str, path: Path) -> str:
    """`file:line` of a key of a manifest that parses, for explanations that point at it; the file alone when it is not there."""
    found = _places(data).get(path)
    return f"{where}:{found[0]}" if found else where


@lru_cache(maxsize=4)
def _places(data: bytes) -> dict[Path, Place]:
    """Where everything stands in a manifest that parses; asked once for each of its keys."""
    return places(check(data, FILE))


def _toml(text: str, where: str) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        said = str(error) or "nested too deeply"
        at = re.search(r" \(at line (\d+), column (\d+)\)$", said)
        end = f"{text.count(chr(10)) + 1}:1" if "end of document" in said else ""
        spot = f"{at[1]}:{at[2]}" if at else end
        what = re.sub(r" \(at [^)]*\)$", "", said).strip().rstrip(".")
        raise MalformedError(
            "ATOM-1025",
            f"the manifest is not TOML: {what[:1].lower()}{what[1:200]}",
            where=f"{where}:{spot}" if spot else where,
            hint="strings stand in double quotes, lists in [ ]; see gitatom-manifest(5)",
        ) from error


def _manifest(top: Table) -> Manifest:
    name, version, kind, meta = _atom(top)
    deps = tuple(_dep(label, table) for label, table in top.tables("deps"))
    pins = tuple(_pin(label, table) for label, table in top.tables("pins"))
    srcs = tuple(_src(label, table, version) for label, table in top.tables("srcs"))
    toolchain = _toolchain(top)
    build = _build(top)
    test = _test(top)
    platforms = _platforms(top)
    provide, support = variant.read(top)
    _candidates(top, provide, deps, toolchain)
    dist = Dist()
    if (table := top.table("dist")) is not None:
        dist = Dist(table.choices("formats", FORMATS, ()))
        table.done()
    top.done()
    _by_type(top, kind)
    for dep in deps:
        if dep.name == name and dep.url == "" and dep.path in (".", "./"):
            top.notes.add(
                ("deps", dep.name), "ATOM-1024", f"'{name}' depends on itself", hint="take that dependency out"
            )
    _apart(top, pins, srcs)
    for src in srcs:
        if src.debian and (toolchain is None or not toolchain.suite):
            top.notes.add(("srcs", src.name, "debian"), "ATOM-1024", f"'debian' of [srcs.{src.name}] needs a suite",
                          hint='add [toolchain] with suite = "..."')  # fmt: skip
    return Manifest(
        name, version, kind, meta, deps, pins, srcs, toolchain, build, test, platforms, provide, support, dist
    )


def _atom(top: Table) -> tuple[str, Version, str, Meta]:
    table = top.table("atom")
    if table is None:
        if "atom" not in top.value:
            top.wrong("", "ATOM-1022", "the manifest lacks the table '[atom]'", hint="git atom new <dir> writes one")
        return "", Version(0, 0, 0), "package", Meta()
    name = table.parsed("id", lambda text: check_name(text, exact=True), required=True) or ""
    version = table.parsed("version", Version.parse, required=True) or Version(0, 0, 0)
    kind = table.choice("type", TYPES, "package")
    meta = Meta()
    if (inner := table.table("meta")) is not None:
        meta = Meta(inner.text("description"), inner.text("license"), inner.texts("maintainers"))
        inner.done()
    table.done()
    return name, version, kind, meta


def _apart(top: Table, pins: tuple[Pin, ...], srcs: tuple[Src, ...]) -> None:
    """Pins and sources lie side by side below /build, with the atom's own files at /build/atom."""
    names = {src.name for src in srcs}
    for pin in pins:
        if pin.name in names:
            top.notes.add(("pins", pin.name), "ATOM-1024", f"'{pin.name}' is the name of a source, too",
                          f"both would lie at /build/{pin.name}")  # fmt: skip
    for section, name in [*(("pins", pin.name) for pin in pins), *(("srcs", src.name) for src in srcs)]:
        if name == OWN:
            top.notes.add((section, name), "ATOM-1024", f"'{OWN}' cannot name a table here",
                          f"/build/{OWN} holds the atom's own files")  # fmt: skip


def _by_type(top: Table, kind: str) -> None:
    """Each type has its own schema: an environment is put together, not built; a generator must say how it runs."""
    if kind == ENVIRONMENT:
        for key in ("pins", "srcs", "build", "test"):
            if key in top.value:
                top.wrong(key, "ATOM-1024", f"an environment has no [{key}]", "it is put together from its deps, not built",
                          'leave it out, or set type = "package"')  # fmt: skip
    if kind == "generator" and "build" not in top.value:
        top.wrong(
            "",
            "ATOM-1022",
            "a generator lacks the table '[build]'",
            hint="its commands write what it generates to ${out}",
        )


def _label(label: str, table: Table) -> None:
    if not re.fullmatch(_LABEL, label) or label.endswith((".lock", ".")) or ".." in label:
        table.wrong(
            "", "ATOM-1024", f"'{label[:100]}' cannot name a table here", "letters, digits, '.', '_', '+' and '-'"
        )


def _source(table: Table, key: str, required: bool = False) -> str:
    return table.parsed(key, _foreign, required) or ""


def _foreign(text: str) -> str:
    """A source that another machine can read just as well: no alias, no credentials, no relative path."""
    uri.check_source(text)
    problem, hint = "", ""
    if uri.kind(text) == "alias":
        problem, hint = (
            "it is an alias, which only this user knows",
            f"git atom uri '{text}::x' tells what it stands for",
        )
    elif uri.has_credentials(text):
        problem, hint = "it carries credentials, and what stands here is published", f"write '{uri.public(text)}'"
    elif uri.kind(text) == "path" and not text.startswith("/"):
        problem, hint = "it is a relative path", "an atom of this repository is given by 'path', another one by its URL"
    if problem:
        raise MalformedError("ATOM-1024", f"'{uri.redact(text)}' cannot stand in a manifest", note=problem, hint=hint)
    return text


def _path(table: Table, key: str, where_to: str = "relative to the manifest's directory") -> str:
    """A relative path; it may climb with leading `..` (to elsewhere in the repository), never be absolute or empty."""
    text = table.text(key)
    if key in table.value and isinstance(table.value[key], str):
        rest = text.rstrip("/").split("/")
        while rest and rest[0] in ("..", "."):
            rest.pop(0)
        if not text or text.startswith(("/", "~", "-")) or "\\" in text or any(p in ("", ".", "..") for p in rest):
            what = f"'{text[:200]}' is not a path of this repository"
            table.wrong(key, "ATOM-1024", what, f"a path is {where_to}, with forward slashes")
            return ""
    return text


def _one_of(table: Table, keys: tuple[str, ...]) -> None:
    given = [key for key in keys if key in table.value]
    if len(given) != 1:
        said = f"has both '{given[0]}' and '{given[1]}'" if given else f"lacks {' or '.join(repr(k) for k in keys)}"
        table.wrong(
            given[1] if given else "", "ATOM-1024", f"{table.shown} {said}", f"exactly one of {', '.join(keys)}"
        )


def _dep(label: str, table: Table) -> Dep:
    _one_of(table, ("url", "path"))
    if "path" in table.value:
        _label(label, table)
    else:
        try:
            check_name(label, exact=True)
        except MalformedError as error:
            table.wrong("", error.code, error.what, error.note, error.hint)
    url, path = _source(table, "url"), _path(table, "path")
    requirement = table.parsed("version", Requirement.parse) or ANY
    uses = table.choices("for", USES, ("build", "run"))
    asks = variant.asks(table)
    table.done()
    return Dep(label, url, path, requirement, uses, asks)


def _pin(label: str, table: Table) -> Pin:
    _label(label, table)
    git = _source(table, "git", required=True)
    ref = table.text("ref", required=True)
    if ref and (not re.fullmatch(_REF, ref) or len(ref) > 255):
        table.wrong("ref", "ATOM-1024", f"'{ref[:200]}' is not the name of a ref")
    entry = _path(table, "entry", "relative to the top of the pinned repository")
    if entry.startswith(".."):
        table.wrong("entry", "ATOM-1024", f"'{entry}' leads out of the pinned repository")
    table.done()
    return Pin(label, git, ref, entry)


def _src(label: str, table: Table, version: Version) -> Src:
    _label(label, table)
    _one_of(table, ("url", "debian", "path"))
    url = _fetch_url(table, version)
    debian = table.text("debian")
    if debian and not re.fullmatch(_DEBIAN_PACKAGE, debian):
        table.wrong("debian", "ATOM-1024", f"'{debian}' is not the name of a Debian source package")
    path = _path(table, "path")
    adopt = table.choice("adopt", ADOPTS)
    if adopt and "path" not in table.value:
        table.wrong("adopt", "ATOM-1024", f"'adopt' of {table.shown} needs a 'path'", "the upstream lockfile to adopt")
    uses = table.choices("for", ("build", "test"), ("build",))
    table.done()
    return Src(label, url, debian, path, adopt, uses)


def _fetch_url(table: Table, version: Version) -> str:
    def expanded(text: str) -> str:
        for name in re.findall(_PLACEHOLDER, text):
            if name != "version":
                raise MalformedError(
                    "ATOM-1024", f"'${{{name[:60]}}}' means nothing in a URL", note="only ${version} does"
                )
        text = re.sub(_PLACEHOLDER, str(version), text)
        scheme = text.partition("://")[0].lower()
        uri.check_source(text)
        if scheme not in ("https", "http", "file"):
            raise MalformedError(
                "ATOM-1024", f"'{text}' cannot be fetched", note="a source's URL is https, http or file"
            )
        return _foreign(text)

    return table.parsed("url", expanded) or ""


def _toolchain(top: Table) -> Toolchain | None:
    table = top.table("toolchain")
    if table is None:
        return None
    _one_of(table, ("debian", "environment"))
    suite, debian = table.text("suite"), table.texts("debian")
    if suite and not re.fullmatch(_SUITE, suite):
        table.wrong("suite", "ATOM-1024", f"'{suite}' is not the name of a suite", "such as bookworm")
    for index, package in enumerate(debian):
        if not re.fullmatch(_DEBIAN_PACKAGE, package):
            table.notes.add(
                ("toolchain", "debian", index), "ATOM-1024", f"'{package}' is not the name of a Debian package"
            )
    environment = table.parsed("environment", lambda text: check_name(text, exact=True)) or ""
    url = _source(table, "url")
    requirement = table.parsed("version", Requirement.parse) or ANY
    table.done()
    if "debian" in table.value:
        if "suite" not in table.value:
            table.wrong("", "ATOM-1022", "[toolchain] lacks the key 'suite'", hint='add suite = "bookworm"')
        for key in ("url", "version"):
            if key in table.value:
                table.wrong(key, "ATOM-1024", f"'{key}' of [toolchain] goes with 'environment', not with 'debian'")
    elif "environment" in table.value and "url" not in table.value:
        table.wrong(
            "", "ATOM-1022", "[toolchain] lacks the key 'url'", hint="say which repository publishes the environment"
        )
    return Toolchain(suite, tuple(dict.fromkeys(debian)), environment, url, requirement)


def _build(top: Table) -> Build:
    table = top.table("build")
    if table is None:
        return Build()
    _one_of(table, ("run", "system"))
    build = Build(_commands(table), table.choice("system", SYSTEMS))
    table.done()
    return build


def _commands(table: Table) -> tuple[str, ...]:
    run = table.texts("run")
    if any(not line.strip() for line in run) or (not run and isinstance(table.value.get("run"), list)):
        table.wrong(
            "run",
            "ATOM-1024",
            f"'run' of {table.shown} has an empty command" if run else f"'run' of {table.shown} is empty",
        )
    return run


def _test(top: Table) -> Test:
    table = top.table("test")
    if table is None:
        return Test()
    files = table.texts("files")
    for index, glob in enumerate(files):
        if not glob or glob.startswith("/") or "\\" in glob or any(p in ("", ".", "..") for p in glob.split("/")):
            table.notes.add(("test", "files", index), "ATOM-1024", f"'{glob[:200]}' is not a glob below this directory")
    test = Test(_commands(table), files)
    table.done()
    return test


def _platforms(top: Table) -> tuple[Platform, ...]:
    table = top.table("platform")
    if table is None:
        return ()
    found: list[Platform] = []
    for index, text in enumerate(table.texts("supported")):
        try:
            found += platform.expand(text)
        except MalformedError as error:
            table.notes.add(("platform", "supported", index), error.code, error.what, error.note)
    if len(found) > platform.MAX_ROWS:
        table.wrong("supported", "ATOM-1024", f"'supported' of [platform] stands for more than {platform.MAX_ROWS} platforms")  # fmt: skip
    table.done()
    return tuple(dict.fromkeys(found))


def _candidates(top: Table, provide: variant.Provide, deps: tuple[Dep, ...], toolchain: Toolchain | None) -> None:
    """Each candidate is a key of [deps], `none`, or a package of the distribution that the toolchain is of."""
    keys = {dep.name: None for dep in deps} | {variant.NONE: None}
    distribution = toolchain is not None and not toolchain.environment
    wrong = 0
    note = "a candidate is a key of [deps], 'none', or a package of a [toolchain] with 'debian'; neither 'on' nor 'off'"
    for name, words in provide:
        written = {
            word: at for at, word in enumerate(top.value["provide"][name] if words else ()) if isinstance(word, str)
        }
        for word in words:
            switch = word in (variant.ON, variant.OFF)  # which say in a lock that a variant of [support] is so
            known = word in keys or (distribution and re.fullmatch(_DEBIAN_PACKAGE, word))
            if (known and not switch) or word not in written:
                continue  # what is not there as written was noted when it was read
            wrong += 1
            hint = near(word, tuple(keys)) if wrong <= MAX_HINTS else ""
            place = ("provide", name, written[word])
            top.notes.add(place, "ATOM-1024", f"'{word[:100]}' is no candidate for '{name}'", note, hint)
    if any(dep.name == variant.NONE for dep in deps) and any(variant.NONE in words for _, words in provide):
        top.notes.add(
            ("deps", variant.NONE), "ATOM-1024", "'none' is a dependency here, and a candidate that needs nothing"
        )
