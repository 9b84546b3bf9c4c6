"""Published ports: ``[HOST_ADDRESS:][HOST_PORT[-LAST]:]PORT[-LAST][/PROTOCOL]``, as Docker writes them.

Without a host address a port is published on every address of the host, IPv4 and IPv6. Without a host port a free one
is taken from the dynamic range (RFC 6335 section 6).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtime.network.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator

PROTOCOLS = ("tcp", "udp")
DYNAMIC = range(49152, 65536)
_LAST_PORT = 65535
_SPECIFICATION = re.compile(
    r"(?:(?P<address>\[[^\]]*\]|\d+(?:\.\d+){3}):)?"
    r"(?:(?P<host>\d{1,5})?(?:-(?P<host_last>\d{1,5}))?:)?"
    r"(?P<port>\d{1,5})(?:-(?P<last>\d{1,5}))?"
    r"(?:/(?P<protocol>[a-z]+))?",
    re.ASCII,
)
_ANY = {"0.0.0.0": 4, "::": 6}  # noqa: S104 - it is what users write, not what we bind


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """``count`` ports of a container from ``port`` on, each reached at a port of the host from ``host_port`` on.

    ``host_address`` None means every address of the host; ``host_port`` 0 means any that is free.
    """

    port: int
    host_port: int = 0
    protocol: str = "tcp"
    host_address: str | None = None
    count: int = 1

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise NetworkError(f"publish {self}: the protocol is tcp or udp")
        if not (self.port > 0 and self.host_port >= 0 and self.count > 0 and self._fits()):
            raise NetworkError(f"publish {self}: ports go from 1 to {_LAST_PORT}")
        if self.host_address is not None:
            _parse_host_address(self.host_address)

    def _fits(self) -> bool:
        return max(self.port, self.host_port) + self.count - 1 <= _LAST_PORT

    def __str__(self) -> str:
        address = f"[{self.host_address}]" if ":" in (self.host_address or "") else self.host_address
        prefix = f"{address}:" if address else ""
        return f"{prefix}{_range(self.host_port, self.count)}:{_range(self.port, self.count)}/{self.protocol}"

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Each host port and the container's port behind it."""
        return ((self.host_port + number, self.port + number) for number in range(self.count))

    def publishes(self, version: int) -> bool:
        """Whether it is for this IP version."""
        return self.host_address is None or ipaddress.ip_address(self.host_address).version == version

    def on_every_address(self) -> bool:
        """Whether it is not for one host address alone."""
        return self.host_address is None or self.host_address in _ANY

    def meets(self, other: PublishedPort) -> bool:
        """Whether a packet could be for both."""
        apart = self.host_port + self.count <= other.host_port or other.host_port + other.count <= self.host_port
        if apart or self.protocol != other.protocol:
            return False
        versions = [version for version in (4, 6) if self.publishes(version) and other.publishes(version)]
        everywhere = self.on_every_address() or other.on_every_address()
        return bool(versions) and (everywhere or self.host_address == other.host_address)

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "port": self.port,
            "hostPort": self.host_port,
            "protocol": self.protocol,
            "hostAddress": self.host_address,
            "count": self.count,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> PublishedPort:
        """What `to_json` made; raises `KeyError` for anything else."""
        names = ("port", "hostPort", "protocol", "hostAddress", "count")
        return cls(*(document[name] for name in names))


def parse_port(text: str) -> PublishedPort:
    """Read one specification; raises `NetworkError`."""
    found = _SPECIFICATION.fullmatch(text)
    if not found:
        raise NetworkError(f"publish {text!r}: write it as [ADDRESS:][HOST_PORT:]PORT[/tcp|/udp], with ranges A-B")
    first, count = _span(text, found["port"], found["last"])
    host, host_count = _span(text, found["host"] or "0", found["host_last"])
    if found["host_last"] and host_count != count:
        raise NetworkError(f"publish {text!r}: {host_count} ports of the host for {count} of the container")
    address = found["address"].strip("[]") if found["address"] else None
    return PublishedPort(first, host, found["protocol"] or "tcp", address, count)


def at_host_port(port: PublishedPort, host_port: int) -> PublishedPort:
    """The same, at this port of the host."""
    return replace(port, host_port=host_port)


def _span(text: str, first: str, last: str | None) -> tuple[int, int]:
    count = int(last or first) - int(first) + 1
    if count < 1:
        raise NetworkError(f"publish {text!r}: the range {first}-{last} is empty")
    return int(first), count


def _range(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + count - 1}"


def _parse_host_address(text: str) -> None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise NetworkError(f"publish on host address {text!r}: {error}") from error
    if str(address) != text or getattr(address, "scope_id", None):
        raise NetworkError(f"publish on host address {text!r}: write it as {str(address).partition('%')[0]}")
