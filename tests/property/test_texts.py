"""Laws of the texts people and programs write: URI, version, requirement, lock, manifest."""

from __future__ import annotations

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from git_atom.core import lock as locks
from git_atom.core import manifest, toml_place, uri
from git_atom.core.digest import Digest, Oid, of_bytes
from git_atom.core.lock import (
    Fetch,
    Lock,
    LockedAtom,
    LockedDep,
    LockedPackage,
    LockedPin,
    LockedSet,
    LockedSub,
    LockedToolchain,
    LockedVariant,
)
from git_atom.core.name import check_name, skeleton
from git_atom.core.uri import Uri
from git_atom.core.version import Requirement, Version
from git_atom.errors import AtomError

ascii_names = st.from_regex(r"[a-z][a-z0-9_-]{0,12}", fullmatch=True).filter(
    lambda n: n not in ("con", "prn", "aux", "nul", "head")
)
numbers = st.integers(0, 12)
pre = st.lists(
    st.one_of(st.integers(0, 30).map(str), st.from_regex(r"[a-z][a-z0-9-]{0,3}", fullmatch=True)), max_size=3
).map(".".join)
version_texts = st.builds(
    lambda a, b, c, p: f"{a}.{b}.{c}" + (f"-{p}" if p else ""), numbers, numbers, numbers, pre
).filter(lambda t: not t.endswith(".lock"))
versions = version_texts.map(Version.parse)
partial = st.one_of(version_texts, st.builds("{}.{}".format, numbers, numbers), numbers.map(str))
terms = st.one_of(
    st.just("*"), st.builds("{}{}".format, st.sampled_from(["^", "~", ">=", "<=", ">", "<", "=", ""]), partial)
)
requirement_texts = st.lists(st.lists(terms, min_size=1, max_size=3).map(", ".join), min_size=1, max_size=3).map(
    " || ".join
)
hosts = st.from_regex(r"[a-z]{1,6}\.example", fullmatch=True)
paths = st.from_regex(r"(/[a-z0-9._~+ -]{1,6}){1,3}", fullmatch=True)
sources = st.one_of(
    st.just(""),
    st.builds("{}://{}{}".format, st.sampled_from(["https", "http", "ssh", "git"]), hosts, paths),
    st.builds("git@{}:{}".format, hosts, paths),
    st.builds("..{}".format, paths),
    st.builds("+{}{}".format, ascii_names, paths),
    st.builds("file://{}{}".format, st.sampled_from(["", "localhost"]), paths),
    st.builds("{}://{}{}:{}{}".format, st.sampled_from(["https", "ssh"]), st.sampled_from(["", "me@", "me:pw@"]),
              st.one_of(hosts, st.just("[::1]")), st.integers(1, 65535), paths),
    st.builds("{}+{}{}{}".format, st.sampled_from(["", "git@", "ssh://", "https://me@"]), ascii_names,
              st.sampled_from(["", ":o/r", "/x", ":2222/x"]), st.one_of(st.just(""), paths)),
    st.builds("{}{}".format, st.sampled_from(["/srv", "~", ".", "~me", "a b"]), paths),
)  # fmt: skip


@given(versions)
def test_version_text_is_a_fixpoint(version: Version) -> None:
    assert Version.parse(str(version)) == version


@given(versions, versions, versions)
def test_versions_are_in_one_order(a: Version, b: Version, c: Version) -> None:
    assert (a < b) + (a == b) + (a > b) == 1
    assert (a == b) == (str(a) == str(b))
    assert not (a < b and b < c) or a < c
    if a.prerelease:
        assert a < Version(a.major, a.minor, a.patch)


@given(requirement_texts, versions)
def test_requirement_laws(text: str, version: Version) -> None:
    wanted = Requirement.parse(text)
    again = Requirement.parse(str(wanted))
    assert again == wanted
    assert wanted.allows(version) == any(Requirement((one,)).allows(version) for one in wanted.alternatives)
    for one in wanted.alternatives:
        if Requirement((one,)).allows(version) and not version.prerelease:
            assert all(Requirement(((term,),)).allows(version) for term in one)


@given(versions)
def test_operators(v: Version) -> None:
    for op in ("^", "~", "=", ">=", "<="):
        assert Requirement.parse(f"{op}{v}").allows(v)
    for op in ("<", ">"):
        assert not Requirement.parse(f"{op}{v}").allows(v)
    assert not Requirement.parse(f"^{v}").allows(Version(v.major + 1, 0, 0))
    assert not Requirement.parse(f"~{v}").allows(Version(v.major, v.minor + 1, 0))
    assert Requirement.parse("*").allows(v) == (not v.prerelease)


@given(versions, versions)
def test_caret_is_an_interval(low: Version, v: Version) -> None:
    if Requirement.parse(f"^{low}").allows(v):
        assert low <= v and Requirement.parse(f">={low}").allows(v)


@given(sources, ascii_names, st.one_of(st.none(), requirement_texts))
def test_uri_is_a_fixpoint(source: str, name: str, wanted: str | None) -> None:
    text = (f"{source}::" if source else "") + name + (f"@{wanted}" if wanted else "")
    try:
        parsed = Uri.parse(text)
    except AtomError:
        return
    assert (parsed.source, parsed.name) == (source, name)
    assert Uri.parse(str(parsed)) == parsed


@given(sources.filter(bool))
def test_what_may_be_written_down_is_a_fixpoint(source: str) -> None:
    try:
        uri.check_source(source)
        shown = uri.public(source)
    except AtomError as error:
        assert error.exit == 7
        return
    assert not uri.has_credentials(shown) and uri.public(shown) == shown and uri.check_source(shown) == shown
    assert uri.kind(shown) == uri.kind(source)
    assert not uri.has_credentials(source) or "pw" not in uri.redact(source).split("@")[0]


@given(sources.filter(bool), st.dictionaries(st.sampled_from(["a", "b", "c"]), sources, max_size=3))
def test_expansion_ends_and_is_a_fixpoint(source: str, aliases: dict[str, str]) -> None:
    before, plus, rest = source.partition("+")
    name = rest.partition("/")[0].partition(":")[0]
    source = f"{before}+{sorted(aliases)[0]}{rest[len(name) :]}" if plus and aliases else source
    try:
        whole = uri.expand(source, aliases.get)
    except AtomError as error:
        assert error.code in ("ATOM-1014", "ATOM-1015", "ATOM-1016")
        return
    assert uri.kind(whole) != "alias" and uri.expand(whole, aliases.get) == whole
    assert uri.kind(source) == "alias" or whole == source


@given(st.text(max_size=60))
def test_texts_never_crash(text: str) -> None:
    for read in (Uri.parse, Version.parse, Requirement.parse, check_name, locks.parse_edge):
        try:
            read(text)
        except AtomError as error:
            assert error.exit == 7


@given(st.text(max_size=20))
def test_names(text: str) -> None:
    try:
        name = check_name(text)
    except AtomError:
        return
    assert check_name(name, exact=True) == name and len(name.encode()) <= 128
    assert skeleton(name) == skeleton(name.upper()) or not name.isascii()


# ---- locks -------------------------------------------------------------------------------------------------------------

digests = st.binary(min_size=1, max_size=4).map(of_bytes)
oids = st.binary(min_size=20, max_size=20).map(lambda b: Oid(b.hex()))
texts = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)


@st.composite
def lock_values(draw: st.DrawFn) -> Lock:
    anchors = draw(st.lists(digests, max_size=2, unique=True))
    names = draw(st.lists(ascii_names, max_size=5, unique=True))
    edges = [(draw(st.sampled_from(["", *anchors])), name) for name in names]
    atoms = tuple(
        LockedAtom(edge[0], edge[1], draw(versions), draw(oids) if edge[0] else "", draw(digests),
                   tuple(draw(st.lists(st.sampled_from(edges), max_size=2))), (), tuple(draw(st.lists(st.sampled_from(["x", "tls=none"]), max_size=2))))
        for edge in edges
    )  # fmt: skip
    used = {edge[0] for edge in edges} - {""}
    variants = tuple(LockedVariant(f"v{i}", draw(texts)) for i in range(draw(st.integers(0, 2))))
    left = [draw(st.sampled_from(["", *used])) for _ in range(draw(st.integers(0, 2)))] if variants else []
    uses = st.lists(st.sampled_from(["build", "run", "test"]), min_size=1, unique=True).map(tuple)
    return Lock(
        tuple(LockedSet(Digest(a), draw(oids), tuple(draw(st.lists(texts, max_size=2)))) for a in used),
        tuple(LockedDep(f"k{i}", edge, draw(uses)) for i, edge in enumerate(edges))
        + tuple(LockedDep(f"l{i}", (anchor, f"left{i}"), (), "" if anchor else draw(versions)) for i, anchor in enumerate(left)),
        atoms,
        tuple(LockedPin(f"p{i}", draw(texts), draw(texts), draw(st.just("") | texts), draw(oids), draw(digests)) for i in range(draw(st.integers(0, 2)))),
        tuple(LockedSub(f"s{i}", draw(oids), draw(digests)) for i in range(draw(st.integers(0, 2)))),
        tuple(Fetch(f"f{i}", draw(texts), draw(digests), draw(st.integers(0, 2**50)), draw(st.just("") | texts), "", draw(st.booleans()))
              for i in range(draw(st.integers(0, 3)))),
        tuple(LockedToolchain(f"t{i}", draw(digests), draw(texts), tuple(draw(st.lists(texts, max_size=2))), "",
                              tuple(LockedPackage(f"{n}", "1", "amd64", draw(digests)) for n in range(draw(st.integers(0, 3)))))
              for i in range(draw(st.integers(0, 2)))),
        variants,
    )  # fmt: skip


@settings(max_examples=60)
@given(lock_values(), st.randoms())
def test_lock_has_one_text(lock: Lock, random: object) -> None:
    data = locks.format(lock)
    parsed = locks.parse(data)
    assert locks.format(parsed) == data
    tomllib.loads(data.decode())
    shuffled = parsed._replace(
        **{f: tuple(random.sample(getattr(parsed, f), len(getattr(parsed, f)))) for f in Lock._fields}
    )  # type: ignore[attr-defined]
    assert locks.format(shuffled) == data


@settings(max_examples=60)
@given(lock_values(), st.data())
def test_damaged_lock_is_refused_or_another(lock: Lock, data: st.DataObject) -> None:
    text = bytearray(locks.format(lock))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255))
    try:
        parsed = locks.parse(bytes(text))
    except AtomError as error:
        assert error.exit == 7
    else:
        assert locks.format(parsed) == bytes(text)


# ---- manifests -----------------------------------------------------------------------------------------------------------

words = st.sampled_from(
    ["[", "]", "[[", "]]", "{", "}", "=", ".", ",", "\n", " ", '"', "'", '"""', "#", "\\", "atom", "id", "version", "deps", "zlib", "url",
     "path", "srcs", "build", "run", "type", '"x"', "1", "true", "1.0.0", "-", "a.b", "\t", "\r", "\u00e9", "\x00", "1979-05-27"],
)  # fmt: skip


@settings(max_examples=300)
@given(st.one_of(st.lists(words, max_size=40).map("".join).map(str.encode), st.binary(max_size=80)))
def test_manifest_never_crashes(data: bytes) -> None:
    try:
        manifest.parse(data)
    except AtomError as error:
        assert error.exit == 7


json_like = st.recursive(
    st.one_of(st.booleans(), st.integers(-5, 5), st.text(max_size=4)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "url", "path", "run", "x", "a b"]), inner, max_size=3)
    ),
    max_leaves=8,
)
tops = st.sampled_from(
    ["atom", "deps", "pins", "srcs", "toolchain", "build", "test", "platform", "provide", "support", "dist", "x"]
)


@settings(max_examples=200)
@given(st.dictionaries(tops, json_like, max_size=5))
def test_well_formed_nonsense_is_told_with_places(value: dict[str, object]) -> None:
    text = "".join(f"{key} = {_toml(item)}\n" for key, item in value.items())
    assert tomllib.loads(text) == value
    try:
        manifest.parse(text.encode(), "f")
    except AtomError as error:
        for one in getattr(error, "errors", [error]):
            assert one.where.startswith("f:") and one.where.split(":")[1].isdigit()
    found = toml_place.places(text)
    for key in value:
        line, column = found[(key,)]
        assert column == 1 and text.split("\n")[line - 1].startswith(key)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08X}" for c in value) + '"'
    return str(value)
