"""Verifying a set from its founding: `git atom verify --all` on 10,000 signed versions against `git verify-tag` one by one, and the
audit of 100,000 versions, whole and after one more publication.

The peer is measured on a sample, in the same run and repository, since one by one takes minutes; both figures are for one version.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from _set import Cost, Grown, atom, bare, cost, private_key

from git_atom.core import refnames
from git_atom.git import refs
from git_atom.git.written import one_pack
from git_atom.trust import objects as signed

FEW = int(os.environ.get("VERIFY_FEW", "10000"))
MANY = int(os.environ.get("VERIFY_MANY", "100000"))
NAMES = 1000
BATCH = 10  # names that one entry publishes
SAMPLE = 300
ROUNDS = 3


def grow(place: Path, versions: int, with_refs: bool) -> tuple[Grown, int]:
    """A set with this many versions of NAMES names, published BATCH at a time; and how many signatures it holds."""
    server = Grown(place)
    names = [f"package-{i}" for i in range(NAMES)]
    lines: list[str] = []
    entries = 2
    with one_pack(server.repo):
        server.claim(names)
        for number in range(versions // NAMES):
            before = f"1.{number - 1}.0" if number else None
            for at in range(0, NAMES, BATCH):
                made = server.publish((name, f"1.{number}.0", before) for name in names[at : at + BATCH])
                lines += made[:-1] if with_refs else []
                entries += 1
    server.accept([*lines, f"{server.old} {server.draft.head} {refnames.LOG}\n"])
    server.trust()
    return server, versions + entries + NAMES + 1


def checked(took: Cost, versions: int) -> Cost:
    """That so many versions were found good."""
    good = sum(line.startswith(b"good") for line in took.out.splitlines())
    if good != versions:
        raise SystemExit(f"{good} of {versions} versions are good")
    return took


def signature_alone(server: Grown) -> float:
    """Milliseconds of processor that one tag takes: its signature found, parsed, held against the keys that may sign, and checked."""
    tags = [oid for _, oid in refs.listing(server.repo, refnames.ATOMS)]
    raw = [found[2] for found in server.objects.many(tags) if found]
    keys = frozenset({private_key().public})
    signed._GOOD.clear()  # else a signature that was checked is known
    begin = time.process_time()
    for tag in raw:
        signed.verify_tag(tag, keys)
    return 1000 * (time.process_time() - begin) / len(raw)


def few(tell) -> None:  # type: ignore[no-untyped-def]
    """10,000 versions with their refs, against git on a sample of them."""
    with tempfile.TemporaryDirectory(prefix="git-atom-bench-") as folder:
        server, signatures = grow(Path(folder), FEW, with_refs=True)
        tags = [f"{refnames.ATOMS}package-{i * 7 % NAMES}/1.{i % (FEW // NAMES)}.0" for i in range(SAMPLE)]
        script = 'for tag; do git verify-tag "$tag" 2>/dev/null || exit 1; done'
        ratios, cpus, rates, best = [], [], [], 0.0
        for _ in range(ROUNDS):
            ours = checked(cost(atom("verify", "--all"), server.env, server.path), FEW)
            peer = cost(["sh", "-c", script, "sh", *tags], server.env, server.path)
            ratios.append((peer.wall / SAMPLE) / (ours.wall / FEW))
            cpus.append((peer.cpu / SAMPLE) / (ours.cpu / FEW))
            rates.append(signatures / ours.cpu)
            best = ours.wall if not best else min(best, ours.wall)
        alone = min(signature_alone(server) for _ in range(ROUNDS))
        tell("a signed tag taken apart and its signature checked, one core", alone, "ms", 1 / 3)
        tell(f"verify {FEW} versions ({signatures} signatures): shortest", best, "s", None)
        tell("  part of git verify-tag's time one by one", 1 / statistics.median(ratios), "x", 1 / 30)
        tell("  part of its CPU time", 1 / statistics.median(cpus), "x", None)
        tell(
            "  CPU time of a signature, reading and all other checks included",
            1000 / statistics.median(rates),
            "ms",
            None,
        )


def many(tell) -> None:  # type: ignore[no-untyped-def]
    """100,000 versions: the whole audit, and what one more entry costs who verified the rest before."""
    with tempfile.TemporaryDirectory(prefix="git-atom-bench-") as folder:
        server, signatures = grow(Path(folder), MANY, with_refs=False)
        cost(atom("claim", "-n", "another"), server.env, server.path)  # what is verified now is remembered
        before = f"1.{MANY // NAMES - 1}.0"
        server.accept(server.publish([("package-0", "2.0.0", before)])[-1:])
        after = cost(atom("claim", "-n", "another"), server.env, server.path)
        tell(f"what one more entry costs who verified {MANY} versions before", after.wall, "s", 1)
        tell("  of it CPU", after.cpu, "s", None)
        took = checked(cost(atom("verify", "--all"), server.env, server.path), MANY + 1)
        tell(f"audit of {MANY} versions ({signatures} signatures)", took.wall, "s", 120)
        tell("  of it CPU", took.cpu, "s", None)
        tell("  memory", took.memory, "MiB", None)


def main() -> int:
    """Measure and print one line of JSON."""
    figures: list[dict[str, object]] = []

    def tell(what: str, value: float, unit: str, limit: float | None) -> None:
        figures.append({"what": what, "value": round(value, 4), "unit": unit, "limit": limit})

    tell("python3 -I -c pass", statistics.median(bare() for _ in range(15)), "ms", None)
    few(tell)
    many(tell)
    note = f"git verify-tag on a sample of {SAMPLE}; {NAMES} names, {BATCH} in an entry"
    print(json.dumps({"bench": "verify", "figures": figures, "note": note}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
