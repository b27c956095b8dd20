"""What the commands that change who owns what have in common: how a change is to be made, and what became of it."""

from __future__ import annotations

from git_atom.app.atom.owning import Done, How
from git_atom.cli.parser import Ask
from git_atom.core.text import shell
from git_atom.errors import UsageError

_WORDS = {
    "charter": "the charter",
    "claim": "the claim",
    "retract": "the retraction",
    "revoke": "the revocation",
}


def how(ask: Ask) -> How:
    """The options that every such command has."""
    if ask["proposal"] == "-":
        raise UsageError(
            "ATOM-9001", "a proposal is a file, '-' is none", hint="--proposal <file>, or ./- for that name"
        )
    return How(ask["push"] or "", ask["proposal"] or "", ask["dry_run"])


def reason(ask: Ask) -> str:
    """The text of --reason, which has to be given."""
    text = ask["reason"]
    if not text:
        raise UsageError("ATOM-9001", "option '--reason' is needed", hint="--reason <text>")
    return str(text)


def tell(ask: Ask, done: Done) -> int:
    """Say what changed and what is missing; the output is `recorded`, `proposed <file>` or `unchanged`, with -n what would be."""
    dry = ask["dry_run"]
    if ask.out.json:
        ask.out.document("git-atom-change/1", done._asdict() | {"dry-run": dry})
        return 0
    for line in done.told:
        ask.out.say(f"  {line}")
    word, file = done.how, ""
    if done.how == "unchanged":
        ask.out.say("it is so already, nothing was changed")
    elif done.how == "proposed":
        word, file = "would propose" if dry else "proposed", done.file
        ask.out.say(f"{_WORDS[done.kind]} lacks {done.lacks}")
        if not dry:
            ask.out.say(f"hint: git atom charter sign {shell(done.file)}  # each of those who have to")
    else:
        word = "would record" if dry else "recorded"
        ask.out.say(f"{word} {_WORDS[done.kind]} in the log {done.head[:12]}".rstrip())
        if done.file:
            ask.out.say(f"hint: rm {shell(done.file)}  # it is in the log now")
    if done.pushed:
        ask.out.say(f"pushed to '{done.pushed}'")
    ask.out.line(f"{word} {file}".rstrip())
    return 0
