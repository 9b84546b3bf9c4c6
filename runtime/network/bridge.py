"""Bridges that carry our label: an alias ``tare:RUN`` on the link. What lacks it is never touched."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.network.addresses import BRIDGES, PREFIX_LENGTH, BridgeAddress
from runtime.network.errors import NetworkError
from runtime.network.network import LABEL

if TYPE_CHECKING:
    from collections.abc import Iterator

_LABEL = "tare:"


def create_bridge(bridge: BridgeAddress, run_id: str) -> int:
    """Make the bridge, with its address, up and labelled; its interface index."""
    from pyroute2 import IPRoute, NetlinkError

    with IPRoute() as ipr:
        try:
            ipr.link("add", ifname=bridge.name, kind="bridge", address=bridge.mac, br_forward_delay=0, br_stp_state=0)
            index: int = ipr.link_lookup(ifname=bridge.name)[0]
            ipr.link("set", index=index, ifalias=_LABEL + run_id)
        except NetlinkError as error:
            raise NetworkError(f"create bridge {bridge.name}: {error.args[1]}") from error
        Path(f"/proc/sys/net/ipv6/conf/{bridge.name}/disable_ipv6").write_text("1", encoding="ascii")
        ipr.addr("add", index=index, address=bridge.gateway, prefixlen=PREFIX_LENGTH)
        ipr.link("set", index=index, state="up")
    return index


def add_neighbour(bridge_index: int, address: str, mac: str) -> None:
    """A permanent entry for an instance that is not a container (those bring theirs along)."""
    from pyroute2 import IPRoute

    with IPRoute() as ipr:
        ipr.neigh("replace", dst=address, lladdr=mac, ifindex=bridge_index, state="permanent")


def labelled_links(run_id: str | None = None) -> tuple[str, ...]:
    """Names of the links that carry our label: of one run, or of any, but not those of containers' networks."""
    if run_id is not None:
        return tuple(link.name for link in _links() if link.alias == _LABEL + run_id)
    return tuple(link.name for link in _links() if _is_labelled(link) or _is_unlabelled_bridge(link))


def existing_links(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the names that a link of this host has, whoever made it."""
    present = {link.name for link in _links()}
    return tuple(name for name in names if name in present)


def delete_links(names: tuple[str, ...]) -> None:
    """Delete links by name; one that has gone is no error."""
    from pyroute2 import IPRoute, NetlinkError

    with IPRoute() as ipr:
        for name in names:
            for index in ipr.link_lookup(ifname=name):
                try:
                    ipr.link("del", index=index)
                except NetlinkError as error:
                    raise NetworkError(f"delete link {name}: {error.args[1]}") from error


def routed_elsewhere(bridges: tuple[BridgeAddress, ...]) -> str | None:
    """The host's own route into one of these bridges' networks, in words; None where nobody else uses them."""
    from pyroute2 import IPRoute

    ours = set(labelled_links())
    with IPRoute() as ipr:
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in ipr.get_links()}
        for route in ipr.get_routes(family=2, table=254):
            destination, name = route.get_attr("RTA_DST"), names.get(route.get_attr("RTA_OIF"), "?")
            if destination and name not in ours:
                taken = IPv4Network((destination, route["dst_len"]), strict=False)
                if any(taken.overlaps(bridge.network) for bridge in bridges):
                    return f"{taken} via {name}"
    return None


@dataclass(frozen=True, slots=True)
class _Link:
    name: str
    alias: str
    mac: str


def _links() -> Iterator[_Link]:
    from pyroute2 import IPRoute

    with IPRoute() as ipr:
        for link in ipr.get_links():
            attributes = (link.get_attr(name) or "" for name in ("IFLA_IFNAME", "IFLA_IFALIAS", "IFLA_ADDRESS"))
            yield _Link(*attributes)


def _is_labelled(link: _Link) -> bool:
    return link.alias.startswith(_LABEL) and not link.alias.startswith(LABEL)


def _is_unlabelled_bridge(link: _Link) -> bool:
    """A bridge of ours whose maker was killed before it could label it: our name together with our MAC."""
    number = link.name.removeprefix("tare")
    return number.isdecimal() and int(number) < BRIDGES and link.mac == BridgeAddress(int(number)).mac
