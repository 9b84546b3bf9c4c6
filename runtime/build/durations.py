"""Durations as Go reads and prints them (time.ParseDuration, Duration.String), in nanoseconds."""

from __future__ import annotations

import re

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_LEAST_NS = 10**6


def parse_duration(name: str, text: str) -> int:
    """Of a flag of HEALTHCHECK; 0 is its default. Raises ValueError."""
    parts = _PART.findall(text)
    if text != "0" and (not parts or "".join(number + unit for number, unit in parts) != text):
        raise ValueError(f'--{name}: time: invalid duration "{text}"')
    from fractions import Fraction  # which imports decimal: for the few who ask

    duration = int(sum(Fraction(number.rstrip(".")) * _UNITS[unit] for number, unit in parts))
    if 0 < duration < _LEAST_NS:
        raise ValueError(f"interval {name!r} cannot be less than 1ms")
    return duration


def go_duration(duration_ns: int) -> str:
    """Such as ``1m30s``; below a second in the largest unit that leaves a whole digit."""
    if duration_ns == 0:
        return "0s"
    if duration_ns < 10**9:
        units = (("ms", 10**6), ("µs", 10**3), ("ns", 1))
        unit, size = next((unit, size) for unit, size in units if duration_ns >= size)
        return f"{_decimal(duration_ns, size)}{unit}"
    minutes, rest = divmod(duration_ns, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest, 10**9)}s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _decimal(count: int, size: int) -> str:
    whole, rest = divmod(count, size)
    return f"{whole}.{rest:0{len(str(size)) - 1}d}".rstrip("0") if rest else str(whole)
