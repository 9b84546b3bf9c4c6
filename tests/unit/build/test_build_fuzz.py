"""Whatever a Dockerfile, a word or a pattern holds, there is a value or an error of ours."""

from __future__ import annotations

import contextlib

from hypothesis import example, given
from hypothesis import strategies as st

from runtime.build.errors import BuildError
from runtime.build.ignore import Ignore
from runtime.build.instructions import parse_dockerfile
from runtime.build.patterns import compile_match
from runtime.build.settings import SETTINGS, Setting
from runtime.build.state import State
from runtime.build.words import expand, expand_words, split_words

KEYWORDS = [
    "FROM",
    "RUN",
    "COPY",
    "ADD",
    "ENV",
    "LABEL",
    "ARG",
    "CMD",
    "ENTRYPOINT",
    "HEALTHCHECK",
    "ONBUILD",
    "SHELL",
    "VOLUME",
    "EXPOSE",
    "USER",
    "WORKDIR",
    "STOPSIGNAL",
    "MAINTAINER",
    "#escape=`",
    "#",
    "\\",
    "<<EOF",
    "EOF",
]
PIECES = st.one_of(
    st.sampled_from(
        [
            *KEYWORDS,
            "\n",
            "\\\n",
            "`\n",
            " ",
            "\t",
            '"',
            "'",
            "$",
            "${",
            "}",
            ":-",
            "=",
            "--from=",
            "[",
            "]",
            ",",
            "CMD ",
        ]
    ),
    st.text(max_size=5),
)
TEXTS = st.lists(PIECES, max_size=30).map("".join)
VARIABLES = {"A": "1", "B": "x y", "C": ""}


@given(TEXTS)
@example('FROM a\nRUN ["a"\n')
@example("FROM a\nHEALTHCHECK --interval= CMD x")
@example("FROM a\nRUN <<\n<<EOF\n")
@example("FROM a\nCMD [[[[" + "[" * 2000)
def test_dockerfiles(text: str) -> None:
    for source in (text, f"FROM scratch\n{text}"):
        with contextlib.suppress(BuildError):
            parsed = parse_dockerfile(source)
            assert parsed.stages
            assert all(one.line.keyword == one.keyword for stage in parsed.stages for one in stage.instructions)


@given(TEXTS)
def test_settings(text: str) -> None:
    with contextlib.suppress(BuildError):
        state = State.empty()
        for one in parse_dockerfile(f"FROM scratch\n{text}").stages[0].instructions:
            if one.keyword in SETTINGS:
                with contextlib.suppress(ValueError):
                    assert SETTINGS[one.keyword](Setting(one, state, state.env, "\\"))
        assert state.encode()


@given(TEXTS)
def test_words(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(expand(text, VARIABLES), str)
        assert isinstance(expand_words(text, VARIABLES), list)
    assert all(split_words(text))


@given(st.text(alphabet="ab cd=/.-_", max_size=30))
def test_words_without_anything_special_are_themselves(text: str) -> None:
    assert expand(text, VARIABLES) == text
    assert split_words(text) == text.split()


@given(st.text(max_size=30), st.text(max_size=30))
def test_quoted_words_are_themselves(content: str, more: str) -> None:
    quoted = content.replace("'", "")
    assert expand(f"'{quoted}'", VARIABLES) == quoted
    escaped = "".join(f"\\{one}" for one in more)
    assert expand(escaped, VARIABLES) == more


@given(st.text(alphabet="ab*?[]^-\\/.!", max_size=15), st.text(alphabet="ab/.", max_size=15))
def test_patterns(pattern: str, path: str) -> None:
    with contextlib.suppress(ValueError):
        compile_match(pattern).fullmatch(path)
    with contextlib.suppress(BuildError):
        assert Ignore(pattern).ignores(path) in {True, False}


@given(st.lists(st.text(alphabet="ab.", min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_plain_path_ignores_itself_and_what_is_in_it(parts: list[str]) -> None:
    path = "/".join(part for part in parts if part.strip(".")) or "a"
    assert Ignore(path).ignores(path)
    assert Ignore(path).ignores(f"{path}/x")
    assert not Ignore(f"{path}\n!{path}").ignores(path)
