"""Moments as users write them for --since, --until and ``until=``: a duration before now, or a time.

As Docker has them (moby, api/types/time/timestamp.go): ``1h30m`` ago; seconds since the epoch, with a fraction;
``2024-01-31``, ``2024-01-31T12:00``, ``…:00``, ``…:00.5``, with ``Z`` or an offset, in local time without.
"""

from __future__ import annotations

import time

from runtime.engine.errors import BadOption

_NS = 1_000_000_000
_UNITS_NS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": _NS, "m": 60 * _NS, "h": 3_600 * _NS}
_DIGITS = frozenset("0123456789")


def parse_moment(text: str, now_ns: int | None = None) -> int:
    """Nanoseconds since the epoch; raises `BadOption`."""
    duration_ns = parse_duration(text)
    if duration_ns is not None:
        return (time.time_ns() if now_ns is None else now_ns) - duration_ns
    try:
        return _seconds(text) if text[:1] in _DIGITS and "-" not in text else _calendar(text)
    except (ValueError, OverflowError):
        raise BadOption(f"failed to parse value as time or duration: {text!r}") from None


def parse_duration(text: str) -> int | None:
    """Nanoseconds of a duration such as ``1h30m``, ``-5s`` or ``1.5h``; None if it is none."""
    rest, total = text.lstrip("+-") if text[:1] in {"+", "-"} else text, 0
    if not rest or rest[-1] not in "smh":
        return None
    while rest:
        number = _leading(rest, "0123456789.")
        unit = _leading(rest[len(number) :], "nuµmsh", longest=2)
        unit = unit if unit in _UNITS_NS else unit[:1]
        whole, _, fraction = number.partition(".")
        if unit not in _UNITS_NS or not (whole + fraction).isdecimal():
            return None
        total += _scaled(whole, fraction, _UNITS_NS[unit])
        rest = rest[len(number) + len(unit) :]
    return -total if text[0] == "-" else total


def _leading(text: str, allowed: str, longest: int = 40) -> str:
    count = 0
    while count < min(len(text), longest) and text[count] in allowed:
        count += 1
    return text[:count]


def _scaled(whole: str, fraction: str, unit_ns: int) -> int:
    return int(whole or "0") * unit_ns + (int(fraction) * unit_ns // 10 ** len(fraction) if fraction else 0)


def _seconds(text: str) -> int:
    whole, _, fraction = text.partition(".")
    if not whole.isdecimal() or (fraction and not fraction.isdecimal()):
        raise ValueError(text)
    return int(whole) * _NS + int((fraction or "0")[:9].ljust(9, "0"))


def _calendar(text: str) -> int:
    from datetime import datetime

    clock, fraction, zone = _split(text)
    parsed = datetime.fromisoformat(f"{clock}{zone}")
    return int(parsed.timestamp()) * _NS + int((fraction or "0")[:9].ljust(9, "0"))


def _split(text: str) -> tuple[str, str, str]:
    """Without the fraction, which datetime would cut at microseconds; and the zone."""
    body, zone = text, ""
    if text[-1:] in {"Z", "z"}:
        body, zone = text[:-1], "+00:00"
    elif "T" in text and text[-6:-5] in {"+", "-"}:
        body, zone = text[:-6], text[-6:]
    clock, _, fraction = body.partition(".")
    if fraction and not fraction.isdecimal():
        raise ValueError(text)
    return clock, fraction, zone
