"""Times as docker writes them (go-units, HumanDuration)."""

from __future__ import annotations

import time

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def human_duration(seconds: float) -> str:
    """``About an hour``, ``3 weeks``."""
    whole = int(seconds)
    if whole < _MINUTE:
        return _short(whole)
    minutes, hours = whole // _MINUTE, int(seconds / _HOUR + 0.5)
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    if hours == 1:
        return "About an hour"
    return f"{hours} hours" if hours < 48 else _long(hours)


def _short(seconds: int) -> str:
    if seconds < 1:
        return "Less than a second"
    return f"{seconds} second{'s' * (seconds != 1)}"


def _long(hours: int) -> str:
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{hours // 24 // 365} years"


def ago(moment: float, now: float | None = None) -> str:
    """``5 minutes ago``, of seconds since the epoch."""
    return f"{human_duration((time.time() if now is None else now) - moment)} ago"


def seconds_of(moment: str) -> float:
    """Since the epoch, of ``2026-12-01T03:06:41.5Z`` (RFC 3339, in UTC); what is no such moment was at its beginning.

    Written for `ps` with hundreds of rows: time.strptime and datetime take longer to import than this to run.
    """
    try:
        year, month, day = int(moment[:4]), int(moment[5:7]), int(moment[8:10])
        hour, minute, second = int(moment[11:13]), int(moment[14:16]), float(moment[17:].rstrip("Z"))
    except ValueError:
        return 0.0
    return _days(year, month, day) * _DAY + hour * _HOUR + minute * _MINUTE + second


def _days(year: int, month: int, day: int) -> int:
    """Since 1970-01-01 (Gregorian). Years begin with March here, so that leap days are their last ones."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
