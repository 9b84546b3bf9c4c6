"""Ports that a container may publish: none that another container or a process of the host has."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from runtime.network.errors import NetworkError, PortTaken
from runtime.network.listeners import is_free, refuse_listened
from runtime.network.ports import DYNAMIC, PublishedPort, at_host_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runtime.network.leases import Lease

_ATTEMPTS = 128


def check_ports(
    wanted: Sequence[PublishedPort], versions: set[int], others: Iterable[Lease]
) -> tuple[PublishedPort, ...]:
    """The ports, each with a host port; raises `PortTaken` naming the port and who has it."""
    names = ((lease, f"container {lease.owner.id} of network {lease.network}") for lease in others)
    taken = [(port, whose) for lease, whose in names for port in lease.ports]
    allowed: list[PublishedPort] = []
    for port in wanted:
        _refuse_unreachable(port, versions)
        mine = [(one, "another port of the same container") for one in allowed]
        allowed.append(_allow(port, versions, taken + mine))
    return tuple(allowed)


def _allow(port: PublishedPort, versions: set[int], taken: list[tuple[PublishedPort, str]]) -> PublishedPort:
    if port.host_port == 0:
        return _choose(port, versions, taken)
    for other, whose in taken:
        if port.meets(other):
            number = max(port.host_port, other.host_port)
            raise PortTaken(f"publish {port}: port {number}/{port.protocol} is taken by {whose}")
    refuse_listened(port, versions)
    return port


def _choose(port: PublishedPort, versions: set[int], taken: list[tuple[PublishedPort, str]]) -> PublishedPort:
    """At random, so that two who choose at once seldom choose the same."""
    room = len(DYNAMIC) - port.count
    for _ in range(_ATTEMPTS if room > 0 else 0):
        chosen = at_host_port(port, DYNAMIC.start + secrets.randbelow(room))
        if not any(chosen.meets(other) for other, _ in taken) and is_free(chosen, versions):
            return chosen
    raise PortTaken(f"publish {port}: no {port.count} free ports in a row between {DYNAMIC.start} and {DYNAMIC[-1]}")


def _refuse_unreachable(port: PublishedPort, versions: set[int]) -> None:
    if port.host_address == "::1":
        raise NetworkError(f"publish {port}: the kernel lets nothing from ::1 out to a bridge; use 127.0.0.1")
    if not any(port.publishes(version) for version in versions):
        raise NetworkError(f"publish {port}: the container has no address of this IP version")
