"""Speaking to the user: data on standard output, talk on standard error, untrusted text escaped on both."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from git_atom.core.host import Progress
from git_atom.core.text import escape
from git_atom.errors import UsageError

if TYPE_CHECKING:
    from git_atom.core.finding import Finding

_FIELD = re.compile(r"%\(([a-z][a-z0-9_-]*)\)")
_ODD = re.compile(r"%\((?![a-z][a-z0-9_-]*\))[^)]*\)?")


class Out(Progress):
    """How this command was asked to speak: as text, as JSON, NUL-ended, by a template, or quietly."""

    __slots__ = ("json", "nul", "quiet", "template")

    def __init__(
        self, *, json: bool = False, quiet: bool = False, nul: bool = False, template: str | None = None
    ) -> None:
        self.json = json
        self.quiet = quiet
        self.nul = nul
        self.template = template

    def say(self, line: str, colour: str = "") -> None:
        """One line of talk on standard error, in a colour (an SGR code) where those are wanted; dropped under --quiet."""
        if self.quiet:
            return
        text = escape(line)
        if colour:
            from git_atom.cli.render import tint

            text = tint(text, colour)
        sys.stderr.write(text + "\n")

    def line(self, text: str = "") -> None:
        """One line of data on standard output, untrusted text escaped."""
        sys.stdout.write(escape(text) + "\n")

    def raw(self, data: bytes) -> None:
        """Bytes of data as they are; escaped when standard output is a terminal."""
        if sys.stdout.isatty():
            sys.stdout.write(escape(data.decode(errors="backslashreplace"), keep="\n\t"))
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)

    def document(self, schema: str, value: Mapping[str, Any]) -> None:
        """One JSON document; its first key names the schema and its version, e.g. `git-atom-list/1`."""
        import json

        sys.stdout.write(json.dumps({"schema": schema} | dict(value), ensure_ascii=True, indent=2) + "\n")

    def items(self, rows: Iterable[Mapping[str, str]], text: str, schema: str) -> None:
        """A list of things: by --json, by --format, NUL-ended, or by the template `text`, e.g. `%(name) %(version)`.

        Values stand for themselves: a value that looks like a field is not expanded again. Raises UsageError (ATOM-9001)
        for a field the rows do not have.
        """
        if self.json:
            self.document(schema, {"items": [dict(row) for row in rows]})
            return
        template = text if self.template is None else self.template
        if (odd := _ODD.search(template)) is not None:
            what = f"'{odd[0]}' is no field" if odd[0].endswith(")") else f"'{odd[0]}' lacks its closing bracket"
            raise UsageError("ATOM-9001", what, hint=f"write fields as in '{text}'")
        end = "\0" if self.nul else "\n"
        for row in rows:
            line = _fill(template, row, raw=self.nul)
            sys.stdout.write((line.rstrip() if self.template is None else line) + end)

    def findings(self, findings: list[Finding], schema: str, told: tuple[str, str]) -> bool:
        """What a doctor found, as a table or by --json, and whether all that is required is there (in `told`'s words: yes, no)."""
        from git_atom.core.finding import works

        good = works(findings)
        if self.json:
            self.document(schema, {"works": good, "findings": [f._asdict() for f in findings]})
            return good
        for finding in findings:
            mark = "ok" if finding.ok else "MISSING" if finding.required else "absent"
            self.line(f"{mark:<8} {finding.name:<30} {finding.found}")
            for line in finding.needs.splitlines() if not finding.ok else ():
                self.line(f"{'':<39} {line}")
        self.line(told[0] if good else told[1])
        return good


def _fill(template: str, row: Mapping[str, str], raw: bool) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in row:
            known = ", ".join(f"%({key})" for key in row)
            raise UsageError("ATOM-9001", f"'{match[0]}' is not a field of this list", hint=f"known are {known}")
        return row[name] if raw else escape(row[name])

    return _FIELD.sub(value, template)
