"""Addresses for many instances on few bridges: one /24 a bridge, of the range that RFC 2544 sets aside for benchmarks.

198.18.0.0/15 is routed nowhere, so it meets neither the host's own networks nor Docker's, as 172.16/12 or 10/8 might.
A bridge takes `PORTS` instances: a Linux bridge holds 1,023 (BR_PORT_BITS), but joining one costs time that grows
with the ports already there.
"""

from __future__ import annotations

import heapq
import ipaddress
from dataclasses import dataclass

from runtime.network.errors import AddressError

RANGE = ipaddress.IPv4Network("198.18.0.0/15")
PREFIX_LENGTH = 24
PORTS = 200
_RANGE_FIRST = int(RANGE.network_address)
BRIDGES = 1 << (PREFIX_LENGTH - RANGE.prefixlen)
MAC_PREFIX = b"\x02\x42"
"""Locally administered; the four bytes of the IPv4 address follow."""
_FIRST_HOST = 2


@dataclass(frozen=True, slots=True)
class BridgeAddress:
    """The ``number``-th bridge: its name, its address, and the gateway that it is to its instances."""

    number: int

    @property
    def name(self) -> str:
        """``tare0``, ``tare1`` …"""
        return f"tare{self.number}"

    @property
    def network(self) -> ipaddress.IPv4Network:
        """What it routes."""
        return _network(self.number)

    @property
    def gateway(self) -> str:
        """The first host address of the bridge's network."""
        return str(self.network[1])

    @property
    def mac(self) -> str:
        """Fixed: a bridge without one of its own takes its first port's, and loses it again."""
        return mac_of(self.gateway)


@dataclass(frozen=True, slots=True)
class InstanceAddress:
    """The ``number``-th instance's place: its bridge, address and MAC."""

    number: int

    @property
    def bridge(self) -> BridgeAddress:
        """The bridge that it is a port of."""
        return BridgeAddress(self.number // PORTS)

    @property
    def packed(self) -> bytes:
        """Its IPv4 address as four bytes."""
        bridge, port = divmod(self.number, PORTS)
        return (_first(bridge) + _FIRST_HOST + port).to_bytes(4, "big")

    @property
    def address(self) -> str:
        """Its IPv4 address."""
        return str(ipaddress.IPv4Address(self.packed))

    @property
    def mac(self) -> str:
        """Its link-layer address, made from the other."""
        return mac_of(self.address)


def mac_of(address: str) -> str:
    """`MAC_PREFIX` and the four bytes of an IPv4 address; ``02:46`` and the last four of IPv6."""
    parsed = ipaddress.ip_address(address)
    prefix = MAC_PREFIX if parsed.version == 4 else b"\x02\x46"
    return (prefix + parsed.packed[-4:]).hex(":")


def bridges_for(instances: int) -> tuple[BridgeAddress, ...]:
    """As many bridges as that many instances need."""
    needed = -(-instances // PORTS)
    if needed > BRIDGES:
        raise AddressError(f"address {instances} instances: {RANGE} has room for {BRIDGES * PORTS}")
    return tuple(map(BridgeAddress, range(needed)))


def _network(number: int) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network((_first(number), PREFIX_LENGTH))


def _first(number: int) -> int:
    """The lowest address of a bridge's network."""
    if not 0 <= number < BRIDGES:
        raise AddressError(f"address bridge {number}: {RANGE} has room for {BRIDGES}")
    return _RANGE_FIRST + (number << (32 - PREFIX_LENGTH))


class AddressPool:
    """Hands out the lowest free instance address, and takes it back."""

    def __init__(self) -> None:
        self._free: list[int] = []  # a heap
        self._held: set[int] = set()

    def acquire(self) -> InstanceAddress:
        """An address that nobody holds; raises `AddressError` when there is none."""
        number = heapq.heappop(self._free) if self._free else len(self._held)
        if number >= BRIDGES * PORTS:
            raise AddressError(f"address an instance: all {BRIDGES * PORTS} of {RANGE} are taken")
        self._held.add(number)
        return InstanceAddress(number)

    def release(self, address: InstanceAddress) -> None:
        """Take it back; raises `AddressError` if nobody holds it, because two might hold it afterwards."""
        if address.number not in self._held:
            raise AddressError(f"release {address.address}: nobody holds it")
        self._held.remove(address.number)
        heapq.heappush(self._free, address.number)
