"""`git atom get`."""

from __future__ import annotations

from git_atom.app.atom.showing import foresee, get
from git_atom.cli.atom.consent import consent
from git_atom.cli.atom.show import document
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Bring an atom and write its files; prints name, version, tree digest."""
    if ask["dry_run"]:
        release = foresee(ask.host, ask["uri"], ask["dir"], offline=ask["offline"])
        if ask.out.json:
            ask.out.document("git-atom-get/1", dict(release._asdict()) | {"dir": ask["dir"], "dry-run": True})
        else:
            ask.out.say(f"would write '{ask['dir']}'")
            ask.out.line(f"{release.name} {release.version} {release.tree}")
        return 0
    sight = get(ask.host, ask["uri"], ask["dir"], offline=ask["offline"], consent=consent(ask))
    if ask.out.json:
        ask.out.document("git-atom-get/1", document(sight) | {"dir": ask["dir"], "dry-run": False})
        return 0
    ask.out.line(f"{sight.release.name} {sight.release.version} {sight.release.tree}")
    return 0
