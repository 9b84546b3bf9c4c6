"""Signals as users write them."""

from __future__ import annotations

import signal

from runtime.container.errors import ContainerError
from runtime.unwinding import suppress


def parse_signal(text: str) -> int:
    """``9``, ``KILL`` or ``SIGKILL``; raises `ContainerError`."""
    name = text.upper().removeprefix("SIG")
    if text.isascii() and text.isdigit() and 0 < int(text) < signal.NSIG:
        return int(text)
    if name.startswith(("RTMIN", "RTMAX")):
        return _parse_realtime(name)
    number = getattr(signal, f"SIG{name}", None)
    if not isinstance(number, signal.Signals):
        raise ContainerError(f"signal {text!r}: there is none of this name or number")
    return number.value


def _parse_realtime(name: str) -> int:
    base = signal.SIGRTMIN if name.startswith("RTMIN") else signal.SIGRTMAX
    with suppress(ValueError):
        number = base + int(name[5:] or "0")
        if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
            return number
    raise ContainerError(f"signal {name!r}: there is none of this name or number")
