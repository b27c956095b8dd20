"""The threat catalogue of signed atoms: every case has a test that is named by its id, or a reason why it has none.

A test of the cases x01 and x02 is called `test_x01_x02_...`, wherever it stands, beside a control that differs in the attack alone.
"""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
# group -> cases: names, publishing, signatures and trust, fetching, hooks, output, crashes and concurrency, exhaustion
CASES = {
    "n": (1, 2, 3, 4, 5, 6),
    "p": (1, 2, 3, 4, 5, 6, 7, 8, 11),
    "s": tuple(range(1, 15)),
    "f": (*range(1, 13), 15),
    "h": (1, 2, 3, 4, 5, 6),
    "o": (1, 2, 3),
    "k": (1, 2, 4, 5, 6, 7, 8, 10),  # K03 and K09 are of compositions and builds
    "d": (1, 2, 3, 4),
}
WITHOUT = {
    "s12": "nothing is delegated: owners name the keys of one name, by no pattern and to no further party (docs/design.md, section 4)",
    "d03": "figures of 100,000 versions are measured and not tested: bench/verify.py, bench/listing.py, bench/hooks.py",
}


def named() -> set[str]:
    found = set()
    for file in TESTS.rglob("test_*.py"):
        for ids in re.findall(r"^def test((?:_[a-z][0-9]{2})+)_", file.read_text(), re.M):
            found |= set(ids[1:].split("_"))
    return found


def test_every_case_has_its_test_or_a_reason() -> None:
    cases = {f"{group}{number:02}" for group, numbers in CASES.items() for number in numbers}
    missing = cases - named()
    assert missing == set(WITHOUT), (
        f"without a test: {sorted(missing - set(WITHOUT))}, with one: {sorted(set(WITHOUT) - missing)}"
    )
    assert all(WITHOUT.values())
