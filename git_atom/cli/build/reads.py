"""`git build reads <record>`: the files a build really opened, by package."""

from __future__ import annotations

from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print packages with what was read of each; every path with --paths."""
    from git_atom.app.build.records import uses

    seen, rows, rest = uses(ask.host, ask["record"])
    record = seen.witness.record
    if ask.out.json or ask.out.nul or ask.out.template:
        items = [{"package": row.package, "path": path} for row in rows for path in row.reads]
        ask.out.items(items + [{"package": "", "path": path} for path in rest], "%(path)", "git-build-reads/1")
        return 0
    for row in rows:
        if row.read_files:
            ask.out.line(
                f"{row.package:<28} {row.read_files:>5} of {row.files:>5} files {row.read_bytes / 1e6:>8.1f} of {row.bytes / 1e6:>7.1f} MB"
            )
            for path in row.reads if ask["paths"] else ():
                ask.out.line(f"    {path}")
    ask.out.line(f"{'(sources and dependencies)':<28} {len(rest):>5}")
    for path in rest if ask["paths"] else ():
        ask.out.line(f"    {path}")
    ask.out.say(f"observed by {record.instrument}")
    if record.incomplete:
        ask.out.say(f"incomplete: {record.incomplete}")
    return 0
