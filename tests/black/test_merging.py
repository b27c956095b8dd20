"""`git atom driver`: git merges manifests and locks of branches, key by key and record by record, and shows locks."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from test_choosing import locked, need
from test_lock import atom, commit, published

__all__ = ["published"]
Publish = Callable[..., str]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
LINES = "atom.lock merge=atom-lock diff=atom-lock\natom.toml merge=atom-manifest\n"  # of attributes


def test_two_branches_that_add_different_dependencies(home: Path, run: Run, project: Path, published: Publish) -> None:
    url = published("many", ("aa", "1.0.0", ""), ("bb", "1.0.0", ""), ("zz", "1.0.0", ""))
    (project / "atom.toml").write_text(
        f'[atom]\nid = "app"\nversion = "1.0.0"\n\n{need(url, "mm")}'.replace("mm", "aa")
    )
    run("git", "atom", "lock", cwd=project)
    commit(run, project)
    told = run("git", "atom", "driver", "install", cwd=project).stderr
    assert "+ atom.lock merge=atom-lock" in told and "+ atom.toml merge=atom-manifest" in told
    assert "already" in run("git", "atom", "driver", "install", cwd=project).stderr
    assert run("git", "status", "--short", cwd=project).stdout == ""
    for branch, name in (("left", "bb"), ("right", "zz")):
        run("git", "checkout", "-q", "-b", branch, "main", cwd=project)
        run("git", "atom", "add", f"{url}::{name}", cwd=project)
        text = (project / "atom.toml").read_text()
        (project / "atom.toml").write_text(text.replace(f"[deps.{name}]", f"[deps.{name}] # for {branch}"))
        run("git", "atom", "lock", cwd=project)
        commit(run, project)
    run("git", "merge", "-q", "-m", "both", "left", cwd=project)
    text = (project / "atom.toml").read_text()
    assert "\n\n[deps.zz] # for right\n" in text and "\n\n[deps.bb] # for left\n" in text
    assert locked(project) == {"aa": "1.0.0", "bb": "1.0.0", "zz": "1.0.0"}
    run("git", "atom", "lock", "--locked", cwd=project)
    shown = run("git", "diff", "main", "--", "atom.lock", cwd=project).stdout
    assert "+atom bb 1.0.0" in shown and "[[atoms]]" not in shown
    # one thing chosen differently: a conflict, and a lock that git atom lock makes fit
    published("many", ("aa", "1.1.0", ""))
    run("git", "checkout", "-q", "-b", "up", "main", cwd=project)
    run("git", "atom", "update", cwd=project)
    commit(run, project)
    published("many", ("aa", "1.2.0", ""))
    run("git", "checkout", "-q", "-b", "upper", "main", cwd=project)
    run("git", "atom", "update", cwd=project)
    commit(run, project)
    done = run("git", "merge", "up", cwd=project, status=1)
    assert "ATOM-8713" in done.stderr + done.stdout and "atoms:" in done.stderr + done.stdout
    run("git", "atom", "lock", cwd=project)
    assert locked(project) == {"aa": "1.2.0"}


def test_two_branches_that_say_different_things_of_one_key(
    home: Path, run: Run, project: Path, published: Publish
) -> None:
    url = published("many", ("aa", "1.0.0", ""), ("bb", "1.0.0", ""), ("zz", "1.0.0", ""))
    atom(project / "sub dir", "app", more=need(url, "aa"))
    run("git", "atom", "lock", "sub dir", cwd=project)
    commit(run, project)
    run("git", "atom", "driver", "install", cwd=project)
    for branch, wanted, name in (("left", "<2", "bb"), ("right", "^1", "zz")):
        run("git", "checkout", "-q", "-b", branch, "main", cwd=project)
        run("git", "atom", "add", f"aa@{wanted}", f"{url}::{name}", cwd=project / "sub dir")
        commit(run, project)
    done = run("git", "merge", "left", cwd=project, status=1)
    assert "ATOM-8714" in done.stderr and "CONFLICT (content)" in done.stdout
    path = project / "sub dir/atom.toml"
    text = path.read_text()
    marks = '<<<<<<< ours\nversion = "^1"\n=======\nversion = "<2"\n>>>>>>> theirs\n'
    assert marks in text and "[deps.bb]" in text and "[deps.zz]" in text
    path.write_text(text.replace(marks, 'version = "^1"\n'))
    run("git", "atom", "lock", "sub dir", cwd=project)
    assert locked(path.parent) == {"aa": "1.0.0", "bb": "1.0.0", "zz": "1.0.0"}
    # the three versions stay in the index as git leaves them
    assert len(run("git", "ls-files", "-u", cwd=project).stdout.splitlines()) >= 3
    run("git", "merge", "--abort", cwd=project)
    run("git", "config", "merge.conflictStyle", "diff3", cwd=project)
    run("git", "merge", "left", cwd=project, status=1)
    assert '||||||| base\nversion = "*"\n=======\n' in path.read_text()


def test_install_for_all_repositories(home: Path, run: Run) -> None:
    done = run("git", "atom", "driver", "install", "--global")
    path = Path(done.stdout.strip())
    assert path == home / ".config/git/attributes" and path.read_text() == LINES
    run("git", "init", "-q", "x")
    assert "merge: atom-lock" in run("git", "check-attr", "merge", "atom.lock", cwd=home / "x").stdout
    run("git", "config", "--global", "core.attributesFile", "~/mine")
    (home / "mine").write_text("*.png binary")
    run("git", "atom", "driver", "install", "--global", "-n")
    assert (home / "mine").read_text() == "*.png binary"
    run("git", "atom", "driver", "install", "--global")
    assert (home / "mine").read_text() == f"*.png binary\n{LINES}"
