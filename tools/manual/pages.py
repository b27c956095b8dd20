"""The generated parts of manual pages, as roff with man(7) macros."""

from __future__ import annotations

import re
from pathlib import Path

import tables

from git_atom.cli import usage
from git_atom.cli.spec import Command, Tool
from git_atom.errors import CODES, EXITS

EDITION = "2026-11-21"  # date of the edition; set when a release is made
SECTIONS = ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "OUTPUT", "EXIT STATUS", "EXAMPLES", "SEE ALSO", "GIT")
BACKGROUND = {
    "gitatom-glossary": "the words of git atom, compose and build",
    "gitatom-security": "what git atom, compose and build protect, and what not",
}
RANGES = {
    "1": "text and values",
    "2": "git and other programs",
    "3": "trust",
    "4": "view and sandbox",
    "5": "packages and downloads",
    "6": "compositions and interfaces",
    "7": "builds",
    "8": "atoms",
    "9": "command line",
}


def roff(text: str) -> str:
    """Plain text as roff: minus signs that are typed stay minus signs, quotes and backslashes survive."""
    text = (
        text.replace("\\", "\\e")
        .replace("'", "\\(aq")
        .replace("`", "\\(ga")
        .replace("^", "\\(ha")
        .replace("~", "\\(ti")
    )
    text = re.sub(r"(?<![A-Za-z0-9])-|-(?=-)", r"\\-", text)
    return "\\&" + text if text.startswith(".") else text


def typed(text: str) -> str:
    """Text to be typed as it stands: in bold, every minus a minus."""
    return "\\fB" + roff(text).replace("\\-", "-").replace("-", "\\-") + "\\fR"


def plain(text: str) -> str:
    """Roff back to plain text, for comparing a page with `-h`."""
    text = re.sub(r"\\f[BIRP]", "", text)
    for code, char in (
        ("\\(aq", "'"),
        ("\\(ga", "`"),
        ("\\(ha", "^"),
        ("\\(ti", "~"),
        ("\\-", "-"),
        ("\\&", ""),
        ("\\e", "\\"),
    ):
        text = text.replace(code, char)
    return text


def _value(text: str) -> str:
    return "\\fI" + roff(text) + "\\fR" if text.startswith("<") else roff(text)


def _word(word: str) -> str:
    """One part of a usage line with its options in bold and its placeholders in italics."""
    out, end = [], 0
    for match in re.finditer(r"(?<![\w<-])--?[a-zA-Z][\w-]*|<[^>]*>", word):
        out.append(roff(word[end : match.start()]))
        out.append(typed(match[0]) if match[0][0] == "-" else "\\fI" + roff(match[0]) + "\\fR")
        end = match.end()
    return "".join([*out, roff(word[end:])])


def _head(title: str, section: int, name: str, summary: str) -> str:
    title = title.upper().replace("-", "\\-")
    name = name.replace("-", "\\-")
    return (
        f'.TH {title} {section} "{EDITION}" "git\\-atom {usage.version()}" "Git Atom Manual"\n'
        f".nh\n.ad l\n.SH NAME\n{name} \\- {roff(summary)}"
    )


def _synopsis(tool: Tool, command: Command) -> str:
    lines = [typed(tool.called(command)), *(_word(w) for w in usage.synopsis_words(command))]
    return "\n".join(lines)


def _options(command: Command) -> str:
    lines = []
    for arg in command.args:
        lines += [".TP", _word(usage.arg_text(arg)), _sentence(arg.help)]
    for opt in command.all_opts:
        value = f" {_value(usage.metavar(opt))}" if opt.takes_value else ""
        lines += [".TP", ", ".join(typed(n) for n in opt.names) + value, _sentence(opt.help)]
    lines += [".TP", f"{typed('-h')}, {typed('--help')}", "Show a short help."]
    return "\n".join(lines)


def _sentence(text: str) -> str:
    return roff(text[:1].upper() + text[1:] + ".")


def _exits() -> str:
    return "\n".join(f".TP\n.B {code}\n{_sentence(meaning)}" for code, meaning in EXITS.items())


def _commands(tool: Tool) -> str:
    rows = [c for c in tool.commands if c.name != tool.default]
    return "\n".join(f".TP\n.BR {tool.page(c).replace('-', chr(92) + '-')} (1)\n{_sentence(c.summary)}" for c in rows)


def command_regions(tool: Tool, command: Command) -> dict[str, str]:
    """The generated parts of a subcommand's page, by section."""
    page = tool.page(command)
    return {
        "NAME": _head(page, 1, page, command.summary),
        "SYNOPSIS": _synopsis(tool, command),
        "OPTIONS": _options(command),
        "EXIT STATUS": _exits(),
    }


def tool_regions(tool: Tool) -> dict[str, str]:
    """The generated parts of a tool's page; one with a default command documents that command, too."""
    default = next((c for c in tool.commands if c.name == tool.default), None)
    call = f"{typed(f'git {tool.name}')} \\fI<command>\\fR [\\fI<args>\\fR]"
    page = f"git-{tool.name}"
    regions = {"NAME": _head(page, 1, page, tool.summary), "SYNOPSIS": call, "COMMANDS": _commands(tool)}
    if default is not None:
        regions["SYNOPSIS"] = _synopsis(tool, default) + "\n.br\n" + call
        regions["OPTIONS"] = _options(default)
    else:
        regions["OPTIONS"] = "\n".join(
            [
                ".TP",
                f"{typed('-h')}, {typed('--help')}",
                "List the commands.",
                ".TP",
                typed("--version"),
                "Print the version.",
            ]
        )
    return regions | {"EXIT STATUS": _exits()}


def errors_regions() -> dict[str, str]:
    """The generated parts of gitatom-errors(7)."""
    exits = tables.exits_of_codes()
    lines = []
    for digit, room in RANGES.items():
        codes = {c: m for c, m in CODES.items() if c.startswith(f"ATOM-{digit}")}
        if codes:
            lines.append(f".SS {room.capitalize()}")
        for code, meaning in codes.items():
            lines += [
                ".TP",
                f".B {roff(code).replace('-', chr(92) + '-')}",
                _sentence(meaning)[:-1] + (f" (exit {exits[code]})." if code in exits else "."),
            ]
    return {
        "NAME": _head(
            "gitatom-errors", 7, "gitatom-errors", "every error code and exit status of git atom, compose and build"
        ),
        "EXIT STATUS": _exits(),
        "CODES": "\n".join(lines),
    }


def refresh(text: str, regions: dict[str, str], where: str) -> str:
    """The page with its marked parts replaced; a page without one of the markers is an error."""
    for name, body in regions.items():
        pattern = rf'(\.\\" generated: {re.escape(name)}\n).*?(\.\\" end\n)'
        text, count = re.subn(pattern, lambda m, body=body: m[1] + body + "\n" + m[2], text, flags=re.S)
        if count != 1:
            raise SystemExit(f"{where}: {count} markers of the generated part '{name}'")
    return text


def marked(name: str) -> str:
    """An empty generated part, to be filled by `refresh`."""
    return f'.\\" generated: {name}\n.\\" end\n'


def skeleton(regions: dict[str, str], summary: str) -> str:
    """A new page; its hand-written sections are to be filled in."""
    parts = [marked("NAME")]
    for name in [*SECTIONS[1:4], *(["COMMANDS"] if "COMMANDS" in regions else []), *SECTIONS[4:]]:
        body = marked(name) if name in regions else _prose(name, summary)
        parts.append(f".SH {name}\n{body}")
    return refresh("".join(parts), regions, "skeleton")


def _prose(name: str, summary: str) -> str:
    if name == "GIT":
        return "Part of the\n.BR git\\-atom (1)\nsuite, which extends\n.BR git (1).\n"
    return f"{_sentence(summary)}\n" if name == "DESCRIPTION" else "FILL IN\n"


def expected(root: Path) -> dict[Path, str]:
    """Every page that has generated parts, as it should read."""
    wanted: dict[str, tuple[dict[str, str], str]] = {}
    for tool in tables.tools():
        wanted[f"git-{tool.name}.1"] = tool_regions(tool), tool.summary
        for command in tool.commands:
            if command.name != tool.default:
                wanted[f"{tool.page(command)}.1"] = command_regions(tool, command), command.summary
    wanted["gitatom-errors.7"] = errors_regions(), ""
    for name, summary in BACKGROUND.items():
        wanted[f"{name}.7"] = {"NAME": _head(name, 7, name, summary)}, ""
    out = {}
    for name, (regions, summary) in wanted.items():
        path = root / "man" / name
        text = path.read_text() if path.exists() else skeleton(regions, summary)
        out[path] = refresh(text, regions, str(path))
    return out
