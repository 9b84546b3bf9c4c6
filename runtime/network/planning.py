"""What a container shall get in a network, planned from what is taken; nothing is changed here."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.network.addresses import mac_of
from runtime.network.errors import AddressError, NetworkError
from runtime.network.leases import Lease
from runtime.network.network import SEGMENTS
from runtime.network.publishing import check_ports
from runtime.network.subnets import lowest_free, parse_address

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.network.leases import Place
    from runtime.network.network import Network
    from runtime.network.owners import Owner
    from runtime.network.ports import PublishedPort

_TOKEN_BYTES = 5


@dataclass(frozen=True, slots=True)
class Attach:
    """A container's wish to be in a network. What is None is chosen; ``pid`` None holds it for this process."""

    network: str | None
    container_id: str
    namespace: str | Path
    names: tuple[str, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    v4: str | None = None
    v6: str | None = None
    mac: str | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the plan has to fit: the network, what the container had in it ``before``, and what others have."""

    network: Network
    holder: Owner
    before: Lease | None
    places: tuple[Place, ...]
    interface: str
    published: tuple[Lease, ...]


def plan_lease(wish: Attach, found: Circumstances) -> Lease:
    """The lease; raises `AddressError`, `PortTaken` or `NetworkError`."""
    network, before = found.network, found.before
    v4 = _address(found, 4, wish.v4 or (before.v4 if before else None))
    v6 = _address(found, 6, wish.v6 or (before.v6 if before else None))
    return Lease(
        network=network.name,
        owner=found.holder,
        segment=before.segment if before else _free_segment(found),
        v4=v4,
        v6=v6,
        mac=wish.mac or mac_of(v4 or v6 or ""),
        # Unlike any before: the link of a container that has just ended may still be there.
        link=f"tarec{secrets.token_hex(_TOKEN_BYTES)}",
        interface=found.interface,
        namespace=str(wish.namespace),
        names=wish.names,
        ports=_ports(wish, found, {version for version, one in ((4, v4), (6, v6)) if one}),
    )


def _address(found: Circumstances, version: int, wanted: str | None) -> str | None:
    subnet = found.network.subnet(version)
    if subnet is None:
        if wanted is not None:
            raise AddressError(f"use address {wanted}: network {found.network.name} has no IPv{version} subnet")
        return None
    taken = [one for place in found.places if (one := place.v4 if version == 4 else place.v6)]
    if wanted is None:
        return str(lowest_free(subnet, taken))
    address = parse_address(wanted, subnet.network)
    if str(address) in taken or address == subnet.gateway:
        raise AddressError(f"use address {address}: it is taken in network {found.network.name}")
    return str(address)


def _ports(wish: Attach, found: Circumstances, versions: set[int]) -> tuple[PublishedPort, ...]:
    if wish.ports and found.network.internal:
        raise NetworkError(f"publish {wish.ports[0]}: network {found.network.name} is internal")
    return check_ports(wish.ports, versions, found.published)


def _free_segment(found: Circumstances) -> int:
    used = [0] * SEGMENTS
    for place in found.places:
        used[place.segment] += 1
    for number, ports in enumerate(used):
        if ports < found.network.ports_per_bridge:
            return number
    raise AddressError(f"place a container in network {found.network.name}: all {found.network.capacity} are taken")
