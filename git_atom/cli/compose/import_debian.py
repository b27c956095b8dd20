"""`git compose import debian`: packages of a Debian suite as a composition."""

from __future__ import annotations

from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Import, then print name and root."""
    from git_atom.app.world.imports import import_debian, resolve

    if ask["dry_run"]:
        debs = resolve(ask.host, ask["package"], ask["suite"] or "", fresh=ask["update"], solver=ask["solver"])
        for deb in debs:
            ask.out.line(f"{deb.name} {deb.version} {deb.architecture} {deb.size}")
        ask.out.say(
            f"{len(debs)} packages, {sum(deb.size for deb in debs) / 1e6:.1f} MB to fetch at most; nothing was imported"
        )
        return 0
    made = import_debian(
        ask.host, ask["package"], ask["suite"] or "", ask["as"], fresh=ask["update"], solver=ask["solver"]
    )
    if ask.out.json:
        packages = [
            {"name": p.name, "version": p.version, "architecture": p.architecture, "digest": p.digest}
            for p in made.packages
        ]
        ask.out.document(
            "git-compose-import/1",
            {
                "name": made.name,
                "root": made.root,
                "view": made.view,
                "files": made.files,
                "bytes": made.bytes,
                "packages": packages,
            },
        )
        return 0
    how = "known already" if made.cached else f"{made.unpacked} of {len(made.packages)} packages read, the rest known"
    ask.out.say(f"{len(made.packages)} packages, {made.files} files, {made.bytes / 1e6:.0f} MB; {how}")
    ask.out.line(f"{made.name} {made.root}")
    return 0
