"""Variants: chosen, asked for, locked, told, built with; and what is wrong with what asks for them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from test_choosing import locked, need
from test_lock import atom, published

__all__ = ["published"]
Publish = Callable[..., str]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def asking(url: str, name: str, *asks: str, wanted: str = "*") -> str:
    return need(url, name, wanted) + f"with = {json.dumps(asks)}\n"


def provide(name: str, *words: str) -> str:
    return f"[provide]\n{name} = {json.dumps(words)}\n"


def variants(folder: Path) -> dict[str, str]:
    """The variants in a lock: those of the atom itself, and those of its atoms as `<atom> with`."""
    lock: dict[str, Any] = tomllib.loads((folder / "atom.lock").read_text())
    out = {row["name"]: row["chosen"] for row in lock.get("variants", [])}
    return out | {f"{row['name']} with": ", ".join(row["with"]) for row in lock.get("atoms", []) if "with" in row}


# ---- choosing ------------------------------------------------------------------------------------------------------------


def test_the_first_candidate_unless_there_is_no_solution_with_it(
    home: Path, run: Run, project: Path, published: Publish
) -> None:
    open_, gnu = published("open", ("openssl", "3.0.0", "")), published("gnu", ("gnutls", "4.0.0", ""))
    deps = need(open_, "openssl") + need(gnu, "gnutls")
    atom(project, "app", more=deps + provide("tls", "openssl", "gnutls"))
    done = run("git", "atom", "lock", cwd=project)
    assert locked(project) == {"openssl": "3.0.0"} and variants(project) == {"tls": "openssl"}
    assert "+ variant tls openssl" in done.stderr
    first = (project / "atom.lock").read_bytes()
    assert b'key = "gnutls"\natom = "blake3:' in first  # where the other one is from is known to whoever takes it
    for flags in (("--locked",), ("--locked", "--offline"), ("--frozen",)):
        run("git", "atom", "lock", *flags, cwd=project)
    (project / "atom.lock").unlink()
    run("git", "atom", "lock", cwd=project)
    assert (project / "atom.lock").read_bytes() == first
    # the default cannot be had: the next one is taken, and stays when the default comes back, until it is freed
    atom(project, "app", more=need(open_, "openssl", "^9") + need(gnu, "gnutls") + provide("tls", "openssl", "gnutls"))
    done = run("git", "atom", "lock", cwd=project)
    assert locked(project) == {"gnutls": "4.0.0"} and "~ variant tls openssl -> gnutls" in done.stderr
    atom(project, "app", more=deps + provide("tls", "openssl", "gnutls"))
    run("git", "atom", "lock", cwd=project)
    assert variants(project) == {"tls": "gnutls"}
    run("git", "atom", "lock", "--locked", cwd=project)
    run("git", "atom", "update", "gnutls", cwd=project)
    assert variants(project) == {"tls": "gnutls"}
    run("git", "atom", "update", "tls", cwd=project)
    assert variants(project) == {"tls": "openssl"} and (project / "atom.lock").read_bytes() == first
    assert "ATOM-8708" in run("git", "atom", "update", "tlz", cwd=project, status=1).stderr


def test_optional_dependencies(home: Path, run: Run, project: Path, published: Publish) -> None:
    url = published("open", ("openssl", "3.0.0", ""))
    atom(project, "app", more=need(url, "openssl") + provide("tls", "none", "openssl"))
    run("git", "atom", "lock", cwd=project)
    assert locked(project) == {} and variants(project) == {"tls": "none"}
    run("git", "atom", "lock", "--frozen", cwd=project)
    # one that is taken when it can be had
    atom(project, "app", more=need(url, "openssl") + provide("tls", "openssl", "none"))
    run("git", "atom", "update", cwd=project)
    assert locked(project) == {"openssl": "3.0.0"}
    tree = run("git", "atom", "tree", cwd=project).stdout
    assert tree == "app 1.0.0 with tls=openssl\n└── openssl 3.0.0 (tls=openssl)\n"
    assert run("git", "atom", "why", "openssl", cwd=project).stdout == "app 1.0.0 -> openssl 3.0.0 (*, tls=openssl)\n"
    atom(project, "app", more=need(url, "openssl", "^4") + provide("tls", "openssl", "none"))
    run("git", "atom", "lock", cwd=project)
    assert locked(project) == {} and variants(project) == {"tls": "none"}
    # none of the candidates can be had: told with what each needs
    atom(project, "app", more=need(url, "openssl", "^4") + need(url, "opensll") + provide("tls", "openssl", "opensll"))
    done = run("git", "atom", "lock", cwd=project, status=3)
    assert "requires (variant) tls=openssl|opensll" in done.stderr
    assert "(variant) tls=openssl requires openssl ^4, but there is only openssl 3.0.0" in done.stderr
    way = f"git atom add '{url}::openssl@^3.0.0'"
    assert f"hint: {way}\n" in done.stderr
    run("sh", "-c", way, cwd=project)
    assert locked(project) == {"openssl": "3.0.0"}


# ---- asked by dependants -------------------------------------------------------------------------------------------------


def library(published: Publish, version: str = "1.0.0", more: str = "") -> str:
    """A library `web` that takes one of two for `tls`, and can have `http3` and `static`; its set is another than theirs."""
    open_, gnu = published("open", ("openssl", "3.0.0", "")), published("gnu", ("gnutls", "4.0.0", ""))
    deps = need(open_, "openssl") + need(gnu, "gnutls")
    text = deps + provide("tls", "none", "openssl", "gnutls") + '[support]\nhttp3 = ["--with-nghttp3"]\nstatic = true\n'
    return published("web", ("web", version, text + more), lock=True)


def test_a_dependant_asks(home: Path, run: Run, project: Path, published: Publish) -> None:
    web = library(published)
    atom(project, "app", more=need(web, "web"))
    run("git", "atom", "lock", cwd=project)
    assert locked(project) == {"web": "1.0.0"} and variants(project) == {"web with": "static, tls=none"}
    # added and taken back by a command; each candidate is of the set that the publisher's lock names
    done = run("git", "atom", "add", "web", "--with", "tls=gnutls", "--with", "http3", cwd=project)
    assert "~ variant web with tls none -> gnutls" in done.stderr and "+ variant web with http3 on" in done.stderr
    assert 'with = ["http3", "tls=gnutls"]' in (project / "atom.toml").read_text()
    assert locked(project) == {"web": "1.0.0", "gnutls": "4.0.0"}
    assert variants(project) == {"web with": "http3, static, tls=gnutls"}
    tree = run("git", "atom", "tree", cwd=project).stdout.splitlines()
    assert tree[1:] == ["└── web 1.0.0 with http3, static, tls=gnutls", "    └── gnutls 4.0.0 (tls=gnutls)"]
    for flags in (("--locked",), ("--locked", "--offline"), ("--frozen",)):
        run("git", "atom", "lock", *flags, cwd=project)
    seen = run("git", "atom", "driver", "textconv", "atom.lock", cwd=project).stdout
    assert re.search(r"^atom web 1.0.0 of \w+ \w+ with http3, static, tls=gnutls$", seen, re.M)
    text = (project / "atom.toml").read_text()
    (project / "atom.toml").write_text(text.replace("tls=gnutls", "tls=openssl"))
    done = run("git", "atom", "lock", "--frozen", cwd=project, status=1)
    assert "dependency 'web' asks for 'tls=openssl', and is locked with tls = gnutls" in done.stderr
    run("git", "atom", "lock", cwd=project)
    assert locked(project) == {"web": "1.0.0", "openssl": "3.0.0"}
    # what was switched on is so while it is asked for; what was taken stays
    run("git", "atom", "add", "web", "--with", "", cwd=project)
    assert "with" not in (project / "atom.toml").read_text()
    assert variants(project) == {"web with": "static, tls=openssl"}
    run("git", "atom", "add", "web", "--with", "static=off", cwd=project)
    assert variants(project) == {"web with": "tls=openssl"}
    run("git", "atom", "update", "web", cwd=project)
    assert variants(project) == {"web with": "tls=none"}


def test_askers_are_united_or_in_conflict(home: Path, run: Run, project: Path, published: Publish) -> None:
    web = library(published)
    one = published("one", ("one", "1.0.0", asking(web, "web", "http3", "tls=gnutls")), lock=True)
    two = published("two", ("two", "1.0.0", asking(web, "web", "static=off")), lock=True)
    atom(project, "app", more=need(one, "one") + need(two, "two"))
    run("git", "atom", "lock", cwd=project)
    assert variants(project) == {"web with": "http3, tls=gnutls"} and "gnutls" in locked(project)
    three = published("three", ("three", "1.0.0", asking(web, "web", "tls=openssl")), lock=True)
    before = (project / "atom.lock").read_bytes()
    done = run("git", "atom", "add", f"{three}::three", cwd=project, status=3)
    assert "ATOM-8041" in done.stderr and (project / "atom.lock").read_bytes() == before
    for line in (
        "app requires one *\n", "  one 1.0.0 requires web with tls=gnutls\n",
        "app requires three *\n", "  three 1.0.0 requires web with tls=openssl\n",
    ):  # fmt: skip
        assert line in done.stderr
    assert "git atom remove one && git atom add" in done.stderr
    # with the manifest itself as one of the askers, to ask otherwise is a way out, and it is one
    atom(project, "app", more=need(one, "one") + asking(web, "web", "tls=openssl"))
    done = run("git", "atom", "lock", cwd=project, status=3)
    way = f"git atom add {web}::web --with tls=gnutls"
    assert way in done.stderr and "app requires web with tls=openssl" in done.stderr
    run("sh", "-c", way, cwd=project)
    assert variants(project) == {"web with": "http3, static, tls=gnutls"}


def test_versions_that_lack_a_variant(home: Path, run: Run, project: Path, published: Publish) -> None:
    web = library(published)
    library(published, "1.1.0", "quic = true\n")
    published("web", ("web", "1.2.0", ""), lock=True)
    atom(project, "app", more=asking(web, "web", "quic"))
    run("git", "atom", "lock", cwd=project)
    assert locked(project) == {"web": "1.1.0"} and variants(project)["web with"] == "quic, static, tls=none"
    atom(project, "app", more=asking(web, "web", "quic", wanted="=1.0.0"))
    done = run("git", "atom", "lock", cwd=project, status=3)
    assert "web with quic=on in 1.1.0 requires web =1.1.0" in done.stderr and "git atom add" in done.stderr
    for ask, hint in (
        ("qiuc", "did you mean 'quic'"),
        ("tls=gnutl", "did you mean 'tls=gnutls'"),
        ("tls", "it has tls=none"),
        ("foo", "it has http3, quic, static, tls"),
    ):
        atom(project, "app", more=asking(web, "web", ask))
        done = run("git", "atom", "lock", cwd=project, status=3)
        assert "ATOM-8728" in done.stderr and hint in done.stderr and "atom.toml:" in done.stderr


def test_a_dependency_of_this_repository(home: Path, run: Run, project: Path, published: Publish) -> None:
    url = published("open", ("openssl", "3.0.0", ""))
    more = need(url, "openssl") + '[deps.near]\npath = "../near"\n' + provide("tls", "openssl", "near")
    atom(project / "near", "near", "0.2.0")
    atom(project / "lib", "libx", "1.0.0", more=more)
    for name in ("near", "lib"):
        run("git", "atom", "lock", name, cwd=project)
    assert 'key = "near"\natom = "near"\nversion = "0.2.0"\n' in (project / "lib/atom.lock").read_text()
    atom(project / "app", "app", more='[deps.x]\npath = "../lib"\nwith = ["tls=near"]\n')
    run("git", "atom", "lock", "app", cwd=project)
    assert locked(project / "app") == {"libx": "1.0.0", "near": "0.2.0"}
    run("git", "atom", "lock", "app", "--frozen", cwd=project)
    # what may be taken has to be published as well
    run("git", "add", "-A", cwd=project)
    run("git", "commit", "-qm", "atoms", cwd=project)
    run("git", "atom", "init", cwd=project)
    done = run("git", "atom", "publish", "lib", cwd=project, status=128)
    assert "ATOM-8009" in done.stderr and "'near 0.2.0'" in done.stderr
    run("git", "atom", "publish", "lib", "near", cwd=project)
    # its version moves on: what it was is not locked any more
    atom(project / "near", "near", "0.3.0")
    run("git", "atom", "lock", "near", cwd=project)
    done = run("git", "atom", "lock", "app", cwd=project, status=128)
    assert "ATOM-8042" in done.stderr and "hint: git atom lock lib" in done.stderr
    run("git", "atom", "lock", "lib", cwd=project)
    assert 'version = "0.3.0"' in (project / "lib/atom.lock").read_text()


# ---- several atoms of a work tree ----------------------------------------------------------------------------------------


def rows(folder: Path) -> dict[str, str]:
    return locked(folder) | variants(folder)


def test_together_each_variant_is_settled_one_way(home: Path, run: Run, project: Path, published: Publish) -> None:
    """Two manifests have a variant of one name each; what one of them cannot have, no version of the other is chosen with."""
    open_, gnu = published("open", ("openssl", "3.0.0", "")), published("gnu", ("gnutls", "4.0.0", ""))
    published("open", ("openssl", "2.0.0", ""))
    tls = provide("tls", "openssl", "gnutls")
    atom(project / "a", "a", more=need(open_, "openssl", "^3") + need(gnu, "gnutls") + tls)
    atom(project / "b", "b", more=need(open_, "openssl", "^2") + need(gnu, "gnutls") + tls)
    run("git", "atom", "lock", "--all", cwd=project)
    assert locked(project / "a") == {"openssl": "3.0.0"} and locked(project / "b") == {"openssl": "2.0.0"}
    run("git", "atom", "update", "--all", "--together", cwd=project)
    assert rows(project / "a") == {"openssl": "3.0.0", "tls": "openssl"}  # the first of the first atom
    assert rows(project / "b") == {"gnutls": "4.0.0", "tls": "gnutls"}
    whole = [(project / name / "atom.lock").read_bytes() for name in "ab"]
    for more in (["--all"], ["--all", "--together"], ["--all", "--together", "--offline"], ["b"]):
        run("git", "atom", "lock", *more, "--locked", cwd=project)
    shutil.rmtree(home / ".cache/git-atom")
    run("git", "atom", "lock", "--all", "--together", "--locked", cwd=project)
    run("git", "atom", "lock", "--all", "--locked", cwd=project)
    # a variant is freed in every lock that has it, and the choice is the same; apart it is each atom's own
    run("git", "atom", "update", "--all", "--together", "tls", cwd=project)
    assert [(project / name / "atom.lock").read_bytes() for name in "ab"] == whole
    run("git", "atom", "update", "--all", "tls", cwd=project)
    assert rows(project / "b") == {"openssl": "2.0.0", "tls": "openssl"}
    # when no choice suits all, each variant is told with the atom it is of
    atom(project / "b", "b", more=need(open_, "openssl", "^2") + provide("tls", "openssl"))
    atom(project / "a", "a", more=need(open_, "openssl", "^3") + provide("tls", "openssl"))
    done = run("git", "atom", "lock", "--all", "--together", cwd=project, status=3)
    assert "the dependencies of 'a', 'b' cannot be had together" in done.stderr
    assert "a requires (variant) a tls=openssl" in done.stderr and "b requires (variant) b tls=openssl" in done.stderr
    run("git", "atom", "lock", "--all", cwd=project)  # positive control


def test_together_an_atom_is_locked_as_its_neighbours_ask(
    home: Path, run: Run, project: Path, published: Publish
) -> None:
    url = published("open", ("openssl", "3.0.0", ""), ("gnutls", "4.0.0", ""))
    published("open", ("gnutls", "3.0.0", ""))
    both = need(url, "openssl") + need(url, "gnutls") + provide("tls", "openssl", "gnutls")
    near = '[deps.lib]\npath = "../lib"\nwith = ["tls=gnutls"]\n'
    atom(project / "lib", "lib", more=both)
    atom(project / "app", "app", more=near)
    atom(project / "old", "old", more=need(url, "gnutls", "<4"))
    run("git", "atom", "lock", "--all", cwd=project)
    assert rows(project / "lib") == {"openssl": "3.0.0", "tls": "openssl"}
    assert rows(project / "app") == {"lib": "1.0.0", "gnutls": "4.0.0", "lib with": "tls=gnutls"}
    run("git", "atom", "update", "--all", "--together", cwd=project)
    assert rows(project / "lib") == {"gnutls": "3.0.0", "tls": "gnutls"}
    assert rows(project / "app") == {"lib": "1.0.0", "gnutls": "3.0.0", "lib with": "tls=gnutls"}
    run("git", "atom", "lock", "--all", "--locked", cwd=project)
    shutil.rmtree(home / ".cache/git-atom")
    run("git", "atom", "lock", "--all", "--together", "--locked", cwd=project)
    run("git", "atom", "lock", "--all", "--locked", cwd=project)
    # neighbours that ask for different things have no locks together; apart they have
    atom(project / "tool", "tool", more=near.replace("gnutls", "openssl"))
    before = (project / "app/atom.lock").read_bytes()
    done = run("git", "atom", "lock", "--all", "--together", cwd=project, status=3)
    assert "app requires (variant) lib tls=gnutls" in done.stderr, done.stderr
    assert "tool requires (variant) lib tls=openssl" in done.stderr
    assert (project / "app/atom.lock").read_bytes() == before
    hints = [line.removeprefix("hint: ") for line in done.stderr.splitlines() if line.startswith("hint: ")]
    assert any("--with" in hint for hint in hints), done.stderr
    run("git", "atom", "lock", "--all", cwd=project)
    # what a neighbour does not have is told where it is asked for
    atom(project / "tool", "tool", more=near.replace("tls=gnutls", "quic"))
    done = run("git", "atom", "lock", "--all", "--together", cwd=project, status=3)
    assert "ATOM-8728" in done.stderr and "'lib' has no variant 'quic'" in done.stderr
    assert "tool/atom.toml:" in done.stderr


def test_together_a_neighbour_that_does_not_fit_takes_no_variant(
    home: Path, run: Run, project: Path, published: Publish
) -> None:
    url = published("gnu", ("gnutls", "4.0.0", ""))
    near = '[deps.near]\npath = "../near"\nversion = "^2"\n'
    atom(project / "near", "near", "1.0.0")
    atom(project / "app", "app", more=near + need(url, "gnutls") + provide("tls", "near", "gnutls"))
    run("git", "atom", "lock", "--all", "--together", cwd=project)
    assert rows(project / "app") == {"gnutls": "4.0.0", "tls": "gnutls"}
    atom(project / "near", "near", "2.0.0")
    run("git", "atom", "update", "--all", "--together", cwd=project)
    assert rows(project / "app") == {"near": "2.0.0", "tls": "near"}
    atom(project / "near", "near", "3.0.0")
    atom(project / "app", "app", more=near)
    done = run("git", "atom", "lock", "--all", "--together", cwd=project, status=3)
    assert (
        "ATOM-8048" in done.stderr
        and "nothing satisfies 'near ^2'" in done.stderr
        and "'../near' has 3.0.0" in done.stderr
    )
    way = next(line.removeprefix("hint: ") for line in done.stderr.splitlines() if line.startswith("hint: "))
    run("sh", "-c", way, cwd=project)
    run("git", "atom", "lock", "--all", "--together", cwd=project)
    assert rows(project / "app") == {"near": "3.0.0"}


def test_together_names_have_to_tell_variants_apart(home: Path, run: Run, project: Path, published: Publish) -> None:
    url = published("zed", ("zed", "1.0.0", ""))
    published("zed", ("zed", "1.1.0", ""))
    for name, wanted in (("a", "*"), ("b", "<1.1"), ("c", "*")):
        atom(project / name, "same", more=need(url, "zed", wanted))
    run("git", "atom", "lock", "--all", "--together", cwd=project)  # positive control: they have none
    assert [locked(project / name) for name in "abc"] == [{"zed": "1.0.0"}] * 3
    atom(project / "b", "same", more="[support]\nfast = true\n")
    done = run("git", "atom", "lock", "--all", "--together", cwd=project, status=5)
    assert "ATOM-8710" in done.stderr
    run("git", "atom", "lock", "--all", cwd=project)
