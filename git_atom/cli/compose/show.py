"""`git compose show`."""

from __future__ import annotations

from git_atom.app.compose import compose
from git_atom.cli.compose.when import day
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Show one composition: identities, then its entries with where they come from."""
    shown = compose.show(ask.host, ask["composition"])
    if ask.out.json:
        value = shown._asdict() | {"entries": [entry._asdict() for entry in shown.entries]}
        ask.out.document("git-compose-show/1", value)
        return 0
    for key, text in (
        ("name", shown.name),
        ("root", shown.root),
        ("view", shown.view),
        ("commit", shown.commit),
        ("signer", shown.signer),
        ("made", day(shown.when)),
        ("files", f"{shown.files}"),
        ("bytes", f"{shown.bytes}"),
        ("entries", f"{len(shown.entries)}"),
    ):
        ask.out.line(f"{key:<8} {text}")
    if shown.attributes:
        ask.out.line(f"{'rows':<8} {shown.attributes} of attributes that a git tree cannot hold")
    ask.out.line()
    for entry in shown.entries:
        what = (
            f"-> {entry.target}"
            if entry.kind == "symlink"
            else f"{entry.digest[:19]} {entry.files:>6} {entry.bytes:>11}"
        )
        ask.out.line(f"/{entry.path:<12} {what:<38}  {entry.origin}".rstrip())
    for key in ("missing", "host"):
        for item in shown.certificate.get(key, ()):
            ask.out.line(f"{key}: {item}")
    return 0
