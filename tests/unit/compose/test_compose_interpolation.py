from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.tare.compose.interpolation import interpolate, substitute
from runtime.tare.errors import CommandError

VARIABLES = {"NAME": "web", "EMPTY": "", "PORT": "80"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("$NAME:$PORT", "web:80"),
        ("${NAME}x", "webx"),
        ("$MISSING-", "-"),
        ("$$NAME ${NAME}$$", "$NAME web$"),
        ("${MISSING:-a}${EMPTY:-b}${NAME:-c}", "abweb"),
        ("${MISSING-a}${EMPTY-b}", "a"),
        ("${NAME:+is}${EMPTY:+not}${EMPTY+there}${MISSING+not}", "isthere"),
        ("${MISSING:-${EMPTY:-${NAME}}}", "web"),
        ("${MISSING:-}", ""),
    ],
)
def test_variables_are_put_in(text: str, result: str) -> None:
    assert substitute(text, VARIABLES, "here") == result


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${EMPTY:?say it}", "here: required variable EMPTY is missing a value: say it"),
        ("${MISSING?say it}", "required variable MISSING"),
        ("${NAME", "invalid interpolation format"),
        ("${NAME:-x", "a brace is not closed"),
        ("${1}", "invalid interpolation format"),
        ("a $ b", r"a dollar is written as \$\$"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        substitute(text, VARIABLES, "here")


def test_names_of_keys_are_left_alone_and_places_are_told() -> None:
    assert interpolate({"$NAME": ["$NAME", 5, None, True]}, VARIABLES) == {"$NAME": ["web", 5, None, True]}
    with pytest.raises(CommandError, match=r"^services.web.ports\[1\]: "):
        interpolate({"services": {"web": {"ports": ["80", "${"]}}}, VARIABLES)


@given(st.text(alphabet="${}:-?+AB _x", max_size=40))
def test_any_text_is_substituted_or_refused(text: str) -> None:
    refusal = ""
    try:
        substitute(text, {"A": "1", "B": ""}, "here")
    except CommandError as error:
        refusal = str(error)
    assert refusal.startswith("here: ") or not refusal


@given(st.text(max_size=30))
def test_doubled_dollars_are_the_text_itself(text: str) -> None:
    assert substitute(text.replace("$", "$$"), {}, "here") == text
