"""`git atom get`."""

from __future__ import annotations

from git_atom.app.showing import get
from git_atom.cli.atom.consent import consent
from git_atom.cli.atom.show import document
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Bring an atom and write its files; prints name, version, tree digest."""
    sight = get(ask.host, ask["uri"], ask["dir"], offline=ask["offline"], consent=consent(ask))
    if ask.out.json:
        ask.out.document("git-atom-get/1", document(sight) | {"dir": ask["dir"]})
        return 0
    ask.out.line(f"{sight.release.name} {sight.release.version} {sight.release.tree}")
    return 0
