"""Errors as the user reads them: `error[ATOM-XXXX]: what`, where, note, hint."""

from __future__ import annotations

import errno
import os
import sys
from functools import cache

from git_atom.core.text import escape
from git_atom.errors import AtomError, CannotError, MalformedError, ManyErrors, UnavailableError


def report(error: AtomError, json: bool = False) -> None:
    """Print an error on standard error, each of its parts escaped; as one JSON document a line when asked."""
    colour = not json and _wants_colour()
    for one in error.errors if isinstance(error, ManyErrors) else [error]:
        if json:
            _report_json(one)
            continue
        sys.stderr.write(f"{_paint('error', '31;1', colour)}[{one.code}]: {escape(one.what)}\n")
        if one.where:
            sys.stderr.write(f"  --> {escape(one.where)}\n")
        for word, text in (("note", one.note), ("hint", one.hint)):
            for line in text.splitlines():
                sys.stderr.write(f"{_paint(word, '36', colour)}: {escape(line)}\n")


def _report_json(one: AtomError) -> None:
    import json

    value = {
        "schema": "git-atom-error/1",
        "code": one.code,
        "exit": one.exit,
        "what": one.what,
        "where": one.where,
        "note": one.note,
        "hint": one.hint,
    }
    sys.stderr.write(json.dumps(value) + "\n")


def translate(error: Exception) -> AtomError:
    """An error that no room turned into its own: the operating system's, a limit of the interpreter, or a fault of ours."""
    if isinstance(error, OSError):
        return of_os(error)
    if isinstance(error, RecursionError):
        return MalformedError("ATOM-9005", "the input is nested too deeply")
    if isinstance(error, MemoryError):
        return UnavailableError("ATOM-9006", "there is not enough memory")
    return _fault(error)


def of_os(error: OSError) -> AtomError:
    """The error for what the operating system refused; exit 6 for no space, else 128."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = (error.strerror or str(error) or "operating-system error").lower()
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    if full:
        hint = "free some space, then run the same command again"
        return UnavailableError("ATOM-9007", what, where=where or _full(), hint=hint)
    return CannotError("ATOM-9002", what, where=where)


def _full() -> str:
    """The place without room where the operating system did not say which: it names a file that is opened, not one that is written."""
    from git_atom.git import proc

    named = [os.environ.get(name, "") for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "TMPDIR", "HOME")]
    return next(filter(proc.is_full, [os.path.realpath(os.curdir), *filter(None, named), "/tmp"]), "")


def _fault(error: Exception) -> AtomError:
    if os.environ.get("ATOM_TRACE"):
        import traceback

        traceback.print_exception(error)
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    where = f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}" if last is not None else ""
    what = f"a fault in this program: {type(error).__name__}: {error}"
    return CannotError("ATOM-9004", what, where=where, hint="set ATOM_TRACE=1 to see the way there, and report it")


def tint(text: str, code: str) -> str:
    """Text in a colour (an SGR code), where standard error is to have colours."""
    return _paint(text, code, _colour())


def _paint(word: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{word}\x1b[m" if colour else word


@cache
def _colour() -> bool:
    return _wants_colour()


def _wants_colour() -> bool:
    """NO_COLOR and dumb terminals first, then git's color.ui, whose default is: on a terminal."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb":
        return False
    from git_atom.git import proc

    tty = "true" if sys.stderr.isatty() else "false"
    try:
        return proc.run(["git", "config", "--get-colorbool", "color.ui", tty], env=None).out.strip() == b"true"
    except UnavailableError:
        return False
