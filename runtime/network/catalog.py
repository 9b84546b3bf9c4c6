"""The networks that there are: created, listed, described, removed. Nothing is on the host while nobody is attached."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from runtime.network import messages
from runtime.network.errors import NameTaken, NetworkInUse, SubnetError
from runtime.network.network import PORTS_PER_BRIDGE, Network, check_name, check_ports_per_bridge
from runtime.network.routes import routed_networks
from runtime.network.subnets import (
    POOL_PREFIX_LENGTH,
    Subnet,
    choose_subnet,
    overlap,
    parse_subnet,
    refuse_overlap,
    unique_local_subnet,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from ipaddress import IPv4Network

    from runtime.network.store import Store
    from runtime.network.subnets import IPNetwork

DEFAULT = "bridge"
_ID_BYTES = 6


@dataclass(frozen=True, slots=True)
class Wish:
    """What a network shall be. Without ``subnets`` an IPv4 one is chosen, and an IPv6 one too if ``ipv6``.

    Each of the ``gateways``, and of the ``ranges`` that addresses are chosen from, belongs to the subnet it is in.
    """

    name: str
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    ipv6: bool = False
    internal: bool = False
    isolated: bool = True
    labels: Mapping[str, str] | None = None
    ports_per_bridge: int = PORTS_PER_BRIDGE


class Catalog:
    """The networks of a store."""

    def __init__(self, store: Store, pool: IPv4Network, lower: Callable[[Network], None], first: int = 0) -> None:
        """``lower`` takes from the host what a network may still have there when it is removed.

        Subnets are chosen from the ``first`` of the pool on: two stores of one host do not see each other's networks
        while those are down, and should not choose the same.
        """
        self.store = store
        self.pool = pool
        self.first = first
        self.lower = lower

    def create(self, wish: Wish) -> Network:
        """Add a network; raises `NameTaken`, `SubnetError` or `NetworkError` and adds nothing."""
        check_name(wish.name)
        check_ports_per_bridge(wish.ports_per_bridge)
        with self.store.lock():
            return self.add(wish)

    def add(self, wish: Wish) -> Network:
        """`create`, for who holds the lock already."""
        networks = self.store.networks()
        if any(network.name == wish.name for network in networks):
            raise NameTaken(f"create network {wish.name}: there is one of this name")
        network = Network(
            wish.name,
            _new_id(networks),
            self._subnets(wish, networks),
            wish.internal,
            wish.isolated,
            tuple(sorted((wish.labels or {}).items())),
            wish.ports_per_bridge,
            int(time.time()),
        )
        self.store.write_network(network)
        return network

    def default(self) -> Network:
        """The network of containers that name none, made when it is first asked for; call it with the lock held."""
        found = [network for network in self.store.networks() if network.name == DEFAULT]
        return found[0] if found else self.add(Wish(DEFAULT, ipv6=messages.has_ipv6()))

    def remove(self, name: str) -> Network:
        """Forget a network; raises `NetworkNotFound`, or `NetworkInUse` naming the containers."""
        with self.store.lock():
            network = self.store.network(name)
            holders = sorted(place.owner_id for place in self.store.places(network))
            if holders:
                more = f" and {len(holders) - 3} more" if len(holders) > 3 else ""
                raise NetworkInUse(f"remove network {network.name}: used by {', '.join(holders[:3])}{more}")
            self.lower(network)
            self.store.erase_network(network)
        return network

    def prune(self) -> tuple[str, ...]:
        """Forget every network that nobody uses, but for the default one; their names."""
        with self.store.lock():
            unused = [one for one in self.store.networks() if one.name != DEFAULT and not self.store.places(one)]
            for network in unused:
                self.lower(network)
                self.store.erase_network(network)
        return tuple(network.name for network in unused)

    def describe(self, name: str) -> dict[str, Any]:
        """The network and its containers, as JSON; raises `NetworkNotFound`."""
        network = self.store.network(name)
        leases = sorted(self.store.leases(network), key=lambda lease: lease.owner.id)
        containers = {
            lease.owner.id: {
                "addresses": list(lease.addresses),
                "mac": lease.mac,
                "interface": lease.interface,
                "names": list(lease.names),
                "ports": [str(port) for port in lease.ports],
                "attached": lease.attached,
            }
            for lease in leases
        }
        return {**network.to_json(), "bridge": network.segment(0), "containers": containers}

    def _subnets(self, wish: Wish, networks: Sequence[Network]) -> tuple[Subnet, ...]:
        taken = [(subnet.network, f"network {one.name}") for one in networks for subnet in one.subnets]
        taken += routed_networks()
        subnets = _wanted(wish)
        for subnet in subnets:
            refuse_overlap(subnet.network, taken)
        return tuple(subnets) or self._chosen(wish, [network for network, _ in taken])

    def _chosen(self, wish: Wish, taken: Sequence[IPNetwork]) -> tuple[Subnet, ...]:
        chosen = choose_subnet(self.pool, POOL_PREFIX_LENGTH, taken, self.first)
        return (chosen, unique_local_subnet()) if wish.ipv6 else (chosen,)


def _wanted(wish: Wish) -> list[Subnet]:
    subnets = [_subnet(wish, text) for text in wish.subnets]
    for text in (*wish.gateways, *wish.ranges):
        if not any(_is_in(text, one.network) for one in subnets):
            raise SubnetError(f"create network {wish.name}: no subnet contains {text}")
    if len({subnet.version for subnet in subnets}) < len(subnets):
        raise SubnetError(f"create network {wish.name}: one IPv4 and one IPv6 subnet at most")
    return subnets


def _subnet(wish: Wish, text: str) -> Subnet:
    bare = parse_subnet(text).network
    gateway = next((one for one in wish.gateways if _is_in(one, bare)), None)
    return parse_subnet(text, gateway, next((one for one in wish.ranges if _is_in(one, bare)), None))


def _is_in(text: str, network: IPNetwork) -> bool:
    """Whether an address or a range is of the network; one that is none is of none."""
    try:
        return overlap(network, ip_network(text))
    except ValueError:
        return False


def _new_id(networks: Sequence[Network]) -> str:
    """Unlike the others already in the part that is in the names of links."""
    taken = {network.id[:6] for network in networks}
    while (made := secrets.token_hex(_ID_BYTES))[:6] in taken:
        pass
    return made
