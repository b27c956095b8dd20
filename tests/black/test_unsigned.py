"""Repositories that eka published to, in both layouts of its refs, and formats of git's own: read, or refused by name."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from test_ownership import commit, write_atom

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MANIFEST = '[package]\nlabel = "nix-lock"\nversion = "{}"\n'


def raw(run: Run, repo: Path, kind: str, body: str) -> str:
    return run("git", "hash-object", "-w", "-t", kind, "--literally", "--stdin", cwd=repo, stdin=body).stdout.strip()


def published(run: Run, repo: Path, layout: str, name: str, version: str, said: str = "") -> str:
    """An atom commit byte for byte as eka writes it, under its ref."""
    blob = raw(run, repo, "blob", MANIFEST.format(version))
    tree = run("git", "mktree", cwd=repo, stdin=f"100644 blob {blob}\tatom.toml\n").stdout.strip()
    origin = run("git", "commit-tree", "-m", "x", tree, cwd=repo).stdout.strip()
    more, ref = {
        "eka": (
            f"origin {origin}\nformat pre1\n\npublish({said or name}): {version}",
            f"refs/eka/atoms/{name}/{version}",
        ),
        "seed": (
            f"src {origin}\npath {name}\nformat 1\n\n{said or name}: {version}",
            f"refs/atoms/{name}/{version}/atom",
        ),
        "first": (f"src {origin}\npath {name}\nformat 1\n\n{said or name}: {version}", f"refs/atoms/{name}/{version}"),
    }[layout]
    made = raw(run, repo, "commit", f"tree {tree}\nauthor  <> 0 +0000\ncommitter  <> 0 +0000\n{more}")
    run("git", "update-ref", ref, made, cwd=repo)
    if layout == "eka":
        run("git", "update-ref", f"refs/eka/meta/{name}/{version}/manifest", blob, cwd=repo)
        run("git", "update-ref", f"refs/eka/meta/{name}/{version}/origin", origin, cwd=repo)
    else:
        run("git", "update-ref", f"refs/atoms/_specs/{name}/{version}", tree, cwd=repo)
    return made


@pytest.fixture
def foreign(home: Path, run: Run) -> Path:
    repo = home / "foreign.git"
    run("git", "init", "-q", "--bare", repo)
    return repo


@pytest.mark.parametrize("layout", ["eka", "seed", "first"])
def test_ekas_atoms_are_listed_fetched_and_shown_as_unsigned(layout: str, foreign: Path, home: Path, run: Run) -> None:
    for version in ("0.1.0", "0.1.6"):
        made = published(run, foreign, layout, "nix-lock", version)
    run("git", "update-ref", "refs/atoms/other/not-a-version", made, cwd=foreign)
    state = "unverified" if layout == "first" else "unsigned"
    done = run("git", "atom", "list", foreign)
    assert (
        done.stdout == f"nix-lock 0.1.0 {state}\nnix-lock 0.1.6 {state}\n"
        and "nothing of this is verified" in done.stderr
    )
    assert run("git", "atom", "list", foreign, "nix-lock").stdout == done.stdout
    assert run("git", "atom", "list", foreign, "absent", status=1).stdout == ""
    uri = f"{foreign}::nix-lock"
    run("git", "atom", "show", uri, status=1)  # nothing is here yet
    fetched = json.loads(run("git", "atom", "fetch", uri, "--json").stdout)["items"][0]
    assert (fetched["version"], fetched["commit"], fetched["anchor"], fetched["state"]) == (
        "0.1.6",
        made,
        "",
        "unsigned",
    )
    assert run("git", "atom", "fetch", f"{uri}@=0.1.0").stdout.startswith("nix-lock 0.1.0 blake3:")
    run("git", "atom", "fetch", f"{uri}@^2", status=1)
    foreign.rename(home / "away")
    told = run("git", "atom", "show", uri).stdout
    assert "signer    none" in told and made in told and 'label = "nix-lock"' in told
    assert json.loads(run("git", "atom", "show", uri, "--json").stdout)["signer"] == ""
    # it is nothing more than shown: no set has it, and verification does not know it
    run("git", "atom", "trust", "explain", uri, status=1)
    run("git", "atom", "verify", uri, status=1)
    run("git", "atom", "get", uri, "out", status=None)
    assert not (home / "out").exists()


def test_what_is_not_ekas_form_is_refused(foreign: Path, home: Path, run: Run) -> None:
    published(run, foreign, "eka", "nix-lock", "0.1.0", said="another")
    tree = run("git", "rev-parse", "refs/eka/atoms/nix-lock/0.1.0^{tree}", cwd=foreign).stdout.strip()
    run("git", "update-ref", "refs/eka/atoms/tree/1.0.0", tree, cwd=foreign)
    for name in ("nix-lock", "tree"):
        assert "ATOM-8005" in run("git", "atom", "fetch", f"{foreign}::{name}", status=7).stderr
    assert run("git", "for-each-ref", cwd=home / ".local/share/git-atom/store.git").stdout == ""


def test_locks_do_not_take_them(foreign: Path, project: Path, run: Run) -> None:
    published(run, foreign, "eka", "nix-lock", "0.1.0")
    (project / "atom.toml").write_text(
        f'[atom]\nid = "app"\nversion = "1.0.0"\ntype = "package"\n[deps.nix-lock]\nurl = "{foreign}"\n'
    )
    assert "ATOM-8011" in run("git", "atom", "lock", cwd=project, status=6).stderr


def test_an_empty_repository_serves_nothing(foreign: Path, run: Run) -> None:
    assert "ATOM-8011" in run("git", "atom", "list", foreign, status=6).stderr


def test_a_reftable_repository_works_or_is_refused_by_name(home: Path, project: Path, key: Path, run: Run) -> None:
    repo = home / "reftable"
    made = run("git", "init", "-q", "--ref-format=reftable", repo, status=None)
    if made.returncode == 0:
        write_atom(repo / "zlib", "zlib", "1.0.0")
        commit(run, repo)
        run("git", "atom", "init", cwd=repo)
        run("git", "atom", "publish", "zlib", cwd=repo)
        run("git", "atom", "verify", cwd=repo)
        return
    # this git does not know the format: a repository that has it is named with the reason
    run("git", "init", "-q", repo)
    run("git", "config", "core.repositoryFormatVersion", "1", cwd=repo)
    run("git", "config", "extensions.refStorage", "reftable", cwd=repo)
    for words in (("list",), ("publish", "--all"), ("init",)):
        done = run("git", "atom", *words, cwd=repo, status=6)
        assert "ATOM-2005" in done.stderr and "reftable" in done.stderr
    run("git", "config", "--file", repo / ".git/config", "--unset", "extensions.refStorage")
    run("git", "atom", "list", cwd=repo, status=128)
