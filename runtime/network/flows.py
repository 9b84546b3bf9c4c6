"""Connections that the kernel remembers (conntrack) and that a change of published udp ports has made wrong.

The translation of a flow is decided at its first packet. A client that goes on sending to a udp port that is published
now, or no longer, would otherwise keep its flow alive and go wherever the port led before; tcp connections end by
themselves.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.network.leases import Lease

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_ADDRESSES = {4: ("CTA_IP_V4_SRC", "CTA_IP_V4_DST"), 6: ("CTA_IP_V6_SRC", "CTA_IP_V6_DST")}


def forget_udp(lease: Lease) -> None:
    """Forget the udp flows to the lease's published ports that lead to the host itself, or to the lease's addresses."""
    for version in (4, 6):
        ports = {
            number
            for port in lease.ports
            if port.protocol == "udp" and port.publishes(version)
            for number, _ in port.pairs()
        }
        if ports:
            _forget(version, ports, set(lease.addresses))


def _forget(version: int, ports: set[int], addresses: set[str]) -> None:
    from pyroute2 import NetlinkError
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket

    family = _FAMILIES[version]
    with NFCTSocket(nfgen_family=family) as conntrack:
        for entry in list(conntrack.dump()):
            original, reply = entry.get_attr("CTA_TUPLE_ORIG"), entry.get_attr("CTA_TUPLE_REPLY")
            if _is_udp_to(original, ports) and _leads_to(version, original, reply, addresses):
                with suppress(NetlinkError):  # it has just ended
                    conntrack.entry("del", tuple_orig=NFCTAttrTuple.from_netlink(family, original))


def _is_udp_to(original: Any, ports: set[int]) -> bool:
    protocol = original.get_attr("CTA_TUPLE_PROTO")
    is_udp = protocol.get_attr("CTA_PROTO_NUM") == socket.IPPROTO_UDP
    return is_udp and protocol.get_attr("CTA_PROTO_DST_PORT") in ports


def _leads_to(version: int, original: Any, reply: Any, addresses: set[str]) -> bool:
    source, destination = _ADDRESSES[version]
    answers_from = reply.get_attr("CTA_TUPLE_IP").get_attr(source)
    return answers_from in addresses or _is_local(version, original.get_attr("CTA_TUPLE_IP").get_attr(destination))


def _is_local(version: int, address: str) -> bool:
    with socket.socket(_FAMILIES[version], socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
