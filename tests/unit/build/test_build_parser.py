"""Dockerfiles as values."""

from __future__ import annotations

import pytest

from runtime.build.errors import DockerfileError
from runtime.build.instructions import Instruction, parse_dockerfile


def one(text: str, keyword: str) -> Instruction:
    """The only instruction of this kind."""
    parsed = parse_dockerfile(f"FROM scratch\n{text}")
    (found,) = [one for one in parsed.stages[0].instructions if one.keyword == keyword]
    return found


def test_continuation_skips_comments_and_empty_lines_between() -> None:
    run = one("RUN a \\\n  # why\n\n   && b \\  \n c\nUSER x", "RUN")
    assert run.words == ("a    && b  c",)
    assert run.line.number == 2


def test_two_backslashes_continue_nothing() -> None:
    assert one("RUN a \\\\\nUSER x", "RUN").words == ("a \\\\",)


def test_escape_directive() -> None:
    parsed = parse_dockerfile("# escape=`\nFROM scratch\nRUN dir c:\\\nRUN a `\n b\n")
    assert [one.words for one in parsed.stages[0].instructions] == [("dir c:\\",), ("a  b",)]


def test_directives_end_with_the_first_other_line() -> None:
    parsed = parse_dockerfile("# hello\n# escape=`\nFROM scratch\nRUN a \\\n b\n")
    assert parsed.source.escape == "\\"
    assert parsed.stages[0].instructions[0].words == ("a  b",)


@pytest.mark.parametrize(
    ("text", "words", "exec_form"),
    [
        ('RUN ["a", "b c"]', ("a", "b c"), True),
        ("RUN ['a', 'b']", ("['a', 'b']",), False),
        ('CMD ["a"', ('["a"',), False),
        ("CMD []", (), True),
        ("ENTRYPOINT a b", ("a b",), False),
        ('COPY ["a b", "/c d/"]', ("a b", "/c d/"), True),
        ("COPY a  b\t/c", ("a", "b", "/c"), False),
        ("VOLUME /a /b", ("/a", "/b"), False),
        ('ENV a=1 b="x y" c=\\ z', ("a", "1", "b", '"x y"', "c", "\\ z"), False),
        ("ENV a b  c", ("a", "b  c"), False),
        ("ARG a b=1", ("a", "b=1"), False),
        ("EXPOSE 80 90/udp", ("80", "90/udp"), False),
        ("HEALTHCHECK NONE", ("NONE",), False),
        ("HEALTHCHECK --retries=2 cmd curl x", ("CMD", "curl x"), False),
        ('HEALTHCHECK CMD ["a", "b"]', ("CMD", "a", "b"), True),
        ("maintainer A B <c>", ("A B <c>",), False),
    ],
)
def test_words(text: str, words: tuple[str, ...], exec_form: bool) -> None:
    found = one(text, text.split(maxsplit=1)[0].upper())
    assert (found.words, found.exec_form) == (words, exec_form)


def test_flags() -> None:
    copy = one('COPY --from=base --chown="a:b" --link a /b', "COPY")
    assert (copy.flag("from"), copy.flag("chown"), copy.flag("link"), copy.flag("chmod")) == (
        "base",
        "a:b",
        "true",
        None,
    )
    run = one("RUN --mount=type=cache,target=/a --mount=type=tmpfs,target=/b x", "RUN")
    assert run.all("mount") == ("type=cache,target=/a", "type=tmpfs,target=/b")


def test_heredocs() -> None:
    run = one("RUN <<EOF\necho $a\n\nEOF\nUSER x", "RUN")
    assert run.line.heredocs[0].content == "echo $a\n\n"
    assert run.line.heredocs[0].expand
    copy = one("COPY <<-'A' <<\"B\" /x/\n\ta\n\tA\n\tb\nB\nUSER x", "COPY")
    assert [(one.name, one.content, one.expand) for one in copy.line.heredocs] == [
        ("A", "a\n", False),
        ("B", "\tb\n", False),
    ]


def test_a_here_string_is_none() -> None:
    assert one("RUN cat <<<EOF\nUSER x", "RUN").line.heredocs == ()


def test_stages() -> None:
    parsed = parse_dockerfile("ARG V=1\nFROM a:$V AS One\nRUN x\nFROM --platform=linux/amd64 one\n")
    assert [(one.name, one.image, len(one.instructions)) for one in parsed.stages] == [
        ("one", "a:$V", 1),
        ("", "one", 0),
    ]
    assert len(parsed.arguments) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Dockerfile:1: file with no instructions"),
        ("RUN x", "Dockerfile:1: no build stage in current context: RUN before FROM"),
        ("ARG x", "Dockerfile:1: no build stage: there is no FROM"),
        ("FROM a\nRUNN x", "Dockerfile:2: unknown instruction: RUNN"),
        ("FROM a b", "Dockerfile:1: FROM requires either one or three arguments"),
        ("FROM a AS 1x", "Dockerfile:1: invalid name for build stage: '1x'"),
        ("FROM a AS x\nFROM b AS X", "Dockerfile:2: duplicate name x"),
        ("FROM a\n\nCOPY x", "Dockerfile:3: COPY requires at least two arguments, but only one was provided"),
        ("FROM a\nCOPY --frm=x a b", "Dockerfile:2: unknown flag: --frm"),
        ("FROM a\nCOPY --from a b", "Dockerfile:2: missing a value on flag: --from"),
        ("FROM a\nCOPY --from=x --from=y a b", "Dockerfile:2: duplicate flag specified: --from"),
        ("FROM a\nENV x", "Dockerfile:2: ENV must have two arguments"),
        ("FROM a\nENV x=1 y", "Dockerfile:2: can't find = in 'y'"),
        ("FROM a\nSHELL sh", "Dockerfile:2: SHELL requires the arguments to be in JSON form"),
        ("FROM a\nCMD [1]", "Dockerfile:2: when using JSON array syntax, arrays must be comprised of strings only"),
        ("FROM a\nONBUILD ONBUILD RUN x", "Dockerfile:2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("FROM a\nONBUILD FROM x", "Dockerfile:2: FROM isn't allowed as an ONBUILD trigger"),
        ("FROM a\nRUN <<EOF\nx\n", "Dockerfile:2: unterminated heredoc 'EOF'"),
        ("FROM a\nUSER", "Dockerfile:2: USER requires exactly one argument"),
        ("FROM a\nHEALTHCHECK CMD", "Dockerfile:2: missing command after HEALTHCHECK CMD"),
        ("# escape=x\nFROM a", "Dockerfile:1: invalid ESCAPE 'x'"),
        ("# escape=`\n# escape=\\\nFROM a", "Dockerfile:2: only one escape parser directive can be used"),
    ],
)
def test_errors_name_the_line(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse_dockerfile(text)
    assert str(caught.value).startswith(message)
