"""`git build bloat <record>`: what was declared and never observed to be read."""

from __future__ import annotations

from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print the packages of which nothing was read."""
    from git_atom.app.build.records import uses

    seen, rows, _ = uses(ask.host, ask["record"])
    unread = [row for row in rows if not row.read_files]
    if ask.out.json or ask.out.nul or ask.out.template:
        items = [
            {
                "package": r.package,
                "files": str(r.files),
                "bytes": str(r.bytes),
                "linked": " ".join(r.linked),
            }
            for r in unread
        ]
        ask.out.items(items, "%(package)", "git-build-bloat/1")
        return 0
    for row in sorted(unread, key=lambda r: -r.bytes):
        note = f"  its link {row.linked[0]} leads to what was read" if row.linked else ""
        ask.out.line(f"{row.package:<28} {row.files:>5} files {row.bytes / 1e6:>8.1f} MB{note}")
    files, size = sum(r.files for r in rows), sum(r.bytes for r in rows)
    read, seen_bytes = sum(r.read_files for r in rows), sum(r.read_bytes for r in rows)
    ask.out.say(
        f"{len(unread)} of {len(rows)} packages were never observed to be read; of {files} files ({size / 1e6:.0f} MB) {read} were ({seen_bytes / 1e6:.0f} MB)"
    )
    ask.out.say(
        "not read is not unneeded: links, look-ups that found nothing and tests of existence are not seen; only building without proves it"
    )
    return 1 if seen.witness.record.incomplete else 0
