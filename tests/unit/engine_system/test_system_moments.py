"""Moments and durations are read as Docker reads them, to the nanosecond."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.engine.errors import BadOption
from runtime.engine.moments import parse_duration, parse_moment

_S = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10s", 10 * _S), ("1h30m", 5400 * _S), ("1.5h", 5400 * _S), ("250ms", _S // 4), ("3us", 3000), ("3µs", 3000),
        ("7ns", 7), ("-2m", -120 * _S), (".5s", _S // 2), ("1m0.25s", 60 * _S + _S // 4),
        ("5", None), ("", None), ("m", None), ("1x", None), ("1h2", None), ("1..5s", None), ("-", None), ("s1", None),
    ],
)  # fmt: skip
def test_durations(text: str, expected: int | None) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-31T12:00:00.123456789Z", 1706702400123456789),
        ("2024-01-31T12:00:00Z", 1706702400 * _S),
        ("2024-01-31T12:00:00.5+01:00", 1706698800 * _S + _S // 2),
        ("1706702400", 1706702400 * _S),
        ("1706702400.000000001", 1706702400 * _S + 1),
        ("0", 0),
    ],
)
def test_moments(text: str, expected: int) -> None:
    assert parse_moment(text) == expected


def test_a_duration_is_before_now() -> None:
    assert parse_moment("1m30s", now_ns=100 * _S) == 10 * _S


def test_local_time_without_a_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        assert parse_moment("2024-01-31T12:00:00.25") == (1706702400 - 7200) * _S + _S // 4
        assert parse_moment("2024-01-31") == (1706659200 - 7200) * _S
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-01", "1.2.3", "2024-01-31T12:00:00.xZ", "12:00"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadOption, match="failed to parse value as time or duration"):
        parse_moment(text)


@given(st.text(max_size=12))
def test_no_text_is_worse_than_refused(text: str) -> None:
    try:
        parse_moment(text)
    except BadOption:
        assert parse_duration(text) is None
