"""The rules of all networks of one store, in one table of their own: published ports, masquerading, isolation.

A bridge is a link of the host as well, with a MAC of its own: what a container sends there goes up no further, or it
would go around the gate and all that is decided there.

A container that reaches a published port of its own network by the host is not told of a shorter way (ICMP redirect):
it would go around the translation.

What varies is in sets and maps, so that a packet meets the same few rules whether there is one container or a thousand.
The kernel lets 127.0.0.1 out to a bridge when it is told to (route_localnet), but ::1 never: there a published port is
refused at once, so that who asks for "localhost" goes on to 127.0.0.1.

With br_netfilter bridges show their packets to these hooks too. They are not tracked there: a connection is translated
where it is first seen, and that has to be the gate.

The whole table can be written anew in one transaction from what the store knows, and that is how it is repaired.

An ``accept`` here does not overrule a ``drop`` of another table: `runtime.network.policies` deals with those.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from runtime.network import nft

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runtime.network.leases import Lease
    from runtime.network.network import Network
    from runtime.network.ports import PublishedPort

# {table} and {comment} are put in. The forward chain comes before the "filter" priority 0; it only drops for good.
_TABLE = """
add table inet {table}
delete table inet {table}
table inet {table} {{
  comment "{comment}"
  set gates {{ type ifname; }}
  set internal {{ type ifname; }}
  set segments {{ type ifname; }}
  set open {{ type ifname; }}
  set sources4 {{ type ipv4_addr; flags interval; }}
  set sources6 {{ type ipv6_addr; flags interval; }}
  map every4 {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
  map every6 {{ type inet_proto . inet_service : ipv6_addr . inet_service; }}
  map one4 {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
  map one6 {{ type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }}

  chain published {{
    meta nfproto ipv4 dnat ip to ip daddr . meta l4proto . th dport map @one4
    meta nfproto ipv4 dnat ip to meta l4proto . th dport map @every4
    meta nfproto ipv6 dnat ip6 to ip6 daddr . meta l4proto . th dport map @one6
    meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @every6
  }}
  chain strangers {{
    type filter hook prerouting priority -300; policy accept;
    iifname @segments notrack
    iifname @gates ip daddr 127.0.0.0/8 drop
    iifname @gates ip saddr 127.0.0.0/8 drop
  }}
  chain arriving {{
    type nat hook prerouting priority -100; policy accept;
    iifname @internal return
    meta l4proto {{ tcp, udp }} fib daddr type local jump published
  }}
  chain own {{
    type nat hook output priority -100; policy accept;
    ip6 daddr ::1 return
    meta l4proto {{ tcp, udp }} fib daddr type local jump published
  }}
  chain leaving {{
    type nat hook postrouting priority 100; policy accept;
    oifname @gates ct status dnat ip saddr @sources4 masquerade
    oifname @gates ct status dnat ip6 saddr @sources6 masquerade
    oifname @gates ip saddr 127.0.0.0/8 masquerade
    oifname != @gates ip saddr @sources4 masquerade
    oifname != @gates ip6 saddr @sources6 masquerade
  }}
  chain received {{
    type filter hook input priority -5; policy accept;
    iifname @segments drop
    iifname @gates icmp type {{ redirect, router-advertisement }} drop
    iifname @gates icmpv6 type {{ nd-redirect, nd-router-advert }} drop
  }}
  chain told {{
    type filter hook output priority 0; policy accept;
    oifname @gates icmp type redirect drop
    oifname @gates icmpv6 type nd-redirect drop
  }}
  chain forwarded {{
    type filter hook forward priority -5; policy accept;
    iifname @segments oifname != @segments drop
    iifname @gates jump ours
    oifname @gates jump ours
  }}
  chain ours {{
    ct state established,related accept
    iifname @internal drop
    ct status dnat oifname @gates accept
    oifname @internal drop
    iifname @open oifname @open accept
    oifname @gates drop
    accept
  }}
}}
"""


def whole(table: str, comment: str, bridges: Iterable[tuple[Network, int]], leases: Iterable[Lease]) -> str:
    """The table as these bridges, which are up, and these leases, which are attached, want it."""
    lines = [_TABLE.format(table=table, comment=comment)]
    lines += [bridge_rules(table, network, number) for network, number in bridges]
    lines += [port_rules(table, lease) for lease in leases]
    return "\n".join(line for line in lines if line)


def bridge_rules(table: str, network: Network, number: int) -> str:
    """Add what the network's ``number``-th bridge needs, and beside the first the gate."""
    elements = [("segments", f'"{network.segment(number)}"'), *(_gate(network) if number == 0 else ())]
    return "\n".join(f"add element inet {table} {group} {{ {element} }}" for group, element in elements)


def _gate(network: Network) -> Iterator[tuple[str, str]]:
    yield "gates", f'"{network.gate}"'
    if network.internal:
        yield "internal", f'"{network.gate}"'
    else:
        yield from ((f"sources{subnet.version}", str(subnet.network)) for subnet in network.subnets)
    if not network.isolated:
        yield "open", f'"{network.gate}"'


def port_rules(table: str, lease: Lease, verb: str = "add") -> str:
    """Add or delete the published ports of a lease."""
    groups: dict[str, list[str]] = {}
    for port in lease.ports:
        for address in lease.addresses:
            version = ipaddress.ip_address(address).version
            if port.publishes(version):
                groups.setdefault(_group(port, version), []).extend(_elements(port, address))
    return "\n".join(f"{verb} element inet {table} {group} {{ {', '.join(all_)} }}" for group, all_ in groups.items())


def _group(port: PublishedPort, version: int) -> str:
    return f"{'every' if port.on_every_address() else 'one'}{version}"


def _elements(port: PublishedPort, address: str) -> list[str]:
    where = "" if port.on_every_address() else f"{port.host_address} . "
    return [f"{where}{port.protocol} . {outer} : {address} . {inner}" for outer, inner in port.pairs()]


class Firewall:
    """One table, changed by small transactions."""

    def __init__(self, table: str, comment: str) -> None:
        self.table = table
        self.comment = comment

    def write(self, bridges: Sequence[tuple[Network, int]], leases: Sequence[Lease]) -> None:
        """Make the table what it has to be, whatever it was; with no bridge up it goes."""
        if bridges:
            nft.change(whole(self.table, self.comment, bridges, leases))
        else:
            nft.change(f"add table inet {self.table}\ndelete table inet {self.table}\n")

    def publish(self, lease: Lease) -> None:
        """Add the ports of the lease; raises `FirewallError`, of which nothing is done."""
        nft.change(port_rules(self.table, lease))

    def withdraw(self, lease: Lease) -> None:
        """Delete the ports of the lease; raises `FirewallError` if one is not there."""
        nft.change(port_rules(self.table, lease, "delete"))
