"""Asking the user whether to trust a set; only where there is somebody to ask."""

from __future__ import annotations

import sys

from git_atom.app.atom.sets import Consent, Shown
from git_atom.cli.parser import Ask


def consent(ask: Ask) -> Consent | None:
    """The question for a set that is not trusted; None when standard input and error are not both terminals (nobody is asked)."""
    if ask["json"] or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    return _question


def _question(set_: Shown) -> bool:
    from git_atom.core.text import escape

    sys.stderr.write(f"The set at {escape(set_.source)} is not one you trust yet.\n  anchor {set_.anchor}\n")
    for owner in set_.owners:
        sys.stderr.write(f"  owner  {owner}\n")
    sys.stderr.write("Compare them with what its owner tells you. Trust this set from now on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
