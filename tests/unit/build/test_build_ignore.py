"""Patterns; what is expected is what moby's patternmatcher_test.go and Go's match_test.go expect."""

from __future__ import annotations

import pytest

from runtime.build.errors import ContextError
from runtime.build.ignore import Ignore
from runtime.build.patterns import compile_match, has_wildcards


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("**", "file", True),
        ("**", "dir/file", True),
        ("**/", "file", True),
        ("**/**", "dir/file", True),
        ("dir/**", "dir/dir2/file", True),
        ("dir/**", "dirx", False),
        ("**/dir", "dir/file", True),
        ("**/dir2/*", "dir/dir2/file", True),
        ("**/dir2/*", "dir/dir2/dir2/file", True),
        ("**file", "dir/file", True),
        ("**file", "dir/dir/file", True),
        ("**/file*", "dir/dir/file.txt", True),
        ("**/file*txt", "dir/file.txt", True),
        ("a**/*.txt", "a/file.txt", True),
        ("a**/*.txt", "a/dir/file.txt", True),
        ("a/*.txt", "a/dir/file.txt", False),
        ("a/*.txt", "a/file.txt", True),
        ("a[b-d]e", "ae", False),
        ("a[b-d]e", "ace", True),
        ("a[^b-d]e", "ace", False),
        ("a[^b-d]e", "aze", True),
        (".*", ".foo", True),
        (".*", "foo", False),
        ("abc.def", "abcdef", False),
        ("abc?def", "abcZdef", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("**/foo/bar", "foo/bar", True),
        ("abc/**", "abc/def/ghi", True),
        ("/file", "file", True),
        ("./x/../file", "file", True),
        ("dir", "dir/sub/file", True),
        ("di", "dir", False),
        ("*", "a/b", True),
        ("a(b)+$", "a(b)+$", True),
    ],
)
def test_ignore(pattern: str, path: str, ignored: bool) -> None:
    assert Ignore(pattern).ignores(path) is ignored


def test_the_last_that_fits_decides() -> None:
    ignore = Ignore("# why\n\n*.md\n!README*.md\nREADME-secret.md\n!docs\n")
    paths = ("a.md", "README.md", "README-secret.md", "x.txt")
    assert [ignore.ignores(path) for path in paths] == [True, False, True, False]
    assert ignore.has_exceptions


def test_exceptions_below_what_is_left_out() -> None:
    ignore = Ignore("dir\n!dir/keep\n")
    assert [ignore.ignores(path) for path in ("dir", "dir/x", "dir/keep", "dir/keep/y")] == [True, True, False, False]


@pytest.mark.parametrize("text", ["!", "a[", "a\\", "[z-a]"])
def test_patterns_that_make_no_sense(text: str) -> None:
    with pytest.raises(ContextError):
        Ignore(text)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [("*.go", "a.go", True), ("*", "a/b", False), ("a*/b", "a/c/b", False), ("[]a]", "]", False), ("?", "/", False),
     ("a?b", "a\nb", True), ("[\\-x]", "-", True)],
)  # fmt: skip
def test_match(pattern: str, name: str, fits: bool) -> None:
    try:
        assert (compile_match(pattern).fullmatch(name) is not None) is fits
    except ValueError:
        assert pattern == "[]a]"


def test_wildcards() -> None:
    assert [has_wildcards(word) for word in ("a*", "a\\*", "a\\\\*", "[a]", "a?", "a")] == [
        True,
        False,
        True,
        True,
        True,
        False,
    ]
