"""Digests against the design's vectors."""

from git_atom.core.digest import EMPTY, MODE_FILE, Oid, atom_id, of_bytes
from git_atom.core.tree import Leaf, tree_digest

ANY = Oid("0" * 40)


def leaf(path: bytes, data: bytes) -> Leaf:
    return Leaf(path, MODE_FILE, of_bytes(data), len(data), ANY)


def test_tree_vectors() -> None:
    assert tree_digest([]) == EMPTY == "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    one = tree_digest([leaf(b"lib.rs", b"fn test() {}")])
    assert one.hex == "c045ac942c2099f93e5786dc4fbf3fcefbf831d83823c6046432a302876ccb36"
    two = tree_digest([leaf(b"src/lib.rs", b"fn test() {}"), leaf(b"Cargo.toml", b"[package]")])
    assert two.hex == "fe800b2a44112afb7258f566bde904bd1ae71357bc1fc3cc44e85a273c4a0bed"


def test_atom_id_vectors() -> None:
    root = Oid("4abbd2644bc3585e9be95deb277ccf48f6ed26ac")
    assert atom_id(root, "nix-lock") == "r3rlam6bd31t9i04ggug7avs8vf8981q7a3b6gobemk1gfs50qm0"
    assert atom_id(root, "dev") == "3ot6f917im3d5qhs1jdo2samkthlahg5qcr4ql5e2neomv2v6dt0"
    other = Oid("68b63bd131acd23bdfd57983fe85ba7c092ce02f")
    assert atom_id(other, "atom-nix") == "r9ilp2p4bpkup8bejuqrg042m6ohc0rtcn2fks94otlrhnquhnv0"
