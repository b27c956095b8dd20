"""`git atom show`."""

from __future__ import annotations

from git_atom.app.atom.showing import Sight, show
from git_atom.app.atom.unsigned import Unsigned
from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Show one atom."""
    sight = show(ask.host, ask["atom"])
    if isinstance(sight, Unsigned):
        return _unsigned(ask, sight)
    if ask.out.json:
        ask.out.document("git-atom-show/1", document(sight))
        return 0
    release = sight.release
    for key, value in (
        ("name", release.name),
        ("version", release.version),
        ("id", release.id),
        ("anchor", release.anchor),
        ("tree", release.tree),
        ("commit", release.commit),
        ("origin", release.origin),
        ("path", release.path),
        ("manifest", release.manifest),
        ("previous", release.previous or "none"),
        ("time", release.time),
        ("signer", sight.signer),
        *((("retracted", sight.retracted),) if sight.retracted else ()),
        *((("revoked", f"the signer's key: {sight.revoked}"),) if sight.revoked else ()),
        *(("sub", f"{sub.name} {sub.object} {sub.tree}") for sub in sight.subs),
        *(("mirror", mirror) for mirror in sight.mirrors),
    ):
        ask.out.line(f"{key:<9} {value}")
    if sight.manifest:
        ask.out.line()
        for line in sight.manifest.decode(errors="backslashreplace").splitlines():
            ask.out.line(f"    {line}".rstrip())
    return 0


def _unsigned(ask: Ask, atom: Unsigned) -> int:
    text = atom.manifest.decode(errors="backslashreplace")
    fields = {k: v for k, v in atom._asdict().items() if k != "manifest"} | {"signer": "none, nobody signed it"}
    if ask.out.json:
        ask.out.document("git-atom-show-unsigned/1", fields | {"signer": "", "atom-toml": text})
        return 0
    for key, value in fields.items():
        ask.out.line(f"{key:<9} {value}")
    for line in ["", *text.splitlines()]:
        ask.out.line(f"    {line}".rstrip())
    return 0


def document(sight: Sight) -> dict[str, object]:
    """The fields of the JSON document."""
    text = sight.manifest.decode(errors="backslashreplace")
    more = {
        "signer": sight.signer,
        "retracted": sight.retracted,
        "revoked": sight.revoked,
        "own": sight.own,
        "subs": [sub._asdict() for sub in sight.subs],
        "mirrors": list(sight.mirrors),
        "atom-toml": text,
    }
    return dict(sight.release._asdict()) | more
