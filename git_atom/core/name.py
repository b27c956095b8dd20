"""Names of atoms (design section 4): letters of UAX #31 plus `-`, NFKC-normalised, at most 128 bytes, one script.

Tables are pinned to Unicode 14.0 (`core/unicode14.py`); scripts are read off character names, which Unicode never changes.
`skeleton` folds what people cannot tell apart, so that a set can refuse a sibling that only looks new.
"""

from __future__ import annotations

from git_atom.errors import MalformedError

MAX_BYTES = 128
UNICODE = "14.0.0"

# names that some file system or git itself gives a meaning of its own, in any case
_RESERVED = frozenset(
    ["head", "con", "prn", "aux", "nul", "clock$"] + [f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)]
)
# scripts that are written together (UTS #39, section 5.2, highly restrictive), beside any one script alone
_TOGETHER = (
    frozenset(("LATIN", "CJK", "HIRAGANA", "KATAKANA")),
    frozenset(("LATIN", "CJK", "HANGUL")),
    frozenset(("LATIN", "CJK", "BOPOMOFO")),
)
# look-alikes of Latin letters and digits after case folding, the part of UTS #39 that one script alone does not exclude
_LOOKS = str.maketrans(
    "аеорсухіјѕһԁԛԝкмтвнгп"
    "αοριυνκτχεγ"
    "օսհոցզքթ"
    "ı01l",
    "aeopcyxijshdqwkmtbhrn"
    "aopiuvktxey"
    "ouhngqpp"
    "ioii",
)  # fmt: skip


def check_name(text: str, where: str = "", *, exact: bool = False) -> str:
    """The name in its one spelling (NFKC); raises MalformedError (ATOM-1010) when it cannot be a name.

    `exact` refuses a text that is not yet in that spelling: what stands in a manifest, a ref or signed data must be.
    """
    name = text
    if text.isascii():
        problem = _ascii_problem(text)
    else:
        from unicodedata import normalize

        name = normalize("NFKC", text) if len(text) <= MAX_BYTES else text
        problem = "it is not in Unicode's normal form NFKC" if exact and name != text else _problem(name)
    if not problem and len(name.encode()) > MAX_BYTES:
        problem = f"it is longer than {MAX_BYTES} bytes"
    if not problem and name.lower() in _RESERVED:
        problem = "file systems or git give it a meaning of its own"
    if problem:
        raise MalformedError(
            "ATOM-1010",
            f"'{text[:200]}' cannot be the name of an atom",
            where=where,
            note=problem + ("" if text.isascii() else f" ({_points(text)})"),
            hint=_hint(name),
        )
    return name


def skeleton(name: str) -> str:
    """What a name looks like: two names with one skeleton may not stand in one set (case, `-` and `_`, look-alike letters)."""
    from unicodedata import normalize

    folded = normalize("NFKC", name).casefold().replace("_", "-")
    return normalize("NFKC", folded).translate(_LOOKS).replace("rn", "m").replace("vv", "w")


def _ascii_problem(text: str) -> str:
    if not text:
        return "it is empty"
    if not text[0].isalpha():
        return "it must begin with a letter"
    for char in text:
        if not (char.isalnum() or char in "-_"):
            return f"U+{ord(char):04X} is neither letter, digit, '-' nor '_'"
    return ""


def _problem(name: str) -> str:
    from unicodedata import normalize

    from git_atom.core.unicode14 import is_continue, is_start

    if len(name) > MAX_BYTES:
        return f"it is longer than {MAX_BYTES} bytes"
    if not name or not is_start(name[0]):
        return "it must begin with a letter"
    for char in name:
        if char != "-" and not is_continue(char):
            return f"U+{ord(char):04X} is neither letter, digit, '-' nor '_'"
    if normalize("NFKC", name) != name:
        return "it has no stable normal form"
    scripts = _scripts(name)
    if len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER):
        return f"it mixes scripts ({', '.join(sorted(scripts)).lower()}), which can hide a look-alike"
    return ""


def _scripts(name: str) -> frozenset[str]:
    from unicodedata import category
    from unicodedata import name as called

    letters = (char for char in name if category(char)[0] == "L")
    return frozenset(called(char, "?").split()[0].split("-")[0] for char in letters)


def _points(text: str) -> str:
    return " ".join(f"U+{ord(char):04X}" for char in text[:32] if not char.isascii())


def _hint(name: str) -> str:
    from unicodedata import normalize

    better = "".join(char if char.isalnum() or char in "-_" else "-" for char in normalize("NFKC", name[:MAX_BYTES]))
    better = better.strip("-_").lstrip("0123456789-_")
    if better and better != name and not (_problem(better) or better.lower() in _RESERVED):
        return f"'{better}' would do"
    return "use letters, digits, '-' and '_', beginning with a letter"
