"""A container's ``/etc/hosts`` and ``/etc/resolv.conf``, as its networks want them when it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.network.names import hosts_file, names_of, read_resolv_conf, resolv_conf

if TYPE_CHECKING:
    from runtime.network.leases import Lease
    from runtime.network.networks import Networks


def hosts_text(networks: Networks, container_id: str, *own: str, neighbours: bool = False) -> str:
    """The loopback, the container's ``own`` names and its leases', and those of its ``neighbours`` for programs that
    ask no name server.
    """
    mine = networks.leases_of(container_id)
    others = [
        lease
        for network, _ in (mine if neighbours else ())
        for lease in networks.store.leases(network)
        if lease.attached and lease.owner.id != container_id
    ]
    names = {address: (*own, *_names(lease)) for _, lease in mine for address in lease.addresses}
    return hosts_file(names | {address: _names(lease) for lease in others for address in lease.addresses})


def resolv_conf_text(networks: Networks, container_id: str) -> str:
    """Its networks' resolvers with the host's search list; the host's own file for a container without a network."""
    try:
        text = networks.presence.resolvers.resolv_conf.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    mine = networks.leases_of(container_id)
    if not mine:
        return text
    gateways = (str(subnet.gateway) for network, _ in mine for subnet in network.subnets)
    return resolv_conf(gateways, read_resolv_conf(text)[1])


def _names(lease: Lease) -> tuple[str, ...]:
    return names_of(lease.owner.id, lease.names)
