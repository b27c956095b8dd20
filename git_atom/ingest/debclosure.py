"""What packages need on an empty system, by our solver over the indexes that apt has fetched and checked."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack

from git_atom.core.debindex import Package
from git_atom.errors import MalformedError
from git_atom.ingest.apt import AptState, Deb, check_names
from git_atom.ingest.debsolve import plan
from git_atom.ingest.indexfile import open_index
from git_atom.resolve.explain import explain, refusal
from git_atom.resolve.solve import Unsolvable, solve

_SHA256 = re.compile(r"[0-9a-f]{64}")


def closure(state: AptState, packages: Sequence[str]) -> list[Deb]:
    """What `AptState.closure` says, by our solver: apt fetches the lists and checks their signatures, and decides nothing.

    Raises CannotError (ATOM-5004) for a package that is not there, NoSolutionError (ATOM-1060) with the explanation, MalformedError
    (ATOM-1050, ATOM-1051) for an index that is not what it should be, and what `AptState.indexes` raises.
    """
    check_names(packages)
    with state.indexes() as targets, ExitStack() as stack:
        scans = os.path.join(state.root, "scans")
        indexes = [stack.enter_context(open_index(target.path, scans)) for target in targets]
        architecture = next((t.architecture for t in targets if t.architecture != "all"), "all")
        wanted = [_asked(package) for package in packages]
        problem, provider = plan(wanted, indexes, architecture=architecture)
        for package, root in zip(packages, wanted, strict=True):
            if not provider.find(provider.requirement(root).terms[0]):
                raise state.unknown(package)
        answer = solve(problem)
        if isinstance(answer, Unsolvable):
            raise refusal(explain(answer))
        return sorted(_deb(provider.package(c.candidate)) for c in answer.chosen)


def _asked(package: str) -> str:
    """`name=version` as a relationship."""
    name, _, version = package.partition("=")
    return f"{name} (= {version})" if version else name


def _deb(package: Package) -> Deb:
    """A paragraph as what can be downloaded."""
    size, digest = package.get("Size"), package.get("SHA256")
    if not (size.isdigit() and _SHA256.fullmatch(digest)):
        raise MalformedError("ATOM-1050", f"the index says no size or SHA-256 of '{package.name}' {package.version}")
    return Deb(package.name, package.version, package.get("Architecture"), int(size), digest)
