"""rtnetlink(7) requests, encoded by pyroute2 as bytes that are ready to send; plans, not deeds.

Links are named where they can be, so that one send can make a link and set it up. Addresses, routes and neighbours need
an interface's index.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

if TYPE_CHECKING:
    from collections.abc import Iterable

# linux/rtnetlink.h, linux/netlink.h, linux/neighbour.h, linux/if.h, linux/if_addr.h
RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK, _RTM_NEWADDR, _RTM_NEWROUTE = 16, 17, 18, 20, 24
_RTM_NEWNEIGH, _RTM_DELNEIGH = 28, 29
_REQUEST_ACK, EXCL_CREATE, _REPLACE_CREATE = 0x5, 0x600, 0x500
_NUD_PERMANENT = 0x80
_IFF_UP = 1
_IFA_F_NODAD = 2
_IN6_ADDR_GEN_MODE_NONE = 1
_FAMILY = {4: 2, 6: 10}
_RT_TABLE_MAIN, _RTPROT_STATIC, _RTN_UNICAST = 254, 4, 1
LOOPBACK_INDEX = 1
UNKNOWN_INDEX = -1  # whoever sends the bytes puts the index in

_INET6 = ("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", _IN6_ADDR_GEN_MODE_NONE)]})
_NO_IPV6_AUTOCONF = ("IFLA_AF_SPEC", {"attrs": [_INET6]})


@lru_cache
def bridge(name: str, mac: str) -> bytes:
    """Make a bridge that forwards at once and hears every multicast; down, and without addresses."""
    # Snooping without a querier stops forwarding a group, and with it neighbour discovery, minutes after its report.
    data = [("IFLA_BR_STP_STATE", 0), ("IFLA_BR_FORWARD_DELAY", 0), ("IFLA_BR_MCAST_SNOOPING", 0)]
    return _new_link(name, "bridge", data, ("IFLA_ADDRESS", mac))


def veth(name: str, master: int, peer: Iterable[tuple[str, Any]]) -> bytes:
    """Make a veth pair whose near end is a port of the bridge ``master``; both are down."""
    return _new_link(name, "veth", [("VETH_INFO_PEER", {"attrs": list(peer)})], ("IFLA_MASTER", master))


@lru_cache
def quiet(index: int, name: str | None = None) -> tuple[bytes, ...]:
    """No IPv6 autoconfiguration, before the link is up: its noise would reach every port of the bridge."""
    if not has_ipv6():
        return ()
    return (encode(ifinfmsg, RTM_NEWLINK, 0, {"index": index}, (*_named(name), _NO_IPV6_AUTOCONF)),)


@lru_cache
def up(index: int, name: str | None = None) -> bytes:
    """Set the link up, by index or by name."""
    return encode(ifinfmsg, RTM_NEWLINK, 0, {"index": index, "flags": _IFF_UP, "change": _IFF_UP}, _named(name))


def settle(name: str) -> bytes:
    """Ask about the link, and so let the kernel look at once whether it carries (linkwatch_sync_dev in rtnl_getlink).

    Otherwise a bridge hears of a port's carrier up to a second later, and forwards nothing meanwhile
    (net/core/link_watch.c). Before Linux 6.8 it only asks.
    """
    return encode(ifinfmsg, _RTM_GETLINK, 0, {}, _named(name))


@lru_cache
def label(name: str, alias: str) -> bytes:
    """Give the link an alias; the kernel takes none when it makes a link."""
    return encode(ifinfmsg, RTM_NEWLINK, 0, {}, (*_named(name), ("IFLA_IFALIAS", alias)))


def join(name: str, master: int) -> bytes:
    """Make the link a port of the bridge."""
    return encode(ifinfmsg, RTM_NEWLINK, 0, {}, (*_named(name), ("IFLA_MASTER", master)))


def delete_link(name: str) -> bytes:
    """Delete the link, and with it the other end of a pair."""
    return encode(ifinfmsg, _RTM_DELLINK, 0, {}, _named(name))


@lru_cache
def neighbour(address: str, mac: str, index: int) -> bytes:
    """A permanent neighbour entry: no ARP on the way, and no place taken in the kernel's table of 1,024."""
    fields = {"family": family(address), "ifindex": index, "state": _NUD_PERMANENT}
    return encode(ndmsg, _RTM_NEWNEIGH, _REPLACE_CREATE, fields, (("NDA_DST", address), ("NDA_LLADDR", mac)))


def delete_neighbour(address: str, index: int) -> bytes:
    """Forget the neighbour."""
    return encode(ndmsg, _RTM_DELNEIGH, 0, {"family": family(address), "ifindex": index}, (("NDA_DST", address),))


@lru_cache
def address(local: str, prefix_length: int, index: int) -> bytes:
    """Give the link an address; an IPv6 one without asking first whether somebody has it: nobody has."""
    fields = {"family": family(local), "prefixlen": prefix_length, "index": index & 0xFFFFFFFF}  # unsigned here
    fields |= {"flags": _IFA_F_NODAD} if ":" in local else {}
    return encode(ifaddrmsg, _RTM_NEWADDR, EXCL_CREATE, fields, (("IFA_LOCAL", local), ("IFA_ADDRESS", local)))


@lru_cache
def default_route(gateway: str) -> bytes:
    """Everything else goes by the gateway."""
    fields = {"family": family(gateway), "table": _RT_TABLE_MAIN, "proto": _RTPROT_STATIC, "type": _RTN_UNICAST}
    return encode(rtmsg, _RTM_NEWROUTE, EXCL_CREATE, fields, (("RTA_GATEWAY", gateway),))


def family(text: str) -> int:
    """``AF_INET`` or ``AF_INET6``, by the address."""
    return _FAMILY[ipaddress.ip_address(text).version]


@lru_cache
def has_ipv6() -> bool:
    """Whether this kernel has it at all."""
    return Path("/proc/sys/net/ipv6").is_dir()


def encode(
    message: type[Any], kind: int, flags: int, fields: dict[str, int], attributes: Iterable[tuple[str, Any]]
) -> bytes:
    """One whole request that asks for an answer; its sequence number is still 0."""
    request = message()
    request["header"]["type"] = kind
    request["header"]["flags"] = _REQUEST_ACK | flags
    for name, content in fields.items():
        request[name] = content
    request["attrs"] = list(attributes)
    request.encode()
    return bytes(request.data)


def _new_link(name: str, kind: str, data: list[tuple[str, Any]], more: tuple[str, Any]) -> bytes:
    info = {"attrs": [("IFLA_INFO_KIND", kind), ("IFLA_INFO_DATA", {"attrs": data})]}
    return encode(ifinfmsg, RTM_NEWLINK, EXCL_CREATE, {}, (*_named(name), more, ("IFLA_LINKINFO", info)))


def _named(name: str | None) -> tuple[tuple[str, str], ...]:
    return () if name is None else (("IFLA_IFNAME", name),)
