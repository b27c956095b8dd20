"""`git build log <record>`: what the build printed."""

from __future__ import annotations

from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print the log as it was."""
    from git_atom.app.build.records import open_seen

    seen = open_seen(ask.host, ask["record"])
    if ask.out.json:
        ask.out.document("git-build-log/1", {"log": seen.log.decode(errors="backslashreplace")})
    else:
        ask.out.raw(seen.log)
    return 0
