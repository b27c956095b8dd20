"""`git atom hooks run`: what git's hooks call."""

from __future__ import annotations

import signal
import sys

from git_atom.app.atom.hooks import MAX_BYTES
from git_atom.app.atom.hooks import run as judge
from git_atom.cli.parser import Ask

_SECONDS = 600


def run(ask: Ask) -> int:
    """Judge what stands on standard input; silent and 0 when all may move. Whatever goes wrong refuses, taking too long included."""
    signal.alarm(_SECONDS)
    data = b"" if sys.stdin is None else sys.stdin.buffer.read(MAX_BYTES + 1)
    done = judge(ask.host, ask["hook"], ask["state"] or "", data)
    if ask.out.json:
        ask.out.document("git-atom-hooks-run/1", {"refused": len(done.refused)})
    return 0
