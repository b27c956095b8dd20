"""Owners, claims, retractions and revocations from outside: several people with keys of their own, offline and through a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from projects import LOG, Run, commit, joined, write_atom


def state(run: Run, *repos: Path) -> str:
    return "".join(run("git", "for-each-ref", cwd=repo).stdout for repo in repos)


@pytest.fixture
def people(home: Path, key: Path, run: Run) -> dict[str, Path]:
    """Public keys: `me` signs unless `as_` says else."""
    made = {"me": key.with_suffix(".pub")}
    for name in ("ann", "bob"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", home / name)
        made[name] = home / f"{name}.pub"
    return made


@pytest.fixture
def server(home: Path, project: Path, people: dict[str, Path], run: Run) -> Path:
    """A bare repository as `origin` of the project, with zlib 1.3.0 and 1.3.1 published."""
    path = home / "server.git"
    run("git", "init", "-q", "--bare", path)
    run("git", "config", "receive.fsckObjects", "true", cwd=path)
    run("git", "remote", "add", "origin", str(path), cwd=project)
    run("git", "push", "-q", "origin", "HEAD:refs/heads/main", cwd=project)
    for version in ("1.3.0", "1.3.1"):
        write_atom(project / "zlib", "zlib", version, f"{version}\n")
        commit(run, project)
        run("git", "atom", "init", cwd=project)
        run("git", "atom", "publish", "zlib", "--push", "origin", cwd=project)
    return path


def as_(who: Path, *words: object) -> list[object]:
    return ["git", "-c", f"user.signingKey={who}", "atom", *words]


def test_retraction_is_seen_and_honoured_and_old_locks_go_on(server: Path, project: Path, home: Path, run: Run) -> None:
    app = home / "app"
    app.mkdir()
    run("git", "init", "-q", app)
    manifest = (
        '[atom]\nid = "app"\nversion = "1.0.0"\ntype = "package"\n[deps.zlib]\nurl = "SERVER"\nversion = "^1.3"\n'
    )
    (app / "atom.toml").write_text(manifest.replace("SERVER", str(server)))
    run("git", "atom", "lock", cwd=app)
    assert 'version = "1.3.1"' in (app / "atom.lock").read_text()
    lock = (app / "atom.lock").read_bytes()

    before = state(run, project, server)
    done = run("git", "atom", "retract", "zlib@=1.3.1", "--reason", "corrupts files", "-n", cwd=project)
    assert "would record" in done.stderr and state(run, project, server) == before
    run("git", "atom", "retract", "zlib", "--reason", "which one", cwd=project, status=1)
    run("git", "atom", "retract", "zlib@=1.3.1", cwd=project, status=129)
    assert "ATOM-1080" in run("git", "atom", "retract", "zlib@=1.3.1", "--reason", "a\nb", cwd=project, status=7).stderr
    assert state(run, project, server) == before
    run("git", "atom", "retract", "zlib@=1.3.1", "--reason", "corrupts files", "--push", "origin", cwd=project)
    again = run("git", "atom", "retract", "zlib@=1.3.1", "--reason", "x", cwd=project, status=5)
    assert "ATOM-8022" in again.stderr and "corrupts files" in again.stderr

    assert run("git", "atom", "list", cwd=project).stdout == "zlib 1.3.0\nzlib 1.3.1 retracted\n"
    assert run("git", "atom", "list", str(server), cwd=home).stdout == "zlib 1.3.0\nzlib 1.3.1 retracted\n"
    assert "retracted corrupts files" in run("git", "atom", "show", "zlib@=1.3.1", cwd=project).stdout
    assert json.loads(run("git", "atom", "show", "zlib@=1.3.1", "--json", cwd=project).stdout)["retracted"]
    assert "name      zlib\nversion   1.3.0" in run("git", "atom", "show", "zlib", cwd=project).stdout
    assert "retracted" in run("git", "atom", "verify", cwd=project).stdout

    run("git", "atom", "fetch", f"{server}::zlib@^1.3", cwd=home)  # brings the newer log
    done = run("git", "atom", "lock", "--locked", cwd=app)
    assert (app / "atom.lock").read_bytes() == lock, "a lock that has it stays as it is"
    assert "warning: 'zlib 1.3.1' is retracted: corrupts files" in done.stderr
    assert run("git", "atom", "fetch", f"{server}::zlib", cwd=home).stdout.startswith("zlib 1.3.0 ")
    assert "1.3.1 (retracted)" in run("git", "atom", "fetch", f"{server}::zlib@^1.3.1", cwd=home, status=1).stderr
    (app / "atom.lock").unlink()
    run("git", "atom", "lock", cwd=app)
    assert 'version = "1.3.0"' in (app / "atom.lock").read_text(), "it is not chosen anew"

    (app / "atom.lock").write_bytes(lock)
    run("git", "config", "atom.retracted", "refuse", cwd=app)  # the repository's own word does not count
    run("git", "atom", "lock", "--locked", cwd=app)
    run("git", "config", "--global", "atom.retracted", "refuse")
    assert "ATOM-3017" in run("git", "atom", "lock", "--locked", cwd=app, status=2).stderr
    run("git", "config", "--global", "atom.retracted", "maybe")
    assert "ATOM-3018" in run("git", "atom", "lock", "--locked", cwd=app, status=128).stderr


def test_s08_two_of_two_owners_sign_offline(server: Path, project: Path, people: dict[str, Path], run: Run) -> None:
    me, ann, bob = people["me"], people["ann"], people["bob"]
    run("git", "atom", "charter", "add-owner", ann, cwd=project)
    shown = run("git", "atom", "charter", cwd=project).stdout
    assert shown == run("git", "atom", "charter", "show", cwd=project).stdout and shown.count("owner ") == 2
    before = state(run, project)
    assert run("git", "atom", "charter", "threshold", "2", cwd=project).stdout == "proposed charter-2.proposal\n"
    assert state(run, project) == before
    assert "ATOM-8025" in run("git", "atom", "charter", "threshold", "3", cwd=project, status=128).stderr
    run("git", "atom", "charter", "threshold", "-1", cwd=project, status=129)
    file = project / "charter-2.proposal"
    own = file.read_bytes()
    assert run("git", "atom", "charter", "sign", file, cwd=project).stdout.startswith("proposed"), "one key counts once"
    assert file.read_bytes() == own
    assert (
        "ATOM-8017]: your key may not change the charter"
        in run(*as_(bob, "charter", "sign", file), cwd=project, status=2).stderr
    )
    assert state(run, project) == before
    text = file.read_text()
    file.write_text(text.replace('"threshold": 2', '"threshold": 1'))
    assert "ATOM-3002" in run(*as_(ann, "charter", "sign", file), cwd=project, status=2).stderr
    file.write_text(text.replace('"seq": 2', '"seq": 7'))
    assert "ATOM-8023" in run(*as_(ann, "charter", "sign", file), cwd=project, status=5).stderr
    file.write_text("{}")
    assert "ATOM-1081" in run(*as_(ann, "charter", "sign", file), cwd=project, status=7).stderr
    assert state(run, project) == before
    file.write_text(text)
    done = run(*as_(ann, "charter", "sign", file, "--push", "origin"), cwd=project)
    assert "threshold 1 -> 2" in done.stderr and done.stdout == "recorded\n"
    assert "ATOM-8023" in run(*as_(ann, "charter", "sign", file), cwd=project, status=5).stderr, "it is history"

    write_atom(project / "new", "new", "1.0.0")
    commit(run, project)
    before = state(run, project)
    assert "ATOM-8026" in run("git", "atom", "publish", "new", cwd=project, status=2).stderr
    assert state(run, project) == before
    run("git", "atom", "claim", "new", cwd=project)
    run(*as_(ann, "charter", "sign", "claim-new.proposal"), cwd=project)
    run("git", "atom", "publish", "new", "--push", "origin", cwd=project)
    assert "ATOM-8025" in run("git", "atom", "charter", "remove-owner", me, cwd=project, status=128).stderr
    run("git", "atom", "verify", cwd=project)
    run("git", "atom", "verify", cwd=server)
    run("git", "fsck", "--strict", cwd=server)


def test_p04_p05_names_belong_to_their_claims(server: Path, project: Path, people: dict[str, Path], run: Run) -> None:
    me, ann, bob = people["me"], people["ann"], people["bob"]
    before = state(run, project)
    for words in (("claim", "zlib"), ("claim", "fresh"), ("retract", "zlib@=1.3.1", "--reason", "x")):
        assert "ATOM-8017" in run(*as_(bob, *words), cwd=project, status=2).stderr
    assert state(run, project) == before
    run("git", "atom", "claim", "lib", "--key", ann, cwd=project)
    write_atom(project / "lib", "lib", "1.0.0")
    commit(run, project)
    before = state(run, project)
    assert "ATOM-8017" in run("git", "atom", "publish", "lib", cwd=project, status=2).stderr, (
        "owners do not publish over it"
    )
    assert "ATOM-8021" in run("git", "atom", "claim", "LIB", cwd=project, status=5).stderr
    assert state(run, project) == before
    run(*as_(ann, "publish", "lib", "--push", "origin"), cwd=project)

    run(*as_(ann, "claim", "lib", "--key", bob), cwd=project)
    file = project / "claim-lib.proposal"
    assert file.exists(), "the new key has to say yes"
    run(*as_(bob, "charter", "sign", file, "--push", "origin"), cwd=project)
    write_atom(project / "lib", "lib", "1.1.0")
    commit(run, project)
    assert "ATOM-8017" in run(*as_(ann, "publish", "lib"), cwd=project, status=2).stderr
    run(*as_(bob, "publish", "lib", "--push", "origin"), cwd=project)
    assert run("git", "atom", "verify", "lib@=1.0.0", "lib@=1.1.0", cwd=project).stdout.count("good lib") == 2
    assert "it is so already" in run(*as_(bob, "claim", "lib"), cwd=project).stderr
    assert "git atom claim" not in run(*as_(me, "claim", "lib", "--key", me), cwd=project).stderr


def test_s07_a_revoked_key_signs_nothing_more(
    server: Path, project: Path, people: dict[str, Path], home: Path, run: Run
) -> None:
    me, ann = people["me"], people["ann"]
    run("git", "atom", "charter", "add-owner", ann, cwd=project)
    run("git", "atom", "charter", "revoke", me, cwd=project, status=129)
    run(*as_(ann, "charter", "revoke", me, "--reason", "laptop stolen", "--push", "origin"), cwd=project)
    assert "revoked" in run("git", "atom", "charter", cwd=project).stdout
    write_atom(project / "zlib", "zlib", "1.4.0")
    commit(run, project)
    before = state(run, project)
    assert "ATOM-8017" in run("git", "atom", "publish", "zlib", cwd=project, status=2).stderr
    assert "ATOM-8025" in run("git", "atom", "charter", "remove-owner", ann, cwd=project, status=128).stderr
    assert "ATOM-8017" in run("git", "atom", "charter", "add-owner", people["bob"], cwd=project, status=2).stderr
    assert state(run, project) == before
    run(*as_(ann, "claim", "zlib", "--push", "origin"), cwd=project)
    run(*as_(ann, "publish", "zlib", "--push", "origin"), cwd=project)
    assert run("git", "atom", "verify", cwd=project).stdout.count("good zlib") == 3, "what it signed before stays"
    assert "laptop stolen" in run("git", "atom", "show", "zlib@=1.3.1", cwd=project).stdout
    done = run("git", "atom", "fetch", f"{server}::zlib@=1.3.1", cwd=home)
    assert "warning: 'zlib 1.3.1' was signed by a key that was revoked later: laptop stolen" in done.stderr
    assert "warning" not in run("git", "atom", "fetch", f"{server}::zlib", cwd=home).stderr
    run("git", "config", "--global", "atom.revoked", "refuse")
    assert "ATOM-3017" in run("git", "atom", "fetch", f"{server}::zlib@=1.3.1", cwd=home, status=2).stderr
    run("git", "atom", "fetch", f"{server}::zlib", cwd=home)


def test_offline_changes_go_on_top_of_the_remotes(
    server: Path, project: Path, people: dict[str, Path], home: Path, run: Run
) -> None:
    """A second clone published meanwhile; statements keep their bytes, and two successors of one charter do not both pass (S13)."""
    second = joined(run, server, home / "second")
    write_atom(second / "two", "two", "1.0.0")
    commit(run, second)
    run("git", "atom", "publish", "two", "--push", "origin", cwd=second)
    run("git", "atom", "retract", "zlib@=1.3.0", "--reason", "old", cwd=project)
    run("git", "atom", "claim", "mine", "--key", people["bob"], cwd=project)
    run("git", "atom", "charter", "add-owner", people["ann"], "--push", "origin", cwd=project)
    kinds = run("git", "atom", "log", "--format", "%(kind)", cwd=server).stdout.split()
    assert kinds[:5] == ["charter", "claim", "retract", "publish", "claim"]
    run("git", "atom", "verify", cwd=server)

    before = state(run, server)
    run("git", "atom", "charter", "add-owner", people["bob"], cwd=second)  # knows nothing of ann
    done = run("git", "atom", "charter", "threshold", "1", "--push", "origin", cwd=second, status=5)
    assert "ATOM-8023" in done.stderr and state(run, server) == before


def test_trust_is_explained_step_by_step(
    server: Path, project: Path, people: dict[str, Path], home: Path, run: Run
) -> None:
    def steps(*atom: str, status: int = 0, cwd: Path = project) -> dict[str, tuple[str, str]]:
        told = json.loads(run("git", "atom", "trust", "explain", *atom, "--json", cwd=cwd, status=status).stdout)
        assert (told["verdict"] == "accepted") == (status == 0)
        return {step["what"]: (step["answer"], step["why"]) for step in told["steps"]}

    first = steps("zlib")
    assert len(first) == 12 and {answer for answer, _ in first.values()} == {"yes"}
    assert run("git", "atom", "trust", "explain", "zlib", cwd=project).stdout.startswith(
        "accepted zlib 1.3.1\n  yes      anchor"
    )
    run("git", "atom", "trust", "explain", "nothing", cwd=project, status=1)

    run("git", "atom", "retract", "zlib@=1.3.0", "--reason", "slow", cwd=project)
    assert steps("zlib@=1.3.0")["retraction"][0] == "warning"
    run("git", "config", "--global", "atom.retracted", "refuse")
    assert steps("zlib@=1.3.0", status=2)["retraction"][0] == "no"
    run("git", "config", "--global", "atom.minimumReleaseAge", "9999999d", status=0)
    assert steps("zlib")["age"][0] == "warning"
    run("git", "config", "--global", "atom.minimumReleaseAge", "0")
    anchor = run("git", "atom", "trust", "list").stdout.strip()
    run("git", "config", "--global", f"atom.{anchor}.minimumReleaseAge", "9999999d")
    assert steps("zlib")["age"][0] == "warning", "the set's own setting counts before the general one"
    run("git", "config", "--global", "--unset", f"atom.{anchor}.minimumReleaseAge")

    blob = run("git", "rev-parse", "refs/atoms/zlib/1.3.1:main.c", cwd=project).stdout.strip()
    loose = project / ".git/objects" / blob[:2] / blob[2:]
    kept = loose.read_bytes()
    loose.chmod(0o644)
    loose.unlink()
    told = steps("zlib", status=2)
    assert (told["content"][0], told["signer"][0]) == ("no", "yes")
    loose.write_bytes(kept)
    head = run("git", "rev-parse", LOG, cwd=project).stdout.strip()
    run("git", "update-ref", LOG, f"{LOG}~2", cwd=project)
    assert steps("zlib@=1.3.0", status=2)["rollback"][0] == "no"
    run("git", "update-ref", LOG, head, cwd=project)
    run("git", "atom", "trust", "remove", anchor)
    run("git", "config", "atom.trustedAnchor", anchor, cwd=project)
    assert steps("zlib", status=2)["anchor"][0] == "no", "a repository cannot vouch for itself"


def test_a_minimum_age_is_counted_from_what_was_seen(server: Path, project: Path, home: Path, run: Run) -> None:
    """Versions that were there at the first meeting go by their stated time; later ones by when they were seen here."""
    seen = home / ".local/share/git-atom/seen"
    folder = next(seen.iterdir())
    lines = folder.read_text().splitlines()
    assert len(lines) >= 2, "one line a head that a remote accepted"
    run("git", "config", "--global", "atom.minimumReleaseAge", "7d")
    done = run("git", "atom", "fetch", f"{server}::zlib", cwd=home, status=2)
    assert "ATOM-3017" in done.stderr and "atom.minimumReleaseAge holds back 1.3.0, 1.3.1\n" in done.stderr
    hint = next(line.removeprefix("hint: ") for line in done.stderr.splitlines() if line.startswith("hint: "))
    assert run("sh", "-c", hint).stdout.endswith("atom.minimumreleaseage 7d\n")
    run("git", "config", "atom.minimumReleaseAge", "0", cwd=project)
    done = run("git", "atom", "fetch", f"{server}::zlib", cwd=project, status=2)
    assert "ATOM-3017" in done.stderr, "not the repository's to say"
    first, last = lines[0].split()[1], lines[-1].split()[1]
    folder.write_text(f"1500000000 {first}\n1500000000 {last}\n")
    assert run("git", "atom", "fetch", f"{server}::zlib", cwd=home).stdout.startswith("zlib 1.3.1 ")
    write_atom(project / "zlib", "zlib", "1.3.2")
    commit(run, project)
    run("git", "atom", "publish", "zlib", "--push", "origin", cwd=project)
    assert run("git", "atom", "fetch", f"{server}::zlib", cwd=home).stdout.startswith("zlib 1.3.1 ")
    run("git", "config", "--global", "atom.minimumReleaseAge", "soon")
    assert "ATOM-3018" in run("git", "atom", "fetch", f"{server}::zlib", cwd=home, status=128).stderr


def test_publish_what_changed(server: Path, project: Path, run: Run) -> None:
    write_atom(project / "libs/one", "one", "1.0.0")
    write_atom(project / "libs/two", "two", "1.0.0")
    commit(run, project)
    run("git", "atom", "publish", "--changed-since", "HEAD~1", cwd=project)
    assert run("git", "atom", "list", cwd=project).stdout.split()[::2][:2] == ["one", "two"]
    write_atom(project / "libs/one", "one", "1.1.0")
    write_atom(project / "libs/two", "two", "1.0.0", "changed, and the version is not\n")
    commit(run, project)
    before = state(run, project)
    assert "ATOM-8007" in run("git", "atom", "publish", "--changed-since", "HEAD~1", cwd=project, status=5).stderr
    assert "ATOM-2016" in run("git", "atom", "publish", "--changed-since", "none", cwd=project, status=128).stderr
    assert state(run, project) == before
    done = run("git", "atom", "publish", "--changed-since", "HEAD~1", "libs/one", "--push", "origin", cwd=project)
    assert done.stdout.startswith("one 1.1.0 ") and done.stdout.count("\n") == 1
    done = run("git", "atom", "publish", "--changed-since", "HEAD", cwd=project)
    assert done.stdout == "" and "nothing was published" in done.stderr


def test_a_threshold_of_none_is_refused(server: Path, project: Path, run: Run) -> None:
    before = state(run, project)
    for words in (
        ("claim", "--threshold", "0", "zz"),
        ("claim", "--threshold", "2", "zz"),
        ("charter", "threshold", "0"),
    ):
        assert "ATOM-8025" in run("git", "atom", *words, cwd=project, status=128).stderr
    assert state(run, project) == before


def test_what_was_proposed_is_not_written_over(
    server: Path, project: Path, people: dict[str, Path], home: Path, run: Run
) -> None:
    ann, bob = people["ann"], people["bob"]
    run("git", "atom", "charter", "add-owner", ann, cwd=project)
    run("git", "atom", "charter", "threshold", "2", cwd=project)
    done = run(*as_(ann, "charter", "sign", "charter-2.proposal"), cwd=project)
    assert "hint: rm charter-2.proposal " in done.stderr and (project / "charter-2.proposal").exists()
    run("git", "atom", "charter", "add-owner", bob, cwd=project)
    file = project / "charter-3.proposal"
    held, before = file.read_bytes(), state(run, project)
    for dry in ((), ("-n",)):
        done = run("git", "atom", "charter", "threshold", "1", *dry, cwd=project, status=5)
        assert "error[ATOM-8030]" in done.stderr and "--proposal <file>, or rm charter-3.proposal" in done.stderr
    manifest = project / "zlib/atom.toml"
    text = manifest.read_bytes()
    done = run("git", "atom", "claim", "zz", "--proposal", "zlib/atom.toml", cwd=project, status=5)
    assert "error[ATOM-8030]" in done.stderr and "or rm" not in done.stderr
    run("git", "atom", "claim", "zz", "--proposal", "zlib", cwd=project, status=5)
    run("git", "atom", "claim", "zz", "--proposal", "-", cwd=project, status=129)
    assert (file.read_bytes(), manifest.read_bytes(), state(run, project)) == (held, text, before)
    assert not (project / "-").exists()
    run("git", "atom", "charter", "threshold", "1", "--proposal", "other", cwd=project)
    assert run("git", "atom", "charter", "add-owner", bob, cwd=project).stdout == "proposed charter-3.proposal\n"
    assert file.read_bytes() == held, "the same once more"
    done = run(*as_(ann, "charter", "add-owner", bob), cwd=project)
    assert done.stdout == "recorded\n", "who asks for the very same adds a signature to it"


def test_a_revocation_that_ends_the_set_is_warned_of(
    server: Path, project: Path, people: dict[str, Path], run: Run
) -> None:
    me, ann, bob = people["me"], people["ann"], people["bob"]
    run("git", "atom", "charter", "add-owner", ann, cwd=project)
    revoke = ("charter", "revoke", ann, "--reason", "stolen")
    assert "warning" not in run("git", "atom", *revoke, "-n", cwd=project).stderr
    run("git", "atom", "charter", "threshold", "2", cwd=project)
    run(*as_(ann, "charter", "sign", "charter-2.proposal"), cwd=project)
    run("git", "atom", "claim", "yy", "--key", me, cwd=project)
    before = state(run, project)
    done = run(*as_(ann, *revoke, "-n"), cwd=project)
    assert done.stdout == "would record\n" and state(run, project) == before
    assert "warning: of the owners 1 would be left, and the threshold is 2" in done.stderr
    assert "hint: git atom charter add-owner <key> first" in done.stderr
    done = run(*as_(ann, *revoke), cwd=project)
    assert done.stdout == "recorded\n" and "warning: of the owners 1 would be left" in done.stderr
    before = sorted(project.iterdir())
    for words in (("charter", "add-owner", bob), ("claim", "zz"), ("charter", "sign", "claim-yy.proposal")):
        done = run("git", "atom", *words, cwd=project, status=128)
        assert "error[ATOM-8031]" in done.stderr and "charter sign" not in done.stderr
    assert sorted(project.iterdir()) == before
    done = run("git", "atom", "retract", "zlib@=1.3.0", "--reason", "old", cwd=project)
    assert done.stdout == "recorded\n", "who holds a name still speaks for it"
    assert "warning" not in run("git", "atom", "charter", "revoke", me, "--reason", "x", "-n", cwd=project).stderr


def test_a_dry_run_of_a_change_says_what_would_be(
    server: Path, project: Path, people: dict[str, Path], run: Run
) -> None:
    before = state(run, project)
    done = run("git", "atom", "claim", "-n", "zz", cwd=project)
    assert done.stdout == "would record\n" and done.stderr.endswith("would record the claim in the log\n")
    done = run("git", "atom", "claim", "-n", "zz", "--key", people["ann"], "--key", people["bob"], cwd=project)
    assert done.stdout == "would record\n"
    assert state(run, project) == before
    run("git", "atom", "charter", "add-owner", people["ann"], cwd=project)
    done = run("git", "atom", "charter", "threshold", "2", "-n", cwd=project)
    assert done.stdout == "would propose charter-2.proposal\n" and not (project / "charter-2.proposal").exists()
