"""A network's bridges on the host: the first with the gateway's addresses, further ones joined to it when needed.

Everything is made by one send, so there is little to be killed between, and what is killed there has a name of ours.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from runtime.network import messages, settings
from runtime.network.errors import LinkError
from runtime.network.netlink import Refused
from runtime.network.network import SEGMENTS

if TYPE_CHECKING:
    from runtime.network.netlink import NetlinkSocket
    from runtime.network.network import Network


def raise_bridge(socket: NetlinkSocket, network: Network) -> int:
    """Make the first bridge, with its addresses, up and labelled; its index. Idempotent."""
    index = socket.index(network.bridge)
    if index is None:
        _make(socket, network, 0)
        index = _index(socket, network.bridge)
        if network.subnet(6) is None:
            settings.without_ipv6(network.bridge)
    addresses = (
        messages.address(str(subnet.gateway), subnet.network.prefixlen, index) for subnet in network.subnets
    )
    requests = [messages.label(network.bridge, network.label), *messages.quiet(0, network.bridge)]
    _send(socket, network.bridge, [*requests, *addresses, messages.up(0, network.bridge)])
    settings.route_loopback(network.bridge)
    return index


def raise_segment(socket: NetlinkSocket, network: Network, number: int) -> int:
    """Make the ``number``-th bridge too and join it to the first, which is up; its index. Idempotent."""
    first = _index(socket, network.bridge)
    name, (near, far) = network.segment(number), network.trunk(number)
    if socket.index(name) is None:
        _make(socket, network, number)
    index = _index(socket, name)
    if socket.index(near) is None:
        _send(socket, near, [messages.veth(near, first, (("IFLA_IFNAME", far),))])
    requests = [message for link in (near, far, name) for message in _labelled_quiet(network, link)]
    _send(socket, name, [*requests, messages.join(far, index), *(messages.up(0, link) for link in (name, far, near))])
    return index


def lower(socket: NetlinkSocket, network: Network) -> None:
    """Delete every bridge and trunk of the network. Idempotent."""
    trunks = [network.trunk(number)[0] for number in range(1, SEGMENTS)]
    bridges = [network.segment(number) for number in range(SEGMENTS)]
    there = [name for name in (*trunks, *bridges) if socket.index(name) is not None]
    try:
        socket.send([messages.delete_link(name) for name in there], ignored=(errno.ENODEV,))
    except Refused as error:
        raise LinkError(f"delete link {there[error.position]}: {error}") from error


def _make(socket: NetlinkSocket, network: Network, number: int) -> None:
    name = network.segment(number)
    made = messages.bridge(name, network.segment_mac(number))
    _send(socket, name, [made, messages.label(name, network.label)])


def _labelled_quiet(network: Network, name: str) -> tuple[bytes, ...]:
    return (messages.label(name, network.label), *messages.quiet(0, name))


def _send(socket: NetlinkSocket, name: str, requests: list[bytes]) -> None:
    try:
        socket.send(requests, ignored=(errno.EEXIST,))
    except Refused as error:
        raise LinkError(f"set up link {name}: {error}") from error


def _index(socket: NetlinkSocket, name: str) -> int:
    index = socket.index(name)
    if index is None:
        raise LinkError(f"find link {name}: no such link")
    return index
