"""`git atom publish`."""

from __future__ import annotations

from git_atom.app.atom.publish import Which, publish
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Publish; one line an atom: name, version, tree digest."""
    dry = ask["dry_run"]
    which = Which(tuple(ask["dir"]), ask["all"], ask["changed_since"] or "")
    done = publish(ask.host, which, rev=ask["rev"] or "HEAD", push=ask["push"] or "", dry_run=dry)
    if ask.out.json:
        atoms = [atom._asdict() for atom in done.atoms]
        value = {
            "anchor": done.anchor,
            "revision": done.revision,
            "pushed": done.pushed,
            "dry-run": dry,
            "atoms": atoms,
        }
        ask.out.document("git-atom-publish/1", value)
        return 0
    if not done.atoms:
        ask.out.say("no atom has changed, nothing was published")
    if done.dirty:
        ask.out.say("note: there are uncommitted changes; what is committed is published")
    for atom in done.atoms:
        how = {"published": "would publish" if dry else "published", "unchanged": "published before, unchanged:"}[
            atom.how
        ]
        ask.out.say(f"{how} {atom.name} {atom.version} from '{atom.path}' ({atom.ref} {atom.commit[:12]})")
    if done.pushed:
        ask.out.say(f"pushed to '{done.pushed}'")
    for atom in done.atoms:
        ask.out.line(f"{atom.name} {atom.version} {atom.tree}")
    return 0
