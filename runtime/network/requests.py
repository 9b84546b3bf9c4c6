"""A benchmark container's network as netlink requests, encoded ahead of time, so that launching sends ready bytes.

The veth pair is made in one request on the host's side: its near end is a port of the bridge at once, and its far end
is born in the network namespace of pid 1 *of the sender's own pid namespace*: the container. pyroute2's sockets cost
13-33 ms a container when they are opened for each; its encoders cost half a millisecond, and what is the same for
many containers is encoded once; the rest is put into it.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from runtime.network import messages
from runtime.network.addresses import MAC_PREFIX, PREFIX_LENGTH
from runtime.network.messages import LOOPBACK_INDEX, UNKNOWN_INDEX, neighbour
from runtime.spec.container import Network

if TYPE_CHECKING:
    from runtime.network.addresses import BridgeAddress, InstanceAddress

LINK = "eth0"
_PID_1 = ("IFLA_NET_NS_PID", 1)
_SAMPLE_ADDRESS = IPv4Address("233.252.0.203")
_SAMPLE_MAC = bytes.fromhex("fe5aa5c33c96")


def container_network(address: InstanceAddress, bridge_index: int, host_link: str) -> Network:
    """Everything that a container's network takes, as bytes ready to send."""
    sample = "\x01" * len(host_link)
    pattern = _pattern(address.bridge, bridge_index, sample)
    changes = (
        (sample.encode(), host_link.encode()),
        (_SAMPLE_ADDRESS.packed, address.packed),
        (_SAMPLE_MAC, MAC_PREFIX + address.packed),
    )
    return Network(LINK, _changed(pattern.host, changes), _changed(pattern.guest, changes))


def _changed(requests: tuple[bytes, ...], changes: tuple[tuple[bytes, bytes], ...]) -> tuple[bytes, ...]:
    for sample, content in changes:
        requests = tuple([request.replace(sample, content) for request in requests])
    return requests


@lru_cache(maxsize=1024)
def _pattern(bridge: BridgeAddress, bridge_index: int, host_link: str) -> Network:
    """The same for samples that occur nowhere else in it; only a container's own name, address and MAC differ."""
    address, mac = str(_SAMPLE_ADDRESS), _SAMPLE_MAC.hex(":")
    host = (
        messages.veth(host_link, bridge_index, (("IFLA_IFNAME", LINK), ("IFLA_ADDRESS", mac), _PID_1)),
        *messages.quiet(0, host_link),
        messages.up(0, host_link),
        neighbour(address, mac, bridge_index),
    )
    guest = (
        messages.up(LOOPBACK_INDEX),
        *messages.quiet(UNKNOWN_INDEX),
        messages.up(UNKNOWN_INDEX),
        messages.address(address, PREFIX_LENGTH, UNKNOWN_INDEX),
        neighbour(bridge.gateway, bridge.mac, UNKNOWN_INDEX),
        messages.default_route(bridge.gateway),
    )
    return Network(LINK, host, guest)
