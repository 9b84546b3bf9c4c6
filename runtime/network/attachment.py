"""A container's end of a network: its veth pair, addresses, neighbours and routes, as requests that are then sent."""

from __future__ import annotations

import errno
import ipaddress
import itertools
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from runtime.network import messages
from runtime.network.errors import LinkError, NamespaceError
from runtime.network.messages import LOOPBACK_INDEX
from runtime.network.namespaces import is_namespace, open_namespace, socket_inside
from runtime.network.netlink import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.network.leases import Lease
    from runtime.network.netlink import NetlinkSocket
    from runtime.network.network import Network

_GONE = (errno.ENODEV, errno.ENOENT)


def host_requests(network: Network, lease: Lease, bridge: int, gate: int, namespace: int) -> list[bytes]:
    """What is sent on the host first: the pair, its near end a labelled, silent port, and who is at which MAC."""
    peer = (("IFLA_IFNAME", lease.interface), ("IFLA_ADDRESS", lease.mac), ("IFLA_NET_NS_FD", namespace))
    return [
        messages.veth(lease.link, bridge, peer),
        messages.label(lease.link, f"{network.label}:{lease.owner.id}"),
        *messages.quiet(0, lease.link),
        *(messages.neighbour(address, lease.mac, gate) for address in lease.addresses),
    ]


def guest_requests(network: Network, lease: Lease, index: int) -> list[bytes]:
    """What is sent in the container's namespace, where the link has this index."""
    requests = [messages.up(LOOPBACK_INDEX), *messages.quiet(index), messages.up(index)]
    for address in lease.addresses:
        subnet = network.subnet(ipaddress.ip_address(address).version)
        if subnet is not None:
            requests.append(messages.address(address, subnet.network.prefixlen, index))
            requests.append(messages.neighbour(str(subnet.gateway), network.gate_mac, index))
    return requests


def route_requests(network: Network) -> list[bytes]:
    """The ways to everything else; an internal network has none."""
    if network.internal:
        return []
    return [messages.default_route(str(subnet.gateway)) for subnet in network.subnets]


class Inside:
    """A container's namespace, open, with a netlink socket in it; raises `NamespaceError` if it cannot be."""

    def __init__(self, path: str | Path) -> None:
        self.descriptor = open_namespace(path)
        try:
            self.socket = socket_inside(self.descriptor)
        except BaseException:
            os.close(self.descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        os.close(self.descriptor)

    def free_interface(self) -> str:
        """The first of ``eth0``, ``eth1`` … that is not there."""
        names = (f"eth{number}" for number in itertools.count())
        return next(name for name in names if self.socket.index(name) is None)


def attach(host: NetlinkSocket, inside: Inside, network: Network, lease: Lease, bridge: int) -> None:
    """Make it, at a port of this bridge; raises `LinkError`, and leaves what `detach` undoes."""
    gate = host.index(network.gate)
    if gate is None:
        raise LinkError(f"find link {network.gate}: no such link")
    _send(host, lease, host_requests(network, lease, bridge, gate, inside.descriptor))
    index = inside.socket.index(lease.interface)
    if index is None:
        raise LinkError(f"find {lease.interface} of {lease.owner.id}: no such link")
    _send(inside.socket, lease, guest_requests(network, lease, index))
    # A container of several networks goes out by the first.
    inside.socket.send(route_requests(network), ignored=(errno.EEXIST,))
    # Last, when its other end is up, so that the bridge forwards to it when this returns.
    _send(host, lease, [messages.up(0, lease.link), messages.settle(lease.link)])


def detach(host: NetlinkSocket, lease: Lease, gate: int | None) -> None:
    """Delete its neighbours, and its link unless that goes with its namespace. Idempotent."""
    if gate is not None:
        requests = [messages.delete_neighbour(address, gate) for address in lease.addresses]
        host.send(requests, ignored=_GONE)
    if is_namespace(lease.namespace) and host.index(lease.link) is not None:
        try:
            host.send([messages.delete_link(lease.link)], ignored=_GONE)
        except Refused as error:
            raise LinkError(f"delete link {lease.link}: {error}") from error


def restore_routes(network: Network, lease: Lease) -> None:
    """Let the container go out by this network, if it has lost the one that it went out by."""
    with suppress(NamespaceError), Inside(lease.namespace) as inside:
        unreachable = (errno.EEXIST, errno.ENETUNREACH, errno.EHOSTUNREACH)
        inside.socket.send(route_requests(network), ignored=unreachable)


def _send(socket: NetlinkSocket, lease: Lease, requests: list[bytes]) -> None:
    try:
        socket.send(requests)
    except Refused as error:
        raise LinkError(f"attach {lease.owner.id} to network {lease.network}: {error}") from error
