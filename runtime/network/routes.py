"""What the host routes already, so that no subnet of ours takes it away."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.network.subnets import IPNetwork

_MAIN = 254


def routed_networks() -> tuple[tuple[IPNetwork, str], ...]:
    """Every network that the host has a route into, but for default routes and bridges of ours, and by which link."""
    from pyroute2 import IPRoute

    found: list[tuple[IPNetwork, str]] = []
    with IPRoute() as ipr:
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in ipr.get_links()}
        for route in (*ipr.get_routes(family=2, table=_MAIN), *ipr.get_routes(family=10, table=_MAIN)):
            destination, name = route.get_attr("RTA_DST"), names.get(route.get_attr("RTA_OIF"), "no link")
            if destination and route["dst_len"] and not name.startswith("tareb"):
                network = ipaddress.ip_network((destination, route["dst_len"]), strict=False)
                found.append((network, f"the host's route by {name}"))
    return tuple(found)
