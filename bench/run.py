"""Run every benchmark of this directory, one after the other, and print a table of what each measured against its limit.

A benchmark is a script that prints one line of JSON: `bench` (its name), `figures` (a list of `what`, `value`, `unit`,
`limit`; a limit is an upper bound), and whatever else it wants to tell (`note`). The rows come out as they are measured.
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; exit 1 when one failed to run, never because a figure missed its limit."""
    scripts = sorted(
        p
        for p in HERE.glob("*.py")
        if p.name != "run.py" and not p.name.startswith("_") and (not names or p.stem in names)
    )
    failed = 0
    print(f"{'benchmark':<18} {'figure':<58} {'value':>10} {'limit':>8}")
    for script in scripts:
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
        line = (done.stdout.strip().splitlines() or [""])[-1]
        try:
            result = json.loads(line)
        except ValueError:
            failed = 1
            print(
                f"{script.stem:<18} did not run: {(done.stderr.strip().splitlines() or ['no output'])[-1][:90]}",
                flush=True,
            )
            continue
        for figure in result["figures"]:
            limit = figure.get("limit")
            over = "" if limit is None or figure["value"] <= limit else "  over"
            shown = f"{figure['value']:.3g} {figure['unit']}"
            print(
                f"{result['bench']:<18} {figure['what']:<58} {shown:>10} {limit if limit is not None else '':>8}{over}",
                flush=True,
            )
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
