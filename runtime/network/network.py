"""A network: subnets, and bridges whose ports share them.

A bridge carries 1,023 ports at most (BR_PORT_BITS, net/bridge/br_private.h), and joining one costs time that grows with
the ports that are there. So a network is a star: every *segment* is a bridge, and each but the first is joined to
the first by a veth pair, its trunk. All of it is one broadcast domain and one subnet; a container's address says
nothing about its segment. The host itself is at one more port of the first, by a veth pair too, its *gate*.

The gateway's addresses are not on the bridge, as is usual, because of br_netfilter, which Docker loads: it translates
what goes to a published port of the host while that is still on the bridge, and then sends it out of a port without
routing it; never of the port that it came from, which for a whole segment is the trunk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from runtime.network.addresses import mac_of
from runtime.network.errors import NetworkError
from runtime.network.subnets import Subnet, parse_subnet

LABEL = "tare:network:"
PORTS_PER_BRIDGE = 200
SEGMENTS = 256
_MOST_PORTS = 1023 - SEGMENTS  # the first bridge also has the trunks and the gate
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_RESERVED = frozenset({"none", "host", "container"})


@dataclass(frozen=True, slots=True)
class Network:
    """What is known of a network while nobody uses it; it is on the host only while somebody does."""

    name: str
    id: str
    subnets: tuple[Subnet, ...]
    internal: bool = False
    isolated: bool = True
    labels: tuple[tuple[str, str], ...] = ()
    ports_per_bridge: int = PORTS_PER_BRIDGE
    created_at_s: int = 0

    @property
    def label(self) -> str:
        """The alias of each of its links."""
        return f"{LABEL}{self.id}"

    @property
    def gate(self) -> str:
        """The name of the link that has the gateway's addresses."""
        return f"tarebg{self.id[:6]}"

    @property
    def gate_port(self) -> str:
        """The name of the gate's other end, a port of the first bridge."""
        return f"tarebp{self.id[:6]}"

    @property
    def gate_mac(self) -> str:
        """Fixed, so that containers know it for good."""
        return mac_of(str(self.subnets[0].gateway))

    @property
    def capacity(self) -> int:
        """How many containers it has room for."""
        addresses = min(subnet.network.num_addresses - (3 if subnet.version == 4 else 2) for subnet in self.subnets)
        return min(addresses, SEGMENTS * self.ports_per_bridge)

    def segment(self, number: int) -> str:
        """The name of the ``number``-th bridge, within the kernel's 15 characters (IFNAMSIZ)."""
        return f"tareb{self.id[:6]}" + (f"-{number}" if number else "")

    def trunk(self, number: int) -> tuple[str, str]:
        """The names of the link between the first bridge and the ``number``-th: its end on the first, and the other."""
        return f"taret{self.id[:6]}-{number}", f"tareu{self.id[:6]}-{number}"

    def segment_mac(self, number: int) -> str:
        """Fixed: a bridge without one of its own takes its first port's, and loses it again."""
        return "02:44:" + ":".join((self.id[0:2], self.id[2:4], self.id[4:6], f"{number:02x}"))

    def subnet(self, version: int) -> Subnet | None:
        """The one of IP version 4 or 6."""
        return next((subnet for subnet in self.subnets if subnet.version == version), None)

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "name": self.name,
            "id": self.id,
            "subnets": [
                {"subnet": str(one.network), "gateway": str(one.gateway)}
                | ({"range": str(one.pool)} if one.pool else {})
                for one in self.subnets
            ],
            "internal": self.internal,
            "isolated": self.isolated,
            "labels": dict(self.labels),
            "portsPerBridge": self.ports_per_bridge,
            "created": self.created_at_s,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Network:
        """What `to_json` made; raises `KeyError`, `TypeError` or `NetworkError` for anything else."""
        return cls(
            document["name"],
            document["id"],
            tuple(parse_subnet(one["subnet"], one["gateway"], one.get("range")) for one in document["subnets"]),
            document["internal"],
            document["isolated"],
            tuple(document["labels"].items()),
            document["portsPerBridge"],
            document["created"],
        )


def check_name(name: str) -> None:
    """Raise `NetworkError` unless a network may have this name."""
    if not _NAME.fullmatch(name):
        raise NetworkError(f"name a network {name!r}: letters, digits, '_', '.' and '-' only, 63 at most")
    if name in _RESERVED:
        raise NetworkError(f"name a network {name!r}: this is the name of a mode")


def check_ports_per_bridge(ports: int) -> None:
    """Raise `NetworkError` unless a bridge can have that many besides the trunks."""
    if not 1 <= ports <= _MOST_PORTS:
        raise NetworkError(f"put {ports} containers on a bridge: it takes 1 to {_MOST_PORTS} besides its trunks")
