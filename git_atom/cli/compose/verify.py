"""`git compose verify`."""

from __future__ import annotations

from git_atom.app.compose import compose
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Check a composition over all its bytes."""
    done = compose.verify(ask.host, ask["composition"])
    if ask.out.json:
        ask.out.document("git-compose-verify/1", done._asdict())
        return 0
    ask.out.say(f"signed by {done.signer}")
    ask.out.say(f"{done.entries} entries, {done.files} files, {done.bytes} bytes digested anew")
    ask.out.line(f"{done.name} {done.root} verified")
    return 0
