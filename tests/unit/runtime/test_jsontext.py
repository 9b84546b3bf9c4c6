"""JSON without the json module says what the json module says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import jsontext

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(JSON)
def test_both_ways_are_those_of_json(content: Any) -> None:
    assert jsontext.dumps(content) == json.dumps(content)
    assert jsontext.loads(json.dumps(content)) == content
    assert jsontext.loads(jsontext.dumps(content)) == content


@given(st.text() | JSON.map(lambda content: json.dumps(content, indent=1) + "\n"))
def test_a_text_is_taken_or_refused_as_by_json(text: str) -> None:
    def outcome(loads: Any) -> Any:
        try:
            return repr(loads(text))
        except (ValueError, RecursionError) as error:
            return type(error).__name__, str(error)

    assert outcome(jsontext.loads) == outcome(lambda text: json.loads(text, parse_constant=_refuse))


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def test_what_readers_would_take_differently_is_refused() -> None:
    for text in ("NaN", "[Infinity]", '{"a": -Infinity}'):
        with pytest.raises(ValueError, match="is no JSON"):
            jsontext.loads(text)
    with pytest.raises(ValueError, match="'a' is given twice"):
        jsontext.loads('{"b": {"a": 1, "a": 2}}')


@pytest.mark.parametrize("text", ["", "{", "[1,]", '{"a" 1}', "tru", '"\n"', "1 2", "[" * 5000, "nan", '{"a":1}x'])
def test_what_is_no_json_is_refused_in_the_same_words(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)) as theirs:
        json.loads(text)
    with pytest.raises(theirs.type) as ours:
        jsontext.loads(text)
    assert str(ours.value) == str(theirs.value)


def test_indented_text_is_json_s_and_what_is_no_json_is_refused() -> None:
    assert jsontext.dumps({"a": [1]}, indent=2) == json.dumps({"a": [1]}, indent=2)
    with pytest.raises(TypeError, match="set"):
        jsontext.dumps({1, 2})
