"""Hooks from outside: real pushes to bare repositories, over paths, ssh and http, and everything that must not come in."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from forging import OTHER, Forger, bomb, key
from servers import Gitolite, http, ssh

from git_atom.atom import objects as making
from git_atom.core.digest import MODE_FILE, MODE_LINK, MODE_TREE, Digest, of_bytes
from git_atom.git.objects import write_loose

LOG = "refs/atoms-log/head"
Run = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.slow


def write_atom(folder: Path, name: str, version: str, content: str = "int main;\n") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "atom.toml").write_text(f'[atom]\nid = "{name}"\nversion = "{version}"\ntype = "package"\n')
    (folder / "main.c").write_text(content)


def commit(run: Run, repo: Path) -> str:
    run("git", "add", ".", cwd=repo)
    run("git", "commit", "-qm", "change", cwd=repo)
    return run("git", "rev-parse", "HEAD", cwd=repo).stdout.strip()


def rev(run: Run, repo: Path, what: str) -> str:
    return run("git", "rev-parse", what, cwd=repo).stdout.strip()


def refs(run: Run, repo: Path) -> str:
    return run("git", "for-each-ref", cwd=repo).stdout


def everything(repo: Path) -> str:
    """The state oracle: every file of a repository with its bytes, empty directories included."""
    hasher = hashlib.sha256()
    for folder, folders, files in sorted(os.walk(repo)):
        folders.sort()
        for name in sorted(files) + folders:
            path = Path(folder, name)
            hasher.update(f"{path.relative_to(repo)}\0".encode())
            hasher.update(
                os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            )
    return hasher.hexdigest()


@pytest.fixture
def bare(home: Path, run: Run) -> Path:
    """An empty bare repository with the hook."""
    path = home / "server.git"
    run("git", "init", "-q", "--bare", path)
    run("git", "atom", "hooks", "install", cwd=path)
    return path


@pytest.fixture
def forger(bare: Path, home: Path) -> Forger:
    """A set with a 1.0.0 that the server has; names a, b and c are claimed."""
    made = Forger(home / "forge.git").claim("a", "b", "c")
    first = made.add("a", "1.0.0")
    done = made.push(bare, *made.specs(first))
    assert done.returncode == 0, done.stderr
    return made


Refused = Callable[..., str]


@pytest.fixture
def refused(bare: Path, forger: Forger) -> Refused:
    """Push, expect a refusal with this code, and the server exactly as before; returns what git said."""

    def push(code: str, *specs: str, cwd: Forger = forger, options: tuple[str, ...] = ("--atomic",)) -> str:
        before = everything(bare)
        done = cwd.push(bare, *specs, options=options)
        assert done.returncode == 1 and f"error[{code}]" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr and "ATOM-9004" not in done.stderr, done.stderr
        assert everything(bare) == before, "a refusal leaves nothing"
        return str(done.stderr)

    return push


def accepted(forger: Forger, to: Path, *specs: str) -> None:
    done = forger.push(to, *specs)
    assert done.returncode == 0, done.stderr


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
    for levels in (4096, 100):
        forger.draft = start
        oid, digest = bomb(forger, levels, 1)
        made = forger.publish(forger.tag(forger.release("b", "1.0.0", more=[(MODE_TREE, b"d", oid, digest)])))[0]
        if levels == 4096:
            refused("ATOM-8511", *forger.specs(made))
        else:
            accepted(forger, bare, *forger.specs(made))


def test_d02_a_file_that_inflates(forger: Forger, refused: Refused, run: Run) -> None:
    big = b"\0" * (101 << 20)
    oid = forger.blob(big)
    made = forger.publish(forger.tag(forger.release("b", "1.0.0", more=[(MODE_FILE, b"big", oid, of_bytes(big))])))[0]
    refused("ATOM-2019", *forger.specs(made))


# --- sub-atoms --------------------------------------------------------------------------------------------------------


def test_sub_atoms(server: Path, atom: Path, run: Run) -> None:
    """Those an atom needs come with it, as they are locked; others do not come at all."""
    (atom / "shared").mkdir()
    (atom / "shared/data").write_text("data\n")
    (atom / "one.txt").write_text("one\n")
    write_atom(atom / "app", "app", "1.0.0")
    with (atom / "app/atom.toml").open("a") as file:
        file.write('[srcs.data]\npath = "../shared"\n[srcs.one]\npath = "../one.txt"\n')
    commit(run, atom)
    run("git", "atom", "lock", "app", cwd=atom)
    commit(run, atom)
    run("git", "atom", "publish", "app", cwd=atom)
    subs = [line.split()[2] for line in refs(run, atom).splitlines() if "refs/subs/" in line]
    assert len(subs) == 2
    wanted = ["refs/atoms/app/1.0.0", LOG]
    other = rev(run, atom, "HEAD")

    def no(code: str, *specs: str) -> None:
        before = everything(server)
        done = run("git", "push", "--atomic", "origin", *specs, cwd=atom, status=1)
        assert f"error[{code}]" in done.stderr, done.stderr
        assert everything(server) == before

    no("ATOM-8507", *wanted, subs[0])
    no("ATOM-8507", *wanted, subs[0], f"{other}:{subs[1]}")
    no("ATOM-8507", *wanted, *subs, f"{rev(run, atom, subs[0])}:refs/subs/{rev(run, atom, 'HEAD^{tree}')}")
    no("ATOM-8507", subs[0])
    run("git", "atom", "publish", "app", "--push", "origin", cwd=atom)
    no("ATOM-8503", f":{subs[0]}")
    assert {line.split()[2] for line in refs(run, server).splitlines()} >= {*wanted, *subs}


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


# --- through the commands ---------------------------------------------------------------------------------------------


@pytest.fixture
def atom(project: Path, key: Path, run: Run) -> Path:
    """A project with a set and zlib 1.3.1 published in it."""
    write_atom(project / "zlib", "zlib", "1.3.1")
    commit(run, project)
    run("git", "atom", "init", cwd=project)
    run("git", "atom", "publish", "zlib", cwd=project)
    return project


@pytest.fixture
def server(home: Path, run: Run, atom: Path) -> Path:
    """A bare repository with the hook; the project's set is on it."""
    path = home / "server.git"
    run("git", "init", "-q", "--bare", path)
    run("git", "atom", "hooks", "install", "--server", cwd=path)
    run("git", "remote", "add", "origin", str(path), cwd=atom)
    run("git", "push", "-q", "origin", "HEAD:refs/heads/main", cwd=atom)
    run("git", "atom", "publish", "zlib", "--push", "origin", cwd=atom)
    return path


def test_p07_a_server_that_refuses_one_of_five_has_none(server: Path, atom: Path, run: Run) -> None:
    picky = server / "hooks/pre-receive.before-git-atom"
    picky.write_text("#!/bin/sh\n! grep -q refs/atoms/p3/\n")
    picky.chmod(0o755)
    for i in range(5):
        write_atom(atom / f"p{i}", f"p{i}", "1.0.0")
    commit(run, atom)
    before = everything(server)
    argv = ["git", "atom", "publish", "--push", "origin", *(f"p{i}" for i in range(5))]
    done = run(*argv, cwd=atom, status=2)
    assert "ATOM-2012" in done.stderr and everything(server) == before
    picky.unlink()
    run(*argv, cwd=atom)
    assert run("git", "atom", "list", cwd=server).stdout.count("\n") == 6


def test_p08_a_server_that_says_yes_and_does_not_keep_it(server: Path, atom: Path, run: Run) -> None:
    liar = server / "hooks/post-receive"
    liar.write_text("#!/bin/sh\ngit update-ref -d refs/atoms/zlib/1.3.2\n")
    liar.chmod(0o755)
    write_atom(atom / "zlib", "zlib", "1.3.2")
    commit(run, atom)
    done = run("git", "atom", "publish", "zlib", "--push", "origin", cwd=atom, status=6)
    assert "ATOM-2017" in done.stderr and "not published" in done.stderr


def test_the_reason_reaches_who_publishes(server: Path, atom: Path, run: Run, home: Path) -> None:
    run("git", "config", "--global", "atom.receiveAnchor", "blake3:" + "0" * 64)
    run("git", "init", "-q", "--bare", home / "second.git")
    run("git", "atom", "hooks", "install", cwd=home / "second.git")
    done = run("git", "atom", "publish", "zlib", "--push", str(home / "second.git"), cwd=atom, status=2)
    assert "ATOM-2012" in done.stderr and "ATOM-8513" in done.stderr


def test_two_offline_publishers_reconcile(server: Path, atom: Path, home: Path, run: Run) -> None:
    """Both publish offline, the same name too; the hook sees one log that only grows, and nobody's floor is undercut."""
    second = home / "second"
    run("git", "clone", "-q", str(server), second)
    run("git", "atom", "init", cwd=second)
    for repo in (atom, second):
        run("git", "atom", "hooks", "install", "--client", cwd=repo)
    for repo, version, other in ((atom, "1.3.2", "one"), (second, "1.4.0", "two")):
        write_atom(repo / "zlib", "zlib", version)
        write_atom(repo / other, other, "1.0.0")
        commit(run, repo)
        run("git", "atom", "publish", "--all", cwd=repo)
    for repo in (atom, second, atom):
        done = run("git", "atom", "publish", "--all", "--push", "origin", cwd=repo)
        assert "error" not in done.stderr
    names = "one 1.0.0\ntwo 1.0.0\nzlib 1.3.1\nzlib 1.3.2\nzlib 1.4.0\n"
    for repo in (server, atom, second):
        assert run("git", "atom", "list", cwd=repo).stdout == names
        run("git", "atom", "verify", cwd=repo)


# --- over a network ---------------------------------------------------------------------------------------------------


def publish_and_be_refused(server: Path, url: str, atom: Path, run: Run) -> None:
    """A good push and a bad one over some transport."""
    run("git", "remote", "set-url", "origin", url, cwd=atom)
    write_atom(atom / "zlib", "zlib", "1.3.2", "x" * 3_000_000)
    commit(run, atom)
    run("git", "atom", "publish", "zlib", "--push", "origin", cwd=atom)
    assert run("git", "atom", "list", cwd=server).stdout == "zlib 1.3.1\nzlib 1.3.2\n"
    before = everything(server)
    for specs, code in ((":refs/atoms/zlib/1.3.1", "8503"), ("+refs/atoms/zlib/1.3.2:refs/atoms/zlib/1.3.1", "8504")):
        done = run("git", "push", "origin", specs, cwd=atom, status=1)
        assert f"remote: error[ATOM-{code}]" in done.stderr, done.stderr
        assert everything(server) == before


def test_over_http(server: Path, atom: Path, run: Run) -> None:
    run("git", "config", "http.receivepack", "true", cwd=server)
    with http(server.parent) as url:
        publish_and_be_refused(server, f"{url}/server.git", atom, run)


def test_over_ssh(server: Path, atom: Path, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = home / "sshd"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "login")
    with ssh(place, [(home / "login.pub").read_text().strip()], "/usr/bin:/bin", home) as (port, command):
        monkeypatch.setenv("GIT_SSH_COMMAND", command.replace(f"{place}/user", str(home / "login")))
        publish_and_be_refused(server, f"ssh://127.0.0.1:{port}{server}", atom, run)


def test_in_a_gitolite(atom: Path, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook lies in gitolite's local code and is linked into its repositories; gitolite's own update hook goes on working."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "admin")
    (home / "git").mkdir()
    lite = Gitolite(home / "git", home / "admin.pub")
    run("git", "init", "-q", "--bare", home / "any.git")
    common = home / "git/local/hooks/common"
    common.mkdir(parents=True)
    shutil.copy(run("git", "atom", "hooks", "install", "-q", cwd=home / "any.git").stdout.strip(), common)
    lite.call("setup", "--hooks-only")
    server = home / "git/repositories/testing.git"
    assert (server / "hooks/pre-receive").is_symlink() and (server / "hooks/update").is_symlink()
    place = home / "sshd"
    with ssh(place, lite.keys, "/usr/bin:/bin", home / "git") as (port, command):
        monkeypatch.setenv("GIT_SSH_COMMAND", command.replace(f"{place}/user", str(home / "admin")))
        url = f"ssh://127.0.0.1:{port}/testing"
        run("git", "remote", "add", "origin", url, cwd=atom)
        run("git", "push", "-q", "origin", "HEAD:refs/heads/main", cwd=atom)
        run("git", "atom", "publish", "zlib", "--push", "origin", cwd=atom)
        publish_and_be_refused(server, url, atom, run)
        run("git", "push", "-q", f"ssh://127.0.0.1:{port}/nowhere", "HEAD:refs/heads/x", cwd=atom, status=128)
    assert run("git", "atom", "hooks", "install", "-n", cwd=server).stderr.startswith("is installed already")


# --- the client's hook ------------------------------------------------------------------------------------------------


@pytest.fixture
def clone(bare: Path, forger: Forger, home: Path, run: Run) -> Path:
    """A repository with the client's hook that has what the server has."""
    path = home / "clone"
    run("git", "init", "-q", path)
    run("git", "remote", "add", "origin", str(bare), cwd=path)
    run("git", "remote", "add", "forge", str(forger.path), cwd=path)
    assert run("git", "atom", "hooks", "install", cwd=path).stdout.strip().endswith("hooks/reference-transaction")
    run("git", "fetch", "-q", "origin", f"{LOG}:{LOG}", cwd=path)
    run("git", "fetch", "-q", "origin", "refs/atoms/*:refs/atoms/*", cwd=path)
    assert "refs/atoms/a/1.0.0" in refs(run, path)
    return path


def stopped(run: Run, clone: Path, code: str, *argv: str, stdin: str = "") -> None:
    before = refs(run, clone)
    done = run("git", *argv, cwd=clone, status=None, stdin=stdin)
    assert done.returncode != 0 and f"error[{code}]" in done.stderr, done.stderr
    assert refs(run, clone) == before


def test_client_a_fetch_that_would_bring_a_bad_atom(clone: Path, forger: Forger, run: Run) -> None:
    start = forger.draft
    bad = forger.publish(forger.tag(forger.release("b", "1.0.0"), OTHER))[0]
    run("git", "update-ref", "refs/atoms/b/1.0.0", bad.oid, cwd=forger.path)
    run("git", "update-ref", LOG, forger.head, cwd=forger.path)
    stopped(run, clone, "ATOM-3004", "fetch", "forge", "refs/atoms/*:refs/atoms/*")
    stopped(run, clone, "ATOM-3004", "fetch", "forge", f"{LOG}:{LOG}")
    run("git", "fetch", "-q", "forge", "refs/atoms/*:refs/remotes/forge/*", cwd=clone)  # none of our refs
    run("git", "update-ref", "-d", "refs/atoms/b/1.0.0", cwd=forger.path)
    run("git", "update-ref", LOG, start.head or "", cwd=forger.path)
    forger.draft = start
    good = forger.add("b", "1.0.0")
    run("git", "update-ref", "refs/atoms/b/1.0.0", good.oid, cwd=forger.path)
    run("git", "update-ref", LOG, forger.head, cwd=forger.path)
    run("git", "fetch", "-q", "forge", "refs/atoms/*:refs/atoms/*", f"{LOG}:{LOG}", cwd=clone)
    assert "refs/atoms/b/1.0.0" in refs(run, clone)


def test_client_a_local_write_that_moves_a_version(clone: Path, forger: Forger, run: Run, bare: Path) -> None:
    accepted(forger, bare, *forger.specs(forger.add("a", "1.1.0", "1.0.0")))
    old = rev(run, clone, LOG)
    run("git", "fetch", "-q", "origin", f"{LOG}:{LOG}", "refs/atoms/*:refs/atoms/*", cwd=clone)
    one, two = rev(run, clone, "refs/atoms/a/1.0.0"), rev(run, clone, "refs/atoms/a/1.1.0")
    head = rev(run, clone, LOG)
    stopped(run, clone, "ATOM-3010", "update-ref", "refs/atoms/a/1.0.0", two)
    stopped(run, clone, "ATOM-8505", "update-ref", "refs/atoms/a/1.0.0", f"{one}^{{commit}}")
    stopped(run, clone, "ATOM-8503", "update-ref", "-d", "refs/atoms/a/1.0.0")
    stopped(run, clone, "ATOM-8503", "update-ref", "-d", LOG)
    stopped(run, clone, "ATOM-8510", "update-ref", LOG, old)
    stopped(run, clone, "ATOM-1017", "update-ref", "refs/atoms/other", one)
    stopped(run, clone, "ATOM-8507", "update-ref", f"refs/subs/{'0' * 40}", head)
    run("git", "-c", "core.hooksPath=/dev/null", "update-ref", "-d", "refs/atoms/a/1.0.0", cwd=clone)
    run("git", "update-ref", "refs/atoms/a/1.0.0", one, cwd=clone)  # put back as it was
    (clone / "x").write_text("x")
    commit(run, clone)
    run("git", "tag", "t", cwd=clone)
    run("git", "gc", "-q", "--prune=now", cwd=clone)
    run("git", "pack-refs", "--all", cwd=clone)
    run("git", "branch", "-q", "topic", cwd=clone)
    run("git", "branch", "-q", "-D", "topic", cwd=clone)


def test_client_prune_does_not_delete_what_is_published(clone: Path, forger: Forger, run: Run, bare: Path) -> None:
    run("git", "update-ref", "-d", "refs/atoms/a/1.0.0", cwd=bare)
    stopped(run, clone, "ATOM-8503", "fetch", "--prune", "origin", "+refs/atoms/*:refs/atoms/*")


def test_client_unknown_states_pass_and_the_shim_is_quiet_for_other_refs(clone: Path, run: Run) -> None:
    line = f"{'0' * 40} {'1' * 40} refs/atoms/a/1.0.0\n"
    for state in ("preparing", "committed", "aborted", "whatever"):
        run("git", "atom", "hooks", "run", "reference-transaction", state, cwd=clone, stdin=line)
    run("git", "atom", "hooks", "run", "reference-transaction", "prepared", cwd=clone, stdin=line, status=2)
    for bad in ("x\n", line[:-1], f"ref:refs/x {line[41:]}", line + line):
        done = run("git", "atom", "hooks", "run", "reference-transaction", "prepared", cwd=clone, stdin=bad, status=7)
        assert "error[ATOM-8501]" in done.stderr
    run(
        "git",
        "atom",
        "hooks",
        "run",
        "reference-transaction",
        "prepared",
        cwd=clone,
        stdin="ref:refs/heads/a ref:refs/heads/b HEAD\n",
    )
    run("git", "atom", "hooks", "run", "post-receive", cwd=clone, status=129)
    hook = clone / ".git/hooks/reference-transaction"
    hook.write_text(hook.read_text().replace("-m git_atom.cli.main", "-c 'raise SystemExit(9)'"))
    run("git", "commit", "-q", "--allow-empty", "-m", "x", cwd=clone)
    run("git", "update-ref", "refs/atoms/a/9.0.0", "HEAD", cwd=clone, status=128)


def test_client_our_own_commands_pass(server: Path, atom: Path, run: Run, home: Path) -> None:
    """Publishing, joining, fetching into a store with the hook: they pass because what they write is good."""
    store = home / ".local/share/git-atom/store.git"
    for repo in (atom, store):
        run("git", "atom", "hooks", "install", "--client", cwd=repo)
    write_atom(atom / "zlib", "zlib", "1.3.2")
    write_atom(atom / "curl", "curl", "8.0.0")
    commit(run, atom)
    run("git", "atom", "publish", "--all", "--push", "origin", cwd=atom)
    run("git", "atom", "fetch", f"{server}::zlib@=1.3.2", cwd=home)
    anchor = next(line.split("/")[2] for line in refs(run, store).splitlines() if line.endswith("/log"))
    log = f"refs/sets/{anchor}/log"
    stopped(run, store, "ATOM-8503", "update-ref", "-d", log)
    stopped(run, store, "ATOM-3011", "update-ref", log, f"{log}~1")
    one = f"refs/sets/{anchor}/atoms/zlib/1.3.2"
    stopped(run, store, "ATOM-8505", "update-ref", one, f"{one}^{{commit}}")
    stopped(run, store, "ATOM-8516", "update-ref", f"refs/sets/{'0' * 64}/log", log)
    run("git", "update-ref", "-d", one, cwd=store)
    run("git", "atom", "fetch", f"{server}::zlib@=1.3.2", cwd=home)
    run("git", "clone", "-q", str(server), home / "second")
    run("git", "atom", "hooks", "install", cwd=home / "second")
    run("git", "atom", "init", cwd=home / "second")


# --- installing -------------------------------------------------------------------------------------------------------


def test_install_beside_a_hook(bare: Path, home: Path, run: Run, project: Path) -> None:
    hook = bare / "hooks/pre-receive"
    ours = hook.read_bytes()
    theirs = f"#!/bin/sh\ncat >{home}/seen\nexec test ! -e {home}/no\n".encode()
    hook.write_bytes(theirs)
    hook.chmod(0o751)
    before = everything(bare)
    told = run("git", "atom", "hooks", "install", "-n", "--server", cwd=bare)
    assert "would be installed" in told.stderr and everything(bare) == before
    run("git", "atom", "hooks", "install", "--server", cwd=bare)
    kept = bare / "hooks/pre-receive.before-git-atom"
    assert kept.read_bytes() == theirs and kept.stat().st_mode & 0o777 == 0o751 and hook.read_bytes() == ours
    before = everything(bare)
    assert "already" in run("git", "atom", "hooks", "install", "--server", cwd=bare).stderr
    assert everything(bare) == before
    made = Forger(home / "forge.git").claim("a")
    atom = made.add("a", "1.0.0")
    accepted(made, bare, *made.specs(atom))
    assert (home / "seen").read_text().splitlines() == [
        f"{'0' * 40} {made.head} {LOG}", f"{'0' * 40} {atom.oid} refs/atoms/a/1.0.0"
    ] or (home / "seen").read_text().count("\n") == 2  # fmt: skip
    (home / "no").touch()
    run("git", "push", bare, "HEAD:refs/heads/x", cwd=project, status=1)
    (home / "no").unlink()
    hook.write_bytes(ours.replace(b" -I ", b" -E "))  # an older one of ours
    assert "brought up to date" in run("git", "atom", "hooks", "install", cwd=bare).stderr
    assert hook.read_bytes() == ours and kept.read_bytes() == theirs
    hook.write_bytes(theirs)
    assert "ATOM-8514" in run("git", "atom", "hooks", "install", cwd=bare, status=128).stderr
    assert hook.read_bytes() == theirs


def test_install_where_git_looks_for_hooks(project: Path, home: Path, run: Run) -> None:
    shared = home / "my hooks"
    run("git", "config", "--global", "core.hooksPath", str(shared))
    done = run("git", "atom", "hooks", "install", "--server", "--client", cwd=project)
    assert (
        sorted(os.listdir(shared)) == ["pre-receive", "reference-transaction"]
        and "serves every repository" in done.stderr
    )
    run("git", "config", "core.hooksPath", "own", cwd=project)
    run("git", "atom", "hooks", "install", cwd=project)
    assert (project / "own/reference-transaction").exists()
    run("git", "config", "core.hooksPath", "/dev/null", cwd=project)
    assert "ATOM-8514" in run("git", "atom", "hooks", "install", cwd=project, status=128).stderr
    assert "ATOM-2003" in run("git", "atom", "hooks", "install", cwd=home, status=128).stderr
    run("git", "worktree", "add", "-q", home / "tree", cwd=project)
    run("git", "config", "--unset", "core.hooksPath", cwd=project)
    run("git", "config", "--global", "--unset", "core.hooksPath")
    run("git", "atom", "hooks", "install", cwd=home / "tree")
    assert (project / ".git/hooks/reference-transaction").exists()
