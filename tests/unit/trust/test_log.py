"""Logs that break a rule are refused, each beside a control that differs only in the attack; stored bytes stay what they are."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from git_atom.atom import objects as making
from git_atom.atom.objects import Bench, Draft
from git_atom.core.digest import MODE_FILE, Digest, Oid, TreeEntry, of_bytes, of_tree
from git_atom.core.statements import Charter, Claim, Entry, Release, name_folder, read_tag
from git_atom.errors import AtomError
from git_atom.git import beside
from git_atom.git.digests import TreeDigests
from git_atom.git.objects import Objects
from git_atom.git.repo import open_at
from git_atom.git.trees import encode_tree
from git_atom.git.written import oid_of, write_loose
from git_atom.trust import log as logs
from git_atom.trust import objects as signed
from git_atom.trust import sshsig
from git_atom.trust.keys import HeldKey
from git_atom.trust.primitives import PrivateKey

GOLDEN = Path(__file__).parents[2] / "golden/atom"
PERSON = "A U Thor <author@example.org> 1700000000 +0000"
ROOT = Oid("4abbd2644bc3585e9be95deb277ccf48f6ed26ac")


def key(seed: str) -> HeldKey:
    """A key made from a word, the same in every run."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return HeldKey(PrivateKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())))


OWNER, OTHER = key("owner"), key("other")


class Set:
    """A set under construction, with every step open to be done wrongly."""

    def __init__(self, path: Path, owner: HeldKey = OWNER) -> None:
        subprocess.run(["git", "init", "-q", "--bare", path], check=True)
        self.repo = open_at(str(path), os.environ)
        self.objects = Objects(self.repo)
        self.digests = TreeDigests(self.objects, None)
        self.bench = self.by(owner)
        self.draft = making.found(self.bench, Charter(None, "00" * 32, (owner.public,), None, ROOT, 0, 1))

    def by(self, who: HeldKey) -> Bench:
        return Bench(self.repo, self.objects, self.digests, who, PERSON)

    def release(self, name: str, version: str, previous: str | None = None, content: bytes = b"x") -> Release:
        blob = write_loose(self.repo, "blob", content)

        tree = write_loose(self.repo, "tree", encode_tree([(MODE_FILE, b"atom.toml", blob)]))
        digest = of_tree([TreeEntry(MODE_FILE, b"atom.toml", of_bytes(content))])
        identifier = making.atom_id(ROOT, name)
        commit = write_loose(self.repo, "commit", making.atom_commit(tree, identifier, ROOT, name, name, version))
        return Release(self.draft.anchor, commit, identifier, of_bytes(content), name, ROOT, name, previous,
                       "2023-11-14T22:13:20Z", digest, version)  # fmt: skip

    def tag(self, release: Release, who: HeldKey | None = None) -> bytes:
        return making.release_tag(release, self.by(who or self.bench.signer))

    def claim(self, *names: str) -> "Set":
        self.draft = making.claim(self.bench, self.draft, names)
        return self

    def publish(self, name: str, version: str, previous: str | None = None) -> "Set":
        self.draft = making.publish(
            self.bench, self.draft, {(name, version): self.tag(self.release(name, version, previous))}
        )
        return self

    def append(
        self, kind: str, items: list[tuple[str, ...]], files: dict[str, bytes], who: HeldKey | None = None
    ) -> "Set":
        self.draft = making._append(self.by(who or self.bench.signer), self.draft, kind, items, files)
        return self

    def verify(self, floor=None):
        return logs.verify(self.objects, self.digests, self.draft.head, anchor=self.draft.anchor, floor=floor)


@pytest.fixture(params=["alone", "aside"], autouse=True)
def checker(request, monkeypatch):
    """Who checks signatures: this process, one after the other, or another one meanwhile, as of a long log."""
    monkeypatch.setattr(logs, "_LONG", 0 if request.param == "aside" else 1 << 30)
    monkeypatch.setattr(beside, "processors", lambda: 2)
    return request.param


@pytest.fixture
def log(tmp_path, home):
    return Set(tmp_path / "r.git").claim("a", "b").publish("a", "1.0.0")


def refused(log: Set, *codes: str) -> None:
    with pytest.raises(AtomError) as caught:
        log.verify()
    assert caught.value.code in codes, (caught.value.code, caught.value.what, caught.value.note)
    assert caught.value.exit in (2, 7)


def place(name: str, version: str) -> str:
    return f"{name_folder(name)}/versions/{version}"


def test_a_good_log(log):
    first = log.verify()
    assert (first.value.seq, first.value.anchor) == (2, log.draft.anchor)
    assert log.publish("a", "1.1.0", "1.0.0").verify(first).value.seq == 3
    assert logs.versions(log.objects, log.draft.tree, "a") == {"1.0.0", "1.1.0"}
    assert logs.newest(log.objects, log.draft.head, log.draft.tree, ["a"]) == {"a": "1.1.0"}


@pytest.mark.parametrize("who", ["entry", "tag"])
def test_another_key(log, who):
    tag = log.tag(log.release("b", "1.0.0"), OTHER if who == "tag" else None)
    log.append("publish", [("b", "1.0.0")], {place("b", "1.0.0"): tag}, OTHER if who == "entry" else None)
    refused(log, "ATOM-3004")


@pytest.mark.parametrize(
    "change",
    [
        {"anchor": Digest("blake3:" + "0" * 64)},
        {"name": "a"},
        {"version": "1.0.1"},
        {"id": "0" * 52},
        {"previous": "0.9.0"},
    ],
    ids=str,
)
def test_a_release_that_speaks_of_something_else(log, change):
    tag = log.tag(log.release("b", "1.0.0")._replace(**change))
    refused(log.append("publish", [("b", "1.0.0")], {place("b", "1.0.0"): tag}), "ATOM-3010", "ATOM-1030")


def test_a_tag_shown_for_another_version(log):
    held = logs.release(log.objects, log.verify(), "a", "1.0.0")
    refused(log.append("publish", [("a", "2.0.0")], {place("a", "2.0.0"): held[1]}), "ATOM-3010")


def test_every_byte_of_a_tag_counts(log):
    tag = log.tag(log.release("b", "1.0.0"))
    assert log.append("publish", [("b", "1.0.0")], {place("b", "1.0.0"): tag}).verify()
    for at in range(0, len(tag), 7):
        broken = tag[:at] + bytes([tag[at] ^ 1]) + tag[at + 1 :]
        with pytest.raises(AtomError):
            read_tag(signed.verify_tag(broken, [OWNER.key]).value.payload)


def test_unclaimed_and_unnamed(log):
    refused(Set.publish(log, "c", "1.0.0"), "ATOM-3010")


def test_claims(log, tmp_path):
    head = log.draft
    statement = Claim(head.anchor, (OTHER.public,), "c", None, 0, 1).encode()
    folder = f"{name_folder('c')}/claims/0"

    def with_(signatures: dict[str, bytes], items=(("c",),), at: str = folder, who: HeldKey | None = None) -> Set:
        log.draft = head
        files = {f"{at}/statement": statement} | {f"{at}/signatures/{k}": v for k, v in signatures.items()}
        return log.append("claim", list(items), files, who)

    good = {OWNER.key_digest.hex: OWNER.sign(sshsig.CLAIM, statement)}
    assert with_(good).verify()
    refused(with_({}), "ATOM-3010")
    refused(with_({OWNER.key_digest.hex: OWNER.sign("git", statement)}), "ATOM-3003")
    refused(with_({OWNER.key_digest.hex: OWNER.sign(sshsig.CHARTER, statement)}), "ATOM-3003")
    refused(with_({OTHER.key_digest.hex: OTHER.sign(sshsig.CLAIM, statement)}), "ATOM-3010")
    refused(with_({OWNER.key_digest.hex: OTHER.sign(sshsig.CLAIM, statement)}), "ATOM-3004")
    refused(with_(good | {"x": good[OWNER.key_digest.hex]}), "ATOM-3010")
    refused(with_(good, at=f"{name_folder('d')}/claims/0"), "ATOM-3010")
    refused(with_(good, items=[("d",)]), "ATOM-3010")
    refused(with_(good, who=OTHER), "ATOM-3004")
    for twin in ("A", "а"):  # the second is Cyrillic
        log.draft = head
        refused(log.claim(twin), "ATOM-3010")


def test_a_second_owner_counts_once(tmp_path, home):
    """A threshold of two is not met by one key, however often its signature stands there."""
    log = Set(tmp_path / "r.git")
    owners = tuple(sorted((OWNER.public, OTHER.public)))
    charter = Charter(None, "11" * 32, owners, None, ROOT, 0, 2)
    statement = charter.encode()
    empty = Draft(of_bytes(statement), None, None, -1, None)

    def found(*signers: HeldKey) -> Set:
        log.draft = empty
        files = {f"charters/0/signatures/{k.key_digest.hex}": k.sign(sshsig.CHARTER, statement) for k in signers}
        return log.append("found", [], {"charters/0/statement": statement} | files)

    assert found(OWNER, OTHER).verify()
    refused(found(OWNER), "ATOM-3010")
    refused(found(OWNER, OWNER), "ATOM-3010")
    refused(found(OWNER, key("third")), "ATOM-3010")


def test_what_is_there_does_not_change(log):
    head = log.draft
    other = log.tag(log.release("a", "1.0.0", content=b"y"))
    refused(log.append("publish", [("a", "1.0.0")], {place("a", "1.0.0"): other}), "ATOM-3010")
    log.draft = Draft(head.anchor, head.head, None, head.seq, head.message)
    refused(
        log.append("publish", [("b", "1.0.0")], {place("b", "1.0.0"): log.tag(log.release("b", "1.0.0"))}), "ATOM-3010"
    )
    log.draft = head
    refused(log.append("publish", [("b", "1.0.0")], {"charters/1/statement": b"{}"}), "ATOM-3010")
    log.draft = head
    refused(log.append("publish", [], {"names/zz": b"x"}), "ATOM-3010")
    log.draft = head
    refused(log.append("rotate", [], {"charters/1/statement": b"{}"}), "ATOM-3014")
    log.draft = head
    refused(log.append("found", [], {"charters/1/statement": b"{}"}), "ATOM-3010")


@pytest.mark.parametrize("field", ["seq", "previous", "tree", "anchor", "kind", "items"])
def test_every_field_of_an_entry_counts(log, field):
    raw = log.objects.read(log.draft.head)[2]
    payload, _ = signed.split_commit(raw)
    head, _, message = payload.partition(b"\n\n")
    entry = Entry.decode(message)
    wrong = {
        "seq": 7, "previous": of_bytes(b""), "tree": of_bytes(b""), "anchor": of_bytes(b""), "kind": "claim",
        "items": (("a", "1.0.1"),),
    }  # fmt: skip
    made = signed.sign_commit(head + b"\n\n" + entry._replace(**{field: wrong[field]}).encode(), OWNER)
    log.draft = log.draft._replace(head=write_loose(log.repo, "commit", made))
    refused(log, "ATOM-3010", "ATOM-3012")


def test_the_shape_of_the_chain(log):
    raw = log.objects.read(log.draft.head)[2]
    payload, signature = signed.split_commit(raw)
    head, _, message = payload.partition(b"\n\n")
    parent = [line for line in head.split(b"\n") if line.startswith(b"parent")][0]
    for changed, code in (
        (head.replace(parent, parent + b"\n" + parent), "ATOM-3010"),
        (head.replace(parent + b"\n", b""), "ATOM-3010"),
        (head + b"\nencoding latin1", "ATOM-3010"),
    ):
        made = signed.sign_commit(changed + b"\n\n" + message, OWNER)
        log.draft = log.draft._replace(head=write_loose(log.repo, "commit", made))
        refused(log, code)
    log.draft = log.draft._replace(head=write_loose(log.repo, "commit", payload))
    refused(log, "ATOM-3008")


def test_rollback_and_forks(log):
    older = log.verify()
    start = log.draft
    newer = log.publish("a", "1.1.0", "1.0.0").verify(older)
    log.draft = start
    with pytest.raises(AtomError) as caught:
        log.verify(newer)
    assert caught.value.code == "ATOM-3011"
    log.publish("a", "1.2.0", "1.0.0")
    assert log.verify(older)
    with pytest.raises(AtomError) as caught:
        log.verify(newer)
    assert caught.value.code == "ATOM-3012"


def test_stored_bytes_stay(tmp_path, home):
    """The formats of the manual pages, byte for byte: what was signed once must verify for ever."""
    log = Set(tmp_path / "r.git").claim("curl").publish("curl", "8.5.0")
    release = logs.release(log.objects, log.verify(), "curl", "8.5.0")
    commit = log.objects.read(release[0].value.commit)[2]
    message = signed.split_commit(log.objects.read(log.draft.head)[2])[0].partition(b"\n\n")[2]
    tree = log.draft.tree
    made = {
        "charter": log.objects.read(log.objects.at(tree, b"charters/0/statement")[1])[2],
        "charter.sig": log.objects.read(
            log.objects.at(tree, f"charters/0/signatures/{OWNER.key_digest.hex}".encode())[1]
        )[2],
        "claim": log.objects.read(log.objects.at(tree, f"{name_folder('curl')}/claims/0/statement".encode())[1])[2],
        "tag": release[1],
        "commit": commit,
        "message": message,
        "ids": "\n".join(
            [
                f"anchor {log.draft.anchor}",
                f"head {log.draft.head}",
                f"commit {oid_of('commit', commit)}",
                f"tag {oid_of('tag', release[1])}",
                f"key {OWNER.key_digest}",
                "",
            ]
        ).encode(),
    }
    for name, data in made.items():
        path = GOLDEN / name
        assert path.exists() and path.read_bytes() == data, f"{path} differs from\n{data.decode()}"
    assert Charter.decode(made["charter"]).encode() == made["charter"]
    assert Claim.decode(made["claim"]).encode() == made["claim"]
    assert Entry.decode(made["message"]).encode() == made["message"]


@pytest.mark.parametrize("kind", [Charter, Claim])
def test_every_field_of_a_statement_changes_its_digest(kind):
    good = {
        Charter: Charter(of_bytes(b"a"), "00" * 32, ("a b", "c d"), of_bytes(b"p"), ROOT, 1, 1),
        Claim: Claim(of_bytes(b"a"), ("a b", "c d"), "curl", of_bytes(b"p"), 1, 1),
    }[kind]
    other = {
        "anchor": of_bytes(b"x"), "nonce": "01" * 32, "owners": ("a b",), "keys": ("a b",), "previous": of_bytes(b"y"),
        "root": Oid("0" * 40), "seq": 2, "threshold": 2, "name": "zlib",
    }  # fmt: skip
    digests = {of_bytes(good._replace(**{field: other[field]}).encode()) for field in good._fields}
    assert len(digests | {of_bytes(good.encode())}) == len(good._fields) + 1
    assert kind.decode(good.encode()) == good
    for data in (
        good.encode() + b"\n",
        good.encode().replace(b'"seq":1', b'"seq": 1'),
        good.encode().replace(b"seq", b"sex"),
    ):
        with pytest.raises(AtomError):
            kind.decode(data)
