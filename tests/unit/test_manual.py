"""Parser, `-h`, manual page and completions say the same about every command; every page reads and renders."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from git_atom.cli import parser, usage
from git_atom.cli.spec import Arg, Command, Opt, Tool
from git_atom.errors import CODES, EXITS, UsageError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/manual"))

import pages  # noqa: E402
import shells  # noqa: E402
import tables  # noqa: E402

TOOLS = tables.tools()
COMMANDS = [pytest.param(tool, command, id=tool.called(command)) for tool in TOOLS for command in tool.commands]
PAGES = sorted((ROOT / "man").glob("*.[1-8]"))


def page_of(tool: Tool, command: Command) -> str:
    return (ROOT / "man" / f"{tool.page(command)}.1").read_text()


def section(text: str, name: str) -> str:
    found = re.search(rf"^\.SH {re.escape(name)}\n(.*?)(?=^\.SH |\Z)", text, re.M | re.S)
    assert found, f"no section {name}"
    return "\n".join(line for line in found[1].splitlines() if not line.startswith('.\\"'))


def example_words(item: Opt | Arg) -> list[str]:
    if isinstance(item, Arg):
        return ["x"] * item.least
    value = [] if not item.takes_value else [item.choices[0] if item.choices else "3" if item.kind == "int" else "x"]
    return [item.names[-1], *value]


def test_what_is_committed_is_what_the_tables_say() -> None:
    wanted = pages.expected(ROOT) | shells.expected(ROOT)
    stale = [str(p.relative_to(ROOT)) for p, text in wanted.items() if not p.exists() or p.read_text() != text]
    assert not stale, f"run `make man`: {stale}"


def test_no_page_or_completion_is_left_over() -> None:
    wanted = pages.expected(ROOT) | shells.expected(ROOT)
    there = {*(ROOT / "man").glob("git-*"), *(p for p in (ROOT / "completions").rglob("*") if p.is_file())}
    assert not {p.relative_to(ROOT) for p in there - set(wanted)}


@pytest.mark.parametrize(("tool", "command"), COMMANDS)
def test_table_is_well_formed(tool: Tool, command: Command) -> None:
    names = [name for opt in command.all_opts for name in opt.names]
    assert len(names) == len(set(names)) and not {"-h", "--help"} & set(names)
    dests = [o.dest for o in command.all_opts] + [a.dest for a in command.args]
    assert len(dests) == len(set(dests))
    for text in (command.summary, *(i.help for i in (*command.all_opts, *command.args))):
        assert text and not text.endswith(".") and not re.match(r"[A-Z][a-z]", text), text
    for opt in command.all_opts:
        assert all(re.fullmatch(r"-[a-zA-Z]|--[a-z][a-z0-9-]+", n) for n in opt.names)
        assert opt.kind in ("flag", "value", "list", "int")
        assert opt.complete in ("", "file", "dir", "atom", "composition", "record")
    for arg in command.args[:-1]:
        assert arg.nargs != "..."
    assert (ROOT / f"git_atom/cli/{tool.name}/{command.module_name}.py").exists()


@pytest.mark.parametrize(("tool", "command"), COMMANDS)
def test_parser_takes_every_option_and_no_other(tool: Tool, command: Command) -> None:
    needed = [word for arg in command.args for word in example_words(arg)]
    for opt in command.all_opts:
        values = parser.parse_values(tool, command, [*example_words(opt), *needed])
        assert values is not None and values[opt.dest]
    with pytest.raises(UsageError):
        parser.parse_values(tool, command, ["--no-such-option", *needed])
    assert parser.parse_values(tool, command, ["-h"]) is None


@pytest.mark.parametrize(("tool", "command"), COMMANDS)
def test_help_fits_the_screen_and_names_everything(tool: Tool, command: Command) -> None:
    text = usage.help_text(tool, command)
    assert all(len(line) <= usage.WIDTH for line in text.splitlines()), text
    flowing = " ".join(text.split())
    assert f"usage: {usage.synopsis(tool, command)} {command.summary}" in flowing
    for item in (*command.args, *command.all_opts):
        left = usage.arg_text(item) if isinstance(item, Arg) else usage.opt_text(item)
        assert f"{left} {item.help}" in flowing


@pytest.mark.parametrize(("tool", "command"), COMMANDS)
def test_page_agrees_with_help(tool: Tool, command: Command) -> None:
    text = page_of(tool, command)
    lines = [line for line in section(text, "SYNOPSIS").splitlines() if not line.startswith(".")]
    assert pages.plain(" ".join(lines)).startswith(usage.synopsis(tool, command))
    rows = re.findall(r"^\.TP\n(.*)\n(.*)$", section(text, "OPTIONS"), re.M)
    told = [(pages.plain(left), pages.plain(right)) for left, right in rows]
    items: list[tuple[str, str]] = [(usage.arg_text(a), a.help) for a in command.args]
    items += [(usage.opt_text(o), o.help) for o in command.all_opts]
    wanted = [(left, right[:1].upper() + right[1:] + ".") for left, right in items]
    assert told == [*wanted, ("-h, --help", "Show a short help.")]


def test_every_page_has_its_sections_filled() -> None:
    for tool in TOOLS:
        for name in (f"git-{tool.name}", *(tool.page(c) for c in tool.commands)):
            text = (ROOT / f"man/{name}.1").read_text()
            found = [s for s in re.findall(r"^\.SH (.*)$", text, re.M) if s in pages.SECTIONS]
            assert found == list(pages.SECTIONS), name
            assert "FILL IN" not in text, name
            for part in pages.SECTIONS:
                assert len(section(text, part)) > 20, f"{name}: {part}"
            assert ".nf" in section(text, "EXAMPLES"), f"{name}: an example is a command to type"


def test_exit_codes_and_error_codes_are_printed() -> None:
    for path in PAGES:
        if path.name.startswith("git-"):
            told = re.findall(r"^\.B (\d+)$", section(path.read_text(), "EXIT STATUS"), re.M)
            assert told == [str(code) for code in EXITS], path.name
    text = (ROOT / "man/gitatom-errors.7").read_text()
    assert re.findall(r"^\.B (ATOM\\-\d+)$", text, re.M) == [code.replace("-", "\\-") for code in CODES]


def test_pages_point_at_pages_that_exist() -> None:
    ours = {f"{p.stem}({p.suffix[1:]})" for p in PAGES}
    wrong = []
    for path in PAGES:
        text = pages.plain(path.read_text())
        for name, number in re.findall(r"^\.BR (git-(?:atom|compose|build)\S*|gitatom-\S+) \((\d)\)", text, re.M):
            if f"{name}({number})" not in ours:
                wrong.append(f"{path.name}: {name}({number})")
    assert not wrong, "\n".join(wrong)


@pytest.mark.needs("mandoc")
@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_page_is_sound(path: Path) -> None:
    text = path.read_text()
    assert text.isascii(), "roff escapes for other characters: see groff_char(7)"
    assert re.search(r"^\.TH [A-Z\\0-9-]+ \d ", text, re.M)
    assert re.search(r"^\.SH NAME\n.* \\- ", text, re.M)
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    lint = ["mandoc", "-T", "lint", "-W", "warning", path]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert not done.stdout, done.stdout
    if shutil.which("man", path=MAN_ENV["PATH"]):
        done = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", path],
            capture_output=True,
            text=True,
            check=False,
            env=MAN_ENV,
        )
        told = [line for line in done.stderr.splitlines() if "can't break line" not in line]  # a digest is that long
        assert done.returncode == 0 and not told, told
        assert "\nNAME\n" in re.sub(r".\x08", "", done.stdout)


MAN_ENV = {"PATH": "/usr/bin:/bin", "MANWIDTH": "80", "LC_ALL": "C.UTF-8"}


# --- completion ------------------------------------------------------------------------------------------------------

DRIVER = r"""
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
compopt () { :; }
"__${1//-/_}_main"
printf '%s\n' "${COMPREPLY[@]}"
"""


def complete(tool: str, *words: str, **kwargs: Any) -> list[str]:
    """What bash offers for these words; the last one is what is being typed."""
    argv = ["bash", "--norc", "-c", DRIVER, "bash", str(ROOT / f"completions/bash/git-{tool}"), f"git-{tool}", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, **kwargs)
    assert not done.stderr, done.stderr
    return [line.rstrip(" ") for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda t: t.name)
def test_bash_offers_the_commands(tool: Tool) -> None:
    firsts = {c.name.split()[0] for c in tool.commands if c.name != tool.default}
    assert set(complete(tool.name, "")) >= firsts
    for command in tool.commands:
        words = command.name.split()
        if len(words) == 2:
            assert words[1] in complete(tool.name, words[0], "")
            assert complete(tool.name, words[0], words[1][:-1]) == [words[1]]


@pytest.mark.parametrize(("tool", "command"), COMMANDS)
def test_bash_offers_the_options(tool: Tool, command: Command) -> None:
    words = [] if command.name == tool.default else command.name.split()
    names = {name for opt in command.all_opts for name in opt.names} | {"-h", "--help"}
    assert set(complete(tool.name, *words, "-")) == names
    for opt in command.all_opts:
        for choice in opt.choices:
            assert choice in complete(tool.name, *words, opt.names[-1], "")
            assert complete(tool.name, *words, f"{opt.names[-1]}={choice}") == [choice]


def test_bash_offers_directories_and_expands_nothing(tmp_path: Path) -> None:
    (tmp_path / "$(touch pwned)").mkdir()
    (tmp_path / "inner dir").mkdir()
    assert "inner dir/" in complete("atom", "publish", "i", cwd=tmp_path)
    complete("atom", "publish", "$", cwd=tmp_path)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.needs("zsh", "fish")
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_accept_the_files(shell: str) -> None:
    for path in sorted((ROOT / f"completions/{shell}").iterdir()):
        done = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
        told = [line for line in done.stderr.splitlines() if "can't break line" not in line]  # a digest is that long
        assert done.returncode == 0 and not told, told


@pytest.mark.parametrize(("tool", "command"), COMMANDS)
def test_other_shells_name_every_option(tool: Tool, command: Command) -> None:
    zsh = (ROOT / f"completions/zsh/_git-{tool.name}").read_text()
    fish = (ROOT / f"completions/fish/git-{tool.name}.fish").read_text()
    for opt in command.all_opts:
        for name in opt.names:
            assert f"{name}[" in zsh or f"{name}=[" in zsh
            assert (f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}") in fish


def test_every_setting_has_its_words() -> None:
    page = (ROOT / "man/gitatom-config.5").read_text()
    code = "".join(path.read_text() for path in (ROOT / "git_atom").rglob("*.py"))
    settings = set(re.findall(r'"atom\.([A-Za-z]+)"', code)) - {"toml", "lock"}
    settings |= set(re.findall(r'= "(minimumReleaseAge)"', code)) | {"alias"}
    assert (
        len(settings) >= 9
        and {
            name for name in settings if f"atom.{name}" not in page and f"atom.{name}.".replace(".", "\\.") not in page
        }
        == set()
    )
