"""Signatures against ssh-keygen and git as oracles, and every way a signature can be wrong."""

import base64
import os
import subprocess

import pytest

from git_atom.core.host import Host, Progress
from git_atom.errors import AtomError
from git_atom.git import objects as store
from git_atom.git import written
from git_atom.trust import dsse, keys, objects, primitives, publickey, sshsig

KINDS = [("ed25519", ""), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "3072")]


def make(path, kind="ed25519", bits="", passphrase=""):
    argv = ["ssh-keygen", "-q", "-t", kind, *(["-b", bits] if bits else []), "-N", passphrase, "-f", str(path)]
    subprocess.run(argv, check=True)
    return publickey.parse((path.parent / (path.name + ".pub")).read_text())


def held(path):
    return keys.HeldKey(primitives.load(path.read_bytes()))


def host_of(home):
    env = dict(os.environ)
    return Host(str(home), env, str(home), str(home / "c"), str(home / "d"), str(home / "x"), os.getuid(), Progress())


@pytest.mark.parametrize(("kind", "bits"), KINDS)
def test_both_ways_with_ssh_keygen(tmp_path, kind, bits):
    public = make(tmp_path / "k", kind, bits)
    signer = held(tmp_path / "k")
    assert signer.key == public
    listed = subprocess.run(
        ["ssh-keygen", "-lf", tmp_path / "k.pub"], capture_output=True, text=True, check=True
    ).stdout
    assert signer.fingerprint in listed
    (tmp_path / "allowed").write_text(f"me {public.line}\n")
    (tmp_path / "sig").write_bytes(signer.sign("some-namespace", b"message"))
    argv = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "me", "-n", "some-namespace", "-s", "sig"]
    done = subprocess.run(argv, cwd=tmp_path, input=b"message", capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    theirs = subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", "some-namespace", "-f", tmp_path / "k"],
        input=b"message", capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert sshsig.verify(public, "some-namespace", b"message", theirs) == public
    if kind == "ed25519":
        assert theirs == (tmp_path / "sig").read_bytes()


@pytest.fixture
def pair(tmp_path):
    public = make(tmp_path / "k")
    return public, held(tmp_path / "k")


def blob(armored):
    return base64.b64decode(b"".join(armored.split(b"\n")[1:-2]))


def rearm(data):
    text = base64.b64encode(data)
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    return b"\n".join([sshsig.BEGIN, *lines, sshsig.END, b""])


def test_every_field_and_byte_counts(pair):
    public, signer = pair
    good = signer.sign("ns", b"m")
    sshsig.verify(public, "ns", b"m", good)
    data = blob(good)
    assert rearm(data) == good
    for at in range(len(data)):
        with pytest.raises(AtomError) as caught:
            sshsig.verify(public, "ns", b"m", rearm(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]))
        assert caught.value.exit == 2
    for at in range(len(data)):
        with pytest.raises(AtomError):
            sshsig.verify(public, "ns", b"m", rearm(data[:at]))


def test_s01_s02_wrong_namespace_message_key_and_trailing(pair, tmp_path):
    public, signer = pair
    good = signer.sign("ns", b"m")
    other = make(tmp_path / "o")
    for want, call in (
        ("ATOM-3003", lambda: sshsig.verify(public, "git", b"m", good)),
        ("ATOM-3002", lambda: sshsig.verify(public, "ns", b"n", good)),
        ("ATOM-3004", lambda: sshsig.verify(other, "ns", b"m", good)),
        ("ATOM-3001", lambda: sshsig.verify(public, "ns", b"m", good + b"\n")),
        ("ATOM-3001", lambda: sshsig.verify(public, "ns", b"m", good + good)),
        ("ATOM-3001", lambda: sshsig.verify(public, "ns", b"m", good.rstrip(b"\n"))),
        ("ATOM-3001", lambda: sshsig.verify(public, "ns", b"m", b" " + good)),
        ("ATOM-3001", lambda: sshsig.verify(public, "ns", b"m", rearm(blob(good) + b"\0"))),
        ("ATOM-3001", lambda: sshsig.verify(public, "ns", b"m", b"")),
        ("ATOM-3001", lambda: sshsig.verify(public, "ns", b"m", rearm(blob(good)[:-1]))),
        (
            "ATOM-3001",
            lambda: sshsig.verify(
                public, "ns", b"m", rearm(blob(good).replace(b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\2", 1))
            ),
        ),
        ("ATOM-3001", lambda: sshsig.verify(public, "ns", b"m", rearm(blob(good).replace(b"sha512", b"sha384", 1)))),
        (
            "ATOM-3001",
            lambda: sshsig.verify(
                public, "ns", b"m", rearm(blob(good).replace(b"\0\0\0\2ns\0\0\0\0", b"\0\0\0\2ns\0\0\0\1x", 1))
            ),
        ),
        ("ATOM-3001", lambda: sshsig.verify(public, "ns", b"m", good.replace(b"\n", b"\r\n"))),
    ):
        with pytest.raises(AtomError) as caught:
            call()
        assert caught.value.code == want and caught.value.exit == 2
    assert sshsig.verify(public, "ns", b"m", good) == public


def test_s01_weak_and_foreign_keys(tmp_path):
    with pytest.raises(AtomError) as caught:
        make(tmp_path / "weak", "rsa", "2048")
    assert caught.value.code == "ATOM-3006"
    with pytest.raises(AtomError):
        publickey.parse("ssh-dss AAAAB3NzaC1kc3MAAAA=")


def test_git_accepts_our_tag_and_commit_and_we_git_s(tmp_path, home, project, run):
    public = make(tmp_path / "k")
    signer = held(tmp_path / "k")
    (home / "allowed").write_text(f"me@example.org {public.line}\n")
    run("git", "config", "--global", "gpg.ssh.allowedSignersFile", str(home / "allowed"))
    run("git", "config", "--global", "gpg.format", "ssh")
    run("git", "config", "--global", "user.signingKey", str(tmp_path / "k"))
    from git_atom.git.repo import discover

    repo = discover(str(project), os.environ)
    head = run("git", "rev-parse", "HEAD", cwd=project).stdout.strip()
    person = b"A <a@example.org> 1700000000 +0000"
    raw = b"object %s\ntype commit\ntag a/1.0.0\ntagger %s\n\natom-release/1\n" % (head.encode(), person)
    tag = written.write_loose(repo, "tag", objects.sign_tag(raw, signer))
    run("git", "update-ref", "refs/atoms/a/1.0.0", tag, cwd=project)
    run("git", "verify-tag", "refs/atoms/a/1.0.0", cwd=project)
    tree = run("git", "rev-parse", "HEAD^{tree}", cwd=project).stdout.strip().encode()
    raw = b"tree %s\nauthor %s\ncommitter %s\natom-format 1\n\nmessage\n" % (tree, person, person)
    made = objects.sign_commit(raw, signer)
    run("git", "verify-commit", written.write_loose(repo, "commit", made), cwd=project)
    run("git", "fsck", "--strict", cwd=project)
    assert objects.verify_commit(made, [public]).value.payload == raw

    run("git", "commit", "-qS", "--allow-empty", "-m", "theirs", cwd=project)
    run("git", "tag", "-s", "-m", "theirs", "t", cwd=project)
    with store.Objects(repo) as odb:
        assert objects.verify_commit(odb.read("HEAD")[2], [public]).value.key == public
        theirs = odb.read("t")[2]
        assert objects.verify_tag(theirs, {public}).value.key == public
    for broken, want in (
        (theirs.replace(b"theirs", b"others"), "ATOM-3002"),
        (objects.split_tag(theirs)[0], "ATOM-3008"),
        (theirs + b"x", "ATOM-3001"),
    ):
        with pytest.raises(AtomError) as caught:
            objects.verify_tag(broken, [public])
        assert caught.value.code == want
    with pytest.raises(AtomError) as caught:
        objects.verify_tag(theirs, [])
    assert caught.value.code == "ATOM-3004"


def test_user_key_forms(home, run, monkeypatch):
    public = make(home / "k")
    host = host_of(home)
    with pytest.raises(AtomError) as caught:
        keys.user_key(host, None)
    assert caught.value.code == "ATOM-3005"
    assert caught.value.hint.splitlines() == [
        "ssh-keygen -t ed25519 -f ~/.ssh/id_ed25519",
        "git config --global user.signingKey ~/.ssh/id_ed25519.pub",
    ]
    for value in (str(home / "k"), str(home / "k.pub"), "~/k.pub", "~/k"):
        run("git", "config", "--global", "user.signingKey", value)
        assert keys.user_key(host, None).key == public
        keys.user_key(host, None).sign("git", b"x")
    run("git", "config", "--global", "user.signingKey", "~/none.pub")
    with pytest.raises(AtomError) as caught:
        keys.user_key(host, None)
    assert caught.value.code == "ATOM-3005"


def test_agent_and_encrypted_keys(home, run, tmp_path):
    public = make(home / "k")
    sealed = make(home / "s", passphrase="secret")
    socket = str(tmp_path / "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        while not os.path.exists(socket):
            pass
        env = os.environ | {"SSH_AUTH_SOCK": socket}
        subprocess.run(["ssh-add", "-q", str(home / "k")], env=env, check=True, capture_output=True)
        host = host_of(home)._replace(environ=env)
        run("git", "config", "--global", "user.signingKey", f"key::{public.line}")
        sshsig.verify(public, "ns", b"m", keys.user_key(host, None).sign("ns", b"m"))
        run("git", "config", "--global", "user.signingKey", str(home / "s.pub"))
        signer = keys.user_key(host._replace(environ=env | {"SSH_ASKPASS": "/bin/false", "DISPLAY": ""}), None)
        assert signer.key == sealed
        askpass = home / "askpass"
        askpass.write_text("#!/bin/sh\necho secret\n")
        askpass.chmod(0o755)
        asked = {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
        signer = keys.user_key(host._replace(environ=env | asked), None)
        sshsig.verify(sealed, "ns", b"m", signer.sign("ns", b"m"))
        signer = keys.user_key(host._replace(environ=env | asked | {"SSH_ASKPASS": "/bin/false"}), None)
        with pytest.raises(AtomError) as caught:
            signer.sign("ns", b"m")
        assert caught.value.code == "ATOM-3007"
    finally:
        agent.terminate()
        agent.wait()


def test_builder_key_and_envelope(home):
    host = host_of(home)
    first, again = keys.builder_key(host), keys.builder_key(host)
    assert first.key == again.key == keys.builder_public(host)
    assert os.stat(home / "d/builder/id_ed25519").st_mode & 0o777 == 0o600
    assert sorted(os.listdir(home / "d/builder")) == ["id_ed25519", "id_ed25519.pub"]
    sealed = dsse.envelope("application/vnd.in-toto+json", b"{}", first)
    assert dsse.open_envelope(sealed, [first.key]).value.payload == b"{}"
    assert dsse.pre_auth("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"  # the protocol's own vector
    )
    other = keys.HeldKey(primitives.generate())
    with pytest.raises(AtomError) as caught:
        dsse.open_envelope(sealed, [other.key])
    assert caught.value.code == "ATOM-3004"
    with pytest.raises(AtomError) as caught:
        dsse.open_envelope(sealed.replace(b"e30=", b"e319"), [first.key])
    assert caught.value.code == "ATOM-3002"
    with pytest.raises(AtomError):
        dsse.open_envelope(sealed, [first.key], "other")
    with pytest.raises(AtomError):
        other.sign_raw(b"x")
