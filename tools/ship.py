"""Hatch build hook: the manual, the completions and git's hooks go with the package, to where programs look for them.

Whole directories are walked, so a new page needs no list to be kept. Everything lands under the prefix of the installation
(`share/...`), which for a virtual environment is the environment itself: with its bin/ on PATH, man-db finds share/man there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPLETIONS = {
    "bash": "share/bash-completion/completions",
    "zsh": "share/zsh/site-functions",
    "fish": "share/fish/vendor_completions.d",
}


def shared(root: Path) -> dict[str, str]:
    """File of the source tree -> path under the prefix."""
    out = {}
    for page in sorted((root / "man").glob("*.[1-9]")):
        out[page] = f"share/man/man{page.suffix[1:]}/{page.name}"
    for shell, place in COMPLETIONS.items():
        for file in sorted((root / "completions" / shell).glob("*git-*")):
            out[file] = f"{place}/{file.name}"
    for file in sorted((root / "hooks").glob("[a-z]*")):
        out[file] = f"share/git-atom/hooks/{file.name}"
    return {str(source): target for source, target in out.items()}


class Ship(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the shared files to every wheel, editable ones included."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatch before it writes a wheel."""
        build_data["shared_data"].update(shared(Path(self.root)))
