"""The options of the OCI command line."""

from __future__ import annotations

import pytest

from runtime.cli.options import Option, Syntax, UsageError, parse, usage

SYNTAX = Syntax(
    (
        Option("bundle", "where", short="b", metavar="DIR", default="."),
        Option("detach", "go on", short="d"),
        Option("env", "one more", short="e", metavar="NAME=VALUE", many=True),
        Option("preserve-fds", "how many", metavar="N", number=True, default=0),
        Option("format", "which", short="f", metavar="FORMAT", default="text", choices=("text", "json")),
    ),
    "ID [COMMAND…]",
    1,
    None,
)


def test_what_is_not_given_has_its_default() -> None:
    given = parse(SYNTAX, ["id"])
    assert (given.bundle, given.detach, given.env, given.preserve_fds, given.format) == (".", False, [], 0, "text")
    assert given.arguments == ["id"]


@pytest.mark.parametrize("words", [["--bundle", "x"], ["--bundle=x"], ["-b", "x"], ["-bx"], ["-b=x"]])
def test_a_value_comes_in_every_usual_form(words: list[str]) -> None:
    assert parse(SYNTAX, [*words, "id"]).bundle == "x"


def test_values_may_have_equals_signs_and_be_empty() -> None:
    given = parse(SYNTAX, ["--env", "A=b=c", "--env=D=", "--bundle=", "id"])
    assert given.env == ["A=b=c", "D="]
    assert given.bundle == ""


@pytest.mark.parametrize("switch", ["--detach", "-d", "--detach=true"])
def test_a_switch_is_on_when_it_is_given(switch: str) -> None:
    assert parse(SYNTAX, [switch, "id"]).detach is True


def test_options_end_at_the_first_argument_or_at_two_dashes() -> None:
    assert parse(SYNTAX, ["-d", "id", "ls", "-l", "--bundle"]).arguments == ["id", "ls", "-l", "--bundle"]
    assert parse(SYNTAX, ["--", "-d", "id"]).arguments == ["-d", "id"]
    assert parse(SYNTAX, ["-"]).arguments == ["-"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nope", "id"], "--nope: no such option"),
        (["-x", "id"], "-x: no such option"),
        (["--bundle"], "--bundle: needs a value, DIR"),
        (["--preserve-fds", "many", "id"], "--preserve-fds 'many': not a number"),
        (["--format", "xml", "id"], "--format 'xml': choose from text, json"),
        (["--detach=no", "id"], "--detach: takes no value"),
        ([], r"expected ID \[COMMAND…\], got nothing"),
    ],
)
def test_what_makes_no_sense_is_named(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(SYNTAX, words)


def test_help_shows_every_option_with_its_value() -> None:
    text = usage("prog verb", SYNTAX, "Does it.")
    assert text.startswith("usage: prog verb [OPTION…] ID [COMMAND…]")
    for option in SYNTAX.options:
        assert f"--{option.name} {option.metavar}".rstrip() in text
        assert option.help in text


def test_an_unknown_attribute_is_a_mistake_of_ours() -> None:
    with pytest.raises(AttributeError):
        _ = parse(SYNTAX, ["id"]).nothing
