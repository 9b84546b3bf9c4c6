"""Undo what the dead hold, and repair what the living need: after a crash, and whenever it is asked for.

What a killed process was in the middle of is known from three places: records on disk, marks and pins below the run
directory, and the labels of links. Whatever has no living owner goes; then the table of rules is written anew.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.network import messages
from runtime.network.network import LABEL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from runtime.network.leases import Lease, Place
    from runtime.network.network import Network
    from runtime.network.networks import Networks


@dataclass(frozen=True, slots=True)
class Findings:
    """What nobody living holds."""

    leases: tuple[tuple[Network, Place, Lease | None], ...]
    pins: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    idle: tuple[Network, ...]

    def lines(self) -> tuple[str, ...]:
        """One line each, in words."""
        return (
            *(f"lease of {place.owner_id} in network {network.name}" for network, place, _ in self.leases),
            *(f"network namespace of {container_id}" for container_id in self.pins),
            *(f"link {name}" for name, _ in self.links),
            *(f"network {network.name}, which nobody is attached to" for network in self.idle),
        )


def find(networks: Networks, known: Collection[str] | None = None) -> Findings:
    """What would be undone. With ``known`` containers, reserved addresses of any other are given back as well."""
    dead = tuple(_dead_leases(networks, known))
    broken = {(network.id, place) for network, place, lease in dead if lease is None}
    pins = tuple(networks.pins.dead())
    gone = {(network.id, place) for network, place, _ in dead}
    held = {
        one.id: [place for place in networks.store.places(one) if (one.id, place) not in gone]
        for one in networks.store.networks()
    }
    idle = tuple(
        one
        for one in networks.store.networks()
        if not any(place.attached for place in held[one.id])
        and networks.presence.idle_s(one) is None
        and networks.presence.has_traces(networks.socket, one)
    )
    recorded = {
        one.id: {place.owner_id for place in networks.store.places(one) if (one.id, place) not in broken}
        for one in networks.store.networks()
    }
    return Findings(dead, pins, tuple(_stray_links(recorded)), idle)


def reconcile(networks: Networks, known: Collection[str] | None = None) -> tuple[str, ...]:
    """Undo it and repair the rest; what was undone, one line each. Raises `NetworkError`."""
    with networks.store.lock():
        networks.store.sweep()
        findings = find(networks, known)
        for container_id in findings.pins:
            networks.pins.remove(container_id)
        for network, place, lease in findings.leases:
            _undo(networks, network, place, lease, known)
        _delete_links(networks, findings.links)
        _repair(networks)
    return findings.lines()


def _dead_leases(networks: Networks, known: Collection[str] | None) -> Iterator[tuple[Network, Place, Lease | None]]:
    for network in networks.store.networks():
        for place in networks.store.places(network):
            lease = networks.store.read_lease(network, place)
            forgotten = known is not None and place.owner_id not in known
            if lease is None or forgotten or (lease.attached and not lease.owner.is_alive()):
                yield network, place, lease


def _undo(
    networks: Networks, network: Network, place: Place, lease: Lease | None, known: Collection[str] | None
) -> None:
    if lease is not None and lease.attached:
        networks.undo(network, lease, keep=known is not None and place.owner_id in known)
    else:
        networks.store.erase_place(network.name, place)


def _stray_links(held: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Ends of containers' links whose label names a network of this store, but a container that is not in it."""
    from pyroute2 import IPRoute

    with IPRoute() as ipr:
        for link in ipr.get_links():
            alias = link.get_attr("IFLA_IFALIAS") or ""
            network_id, _, owner_id = alias.removeprefix(LABEL).partition(":")
            ours = alias.startswith(LABEL) and owner_id and network_id in held
            if ours and owner_id not in held[network_id]:
                yield link.get_attr("IFLA_IFNAME"), owner_id


def _delete_links(networks: Networks, links: tuple[tuple[str, str], ...]) -> None:
    requests = [messages.delete_link(name) for name, _ in links]
    networks.socket.send(requests, ignored=(errno.ENODEV,))


def _repair(networks: Networks) -> None:
    for network in networks.store.networks():
        if any(place.attached for place in networks.store.places(network)):
            networks.presence.repair(networks.socket, network)
        else:
            networks.presence.take_down(networks.socket, network)
    if any(networks.presence.up()):
        networks.presence.rewrite()
    else:
        networks.presence.clear()
