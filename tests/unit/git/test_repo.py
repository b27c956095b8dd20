"""Repositories are found and refused by name; objects and refs behave like git's own."""

import os
import subprocess

import pytest

from git_atom.core.digest import MODE_EXEC, MODE_FILE, MODE_LINK, MODE_TREE, Digest, Oid
from git_atom.core.host import Host, Progress
from git_atom.core.tree import tree_digest
from git_atom.errors import AtomError, CannotError, ConflictError, MalformedError
from git_atom.git import config, objects, refs, repo, trees, written


def env_of(path):
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(path),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.org",
        "GIT_AUTHOR_DATE": "1700000000 +0000",
        "GIT_COMMITTER_DATE": "1700000000 +0000",
    }


def git(path, *argv, env=None):
    return subprocess.run(["git", *argv], cwd=path, env=env or env_of(path), check=True, capture_output=True).stdout


@pytest.fixture
def work(tmp_path):
    path = tmp_path / "work"
    path.mkdir()
    git(path, "init", "-q")
    return path


@pytest.fixture
def full(work):
    (work / "src").mkdir()
    (work / "src/lib.rs").write_text("fn test() {}")
    (work / "Cargo.toml").write_text("[package]")
    git(work, "add", ".")
    git(work, "commit", "-qm", "one")
    return work


def test_discover_from_a_subdirectory(full):
    found = repo.discover(str(full / "src"), env_of(full))
    assert found.git_dir == str(full / ".git")
    assert (found.work_tree, found.bare, found.object_format) == (str(full), False, "sha1")
    assert found.objects == str(full / ".git/objects")


def test_discover_in_bare_and_inside_git_dir(full, tmp_path):
    git(tmp_path, "clone", "-q", "--bare", str(full), "b.git")
    found = repo.discover(str(tmp_path / "b.git"), env_of(tmp_path))
    assert found.bare and found.work_tree is None
    assert repo.discover(str(full / ".git/refs"), env_of(full)).work_tree is None


def test_not_a_repository(tmp_path):
    with pytest.raises(CannotError) as caught:
        repo.discover(str(tmp_path), env_of(tmp_path) | {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})
    assert caught.value.code == "ATOM-2003"


def test_no_commits(work):
    with pytest.raises(CannotError) as caught:
        repo.commit_of(repo.discover(str(work), env_of(work)), "HEAD")
    assert caught.value.code == "ATOM-2006"


def test_unknown_extension_is_named(full):
    git(full, "config", "core.repositoryformatversion", "1")
    git(full, "config", "extensions.refstorage", "imaginary")
    with pytest.raises(AtomError) as caught:
        repo.discover(str(full), env_of(full))
    assert caught.value.code == "ATOM-2005"
    assert "imaginary" in caught.value.note


def test_shallow_and_root(full, tmp_path):
    first = git(full, "rev-parse", "HEAD").decode().strip()
    git(full, "commit", "-qm", "two", "--allow-empty")
    whole = repo.discover(str(full), env_of(full))
    assert repo.root_commit(whole, repo.head_commit(whole)) == first
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{full}", "s")
    cut = repo.discover(str(tmp_path / "s"), env_of(tmp_path))
    with pytest.raises(CannotError) as caught:
        repo.root_commit(cut, repo.head_commit(cut))
    assert caught.value.code == "ATOM-2007"


@pytest.mark.skipif(os.getuid() != 0, reason="gives a directory to another user")
def test_another_users_repository(full):
    os.chown(full, 12345, 12345)
    os.chown(full / ".git", 12345, 12345)
    with pytest.raises(AtomError) as caught:
        repo.discover(str(full), env_of(full))
    assert caught.value.code == "ATOM-2004"
    with pytest.raises(AtomError) as caught:
        repo.open_at(str(full), env_of(full))
    assert caught.value.code == "ATOM-2004"
    (full / ".gitconfig").write_text(f"[safe]\n\tdirectory = {full}\n")
    assert repo.open_at(str(full), env_of(full)).git_dir == str(full / ".git")


def test_store_is_made_once(tmp_path):
    env = env_of(tmp_path)
    host = Host(
        str(tmp_path), env, str(tmp_path), str(tmp_path / "c"), str(tmp_path / "d"), "", os.getuid(), Progress()
    )
    made = repo.store(host)
    assert made.git_dir == str(tmp_path / "d/store.git")
    assert os.listdir(tmp_path / "d") == ["store.git"]
    assert config.get(made, "gc.auto", env) == "0"
    assert repo.store(host) == made


def test_reading_and_digest_vector(full):
    found = repo.discover(str(full), env_of(full))
    with objects.Objects(found) as odb:
        tree = odb.commit_tree("HEAD")
        leaves = odb.listing(tree)
        assert [leaf.path for leaf in leaves] == [b"Cargo.toml", b"src/lib.rs"]
        # design section 3
        assert tree_digest(leaves) == Digest("blake3:fe800b2a44112afb7258f566bde904bd1ae71357bc1fc3cc44e85a273c4a0bed")
        assert odb.get("no-such-thing") is None
        assert odb.at(tree, b"src/lib.rs")[0] == MODE_FILE
        assert odb.at(tree, b"src/none") is None
        assert written.write_tree_of(found, leaves) == tree


def test_loose_objects_are_gits_own(full):
    found = repo.discover(str(full), env_of(full))
    blob = written.write_loose(found, "blob", b"hello\n")
    assert blob == "ce013625030ba8dba906f756967f9e9ca394464a"
    tree = written.write_loose(
        found,
        "tree",
        trees.encode_tree([(MODE_FILE, b"a.b", blob), (MODE_TREE, b"a", written.write_loose(found, "tree", b"")),
                             (MODE_EXEC, b"a-b", blob), (MODE_LINK, b"l", blob)]),
    )  # fmt: skip
    assert git(full, "fsck", "--strict", tree) is not None
    assert [name for _, name, _ in objects.Objects(found).tree(tree)] == [b"a-b", b"a.b", b"a", b"l"]
    assert not [f for f in os.listdir(found.objects) if f.startswith("tmp_")]


def test_a_replaced_loose_object_is_noticed(full):
    found = repo.discover(str(full), env_of(full))
    good = written.write_loose(found, "blob", b"good")
    bad = written.write_loose(found, "blob", b"evil")
    path = os.path.join(found.objects, good[:2], good[2:])
    data = open(os.path.join(found.objects, bad[:2], bad[2:]), "rb").read()
    os.chmod(path, 0o644)
    open(path, "wb").write(data)
    assert git(full, "cat-file", "blob", good) == b"evil"  # git itself serves it
    with objects.Objects(found) as odb, pytest.raises(MalformedError) as caught:
        odb.read(good)
    assert caught.value.code == "ATOM-2009"
    open(path, "wb").write(b"garbage")
    with objects.Objects(found) as odb, pytest.raises(AtomError) as caught:
        odb.read(good)


def test_tree_bomb_is_refused_fast(full):
    found = repo.discover(str(full), env_of(full))
    oid = written.write_loose(found, "blob", b"x")
    mode = MODE_FILE
    for _ in range(10):
        oid = written.write_loose(found, "tree", trees.encode_tree([(mode, b"f%d" % i, oid) for i in range(10)]))
        mode = MODE_TREE
    with objects.Objects(found) as odb, pytest.raises(MalformedError) as caught:
        odb.listing(oid)
    assert caught.value.code == "ATOM-2015"


def test_refs_compare_and_swap(full):
    found = repo.discover(str(full), env_of(full))
    head = repo.head_commit(found)
    refs.update(found, [refs.Change("refs/atoms/a/1.0.0", head, None)], "test")
    for wrong in (None, Oid("1" * 40)):
        with pytest.raises(ConflictError) as caught:
            refs.update(
                found,
                [refs.Change("refs/atoms/b/1.0.0", head, None), refs.Change("refs/atoms/a/1.0.0", head, wrong)],
                "test",
            )
        assert caught.value.code == "ATOM-2010"
    assert refs.listing(found, "refs/atoms/") == [("refs/atoms/a/1.0.0", head)]
    refs.update(found, [refs.Change("refs/atoms/a/1.0.0", None, head)], "test")
    assert refs.get(found, "refs/atoms/a/1.0.0") is None


def test_user_only_ignores_the_repository(full):
    env = env_of(full)
    git(full, "config", "atom.trustedAnchor", "evil")
    (full / ".gitconfig").write_text("[atom]\n\ttrustedAnchor = good\n")
    over = env | {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "atom.trustedAnchor", "GIT_CONFIG_VALUE_0": "worse"}
    assert config.user_only("atom.trustedAnchor", over | {"GIT_DIR": str(full / ".git")}) == ["good"]
    config.add_user("atom.trustedAnchor", "two", over)
    assert config.user_only("atom.trustedAnchor", env) == ["good", "two"]
    assert config.remove_user("atom.trustedAnchor", "good", env)
    assert not config.remove_user("atom.trustedAnchor", "good", env)
    assert config.user_only("atom.trustedAnchor", env) == ["two"]


def test_a_bad_git_dir_is_blamed_and_not_the_working_directory(work):
    for named in ("nowhere", str(work)):
        with pytest.raises(CannotError) as caught:
            repo.discover(str(work), env_of(work) | {"GIT_DIR": named})
        error = caught.value
        assert (error.code, error.where, error.hint) == (
            "ATOM-2003",
            "GIT_DIR",
            "unset GIT_DIR",
        ) and named in error.what


def test_sha256_repository_works(tmp_path):
    path = tmp_path / "s"
    path.mkdir()
    git(path, "init", "-q", "--object-format=sha256")
    (path / "f").write_text("x")
    git(path, "add", ".")
    git(path, "commit", "-qm", "one")
    found = repo.discover(str(path), env_of(path))
    assert found.object_format == "sha256" and found.oid_length == 64
    with objects.Objects(found) as odb:
        assert len(odb.listing(odb.commit_tree("HEAD"))) == 1
    oid = written.write_loose(found, "blob", b"hello")
    assert len(oid) == 64 and git(path, "cat-file", "blob", oid) == b"hello"
