"""Objects that are not what their ids say (catalogue F08, F09): never other content than what was signed."""

import os
import subprocess
import zlib
from pathlib import Path

import pytest
from test_log import Set

from git_atom.app.atom.atoms import check_content
from git_atom.core.digest import MODE_FILE
from git_atom.errors import AtomError
from git_atom.git import written
from git_atom.git.objects import Objects
from git_atom.git.trees import encode_tree
from git_atom.git.written import oid_of, write_loose
from git_atom.trust import log as logs

EVIL = b"evil\n"


@pytest.fixture
def made(tmp_path: Path, home: Path) -> Set:
    return Set(tmp_path / "r.git").claim("a").publish("a", "1.0.0")


class Short(str):
    """An object id by a hash of 16 bits: equal to every id that begins alike."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self[:4] == other[:4]

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def collide(kind: str, target: str, make) -> bytes:
    """Bytes of a kind whose id begins like the target's."""
    return next(data for data in map(make, range(10**7)) if oid_of(kind, data)[:4] == target[:4])


def replace(made: Set, oid: str, kind: str, data: bytes) -> None:
    path = Path(made.repo.git_dir) / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.write_bytes(zlib.compress(b"%s %d\0" % (kind.encode(), len(data)) + data))


@pytest.mark.parametrize("kind", ["blob", "tree", "commit"])
def test_f09_a_collision_of_gits_own_hash(made: Set, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a git hash so weak that an attacker makes what collides, the second digest still refuses."""
    release = logs.release(made.objects, made.verify(), "a", "1.0.0")[0].value
    tree = made.objects.commit_tree(release.commit)
    blob = made.objects.tree(tree)[0][2]
    evil = write_loose(made.repo, "blob", EVIL)
    other = write_loose(made.repo, "tree", encode_tree([(MODE_FILE, b"atom.toml", evil)]))
    raw = made.objects.read(release.commit)[2].replace(tree.encode(), other.encode())
    makers = {
        "blob": (blob, lambda n: EVIL + b"%d" % n),
        "tree": (tree, lambda n: encode_tree([(MODE_FILE, b"atom.toml", evil), (MODE_FILE, b"b%d" % n, evil)])),
        "commit": (release.commit, lambda n: raw + b"%d" % n),
    }
    target, maker = makers[kind]
    assert check_content(made.objects, release) == tree
    was, real = made.objects.read(target)[2], written.oid_of
    monkeypatch.setattr(written, "oid_of", lambda *a: Short(real(*a)))
    with Objects(made.repo) as control:
        assert check_content(control, release) == tree
    replace(made, target, kind, collide(kind, target, maker))
    with Objects(made.repo) as fooled:
        assert fooled.read(target)[2] != was  # git's hash is fooled
        with pytest.raises(AtomError) as caught:
            check_content(fooled, release)
    assert caught.value.code in ("ATOM-8012", "ATOM-8005")


def whole(made: Set) -> str | tuple[str, str]:
    """What the log and its one atom come to, or the error's code."""
    try:
        with Objects(made.repo) as objects:
            log = logs.verify(objects, made.digests.__class__(objects, None), made.draft.head, anchor=made.draft.anchor)
            held = logs.release(objects, log, "a", "1.0.0")
            assert held is not None
            return check_content(objects, held[0].value), held[0].value.tree
    except AtomError as error:
        assert error.exit in (2, 6, 7, 128), error  # 6: git no longer finds it
        return error.code


@pytest.mark.parametrize("form", ["loose", "pack", "idx"])
def test_f08_flipped_bytes(made: Set, form: str) -> None:
    """A byte of a loose object, a pack or its index flipped: the same verified result, or a refusal; never other content."""
    good = whole(made)
    assert isinstance(good, tuple)
    store = Path(made.repo.git_dir) / "objects"
    if form == "loose":
        release = logs.release(made.objects, made.verify(), "a", "1.0.0")[0].value
        tree = made.objects.commit_tree(release.commit)
        names = [release.commit, tree, made.objects.tree(tree)[0][2], made.draft.head]
        files = [store / name[:2] / name[2:] for name in names]
    else:
        tips = f"{made.draft.head}\n{logs.release(made.objects, made.verify(), 'a', '1.0.0')[0].value.commit}\n"
        subprocess.run(
            ["git", "pack-objects", "-q", "--revs", store / "pack/pack"], cwd=made.repo.git_dir, input=tips.encode(),
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        subprocess.run(["git", "prune-packed"], cwd=made.repo.git_dir, check=True)
        files = list((store / "pack").glob(f"*.{form}"))
    made.objects.close()
    assert files and whole(made) == good
    refused = 0
    for file in files:
        data = file.read_bytes()
        file.chmod(0o644)
        for at in range(0, len(data), max(1, len(data) // 60)):
            file.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
            found = whole(made)
            assert found == good or isinstance(found, str), (file, at, found)
            refused += isinstance(found, str)
        file.write_bytes(data)
    assert refused and whole(made) == good


def test_f08_what_is_not_there_is_not_an_empty_one(made: Set) -> None:
    release = logs.release(made.objects, made.verify(), "a", "1.0.0")[0].value
    os.unlink(Path(made.repo.git_dir) / "objects" / release.commit[:2] / release.commit[2:])
    made.objects.close()
    assert whole(made) == "ATOM-8018"
