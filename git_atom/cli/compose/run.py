"""`git compose run`."""

from __future__ import annotations

import os
import sys

from git_atom.app.world import entering
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Run a program inside; its exit code is ours. With --json standard output is the document's, the program's goes to standard error."""
    sys.stdout.flush()
    environment = [("TERM", os.environ["TERM"])] if os.environ.get("TERM") and os.isatty(1) else []
    done = entering.run(
        ask.host, ask["composition"], ask["command"], cwd=ask["cwd"], network=ask["net"], environment=environment,
        stdio=(0, 2, 2) if ask.out.json else (0, 1, 2),
    )  # fmt: skip
    if ask.out.json:
        value = {"composition": ask["composition"], "command": list(ask["command"])}
        ask.out.document("git-compose-run/1", value | done._asdict())
    return done.status
