"""Records of executions: in-toto statements (v1) with SLSA provenance (v1), as canonical JSON; gitatom-format-record(5).

A record is a fact: nothing in it enters the identity of an action. `statement` writes one, `read` takes one apart again and refuses
what it would not have written. https://slsa.dev/spec/v1.0/provenance, https://github.com/in-toto/attestation (statement v1).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from git_atom.core import canon
from git_atom.core.digest import Digest, Oid
from git_atom.errors import AtomError, MalformedError

PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:git-atom:build-type:action:1"
ACTION_URI = "urn:git-atom:action:"


class Material(NamedTuple):
    """Something that went in: what it is called (`toolchain`, `source src`, `dependency zlib`), its digest, where it is from ("" unknown).

    A dependency's `uri` is `urn:git-atom:action:<hex>`, the action whose output it is; a fetched source's is what the lock says.
    """

    name: str
    digest: Digest
    uri: str = ""


class Record(NamedTuple):
    """What came of one action. output: tree digest of /out; tree: its git id. reads: digest of the read set's text.

    log: digest of the log. enforced: channel to grade. builder: fingerprint of the key. cpu_ms, wall_ms: what it took.
    declared, read: how many files the view held, how many of them were opened (-1: not observed).
    """

    name: str
    version: str
    action: Digest
    request: Digest
    parameters: dict[str, Any]
    materials: tuple[Material, ...]
    output: Digest
    tree: Oid
    files: int
    bytes: int
    reads: Digest
    declared: int
    read: int
    instrument: str
    incomplete: str
    log: Digest
    enforced: dict[str, str]
    mechanism: str
    builder: str
    cpu_ms: int
    wall_ms: int


def statement(record: Record) -> bytes:
    """Canonical bytes of the in-toto statement of a record."""
    return canon.encode(
        {
            "_type": STATEMENT,
            "subject": [
                {
                    "name": f"{record.name}-{record.version}/out",
                    "digest": {"blake3": record.output.hex, "gitTree": record.tree},
                    "annotations": {"files": record.files, "bytes": record.bytes},
                }
            ],
            "predicateType": PROVENANCE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": {
                        "name": record.name,
                        "version": record.version,
                        "action": record.action,
                        **record.parameters,
                    },
                    "internalParameters": {"request": record.request},
                    "resolvedDependencies": [
                        {"name": m.name, "digest": {"blake3": m.digest.hex}} | ({"uri": m.uri} if m.uri else {})
                        for m in record.materials
                    ],
                },
                "runDetails": {
                    "builder": {"id": f"urn:git-atom:builder:{record.builder}"},
                    "metadata": {"invocationId": record.request},
                    "byproducts": [
                        {
                            "name": "readset",
                            "digest": {"blake3": record.reads.hex},
                            "annotations": {
                                "declared": record.declared,
                                "read": record.read,
                                "instrument": record.instrument,
                                "incomplete": record.incomplete,
                            },
                        },
                        {"name": "log", "digest": {"blake3": record.log.hex}},
                        {
                            "name": "execution",
                            "annotations": {
                                "enforced": record.enforced,
                                "mechanism": record.mechanism,
                                "cpu_ms": record.cpu_ms,
                                "wall_ms": record.wall_ms,
                            },
                        },
                    ],
                },
            },
        }
    )


def read(data: bytes) -> Record:
    """Inverse of statement; raises MalformedError (ATOM-1070) for anything `statement` would not have written."""
    value = canon.decode(data)
    try:
        record = _record(value)
        if statement(record) == data:
            return record
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, AtomError):
        pass
    raise MalformedError(
        "ATOM-1070", "this is not the record of an execution", note="a newer program may have written it"
    )


def _record(value: Any) -> Record:
    (subject,) = value["subject"]
    definition, run = value["predicate"]["buildDefinition"], value["predicate"]["runDetails"]
    parameters = dict(definition["externalParameters"])
    name, version, action = (parameters.pop(key) for key in ("name", "version", "action"))
    readset, log, execution = run["byproducts"]
    seen, took = readset["annotations"], execution["annotations"]
    return Record(
        name, version, Digest.parse(action), Digest.parse(definition["internalParameters"]["request"]), parameters,
        tuple(Material(row["name"], _blake3(row), row.get("uri", "")) for row in definition["resolvedDependencies"]),
        _blake3(subject), Oid.parse(subject["digest"]["gitTree"]), subject["annotations"]["files"], subject["annotations"]["bytes"],
        _blake3(readset), seen["declared"], seen["read"], seen["instrument"], seen["incomplete"], _blake3(log),
        took["enforced"], took["mechanism"], run["builder"]["id"].removeprefix("urn:git-atom:builder:"), took["cpu_ms"], took["wall_ms"],
    )  # fmt: skip


def _blake3(row: Any) -> Digest:
    return Digest.parse("blake3:" + row["digest"]["blake3"])
