"""`git compose run`."""

from __future__ import annotations

import os
import sys

from git_atom.app import entering
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Run a program inside; its exit code is ours."""
    sys.stdout.flush()
    environment = [("TERM", os.environ["TERM"])] if os.environ.get("TERM") and os.isatty(1) else []
    done = entering.run(
        ask.host, ask["composition"], ask["command"], cwd=ask["cwd"], network=ask["net"], environment=environment
    )
    if ask.out.json:
        ask.out.say(f"ended with {done.status} after {done.seconds:.3f} s ({done.mechanism})")
    return done.status
