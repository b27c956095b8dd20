"""`git build show <record>`: what a record says."""

from __future__ import annotations

from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print the record, verified now."""
    from git_atom.app.build.records import open_seen

    seen = open_seen(ask.host, ask["record"])
    record = seen.witness.record
    if ask.out.json:
        value = record._asdict() | {"materials": {m.name: m.digest for m in record.materials}, "ref": seen.witness.ref}
        ask.out.document("git-build-show/1", value)
        return 0
    rows = [
        ("atom", f"{record.name} {record.version}"), ("action", record.action), ("request", record.request), ("output", record.output),
        ("tree", record.tree), ("size", f"{record.files} files, {record.bytes} bytes"), ("builder", record.builder),
        ("took", f"{record.wall_ms / 1000:.2f} s, {record.cpu_ms / 1000:.2f} s of processor"), ("view", record.mechanism),
        ("files", f"{record.declared} declared, {record.read if record.read >= 0 else 'not observed'} read"), ("instrument", record.instrument),
    ]  # fmt: skip
    if record.incomplete:
        rows.append(("incomplete", record.incomplete))
    rows += [(material.name, material.digest) for material in record.materials]
    rows += [("channel", f"{name}: {grade}") for name, grade in sorted(record.enforced.items())]
    rows.append(("ref", seen.witness.ref))
    for name, text in rows:
        ask.out.line(f"{name:<18} {text}")
    return 0
