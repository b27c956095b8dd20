"""The private apt state: what of the machine's sources it takes, what it lets reach apt, and what it tells when something is wrong."""

import os

import pytest

from git_atom.core.host import Host, Progress
from git_atom.errors import CannotError
from git_atom.ingest import apt
from git_atom.ingest.apt import AptState, Origin

BOOKWORM = {"ID": "debian", "VERSION_CODENAME": "bookworm"}
SOURCES = {
    "/etc/apt/sources.list": """\
# deb http://old.example/debian bookworm main
deb http://one.example/debian bookworm main contrib # both
deb-src http://one.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/own.gpg] http://one.example/security bookworm-security main
deb cdrom:[Debian]/ bookworm main
""",
    "/etc/apt/sources.list.d/third.list": "deb https://third.example/linux bookworm stable\n",
    "/etc/apt/sources.list.d/debian.sources": """\
Types: deb deb-src
# a comment between
URIs: http://two.example/debian http://three.example/debian
Suites: bookworm-updates bookworm
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://inline.example/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEXyz
 -----END PGP PUBLIC KEY BLOCK-----
""",
}


@pytest.fixture
def machine(monkeypatch):
    """A machine whose sources are SOURCES."""
    monkeypatch.setattr(
        apt.glob, "glob", lambda pattern: [p for p in SOURCES if p.endswith(pattern[-5:]) and "list.d" in p]
    )
    monkeypatch.setattr(apt, "_lines", lambda path: SOURCES.get(path, "").splitlines())
    monkeypatch.setattr(apt, "_os_release", lambda: BOOKWORM)


def host(place):
    return Host(str(place), os.environ, str(place), str(place / "cache"), str(place / "data"), "", 0, Progress())


def test_the_suites_mirrors_are_taken_and_no_others(machine):
    origins, borrowed = apt._origins("bookworm", BOOKWORM)
    assert not borrowed
    where = {(o.uri, o.suite, o.components) for o in origins}
    assert where == {
        ("http://one.example/debian", "bookworm", ("main", "contrib")),
        ("http://one.example/security", "bookworm-security", ("main",)),
        ("http://two.example/debian", "bookworm", ("main",)),
        ("http://two.example/debian", "bookworm-updates", ("main",)),
        ("http://three.example/debian", "bookworm", ("main",)),
        ("http://three.example/debian", "bookworm-updates", ("main",)),
        ("http://inline.example/debian", "bookworm", ("main",)),
    }
    keyrings = {o.uri: o.keyring for o in origins}
    assert keyrings["http://one.example/security"] == "/usr/share/keyrings/own.gpg"
    assert "\n" not in keyrings["http://inline.example/debian"]


def test_another_suite_borrows_the_mirrors(machine):
    origins, borrowed = apt._origins("trixie", BOOKWORM)
    assert borrowed
    assert {o.suite for o in origins} == {"trixie", "trixie-updates", "trixie-security"}
    rolling, _ = apt._origins("sid", BOOKWORM)
    assert {o.suite for o in rolling} == {"sid"}


@pytest.mark.parametrize("suite", ["", "../x", "book worm", "-o", "bookworm main\ndeb http://evil.example x"])
def test_a_suite_that_can_be_none_is_refused(machine, suite):
    with pytest.raises(CannotError) as caught:
        apt._origins(suite, BOOKWORM)
    assert caught.value.code == "ATOM-5001"


def test_no_mirror_is_told(monkeypatch):
    monkeypatch.setattr(apt, "_machine_origins", lambda: iter(()))
    with pytest.raises(CannotError) as caught:
        apt._origins("bookworm", BOOKWORM)
    assert caught.value.code == "ATOM-5001"
    assert "sources.list.d" in caught.value.hint


@pytest.mark.parametrize(
    "word",
    ["", "make-", "-oAPT::Update::Pre-Invoke::=id", "--simulate", "./x.deb", "/tmp/x.deb", "make/sid", "gcc.*", "gcc*", "?true", "~n.",
     "make=", "make=1 -y", "a\nb", "Make"],
)  # fmt: skip
def test_only_packages_reach_apt(machine, tmp_path, monkeypatch, word):
    state = AptState(host(tmp_path), "bookworm")
    monkeypatch.setattr(apt.proc, "run", lambda *a, **k: pytest.fail("apt was run"))
    with pytest.raises(CannotError) as caught:
        state.closure(["make", word])
    assert caught.value.code == "ATOM-5004"


@pytest.mark.parametrize(
    "word", ["g++", "libstdc++6", "libc6:amd64", "zlib1g=1:1.2.13.dfsg-1", "xz=1.0~rc1+b2-3", "0ad", "python3.11"]
)
def test_names_and_versions_of_packages(word):
    assert apt._PACKAGE.fullmatch(word)


def test_the_configuration_keeps_the_way_to_the_network_and_nothing_else(machine, tmp_path, monkeypatch):
    theirs = tmp_path / "apt.conf"
    theirs.write_text(
        'Acquire::http::Proxy "http://proxy.example:3128";\nAcquire::AllowInsecureRepositories "true";\n'
        'APT::Get::AllowUnauthenticated "true";\nAPT::Update::Pre-Invoke { "touch /tmp/never"; };\n'
        'APT::Install-Recommends "true";\nAcquire::IndexTargets::deb::Extra::MetaKey "x";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(theirs))
    state = AptState(host(tmp_path), "bookworm")
    os.makedirs(state.root)
    state._write_conf()
    lines = (tmp_path / "cache/apt/bookworm-bin/apt.conf").read_text().splitlines()
    last = {line.split()[0]: line for line in lines}
    assert 'Acquire::http::Proxy "http://proxy.example:3128";' in lines
    assert last["Acquire::AllowInsecureRepositories"].endswith('"false";')
    assert last["APT::Get::AllowUnauthenticated"].endswith('"false";')
    assert last["APT::Install-Recommends"].endswith('"false";')
    assert not [line for line in lines if "Invoke" in line or "IndexTargets" in line]


def test_names_of_files_carry_epochs_as_apt_writes_them():
    deb = apt.Deb("zlib1g", "1:1.2.13", "amd64", 1, "0" * 64)
    assert deb.file == "zlib1g_1%3a1.2.13_amd64.deb"


def test_a_source_line_of_every_kind_is_read(machine):
    assert Origin("http://one.example/debian", "bookworm", ("main", "contrib"), "") in set(apt._machine_origins())


def test_the_newest_of_the_lists_comes_first(machine, tmp_path, monkeypatch):
    said = "      dash | 0.5.12-3 | http://one.example/debian bookworm-updates/main amd64 Packages\n"
    said += "      dash | 0.5.12-2 | http://one.example/debian bookworm/main amd64 Packages\n"
    said += "       gcc | 4:12.2.0-3 | http://one.example/debian bookworm/main amd64 Packages\n"
    monkeypatch.setattr(AptState, "run", lambda self, argv: said.encode() if argv[-1] == "none" else pytest.fail())
    state = AptState(host(tmp_path), "bookworm")
    assert state.newest(["dash", "gcc", "none"]) == {"dash": "0.5.12-3", "gcc": "4:12.2.0-3"}
    assert state.newest([]) == {}
    with pytest.raises(CannotError):
        state.newest(["-oDir::Etc=x"])


def test_lists_are_kept_for_the_sources_they_were_fetched_from(tmp_path, monkeypatch):
    monkeypatch.setattr(
        apt, "_origins", lambda suite, release: ((Origin("http://one.example", suite, ("main",), ""),), False)
    )
    state = AptState(host(tmp_path), "bookworm")
    monkeypatch.setattr(apt.proc, "check", lambda *a, **k: b'APT::Architecture "amd64";\n')
    assert not state.kept()
    monkeypatch.setattr(AptState, "_apt", lambda self, argv: apt.proc.Done(0, b"", b""))
    state.refresh()
    assert state.kept()
    monkeypatch.setattr(
        apt, "_origins", lambda suite, release: ((Origin("http://two.example", suite, ("main",), ""),), False)
    )
    assert not AptState(host(tmp_path), "bookworm").kept()


@pytest.mark.parametrize(("word", "near"), [("dahs", "dash"), ("bahs", "bash"), ("zlib", "zlib1g")])
def test_a_name_with_letters_in_other_places_is_the_nearest(machine, tmp_path, monkeypatch, word, near):
    state = AptState(host(tmp_path), "bookworm")
    monkeypatch.setattr(state, "_apt", lambda argv: apt.proc.Done(0, b"dash\ndoas\nbash\nbats\nzlib1g\n", b""))
    assert state.unknown(word).hint == f"did you mean '{near}'?"
