"""Ports as users write them for -p and --expose (docker/go-connections, nat/parse.go)."""

from __future__ import annotations

from runtime.engine.errors import BadOption
from runtime.engine.options import PublishedPort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LAST_PORT = 65535
_PROTOCOLS = ("tcp", "udp")


def parse_publish(text: str) -> PublishedPort:
    """``[HOST_IP:][HOST_PORT[-LAST]:]PORT[-LAST][/PROTOCOL]``; raises `BadOption`.

    A range of the host for one port of the container means any of it that is free; otherwise both are as long.
    """
    address, host, inner = _split(text)
    ports, _, protocol = inner.partition("/")
    protocol = (protocol or "tcp").lower()
    if protocol not in _PROTOCOLS:
        raise BadOption(f"invalid proto: {protocol}")
    first, last = _range(ports, f"invalid containerPort: {ports}")
    host_first, host_last = _range(host, f"invalid hostPort: {host}", least=0) if host else (0, 0)
    count, host_count = last - first + 1, host_last - host_first + 1
    if host and count not in {1, host_count}:
        raise BadOption(f"invalid ranges specified for container and host Ports: {ports} and {host}")
    spare = host_last if count == 1 and host_count > 1 else 0
    return PublishedPort(first, host_first, protocol, address, count, spare)


def parse_exposed(text: str) -> Iterator[tuple[int, str]]:
    """``PORT[-LAST][/PROTOCOL]``: each port with its protocol; raises `BadOption`."""
    ports, _, protocol = text.partition("/")
    first, last = _range(ports, f"invalid port: {ports}")
    if (protocol or "tcp").lower() not in _PROTOCOLS:
        raise BadOption(f"invalid proto: {protocol}")
    return ((port, (protocol or "tcp").lower()) for port in range(first, last + 1))


def _split(text: str) -> tuple[str, str, str]:
    """Host address, host port and the rest."""
    address, rest = "", text
    if text.startswith("["):
        address, closed, rest = text[1:].partition("]:")
        if not closed:
            raise BadOption(f"invalid IP address: {text}")
    parts = rest.split(":")
    if not address and len(parts) > 2:
        address, parts = ":".join(parts[:-2]), parts[-2:]
    if len(parts) > 2 or not parts[-1]:
        raise BadOption(f"no port specified: {text}<empty>" if not parts[-1] else f"invalid publish format: {text}")
    return _checked(address), parts[0] if len(parts) == 2 else "", parts[-1]


def _checked(address: str) -> str:
    """As the kernel writes it."""
    if not address:
        return ""
    import ipaddress

    try:
        return str(ipaddress.ip_address("127.0.0.1" if address == "localhost" else address))
    except ValueError:
        raise BadOption(f"invalid IP address: {address}") from None


def _range(text: str, message: str, least: int = 1) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    numbers = (first, last if dash else first)
    if not all(number.isascii() and number.isdecimal() and len(number) <= 5 for number in numbers):
        raise BadOption(message)
    low, high = map(int, numbers)
    if not least <= low <= high <= _LAST_PORT:
        raise BadOption(message)
    return low, high
