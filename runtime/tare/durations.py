"""Durations as users of docker write them (Go's time.ParseDuration)."""

from __future__ import annotations

_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}


def parse_duration(text: str) -> float:
    """Seconds of ``1h30m`` or ``300ms``; raises ValueError with Go's message."""
    rest = text[1:] if text[:1] in {"-", "+"} else text
    if rest == "0":
        return 0.0
    total, found = 0.0, bool(rest)
    while rest:
        number = _while(rest, numeric=True)
        unit = _while(rest[len(number) :], numeric=False)
        if not number.strip(".") or number.count(".") > 1:
            found = False
            break
        if not unit:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if unit not in _UNITS_NS:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        total += float(number) * _UNITS_NS[unit]
        rest = rest[len(number) + len(unit) :]
    if not found:
        raise ValueError(f'time: invalid duration "{text}"')
    return (-total if text.startswith("-") else total) / _UNITS_NS["s"]


def _while(text: str, *, numeric: bool) -> str:
    """The beginning that is a number, or none."""
    end = 0
    while end < len(text) and (text[end] in "0123456789.") == numeric:
        end += 1
    return text[:end]
