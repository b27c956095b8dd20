"""`git atom verify`."""

from __future__ import annotations

from git_atom.app.atom.verifying import verify
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Verify; one line an atom. Whatever does not verify is an error that names it."""
    done = verify(ask.host, ask["atom"], everything=ask["all"], source=ask["source"])
    rows = [{key: str(value) for key, value in one._asdict().items()} for one in done]
    ask.out.items(rows, "%(content) %(name) %(version) %(tree) %(signer) %(state)", "git-atom-verify/1")
    absent = sum(one.content == "absent" for one in done)
    if absent:
        ask.out.say(f"note: the content of {absent} of {len(done)} versions is not here; their signatures are good")
    return 0
