"""Run one request in a tiny world and print what came of it as JSON; started by test_sandbox.py as root and as an ordinary user.

Order on standard input: {cache, script | argv, limits, mechanisms, environment, inputs, outputs, places, memory}.
"""

from __future__ import annotations

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import tiny

from git_atom.core.request import OPEN, Channel, Input, Limits, Policy, Request
from git_atom.core.tree import tree_digest
from git_atom.errors import AtomError
from git_atom.execute import machine, sandbox
from git_atom.execute.run import Share, execute, fresh_work
from git_atom.view import kept
from git_atom.view.cache import Blobs


def main() -> int:
    order = json.loads(sys.stdin.readline() if len(sys.argv) < 2 else sys.argv[1])
    world = tiny.world()
    sources = tiny.World()
    for path, text in order.get("inputs", {}).items():
        sources.add(path, text.encode())
    stdio = bool(order.get("interactive"))
    request = Request(
        tree_digest(world.leaves),
        tuple(order.get("argv") or ("/bin/sh", "-c", order["script"])),
        f"{os.uname().machine}-linux",
        inputs=(Input("src", tree_digest(sources.leaves)),) if sources.entries else (),
        environment=tuple(sorted(order.get("environment", {}).items())),
        outputs=tuple(order.get("outputs", ["/out"])),
        limits=Limits(**order.get("limits", {})),
        policy=Policy(terminal=Channel(OPEN)) if stdio else Policy(),
    )
    if "memory" in order:
        kept.MEMORY = order["memory"]
    if "places" in order:
        sandbox.PLACES = tuple(order["places"])
    blobs = Blobs(order["cache"])
    try:
        outcome = execute(
            request,
            world.leaves,
            blobs,
            fresh_work(blobs.root),
            inputs=[("src", sources.leaves)] if sources.entries else [],
            read=lambda leaf: world.contents.get(leaf.digest) or sources.contents[leaf.digest],
            share=Share(stdio=(0, 1, 2)) if stdio else None,
            search="" if "places" in order else os.environ.get("PATH", ""),
            mechanisms=order.get("mechanisms", machine.MECHANISMS),
        )
    except AtomError as error:
        print(
            json.dumps(
                {
                    "error": error.code,
                    "exit": error.exit,
                    "what": error.what,
                    "where": error.where,
                    "note": error.note,
                    "hint": error.hint,
                }
            )
        )
        return error.exit
    value = outcome._asdict()
    value["reads"] = None if outcome.reads is None else [path.decode() for path in outcome.reads]
    with open(outcome.log_path, errors="backslashreplace") as file:
        value["log"] = file.read(1 << 20)
    value["damaged"] = blobs.rehash([leaf.digest.hex for leaf in world.leaves if leaf.mode != 0o40000])
    print(json.dumps(value), file=sys.stderr if stdio else sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
