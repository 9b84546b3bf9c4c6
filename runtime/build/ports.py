"""The ports of EXPOSE (docker/go-connections, nat.ParsePortSpecs): of a published one the container's port counts."""

from __future__ import annotations

_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
_HIGHEST = 65535


def parse_ports(specifications: list[str]) -> list[str]:
    """``80``, ``80/udp``, ``8000-8010`` as ``PORT/PROTOCOL``; raises ValueError."""
    return [port for text in specifications for port in _ports(text)]


def _ports(text: str) -> list[str]:
    place, _, protocol = text.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in _PROTOCOLS:
        raise ValueError(f"invalid proto: {protocol}")
    first, dash, last = place.rpartition(":")[2].partition("-")
    low = _number(first, text)
    high = _number(last, text) if dash else low
    if high < low:
        raise ValueError(f"invalid range format for --expose: {text}")
    return [f"{port}/{protocol}" for port in range(low, high + 1)]


def _number(digits: str, text: str) -> int:
    if not (digits.isascii() and digits.isdecimal()) or int(digits) > _HIGHEST:
        raise ValueError(f"invalid containerPort: {text}")
    return int(digits)
