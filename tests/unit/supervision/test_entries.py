"""Bytes as entries of a log, and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.supervision.entries import PIECE_BYTES, decode, encode, split
from runtime.supervision.times import format_ns, parse_ns

TIME = "2019-01-01T11:11:11.111111111Z"


def test_an_entry_is_dockers() -> None:
    line = encode(b"Log line is here\n", "stdout", TIME)
    assert json.loads(line) == {"log": "Log line is here\n", "stream": "stdout", "time": TIME}
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1


@given(st.binary())
def test_every_byte_comes_back(content: bytes) -> None:
    entry = decode(encode(content, "stderr", TIME))
    assert (entry.content, entry.stream, format_ns(entry.taken_at_ns)) == (content, "stderr", TIME)


@given(st.lists(st.sampled_from([b"a", b"\n", b"long" * 5000, "😀".encode() * 4097, b"\xff\x80"])), st.booleans())
def test_pieces_make_the_whole(parts: list[bytes], ended: bool) -> None:
    pending = b"".join(parts)
    pieces = list(split(pending, ended=ended))
    rest = pending[sum(map(len, pieces)) :]
    assert b"".join(pieces) + rest == pending
    assert all(len(piece) <= PIECE_BYTES and b"\n" not in piece[:-1] for piece in pieces)
    assert all(piece.endswith(b"\n") or len(piece) > PIECE_BYTES - 4 for piece in pieces[: None if not ended else -1])
    assert rest == b"" if ended else len(rest) < PIECE_BYTES
    assert b"\n" not in rest


def test_a_piece_cuts_no_character() -> None:
    pieces = list(split(b"x" + "😀".encode() * PIECE_BYTES, ended=True))
    assert "".join(piece.decode() for piece in pieces) == "x" + "😀" * PIECE_BYTES


@pytest.mark.parametrize("text", ["2024-02-30T00:00:00Z x", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00+01:00", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse_ns(text)


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_times_come_back_and_sort(moment: int) -> None:
    assert parse_ns(format_ns(moment)) == moment
    assert format_ns(moment) < format_ns(moment + 1)


def test_a_time_may_have_fewer_digits() -> None:
    assert parse_ns("1970-01-01T00:00:01.5Z") == 1_500_000_000
    assert parse_ns("1970-01-01T00:00:01Z") == 1_000_000_000
