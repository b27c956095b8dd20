"""The server's hook from outside: what comes in with plain pushes, and everything that must not."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from forging import OTHER, Forger, accepted, bomb, key
from projects import LOG, Refused, Run, everything, refs, rev

from git_atom.atom import objects as making
from git_atom.core.digest import MODE_FILE, MODE_LINK, MODE_TREE, Digest, of_bytes
from git_atom.git.written import write_loose

pytestmark = pytest.mark.slow


# --- the positive control ---------------------------------------------------------------------------------------------


def test_good_atoms_come_in_and_other_refs_are_left_alone(bare: Path, forger: Forger, run: Run, project: Path) -> None:
    accepted(forger, bare, *forger.specs(forger.add("a", "1.1.0", "1.0.0")))
    both = forger.publish(forger.tag(forger.release("b", "0.1.0")), forger.tag(forger.release("a", "2.0.0", "1.1.0")))
    accepted(forger, bare, *forger.specs(*both))
    assert run("git", "atom", "list", cwd=bare).stdout == "a 1.0.0\na 1.1.0\na 2.0.0\nb 0.1.0\n"
    run("git", "fsck", "--strict", cwd=bare)
    run("git", "push", "-q", bare, "HEAD:refs/heads/topic", "HEAD:refs/notes/x", "HEAD:refs/tags/t", cwd=project)
    run("git", "push", "-q", "-f", bare, "HEAD:refs/heads/other", ":refs/tags/t", ":refs/heads/topic", cwd=project)
    assert "ref/atoms" not in refs(run, project) and "refs/heads/other" in refs(run, bare)


def test_a_lost_ref_can_be_put_back(bare: Path, forger: Forger, run: Run) -> None:
    tag = rev(run, bare, "refs/atoms/a/1.0.0")
    run("git", "update-ref", "-d", "refs/atoms/a/1.0.0", cwd=bare)
    accepted(forger, bare, f"{tag}:refs/atoms/a/1.0.0")


# --- P03: what is published does not change ---------------------------------------------------------------------------


def test_p03_no_force_no_delete_no_fast_forward(bare: Path, forger: Forger, refused: Refused, run: Run) -> None:
    run("git", "config", "receive.denyDeletes", "false", cwd=bare)
    first = rev(run, bare, "refs/atoms/a/1.0.0")
    old = rev(run, bare, LOG)
    refused("ATOM-8503", ":refs/atoms/a/1.0.0")
    refused("ATOM-8503", f":{LOG}")
    other = write_loose(forger.repo, "tag", forger.tag(forger.release("a", "1.0.0", time="2024-01-01T00:00:00Z")))
    refused("ATOM-8504", f"+{other}:refs/atoms/a/1.0.0")
    commit = rev(run, forger.path, first + "^{commit}")
    tree = rev(run, forger.path, first + "^{tree}")
    text = f"tree {tree}\nparent {commit}\nauthor {making.IDENTITY}\ncommitter {making.IDENTITY}\n\nnext\n"
    forward = write_loose(forger.repo, "commit", text.encode())
    refused("ATOM-8504", f"+{forward}:refs/atoms/a/1.0.0")
    accepted(forger, bare, *forger.specs(forger.add("a", "1.1.0", "1.0.0")))
    refused("ATOM-3011", f"+{old}:{LOG}")
    refused("ATOM-8504", f"+{rev(run, bare, 'refs/atoms/a/1.1.0')}:refs/atoms/a/1.0.0")


def test_a_push_of_what_moved_meanwhile(bare: Path, forger: Forger, run: Run) -> None:
    """git compares old values itself, after the hook; the hook says it by name."""
    made = forger.add("a", "1.1.0", "1.0.0")
    zero, old = "0" * 40, rev(run, bare, LOG)
    lines = f"{zero} {made.oid} refs/atoms/a/1.1.0\n{made.oid} {forger.head} {LOG}\n"
    done = run("git", "atom", "hooks", "run", "pre-receive", cwd=bare, stdin=lines, status=5, GIT_DIR=".")
    assert "error[ATOM-2010]" in done.stderr and old in done.stderr


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ref",
    [
        "refs/atoms/a", "refs/atoms/a/1.0.0/x", "refs/atoms/a/v1.0.0", "refs/atoms/a/01.0.0", "refs/atoms/a/1.0.0+x",
        "refs/atoms/-rf/1.0.0", "refs/atoms/p\u0430ypal/1.0.0", "refs/atoms/cafe\u0301/1.0.0", "refs/atoms/HEAD/1.0.0",
        "refs/atoms-log/other", "refs/atoms-log/head/x", "refs/subs/x", "refs/subs/0123", "refs/Atoms/a/1.0.0", "refs/ATOMS/a/2.0.0",
        "refs/sets/x/log", "refs/sets/" + "0" * 64 + "/other", "refs/atoms/\u202e/1.0.0",
    ],
)  # fmt: skip
def test_names_that_are_none(ref: str, refused: Refused, forger: Forger, bare: Path, run: Run) -> None:
    tag = rev(run, bare, "refs/atoms/a/1.0.0")
    before = everything(bare)
    done = forger.push(bare, f"{tag}:{ref}")
    assert done.returncode == 1 and "error[ATOM-10" in done.stderr, done.stderr
    assert not [line for line in done.stderr.splitlines() if "error[" in line and "\u202e" in line]
    assert everything(bare) == before


# --- objects of the wrong kind, wrong signatures, wrong sets ----------------------------------------------------------


@pytest.mark.parametrize("kind", ["commit", "tree", "blob", "tag"])
def test_objects_of_another_kind(kind: str, forger: Forger, refused: Refused) -> None:
    release = forger.release("b", "1.0.0")
    made = forger.publish(forger.tag(release))[0]
    oid = {
        "commit": release.commit,
        "tree": forger.tree(),
        "blob": forger.blob(made.tag),
        "tag": write_loose(forger.repo, "tag", making.tag_head(release, "A <a@b> 1 +0000")),
    }[kind]
    refused("ATOM-8505", f"{oid}:refs/atoms/b/1.0.0", f"{forger.head}:{LOG}")
    accepted(forger, Path(forger.path.parent / "server.git"), *forger.specs(made))


def test_a_version_and_its_entry_come_together(forger: Forger, refused: Refused, bare: Path) -> None:
    made = forger.add("b", "1.0.0")
    refused("ATOM-8505", f"{made.oid}:refs/atoms/b/1.0.0")
    refused("ATOM-8506", f"{forger.head}:{LOG}")
    accepted(forger, bare, *forger.specs(made))


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("unsigned", "ATOM-3008"), ("key", "ATOM-3004"), ("entry key", "ATOM-3004"), ("namespace", "ATOM-3003"), ("moved", "ATOM-3010"),
        ("anchor", "ATOM-3010"), ("unclaimed", "ATOM-3010"), ("cut", "ATOM-3001"), ("fits not", "ATOM-3002"),
    ],
)  # fmt: skip
def test_tags_that_are_not_properly_signed(wrong: str, code: str, forger: Forger, refused: Refused, bare: Path) -> None:
    name = "unclaimed" if wrong == "unclaimed" else "b"
    release = forger.release(name, "1.0.0", **({"anchor": Digest("blake3:" + "0" * 64)} if wrong == "anchor" else {}))
    tag = forger.tag(release, OTHER if wrong == "key" else None)
    raw = making.tag_head(release, "A U Thor <author@example.org> 1700000000 +0000")
    if wrong == "unsigned":
        tag = raw
    elif wrong == "namespace":
        tag = raw + forger.owner.sign("atom-claim-v1", raw)
    elif wrong == "cut":
        tag = tag[:-60]
    elif wrong == "fits not":
        tag = raw + forger.owner.sign("git", raw + b"x")
    saved = forger.draft
    at = ("c", "1.0.0") if wrong == "moved" else (name, "1.0.0")
    made = forger.publish(tag, at=at, who=OTHER if wrong == "entry key" else None)[0]
    refused(code, f"{made.oid}:refs/atoms/{at[0]}/{at[1]}", f"{forger.head}:{LOG}")
    forger.draft = saved
    accepted(forger, bare, *forger.specs(forger.add("b", "1.0.0")))


def test_logs_of_another_set_and_forks(forger: Forger, refused: Refused, bare: Path, home: Path) -> None:
    foreign = Forger(home / "foreign.git", OTHER).claim("a")
    made = foreign.add("a", "9.0.0")
    refused("ATOM-3012", f"+{foreign.head}:{LOG}", f"{made.oid}:refs/atoms/a/9.0.0", cwd=foreign)
    refused("ATOM-8505", f"{made.oid}:refs/atoms/a/9.0.0", cwd=foreign)
    start = forger.draft
    accepted(forger, bare, *forger.specs(forger.add("a", "1.1.0", "1.0.0")))
    forger.draft = start
    made = forger.add("a", "1.2.0", "1.0.0")
    refused("ATOM-3012", f"{made.oid}:refs/atoms/a/1.2.0", f"+{forger.head}:{LOG}")


def test_h04_a_change_of_policy_is_not_used_in_the_same_push(forger: Forger, refused: Refused, bare: Path) -> None:
    newcomer = key("newcomer")
    forger.claim_for("theirs", newcomer)
    change = forger.head
    made = forger.publish(forger.tag(forger.release("theirs", "1.0.0"), newcomer), who=newcomer)[0]
    told = refused("ATOM-8508", *forger.specs(made))
    assert newcomer.fingerprint in told
    accepted(forger, bare, f"{change}:{LOG}")
    accepted(forger, bare, *forger.specs(made))


def test_which_sets_may_be_founded(bare: Path, home: Path, run: Run) -> None:
    made = Forger(home / "forge.git").claim("a")
    other = Forger(home / "other.git", OTHER).claim("a")
    run("git", "config", "atom.receiveAnchor", other.draft.anchor, cwd=bare)  # the repository's own word does not count
    run("git", "config", "--global", "atom.receiveAnchor", made.draft.anchor)
    before = everything(bare)
    done = other.push(bare, *other.specs(other.add("a", "1.0.0")))
    assert done.returncode == 1 and "error[ATOM-8513]" in done.stderr and everything(bare) == before
    accepted(made, bare, *made.specs(made.add("a", "1.0.0")))


def test_nothing_without_a_log(bare: Path, home: Path) -> None:
    made = Forger(home / "forge.git").claim("a")
    atom = made.add("a", "1.0.0")
    before = everything(bare)
    done = made.push(bare, *made.specs(atom)[:1])
    assert done.returncode == 1 and "error[ATOM-8509]" in done.stderr and everything(bare) == before


# --- content ----------------------------------------------------------------------------------------------------------


def test_content_that_is_not_what_the_tag_says(forger: Forger, refused: Refused, bare: Path) -> None:
    start = forger.draft
    good = forger.release("b", "1.0.0")
    extra = forger.blob(b"extra")
    tree = forger.tree((MODE_FILE, b"atom.toml", forger.blob(forger.manifest("b", "1.0.0"))), (MODE_FILE, b"x", extra))
    swapped = write_loose(
        forger.repo, "commit", making.atom_commit(tree, good.id, good.origin, good.path, "b", "1.0.0")
    )
    text = forger.objects.read(good.commit)[2]
    parented = write_loose(forger.repo, "commit", text.replace(b"\nauthor", f"\nparent {swapped}\nauthor".encode(), 1))
    other = forger.manifest("b", "1.0.1")
    cases = {
        "ATOM-8012": good._replace(commit=swapped),
        "ATOM-8005": good._replace(commit=parented),
        "ATOM-8515": forger.release("b", "1.0.0", manifest=other),
        "ATOM-1021": forger.release("b", "1.0.0", manifest=forger.manifest("b", "1.0.0") + b"x = 1\n"),
        "ATOM-1004": forger.release(
            "b", "1.0.0", more=[(0o160000, b"module", good.commit, Digest("blake3:" + "0" * 64))]
        ),
    }
    for code, release in cases.items():
        forger.draft = start
        made = forger.publish(forger.tag(release))[0]
        refused(code, *forger.specs(made))
    forger.draft = start
    accepted(forger, bare, *forger.specs(forger.add("b", "1.0.0")))


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        (MODE_FILE, b".GIT"), (MODE_FILE, b"git~1"), (MODE_FILE, ".g\u200cit".encode()), (MODE_FILE, b".git "), (MODE_FILE, b".git::x"),
        (MODE_FILE, b"a\\.git"), (MODE_LINK, b".gitmodules"), (MODE_LINK, b".GITATTRIBUTES"), (MODE_LINK, b"GITMOD~1"), (MODE_TREE, b".gIt"),
    ],
)  # fmt: skip
def test_p11_names_that_git_or_a_file_system_takes_for_its_own(
    mode: int, name: bytes, forger: Forger, refused: Refused, bare: Path
) -> None:
    start = forger.draft
    oid = forger.tree() if mode == MODE_TREE else forger.blob(b"x")
    digest = of_bytes(b"" if mode == MODE_TREE else b"x")
    bad = forger.publish(forger.tag(forger.release("b", "1.0.0", more=[(mode, name, oid, digest)])))[0]
    refused("ATOM-8512", *forger.specs(bad))
    forger.draft = start
    fine = [(mode, b"sub-" + name.strip(b".").replace(b"\\", b"\\x2d"), oid, digest)]
    accepted(forger, bare, *forger.specs(forger.add("b", "1.0.0", more=fine)))


def test_d01_a_few_bytes_that_stand_for_billions_of_files(forger: Forger, refused: Refused, bare: Path) -> None:
    start = forger.draft
    for levels, width in ((10, 10), (5, 200)):
        oid, digest = bomb(forger, levels, width)
        forger.draft = start
        made = forger.publish(forger.tag(forger.release("b", "1.0.0", more=[(MODE_TREE, b"d", oid, digest)])))[0]
        begin = time.monotonic()
        refused("ATOM-8511", *forger.specs(made))
        assert time.monotonic() - begin < 3
    forger.draft = start
    oid, digest = bomb(forger, 3, 10)
    accepted(forger, bare, *forger.specs(forger.add("b", "1.0.0", more=[(MODE_TREE, b"d", oid, digest)])))


def test_d01_in_the_log(forger: Forger, refused: Refused, bare: Path) -> None:
    """The log's own tree is somebody else's, too."""
    start = forger.draft
    oid, _ = bomb(forger, 10, 10)
    rows = [*forger.objects.tree(start.tree or ""), (MODE_TREE, b"zzz", oid)]
    text = forger.objects.read(forger.head)[2].split(b"\n", 1)[1]
    bad = write_loose(
        forger.repo, "commit", f"tree {forger.tree(*rows)}\nparent {forger.head}\n".encode() + text.split(b"\n", 1)[1]
    )
    begin = time.monotonic()
    refused("ATOM-2015", f"{bad}:{LOG}")
    assert time.monotonic() - begin < 5


def test_d04_directories_without_end(forger: Forger, refused: Refused, bare: Path) -> None:
    start = forger.draft
    for levels in (2000, 100):  # since 2.43 git itself refuses more than 2048
        forger.draft = start
        oid, digest = bomb(forger, levels, 1)
        made = forger.publish(forger.tag(forger.release("b", "1.0.0", more=[(MODE_TREE, b"d", oid, digest)])))[0]
        if levels == 2000:
            refused("ATOM-8511", *forger.specs(made))
        else:
            accepted(forger, bare, *forger.specs(made))


def test_d02_a_file_that_inflates(forger: Forger, refused: Refused, run: Run) -> None:
    big = b"\0" * (101 << 20)
    oid = forger.blob(big)
    made = forger.publish(forger.tag(forger.release("b", "1.0.0", more=[(MODE_FILE, b"big", oid, of_bytes(big))])))[0]
    refused("ATOM-2019", *forger.specs(made))


# --- all or nothing ---------------------------------------------------------------------------------------------------


def test_h02_many_good_ones_and_a_bad_one(forger: Forger, refused: Refused, bare: Path) -> None:
    names = [f"n{i}" for i in range(40)]
    forger.claim(*names)
    made = forger.publish(*(forger.tag(forger.release(name, "1.0.0")) for name in names))
    bad = f"{made[0].oid}:refs/atoms/n0/1.0.1"
    told = refused("ATOM-8505", *forger.specs(*made), bad)
    assert told.count("error[") == 1
    told = refused("ATOM-8505", *(f"{m.oid}:refs/atoms/{m.release.name}/1.0.1" for m in made), *forger.specs(*made))
    assert told.count("error[") == 11 and "30 more refs are refused" in told
    refused("ATOM-8505", *forger.specs(*made), bad, options=())
    accepted(forger, bare, *forger.specs(*made))
    run_list = forger.push(bare, *forger.specs(*made))
    assert run_list.returncode == 0


def test_h01_nothing_is_left_of_a_refused_push(forger: Forger, refused: Refused, bare: Path, run: Run) -> None:
    count = run("git", "count-objects", "-v", cwd=bare).stdout
    made = forger.add("b", "1.0.0")
    refused("ATOM-8505", f"{made.oid}:refs/atoms/b/1.0.0")
    assert run("git", "count-objects", "-v", cwd=bare).stdout == count
    assert not [name for name in os.listdir(bare / "objects") if name.startswith(("incoming", "tmp"))]


def broken(bare: Path, how: str) -> None:
    """Break the hook in one way; the line that judges is the fourth."""
    hook = bare / "hooks/pre-receive"
    lines = hook.read_text().split("\n")
    before, pipe, call = lines[3].partition("| ")
    lines[3] = {
        "missing": before + pipe + "/nowhere/python hooks run pre-receive || exit 1",
        "killed": before + pipe + "sh -c 'kill -9 $$' || exit 1",
        "memory": before + pipe + f"(ulimit -v 40000; {call.removesuffix(' || exit 1')}) || exit 1",
        "timeout": before + pipe + f"timeout -s KILL 0.01 {call}",
        "exception": before + pipe + call.replace("-m git_atom.cli.main", "-c 'raise SystemError'"),
    }[how]
    hook.write_text("\n".join(lines))


@pytest.mark.parametrize("how", ["missing", "killed", "memory", "timeout", "exception"])
def test_h03_a_broken_hook_refuses(how: str, forger: Forger, bare: Path, project: Path, run: Run) -> None:
    good = (bare / "hooks/pre-receive").read_text()
    specs = forger.specs(forger.add("b", "1.0.0"))
    broken(bare, how)
    before = everything(bare)
    done = forger.push(bare, *specs)
    assert done.returncode == 1 and "pre-receive hook declined" in done.stderr, done.stderr
    assert everything(bare) == before
    (bare / "hooks/pre-receive").write_text(good)
    accepted(forger, bare, *specs)


def test_h03_an_unreadable_policy_refuses(
    forger: Forger, refused: Refused, bare: Path, run: Run, project: Path
) -> None:
    made = forger.add("b", "1.0.0")
    for pack in list((bare / "objects/pack").glob("*.pack")):
        data = pack.read_bytes()
        for part in pack.parent.glob(pack.stem + ".*"):
            part.unlink()
        subprocess.run(["git", "unpack-objects", "-q"], cwd=bare, input=data, check=True)
    charter = rev(run, bare, f"{LOG}:charters/0/statement")
    loose = bare / "objects" / charter[:2] / charter[2:]
    data = loose.read_bytes()
    loose.chmod(0o644)
    loose.write_bytes(b"garbage")
    refused("ATOM-2008", *forger.specs(made))
    run("git", "push", "-q", bare, "HEAD:refs/heads/main", cwd=project)  # nothing of ours, nothing is read
    loose.write_bytes(data)
    accepted(forger, bare, *forger.specs(made))


def test_h03_a_log_whose_ref_is_broken_is_not_no_log(bare: Path, forger: Forger, home: Path, refused: Refused) -> None:
    foreign = Forger(home / "foreign.git", OTHER).claim("a")
    atom = foreign.add("a", "9.0.0")
    good = (bare / LOG).read_text()
    (bare / LOG).write_text("garbage\n")
    refused("ATOM-8517", *foreign.specs(atom), cwd=foreign, options=())
    (bare / LOG).write_text(good)
    accepted(forger, bare, *forger.specs(forger.add("b", "1.0.0")))


def test_h05_the_log_moves_while_a_hook_runs(forger: Forger, bare: Path, home: Path) -> None:
    """The first push waits in a hook behind ours until the second is through; git's own compare-and-swap then refuses it."""
    start = forger.draft
    first = forger.specs(forger.add("a", "1.1.0", "1.0.0"))
    forger.draft = start
    second = forger.specs(forger.add("a", "1.2.0", "1.0.0"))
    slow = bare / "hooks/pre-receive.before-git-atom"
    slow.write_text(
        f"#!/bin/sh\n[ -e {home}/first ] && exit 0\n: >{home}/first\nwhile [ ! -e {home}/go ]; do sleep 0.05; done\n"
    )
    slow.chmod(0o755)
    waiting = subprocess.Popen(["git", "push", "--atomic", str(bare), *first], cwd=forger.path, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (home / "first").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    accepted(forger, bare, *second)
    (home / "go").touch()
    words = waiting.communicate(timeout=60)[1].decode()
    assert waiting.returncode == 1, words
    listed = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname)"], cwd=bare, capture_output=True, text=True, check=True
    )
    assert listed.stdout.split() == [LOG, "refs/atoms/a/1.0.0", "refs/atoms/a/1.2.0"] or "1.1.0" not in listed.stdout


def test_what_the_environment_and_the_repository_say_does_not_count(
    forger: Forger, bare: Path, run: Run, home: Path
) -> None:
    canary = home / "canary"
    program = home / "program"
    program.write_text(f"#!/bin/sh\ntouch {canary}\n")
    program.chmod(0o755)
    for setting in ("gpg.ssh.program", "gpg.program", "core.fsmonitor", "core.sshCommand", "gpg.ssh.defaultKeyCommand"):
        run("git", "config", setting, str(program), cwd=bare)
    run("git", "config", "atom.trustedAnchor", "blake3:" + "0" * 64, cwd=bare)
    made = forger.add("b", "1.0.0")
    env = {"PYTHONPATH": str(home), "PYTHONSTARTUP": str(program), "GIT_TRACE2_EVENT": "", "ATOM_TRACE": "1"}
    (home / "git_atom").mkdir()
    (home / "git_atom/__init__.py").write_text("raise SystemExit(0)\n")
    before = everything(bare)
    done = forger.push(bare, f"{made.oid}:refs/atoms/b/1.0.0", env=env)
    assert done.returncode == 1 and "error[ATOM-8505]" in done.stderr, done.stderr
    assert everything(bare) == before and not canary.exists()
