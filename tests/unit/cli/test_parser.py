"""Words to values, by the conventions of gitcli(7), and the errors for words that fit nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_atom.cli import parser, usage
from git_atom.cli.spec import Arg, Command, Opt, Tool
from git_atom.errors import AtomError, UsageError

RUN = Command(
    "run",
    "run a command in it",
    (Arg("composition", "which one"), Arg("command", "the command", "...")),
    (Opt(("--network",), "with it"), Opt(("-j", "--jobs"), "how many", "int", default=4)),
)
PUBLISH = Command(
    "publish",
    "publish atoms",
    (Arg("dir", "directories", "*"),),
    (
        Opt(("--all",), "every one"),
        Opt(("--push",), "to there", "value", "<remote>"),
        Opt(("--with",), "more of it", "list"),
        Opt(("--type",), "of what type", "value", choices=("package", "environment")),
    ),
    writes=True,
)
GET = Command("get", "bring it", (Arg("uri", "what", "+"), Arg("dir", "where to")))
NEW = Command("new", "form it", (Arg("name", "its name"), Arg("spec", "a file", "?"), Arg("entry", "more", "*")))
DEBIAN = Command("import debian", "bring packages", (Arg("package", "which", "+"),))
BUILD = Command("build", "build it", (Arg("dir", "where", "?"),))
TOOL = Tool("atom", "signed packages", (RUN, PUBLISH, GET, NEW, DEBIAN))
WITH_DEFAULT = Tool("build", "builds", (BUILD, Command("show", "show it")), default="build")


def parse(command: Command, *argv: str) -> dict[str, object]:
    values = parser.parse_values(TOOL, command, list(argv))
    assert values is not None
    return values


def refusal(command: Command, *argv: str) -> AtomError:
    with pytest.raises(UsageError) as caught:
        parser.parse_values(TOOL, command, list(argv))
    assert caught.value.exit == 129 and caught.value.code == "ATOM-9001"
    return caught.value


def test_options_and_arguments_mix() -> None:
    values = parse(PUBLISH, "a", "--push", "origin", "b", "-nq", "--with=x", "--with", "y", "c")
    assert (values["dir"], values["push"], values["with"]) == (["a", "b", "c"], "origin", ["x", "y"])
    assert values["dry_run"] and values["quiet"] and not values["all"] and not values["json"]


def test_defaults() -> None:
    assert parse(PUBLISH) == {
        "all": False, "push": None, "with": [], "type": None, "dry_run": False, "json": False, "quiet": False, "dir": [],
    }  # fmt: skip


def test_two_dashes_end_the_options() -> None:
    assert parse(PUBLISH, "--all", "--", "-n", "--push")["dir"] == ["-n", "--push"]
    assert parse(PUBLISH, "-")["dir"] == ["-"]


def test_a_value_may_begin_with_a_dash() -> None:
    assert parse(PUBLISH, "--push", "--all")["push"] == "--all"


def test_another_programs_words_are_left_alone() -> None:
    assert parse(RUN, "app", "curl", "--network", "-h")["command"] == ["curl", "--network", "-h"]
    values = parse(RUN, "app", "--network", "-j3", "--", "curl", "-h")
    assert (values["command"], values["network"], values["jobs"]) == (["curl", "-h"], True, 3)


def test_words_are_dealt_out_from_the_left() -> None:
    assert [parse(NEW, *w.split())[k] for w, k in (("a", "spec"), ("a b", "spec"), ("a b c d", "entry"))] == [
        None, "b", ["c", "d"],
    ]  # fmt: skip
    assert parse(GET, "a", "b", "c")["uri"] == ["a", "b"] and parse(GET, "a", "b", "c")["dir"] == "c"


@pytest.mark.parametrize(
    ("command", "argv", "what", "hint"),
    [
        (PUBLISH, "--pus x", "'git atom publish' has no option '--pus'", "did you mean '--push'?"),
        (PUBLISH, "--al", "'git atom publish' has no option '--al'", "did you mean '--all'?"),
        (PUBLISH, "-nx", "'git atom publish' has no option '-x'", "git atom publish -h"),
        (PUBLISH, "--all=1", "option '--all' takes no value", "git atom publish -h"),
        (PUBLISH, "a --push", "option '--push' needs a value", "--push <remote>"),
        (PUBLISH, "--type=x", "option '--type' cannot be 'x'", "one of 'package', 'environment'"),
        (RUN, "-j many app x", "option '-j' needs a whole number, not 'many'", ""),
        (RUN, "app", "'git atom run' needs <command>...", "git atom run -h"),
        (GET, "a", "'git atom get' needs <dir>", "git atom get -h"),
        (BUILD, "a b", "unexpected argument 'b'", "usage: git atom build [--json] [-q] [<dir>]"),
    ],
)
def test_refusals(command: Command, argv: str, what: str, hint: str) -> None:
    error = refusal(command, *argv.split())
    assert (error.what, error.hint) == (what, hint)


def test_nothing_may_be_shortened() -> None:
    refusal(PUBLISH, "--dry")


def test_help_anywhere_before_two_dashes() -> None:
    assert parser.parse_values(TOOL, PUBLISH, ["a", "-h"]) is None
    assert parser.parse_values(TOOL, PUBLISH, ["--push", "x", "--help", "--nonsense"]) is None
    assert parser.parse_values(TOOL, PUBLISH, ["--", "-h"]) is not None


@pytest.mark.parametrize(
    ("argv", "what", "hint"),
    [
        ([], "no command given", "git atom -h"),
        (["publsh"], "'publsh' is not a git atom command", "did you mean 'git atom publish'?"),
        (["zzz"], "'zzz' is not a git atom command", "git atom -h"),
        (["--hlp"], "'--hlp' is not a git atom option", "did you mean 'git atom --help'?"),
        (["import"], "'git atom import' is not a command", "git atom import -h"),
        (["import", "rpm"], "'git atom import rpm' is not a command", "git atom import -h"),
    ],
)
def test_unknown_commands(argv: list[str], what: str, hint: str) -> None:
    error = usage.unknown(TOOL, argv)
    assert (error.what, error.hint, error.exit) == (what, hint, 129)


def test_a_directory_is_no_typo() -> None:
    assert usage.looks_like_typo(WITH_DEFAULT, ["shwo"])
    for word in ("./shwo", "git@host:show", "-o", "zlib", ""):
        assert not usage.looks_like_typo(WITH_DEFAULT, [word])


def test_help_of_a_tool_with_a_default_command_shows_both() -> None:
    text = usage.tool_help(WITH_DEFAULT)
    assert text.startswith("usage: git build [--json] [-q] [<dir>]\n") and "show it" in text


@given(st.lists(st.text(max_size=8) | st.sampled_from(["--", "-", "-h", "--push", "-j", "--with=", "app"])))
def test_any_words_are_parsed_or_refused(argv: list[str]) -> None:
    for command in TOOL.commands:
        try:
            values = parser.parse_values(TOOL, command, argv)
        except UsageError as error:
            assert error.code == "ATOM-9001"
        else:
            assert values is None or set(values) == {o.dest for o in command.all_opts} | {a.dest for a in command.args}


@given(st.lists(st.text(max_size=8)), st.text(min_size=1).filter(lambda s: not s.startswith("-")))
def test_a_verbatim_tail_comes_back_as_it_was(tail: list[str], first: str) -> None:
    assert parse(RUN, "app", "--", first, *tail)["command"] == [first, *tail]
    assert parse(RUN, "app", first, *tail)["command"] == [first, *tail]
