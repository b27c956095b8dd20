"""`git atom charter show`."""

from __future__ import annotations

from git_atom.app.atom.owning import standing
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Show the charter in force: anchor, owners, threshold."""
    found = standing(ask.host)
    charter = found.charter
    if ask.out.json:
        value = dict(charter._asdict()) | {"anchor": found.anchor, "revoked": list(found.revoked)}
        ask.out.document("git-atom-charter/1", value)
        return 0
    from git_atom.app.atom.owning import fingerprint

    ask.out.line(f"anchor    {found.anchor}")
    ask.out.line(f"charter   {charter.seq}")
    ask.out.line(f"root      {charter.root}")
    ask.out.line(f"threshold {charter.threshold}")
    for owner in charter.owners:
        print_ = fingerprint(owner)
        ask.out.line(f"owner     {print_}{' revoked' if print_ in found.revoked else ''}")
    return 0
