"""Netlink requests, encoded by pyroute2 ahead of time, so that launching sends ready bytes (rtnetlink(7)).

The veth pair is made in one request on the host's side: its near end is a port of the bridge at once, and its far end
is born in the network namespace of pid 1 *of the sender's own pid namespace*: the container. pyroute2's sockets cost
13-33 ms a container when they are opened for each; its encoders cost half a millisecond, and what is the same for
many containers is encoded once; the rest is put into it.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address
from pathlib import Path
from socket import AF_INET
from typing import TYPE_CHECKING, Any

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from runtime.network.addresses import MAC_PREFIX, PREFIX_LENGTH
from runtime.spec.container import Network

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.network.addresses import BridgeAddress, InstanceAddress

LINK = "eth0"
_SAMPLE_ADDRESS = IPv4Address("233.252.0.203")
_SAMPLE_MAC = bytes.fromhex("fe5aa5c33c96")

# linux/rtnetlink.h, linux/netlink.h, linux/neighbour.h, linux/if.h
_RTM_NEWLINK, _RTM_NEWADDR, _RTM_NEWROUTE, _RTM_NEWNEIGH = 16, 20, 24, 28
_REQUEST_ACK, _EXCL_CREATE, _REPLACE_CREATE = 0x5, 0x600, 0x500
_NUD_PERMANENT = 0x80
_IFF_UP = 1
_IN6_ADDR_GEN_MODE_NONE = 1
_LOOPBACK_INDEX = 1
_LATER = -1  # the launcher's child puts the index in (runtime.process.init)

_INET6 = ("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", _IN6_ADDR_GEN_MODE_NONE)]})
_NO_IPV6_AUTOCONF = ("IFLA_AF_SPEC", {"attrs": [_INET6]})


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
        _veth(mac, bridge_index, host_link),
        *_quiet(0, host_link),
        _up(0, host_link),
        neighbour(address, mac, bridge_index),
    )
    guest = (
        _up(_LOOPBACK_INDEX),
        *_quiet(_LATER),
        _up(_LATER),
        _address(address),
        neighbour(bridge.gateway, bridge.mac, _LATER),
        _default_route(bridge.gateway),
    )
    return Network(LINK, host, guest)


def _veth(mac: str, bridge_index: int, host_link: str) -> bytes:
    peer = [("IFLA_IFNAME", LINK), ("IFLA_ADDRESS", mac), ("IFLA_NET_NS_PID", 1)]
    veth = {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", {"attrs": peer})]})]}
    attributes = (("IFLA_IFNAME", host_link), ("IFLA_MASTER", bridge_index), ("IFLA_LINKINFO", veth))
    return _encode(ifinfmsg, _RTM_NEWLINK, _EXCL_CREATE, {}, attributes)


@lru_cache
def _quiet(index: int, name: str | None = None) -> tuple[bytes, ...]:
    """No IPv6 autoconfiguration, before the link is up: its noise would reach every port of the bridge."""
    if not Path("/proc/sys/net/ipv6").is_dir():
        return ()
    return (_encode(ifinfmsg, _RTM_NEWLINK, 0, {"index": index}, (*_named(name), _NO_IPV6_AUTOCONF)),)


@lru_cache
def _up(index: int, name: str | None = None) -> bytes:
    return _encode(ifinfmsg, _RTM_NEWLINK, 0, {"index": index, "flags": _IFF_UP, "change": _IFF_UP}, _named(name))


def _named(name: str | None) -> tuple[tuple[str, str], ...]:
    return () if name is None else (("IFLA_IFNAME", name),)


@lru_cache
def neighbour(address: str, mac: str, index: int) -> bytes:
    """A permanent neighbour entry: no ARP on the way, and no place taken in the kernel's table of 1,024."""
    fields = {"family": AF_INET, "ifindex": index, "state": _NUD_PERMANENT}
    return _encode(ndmsg, _RTM_NEWNEIGH, _REPLACE_CREATE, fields, (("NDA_DST", address), ("NDA_LLADDR", mac)))


def _address(address: str) -> bytes:
    fields = {"family": AF_INET, "prefixlen": PREFIX_LENGTH, "index": _LATER & 0xFFFFFFFF}  # unsigned here
    return _encode(ifaddrmsg, _RTM_NEWADDR, _EXCL_CREATE, fields, (("IFA_LOCAL", address), ("IFA_ADDRESS", address)))


@lru_cache
def _default_route(gateway: str) -> bytes:
    fields = {"family": AF_INET, "table": 254, "proto": 4, "type": 1}
    return _encode(rtmsg, _RTM_NEWROUTE, _EXCL_CREATE, fields, (("RTA_GATEWAY", gateway),))


def _encode(
    message: type[Any], kind: int, flags: int, fields: dict[str, int], attributes: Iterable[tuple[str, Any]]
) -> bytes:
    request = message()
    request["header"]["type"] = kind
    request["header"]["flags"] = _REQUEST_ACK | flags
    for name, value in fields.items():
        request[name] = value
    request["attrs"] = list(attributes)
    request.encode()
    return bytes(request.data)
