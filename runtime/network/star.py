"""A network's links on the host: the first bridge with the gate, and further ones joined to it when they are needed.

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


def raise_first(socket: NetlinkSocket, network: Network) -> int:
    """Make the first bridge and the gate, with its addresses, up and labelled; the bridge's index. Idempotent."""
    hub, gate, port = network.segment(0), network.gate, network.gate_port
    index = _bridge(socket, network, 0)
    if socket.index(gate) is None:
        peer = (("IFLA_IFNAME", gate), ("IFLA_ADDRESS", network.gate_mac))
        _send(socket, gate, [messages.veth(port, index, peer)])
    _quieten(network, gate)
    _send(socket, gate, [*_dressed(network, hub, gate, port), *_addresses(network, _index(socket, gate))])
    _send(socket, gate, [messages.join(port, index), *(messages.up(0, link) for link in (hub, gate, port))])
    _send(socket, gate, [messages.settle(port)])
    settings.route_loopback(gate)
    return index


def raise_segment(socket: NetlinkSocket, network: Network, number: int) -> int:
    """Make the ``number``-th bridge too and join it to the first, which is up; its index. Idempotent."""
    first = _index(socket, network.segment(0))
    name, (near, far) = network.segment(number), network.trunk(number)
    index = _bridge(socket, network, number)
    if socket.index(near) is None:
        _send(socket, near, [messages.veth(near, first, (("IFLA_IFNAME", far),))])
    _send(socket, name, [*_dressed(network, name, near, far), messages.join(near, first), messages.join(far, index)])
    _send(socket, name, [messages.up(0, link) for link in (name, far, near)])
    _send(socket, name, [messages.settle(near), messages.settle(far)])
    return index


def lower(socket: NetlinkSocket, network: Network) -> None:
    """Delete every bridge, trunk and gate of the network. Idempotent."""
    trunks = [network.gate_port, *(network.trunk(number)[0] for number in range(1, SEGMENTS))]
    bridges = [network.segment(number) for number in range(SEGMENTS)]
    there = [name for name in (*trunks, *bridges) if socket.index(name) is not None]
    try:
        socket.send([messages.delete_link(name) for name in there], ignored=(errno.ENODEV,))
    except Refused as error:
        raise LinkError(f"delete link {there[error.position]}: {error}") from error


def _bridge(socket: NetlinkSocket, network: Network, number: int) -> int:
    name = network.segment(number)
    if socket.index(name) is None:
        made = messages.bridge(name, network.segment_mac(number))
        _send(socket, name, [made, messages.label(name, network.label)])
    _quieten(network, name)
    return _index(socket, name)


def _quieten(network: Network, name: str) -> None:
    settings.without_advice(name)
    if network.subnet(6) is None:
        settings.without_ipv6(name)


def _dressed(network: Network, *names: str) -> list[bytes]:
    """Each of the links labelled, and without IPv6 autoconfiguration."""
    return [message for name in names for message in (messages.label(name, network.label), *messages.quiet(0, name))]


def _addresses(network: Network, index: int) -> list[bytes]:
    return [messages.address(str(one.gateway), one.network.prefixlen, index) for one in network.subnets]


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
