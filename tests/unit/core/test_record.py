"""A record is an in-toto statement with SLSA provenance that reads back to what was written, and nothing else reads back."""

from __future__ import annotations

import json

import pytest

from git_atom.core import canon, record
from git_atom.core.digest import Oid, of_bytes
from git_atom.core.record import Material, Record
from git_atom.errors import MalformedError

ONE, TWO = of_bytes(b"1"), of_bytes(b"2")
RECORD = Record(
    "zlib", "1.3.1", ONE, ONE, {"run": ["make"], "platform": "x86_64-linux", "jobs": 8}, (Material("source src", ONE), Material("toolchain", ONE)),
    ONE, Oid("1" * 40), 8, 4096, ONE, 100, 10, "fanotify", "", ONE, {"network": "enforced"}, "overlay-user", "SHA256:abc", 1500, 900,
)  # fmt: skip
OTHER = {
    "name": "curl", "version": "8.0.0", "action": TWO, "request": TWO, "parameters": {"run": ["false"], "platform": "x86_64-linux", "jobs": 8},
    "materials": (Material("toolchain", TWO, "urn:x"),), "output": TWO, "tree": Oid("2" * 40), "files": 9, "bytes": 1, "reads": TWO, "declared": 1,
    "read": -1, "instrument": "none", "incomplete": "overflow", "log": TWO, "enforced": {}, "mechanism": "farm", "builder": "SHA256:x",
    "cpu_ms": 1, "wall_ms": 2,
}  # fmt: skip


def test_reads_back_to_what_was_written() -> None:
    assert record.read(record.statement(RECORD)) == RECORD


@pytest.mark.parametrize("field", Record._fields)
def test_every_field_is_in_the_statement(field: str) -> None:
    other = RECORD._replace(**{field: OTHER[field]})
    assert record.statement(other) != record.statement(RECORD)
    assert record.read(record.statement(other)) == other


def test_is_a_statement_others_understand() -> None:
    value = json.loads(record.statement(RECORD))
    assert set(value) == {"_type", "subject", "predicateType", "predicate"}
    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert value["predicateType"] == "https://slsa.dev/provenance/v1"
    definition, run = value["predicate"]["buildDefinition"], value["predicate"]["runDetails"]
    assert set(definition) == {"buildType", "externalParameters", "internalParameters", "resolvedDependencies"}
    assert run["builder"]["id"] and all(row["digest"] for row in definition["resolvedDependencies"])
    assert value["subject"][0]["digest"] == {"blake3": ONE.hex, "gitTree": "1" * 40}


@pytest.mark.parametrize(
    "path",
    [
        ("_type",),
        ("predicateType",),
        ("predicate", "buildDefinition", "buildType"),
        ("predicate", "runDetails", "builder", "id"),
    ],
)
def test_another_kind_of_statement_is_refused(path: tuple[str, ...]) -> None:
    value = json.loads(record.statement(RECORD))
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = "https://example.org/other"
    if path[-1] == "id":
        inner["extra"] = 1
    with pytest.raises(MalformedError) as caught:
        record.read(canon.encode(value))
    assert caught.value.exit == 7


def test_an_added_field_and_other_spelling_are_refused() -> None:
    value = json.loads(record.statement(RECORD))
    value["more"] = 1
    with pytest.raises(MalformedError):
        record.read(canon.encode(value))
    with pytest.raises(MalformedError):
        record.read(json.dumps(json.loads(record.statement(RECORD)), indent=1).encode())
    with pytest.raises(MalformedError):
        record.read(b"[]")
