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


def ago(moment: float) -> str:
    """``5 minutes ago``, of seconds since the epoch."""
    return f"{human_duration(time.time() - moment)} ago"
