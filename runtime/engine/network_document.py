"""A network in the form of Docker's API (docker network inspect)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from runtime.engine.networks import Member, Network, Subnet


def document(network: Network, members: Sequence[Member]) -> dict[str, Any]:
    """All of it."""
    from runtime.supervision.times import format_ns

    return {
        "Name": network.name,
        "Id": network.id,
        "Created": format_ns(network.created_ns),
        "Scope": network.scope,
        "Driver": network.driver,
        "EnableIPv4": any(":" not in one.subnet for one in network.subnets),
        "EnableIPv6": network.ipv6,
        "IPAM": {"Driver": "default", "Options": {}, "Config": [_subnet(one) for one in network.subnets]},
        "Internal": network.internal,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {one.container_id: _member(one) for one in members},
        "Options": {},
        "Labels": dict(network.labels),
    }


def _subnet(subnet: Subnet) -> dict[str, str]:
    config = {"Subnet": subnet.subnet, "IPRange": subnet.range, "Gateway": subnet.gateway}
    return {name: text for name, text in config.items() if text}


def _member(member: Member) -> dict[str, str]:
    return {
        "Name": member.name,
        "EndpointID": "",
        "MacAddress": member.mac,
        "IPv4Address": member.ip,
        "IPv6Address": member.ip6,
    }
