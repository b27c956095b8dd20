"""Untrusted text made safe to show: control characters, bidirectional overrides and lone surrogates become visible escapes."""

from __future__ import annotations

# C0, DEL, C1; zero-width and bidirectional controls; line and paragraph separators; interlinear marks and tags; byte-order mark.
_RANGES = (
    (0, 31),
    (127, 159),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0xD800, 0xDFFF),
    (0xE0000, 0xE007F),
    (0x61C, 0x61C),
    (0x180E, 0x180E),
)


def escape(text: str, keep: str = "") -> str:
    r"""Text with every unsafe character as \xNN or \u{NNNN}; characters in `keep` (say newline) stay."""
    if text.isprintable() and text.isascii():
        return text
    return "".join(
        c if c in keep or not _unsafe(ord(c)) else f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{{{ord(c):x}}}"
        for c in text
    )


def shell(*words: str) -> str:
    """Words as a shell takes them, each for itself: what is not ours in a command that a hint gives."""
    import shlex  # here: few commands end with a hint

    return shlex.join(words)


def _unsafe(point: int) -> bool:
    return any(low <= point <= high for low, high in _RANGES)
