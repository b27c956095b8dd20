"""`git build doctor`: what this machine has for hermetic execution."""

from __future__ import annotations

from git_atom.core.host import Host
from git_atom.execute.probe import Finding, probe


def examine(host: Host) -> list[Finding]:
    """Every probe, each done once; nothing is left behind."""
    return probe(host.cache, host.environ.get("PATH", ""))


def works(findings: list[Finding]) -> bool:
    """Whether hermetic builds work on this machine."""
    return all(finding.ok for finding in findings if finding.required)


__all__ = ["Finding", "examine", "works"]
