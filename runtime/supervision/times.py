"""Points in time as text: RFC 3339 in UTC with nanoseconds, always nine digits, so that they sort as they are."""

from __future__ import annotations

import time

_NS = 1_000_000_000


def format_ns(taken_at_ns: int) -> str:
    """Nanoseconds since the epoch as text."""
    seconds, rest = divmod(taken_at_ns, _NS)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09}Z"


def parse_ns(text: str) -> int:
    """Text in UTC as nanoseconds since the epoch; raises `ValueError`."""
    import calendar
    import re

    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?Z", text)
    if match is None:
        raise ValueError(f"{text!r} is no time like 2024-01-31T12:00:00.5Z")
    seconds = calendar.timegm(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S"))
    return seconds * _NS + int((match[2] or "").ljust(9, "0"))


def now() -> str:
    """The present moment as text."""
    return format_ns(time.time_ns())
