"""Flags, by docker's rules: what is given, and what is refused in which words."""

from __future__ import annotations

import pytest

from runtime.tare.errors import UsageError
from runtime.tare.flags import Flag, parse, whole

FLAGS = (
    Flag("interactive", "", short="i"),
    Flag("tty", "", short="t"),
    Flag("sig-proxy", "", default=True),
    Flag("publish", "", short="p", metavar="list", many=True),
    Flag("name", "", metavar="string"),
    Flag("number", "", short="n", metavar="int", convert=whole, default=-1),
    Flag("help", ""),
)


@pytest.mark.parametrize(
    ("words", "switches"),
    [
        (["-it"], {"interactive", "tty", "sig-proxy"}),
        (["-i", "--tty"], {"interactive", "tty", "sig-proxy"}),
        (["--interactive=false", "-t=true"], {"tty", "sig-proxy"}),
        (["-it=false"], {"interactive", "sig-proxy"}),
        (["--sig-proxy=0"], set()),
        (["-h"], {"help", "sig-proxy"}),
    ],
)
def test_switches(words: list[str], switches: set[str]) -> None:
    given = parse(FLAGS, words)
    assert {name for name in ("interactive", "tty", "sig-proxy", "help") if given.switch(name)} == switches


@pytest.mark.parametrize("words", [["-p80", "-p", "81"], ["-p=80", "--publish=81"], ["-ip80", "-tp", "81"]])
def test_values_stand_behind_or_beside(words: list[str]) -> None:
    assert parse(FLAGS, words).many("publish") == ("80", "81")


def test_a_value_may_look_like_a_flag() -> None:
    assert parse(FLAGS, ["--name", "--tty"]).text("name") == "--tty"


def test_the_last_of_several_counts() -> None:
    assert parse(FLAGS, ["--name", "a", "--name=b"]).text("name") == "b"


def test_flags_and_arguments_may_be_mixed() -> None:
    given = parse(FLAGS, ["a", "-i", "b", "--", "-t"])
    assert given.arguments == ["a", "b", "-t"]
    assert not given.switch("tty")


def test_flags_may_end_at_the_first_argument() -> None:
    given = parse(FLAGS, ["-i", "image", "ls", "-t", "--name"], interspersed=False)
    assert given.arguments == ["image", "ls", "-t", "--name"]


def test_what_was_not_given_has_its_default() -> None:
    given = parse(FLAGS, [])
    assert given.number("number") == -1
    assert given.text("name") == ""
    assert not given.was("sig-proxy")
    assert parse(FLAGS, ["-n", "0x10"]).number("number") == 16


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nope"], "unknown flag: --nope"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["-itx"], "unknown shorthand flag: 'x' in -itx"),
        (["--name"], "flag needs an argument: --name"),
        (["-ip"], "flag needs an argument: 'p' in -ip"),
        (["--=x"], "bad flag syntax: --=x"),
        (["-n", "x"], 'invalid argument "x" for "-n, --number" flag: strconv.ParseInt: parsing "x": invalid syntax'),
        (["--tty=2"], 'invalid argument "2" for "-t, --tty" flag: strconv.ParseBool: parsing "2": invalid syntax'),
    ],
)
def test_refusals(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(FLAGS, words)
    assert str(refused.value) == message
    assert refused.value.code == 125
