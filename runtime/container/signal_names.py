"""Signals as users write them; by the C half of the signal module, without its enumerations."""

from __future__ import annotations

from runtime.container.errors import ContainerError
from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal


def parse_signal(text: str) -> int:
    """``9``, ``KILL`` or ``SIGKILL``; raises `ContainerError`."""
    name = text.upper().removeprefix("SIG")
    if text.isascii() and text.isdigit() and 0 < int(text) < _signal.NSIG:
        return int(text)
    if name.startswith(("RTMIN", "RTMAX")):
        return _parse_realtime(name)
    number = getattr(_signal, f"SIG{name}", None) if name.isalnum() else None  # SIG_BLOCK is none
    if not isinstance(number, int):
        raise ContainerError(f"signal {text!r}: there is none of this name or number")
    return number


def _parse_realtime(name: str) -> int:
    base = _signal.SIGRTMIN if name.startswith("RTMIN") else _signal.SIGRTMAX
    with suppress(ValueError):
        number = base + int(name[5:] or "0")
        if _signal.SIGRTMIN <= number <= _signal.SIGRTMAX:
            return number
    raise ContainerError(f"signal {name!r}: there is none of this name or number")
