"""Quotes and variables. What is expected is what docker's own test files say (shell/envVarTest, wordsTest)."""

from __future__ import annotations

import pytest

from runtime.build.words import expand, expand_words, split_words

VARIABLES = {"PWD": "/home", "SHELL": "bash", "KOREAN": "한국어", "NULL": "", "TWO": "a b", "DIR": "/a/b/c"}


@pytest.mark.parametrize(
    ("word", "expanded"),
    [
        ("hello", "hello"),
        ("he'll'o", "hello"),
        (r"he\'llo", "he'llo"),
        (r"he\\'llo'", r"he\llo"),
        (r"abc\tdef", "abctdef"),
        (r'"abc\tdef"', r"abc\tdef"),
        (r'"abc\\tdef"', r"abc\tdef"),
        (r"'abc\tdef'", r"abc\tdef"),
        ("hello\\", "hello"),
        ("\"'$PWD'\"", "'/home'"),
        ("'\"$PWD'", '"$PWD'),
        ("he$PWD", "he/home"),
        ("he${PWD}lo", "he/homelo"),
        (r"he\$PWD", "he$PWD"),
        (r"he\\$PWD", r"he\/home"),
        (r'"he\$PWD"', "he$PWD"),
        ("'he$PWD'", "he$PWD"),
        ("he$PWDx", "he"),
        ("he$.", "he$."),
        ("he$1x", "hex"),
        ("he$", "he$"),
        ("he${hi:-x}", "hex"),
        ("he${hi:-x$PWD}", "hex/home"),
        ("he${hi:-x${PWD}z}", "hex/homez"),
        ("he${PWD:+x}", "hex"),
        ("he${XXX:+x}", "he"),
        ("he${NULL:+x}", "he"),
        ("he${NULL+x}", "hex"),
        ("he${NULL:-x}", "hex"),
        ("he${NULL-x}", "he"),
        ("he${XXX-x}", "hex"),
        ("he${PWD:?bad}", "he/home"),
        ("안녕$KOREAN", "안녕한국어"),
        ("${DIR#*/}", "a/b/c"),
        ("${DIR##*/}", "c"),
        ("${DIR%/*}", "/a/b"),
        ("${DIR%%/*}", ""),
        ("${DIR/b/x}", "/a/x/c"),
        ("${DIR//\\//-}", "-a-b-c"),
        ("${SHELL#bas}h", "hh"),
    ],
)
def test_expand(word: str, expanded: str) -> None:
    assert expand(word, VARIABLES) == expanded


@pytest.mark.parametrize("word", ["he'llo", '"hello', "${PWD", "${}", "${PWD:}", "${PWD=x}", "${XXX:?why}", "${XXX?}"])
def test_what_makes_no_sense(word: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        expand(word, VARIABLES)


def test_another_escape() -> None:
    assert expand("c:\\x`$PWD", VARIABLES, "`") == "c:\\x$PWD"


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("80 $TWO", ["80", "a", "b"]),
        ('"$TWO"', ["a b"]),
        ("$NULL", []),
        ("'' x", ["", "x"]),
        ("a${XXX:-1 2}b", ["a1", "2b"]),
    ],
)
def test_words_of_variables(word: str, words: list[str]) -> None:
    assert expand_words(word, VARIABLES) == words


def test_split_keeps_quotes_and_escapes() -> None:
    assert split_words(r"""a='b c' d=e\ f "g h"  i""") == ["a='b c'", r"d=e\ f", '"g h"', "i"]
