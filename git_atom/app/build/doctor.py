"""`git build doctor`: what this machine has for hermetic execution."""

from __future__ import annotations

from git_atom.core.finding import Finding
from git_atom.core.host import Host
from git_atom.execute.probe import probe


def examine(host: Host) -> list[Finding]:
    """Every probe, each done once; nothing is left behind."""
    return probe(host.cache, host.environ.get("PATH", ""))
