"""Subnets: read, chosen so that they meet nothing that is there, and shared out address by address. All pure.

Networks that name no subnet get a /20 (4,093 containers) of 10.160.0.0/11: private, and outside of what Docker
(172.17/16 … 172.31/16, 192.168/16), podman (10.88/16, 10.89/16 …) and libvirt (192.168.122/24) choose by themselves.
IPv6 subnets are unique local ones with a random global identifier, as RFC 4193 section 3.2 wants them.
"""

from __future__ import annotations

import ipaddress
import itertools
import secrets
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

from runtime.network.errors import AddressError, SubnetError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

POOL = IPv4Network("10.160.0.0/11")
POOL_PREFIX_LENGTH = 20
_SMALLEST = {4: 30, 6: 126}  # a gateway and one container


@dataclass(frozen=True, slots=True)
class Subnet:
    """Addresses that a network hands out, and the one that is the network's own."""

    network: IPNetwork
    gateway: IPAddress
    pool: IPNetwork | None = None  # the part of it that addresses are chosen from; None for all

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.network.version


def parse_subnet(text: str, gateway: str | None = None, pool: str | None = None) -> Subnet:
    """``10.1.0.0/16`` with its gateway, the first address if none is named, and its pool; raises `SubnetError`."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise SubnetError(f"read subnet {text!r}: {error}") from error
    if network.prefixlen > _SMALLEST[network.version]:
        raise SubnetError(f"read subnet {text}: it has no room for a gateway and a container")
    if network.is_loopback or network.is_multicast or network.is_link_local or network.is_unspecified:
        raise SubnetError(f"read subnet {text}: it is set aside for something else")
    chosen = None if pool is None else _pool(network, pool)
    return Subnet(network, network[1] if gateway is None else _gateway(network, gateway), chosen)


def _pool(network: IPNetwork, text: str) -> IPNetwork:
    try:
        pool = ipaddress.ip_network(text)
    except ValueError as error:
        raise SubnetError(f"read range {text!r}: {error}") from error
    if not overlap(network, pool) or pool.prefixlen < network.prefixlen:
        raise SubnetError(f"use range {text}: it is no part of subnet {network}")
    return pool


def _gateway(network: IPNetwork, text: str) -> IPAddress:
    try:
        return parse_address(text, network)
    except AddressError as error:
        raise SubnetError(f"use gateway {text}: it is no host address of {network}") from error


def parse_address(text: str, network: IPNetwork) -> IPAddress:
    """A host address of the network; raises `AddressError`."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise AddressError(f"read address {text!r}: {error}") from error
    if address not in network or address == network[0] or (network.version == 4 and address == network[-1]):
        raise AddressError(f"use address {text}: it is no host address of {network}")
    return address


def refuse_overlap(wanted: IPNetwork, taken: Iterable[tuple[IPNetwork, str]]) -> None:
    """Raise `SubnetError` naming whose subnet (by the words beside each) the wanted one overlaps."""
    for network, whose in taken:
        if overlap(network, wanted):
            raise SubnetError(f"use subnet {wanted}: it overlaps {network} of {whose}")


def choose_subnet(pool: IPv4Network, prefix_length: int, taken: Collection[IPNetwork], first: int = 0) -> Subnet:
    """The first subnet of the pool, counted from ``first``, that overlaps none that is taken; raises `SubnetError`."""
    count = 1 << (prefix_length - pool.prefixlen)
    size = pool.num_addresses // count
    for number in range(first, first + count):
        candidate = IPv4Network((int(pool.network_address) + number % count * size, prefix_length))
        if not any(overlap(network, candidate) for network in taken):
            return Subnet(candidate, candidate[1])
    raise SubnetError(f"choose a subnet: every /{prefix_length} of {pool} is taken")


def unique_local_subnet() -> Subnet:
    """``fdXX:XXXX:XXXX::/64`` with 40 random bits."""
    network = IPv6Network(((0xFD << 120) | (secrets.randbits(40) << 80), 64))
    return Subnet(network, network[1])


def overlap(one: IPNetwork, other: IPNetwork) -> bool:
    """Whether they share an address."""
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.overlaps(other)
    return isinstance(other, IPv6Network) and one.overlaps(other)


def lowest_free(subnet: Subnet, taken: Collection[str]) -> IPAddress:
    """The lowest host address that nobody has; raises `AddressError` when there is none."""
    base, pool = int(subnet.network.network_address), subnet.pool or subnet.network
    held = {_number(address) - base for address in taken} | {int(subnet.gateway) - base}
    first = int(pool.network_address) - base
    free = next(number for number in itertools.count(max(first, 1)) if number not in held)
    last = subnet.network.num_addresses - (1 if subnet.version == 4 else 0)
    if free >= min(first + pool.num_addresses, last):
        raise AddressError(f"address a container: every address of {pool} is taken")
    return subnet.network[free]


def _number(address: str) -> int:
    """The address as a number; several times faster than by `ipaddress`, and allocating reads every lease."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return int.from_bytes(socket.inet_pton(family, address), "big")
