"""The keys that leave a container."""

from __future__ import annotations

import pytest

from runtime.tare.containers.detaching import KeyWatch, parse_keys
from runtime.tare.errors import UsageError


@pytest.mark.parametrize(
    ("text", "keys"), [("", b"\x10\x11"), ("ctrl-p,ctrl-q", b"\x10\x11"), ("a,ctrl-@", b"a\0"), ("ctrl-\\", b"\x1c")]
)
def test_keys(text: str, keys: bytes) -> None:
    assert parse_keys(text) == keys


@pytest.mark.parametrize("text", ["ctrl-pq", "ctrl-,", "é", "ab"])
def test_what_are_no_keys(text: str) -> None:
    with pytest.raises(UsageError, match="invalid detach keys"):
        parse_keys(text)


@pytest.mark.parametrize(
    ("typed", "passed", "left"),
    [
        ([b"hello"], b"hello", False),
        ([b"a\x10\x11b"], b"a", True),
        ([b"a\x10", b"\x11"], b"a", True),
        ([b"\x10", b"x"], b"\x10x", False),
        ([b"\x10\x10\x11"], b"\x10", True),
        ([b"\x10", b"\x10", b"\x10x"], b"\x10\x10\x10x", False),
        ([b"\x11\x10"], b"\x11", False),
    ],
)
def test_what_is_typed_goes_on_unless_it_is_the_keys(typed: list[bytes], passed: bytes, left: bool) -> None:
    watch, through, done = KeyWatch(b"\x10\x11"), b"", False
    for part in typed:
        content, done = watch.pass_on(part)
        through += content
    assert (through, done) == (passed, left)


def test_one_key_alone() -> None:
    assert KeyWatch(b"\x1c").pass_on(b"ab\x1ccd") == (b"ab", True)
