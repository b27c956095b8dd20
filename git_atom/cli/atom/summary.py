"""How a changed lock is told: one coloured line a change on standard error."""

from __future__ import annotations

from collections.abc import Sequence

from git_atom.cli.parser import Ask

_COLOURS = {"+": "32", "-": "31", "~": "33"}


def tell(ask: Ask, lines: Sequence[object]) -> None:
    """Say each line in the colour of its sign: green for what is new, red for what is gone, yellow for what is other."""
    for line in lines:
        text = str(line)
        ask.out.say(f"  {text}", colour=_COLOURS[text[0]])
