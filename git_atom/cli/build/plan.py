"""`git build plan`."""

from __future__ import annotations

from git_atom.cli.parser import Ask


def run(ask: Ask) -> int:
    """Print the matrix, a line a build."""
    from git_atom.app.build.planning import plan

    made = plan(ask.host, ask["dir"] or ".")
    rows = (
        {
            "name": made.name, "version": made.version, "platform": str(row.platform), "build": row.platform.build,
            "host": row.platform.host, "target": row.platform.target, "variants": _chosen(row.variants),
            "here": "yes" if row.platform.build == made.here else "",
        }
        for row in made.rows
    )  # fmt: skip
    ask.out.items(rows, "%(name) %(version) %(platform) %(variants)", "git-build-plan/1")
    return 0


def _chosen(variants: tuple[tuple[str, str], ...]) -> str:
    return " ".join(f"{name}={taken}" for name, taken in variants)
