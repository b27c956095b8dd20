"""Write the generated parts of the manual and the completions from the command tables: `python tools/manual [--check]`.

What a machine knows (NAME, SYNOPSIS, OPTIONS, COMMANDS, EXIT STATUS, the list of error codes) is put between the marker comments
of the pages in man/; prose around the markers is left as it stands. A command without a page gets one to fill in. With --check
nothing is written and exit status 1 says what is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pages
import shells


def main(argv: list[str]) -> int:
    """Write what is stale, or only name it."""
    root = Path(__file__).resolve().parents[2]
    wanted = pages.expected(root) | shells.expected(root)
    stale = {path: text for path, text in wanted.items() if not path.exists() or path.read_text() != text}
    for path, text in stale.items():
        print(path.relative_to(root))
        if "--check" not in argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return 1 if stale and "--check" in argv else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
