"""Errors as the user reads them: `error[ATOM-XXXX]: what`, where, note, hint."""

from __future__ import annotations

import errno
import sys

from git_atom.core.text import escape
from git_atom.errors import AtomError, CannotError, ManyErrors, UnavailableError


def report(error: AtomError, json: bool = False) -> None:
    """Print an error on standard error, each of its parts escaped; as one JSON document when asked."""
    for one in error.errors if isinstance(error, ManyErrors) else [error]:
        if json:
            import json as codec

            value = {
                "schema": "git-atom-error/1",
                "code": one.code,
                "exit": one.exit,
                "what": one.what,
                "where": one.where,
                "note": one.note,
                "hint": one.hint,
            }
            sys.stderr.write(codec.dumps(value) + "\n")
            continue
        sys.stderr.write(f"{_paint('error', '31;1')}[{one.code}]: {escape(one.what)}\n")
        if one.where:
            sys.stderr.write(f"  --> {escape(one.where)}\n")
        for word, text in (("note", one.note), ("hint", one.hint)):
            for line in text.splitlines():
                sys.stderr.write(f"{_paint(word, '36')}: {escape(line)}\n")


def report_os(error: OSError) -> int:
    """Print an operating-system error that no room turned into its own; returns the exit code (6 for no space, else 128)."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    kind = UnavailableError if full else CannotError
    one = kind("ATOM-9002", f"{(error.strerror or 'operating-system error').lower()}", where=str(error.filename or ""),
               hint="free some space, then run the same command again" if full else "")  # fmt: skip
    report(one)
    return one.exit


def _paint(word: str, colour: str) -> str:
    import os

    if not sys.stderr.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return word
    return f"\x1b[{colour}m{word}\x1b[m"
