"""Many versions are checked by two processes at once, which shows in nothing but time: the same words, the same errors, in the same order."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import Run, commit, rev, write_atom

MANY = 530  # versions from which on the work is shared


@pytest.fixture(scope="module")
def names() -> list[str]:
    return [f"atom-{number:03}" for number in range(MANY)]


def test_alone_and_beside_say_the_same(project: Path, key: Path, run: Run, names: list[str]) -> None:
    for name in names:
        write_atom(project / name, name, "1.0.0")
    commit(run, project)
    run("git", "atom", "init", cwd=project)
    run("git", "atom", "publish", "--all", "-q", cwd=project)

    def both(status: int) -> tuple[str, str]:
        alone = run("taskset", "-c", "0", "git", "atom", "verify", "--all", cwd=project, status=status)
        beside = run("git", "atom", "verify", "--all", cwd=project, status=status)
        assert (alone.stdout, alone.stderr) == (beside.stdout, beside.stderr)
        return beside.stdout, beside.stderr

    out, _ = both(0)
    assert [line.split()[:2] for line in out.splitlines()] == [["good", name] for name in names]
    early, late = f"refs/atoms/{names[3]}/1.0.0", f"refs/atoms/{names[-3]}/1.0.0"
    was, other = rev(run, project, late), rev(run, project, early)
    run("git", "update-ref", late, other, cwd=project)
    _, err = both(2)
    assert "ATOM-8019" in err and names[-3] in err
    run("git", "update-ref", early, was, cwd=project)
    _, err = both(2)
    assert err.index(names[3]) < err.index(names[-3]), "problems of both halves, in order"
