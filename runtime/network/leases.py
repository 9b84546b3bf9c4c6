"""A lease: one container's place in one network, and the file name that says the essential of it.

The name of a lease's file holds its segment, addresses, owner and number of published ports, so that listing a
directory is enough to allocate. What is attached depends on its owner's process; what is only *reserved* (a stopped
container's address) depends on nobody and is released by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from runtime.network.owners import Owner
from runtime.network.ports import PublishedPort

_NO_ADDRESS = _RESERVED = "-"
_FIELDS = 5


class Place(NamedTuple):
    """What the name of a lease's file says. A tuple: a thousand are made for an attachment."""

    segment: int
    v4: str | None
    v6: str | None
    owner_id: str
    published: int | None  # None: reserved, not attached

    @property
    def attached(self) -> bool:
        """Whether it is on the host, or was about to be."""
        return self.published is not None

    @property
    def addresses(self) -> tuple[str, ...]:
        """The IPv4 and IPv6 addresses that it has."""
        return tuple(address for address in (self.v4, self.v6) if address is not None)

    @property
    def file_name(self) -> str:
        """``SEGMENT,IPV4,IPV6,OWNER,PORTS``."""
        published = _RESERVED if self.published is None else str(self.published)
        return ",".join((str(self.segment), self.v4 or _NO_ADDRESS, self.v6 or _NO_ADDRESS, self.owner_id, published))

    @classmethod
    def from_file_name(cls, name: str) -> Place | None:
        """What `file_name` made; None for another file."""
        fields = name.split(",")
        if len(fields) != _FIELDS or not (fields[0].isdecimal() and (fields[4].isdecimal() or fields[4] == _RESERVED)):
            return None
        v4, v6 = (None if field == _NO_ADDRESS else field for field in fields[1:3])
        return cls(int(fields[0]), v4, v6, fields[3], None if fields[4] == _RESERVED else int(fields[4]))


@dataclass(frozen=True, slots=True)
class Lease:
    """One container's place in one network: everything that attaching made, and that detaching has to undo."""

    network: str
    owner: Owner
    segment: int
    v4: str | None
    v6: str | None
    mac: str
    link: str  # the end of its veth pair on the host
    interface: str  # the end in the container
    namespace: str
    names: tuple[str, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    attached: bool = True

    @property
    def place(self) -> Place:
        """What allocation needs to know of it."""
        return Place(self.segment, self.v4, self.v6, self.owner.id, len(self.ports) if self.attached else None)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The IPv4 and IPv6 addresses that it has."""
        return self.place.addresses

    def to_json(self) -> dict[str, Any]:
        """As it is stored; the place is in the file's name."""
        return {
            "owner": self.owner.to_json(),
            "mac": self.mac,
            "link": self.link,
            "interface": self.interface,
            "namespace": self.namespace,
            "names": list(self.names),
            "ports": [port.to_json() for port in self.ports],
            "attached": self.attached,
        }

    @classmethod
    def from_json(cls, network: str, place: Place, document: dict[str, Any]) -> Lease:
        """What `to_json` made; raises `KeyError` or `TypeError` for anything else."""
        return cls(
            network,
            Owner.from_json(document["owner"]),
            place.segment,
            place.v4,
            place.v6,
            document["mac"],
            document["link"],
            document["interface"],
            document["namespace"],
            tuple(document["names"]),
            tuple(PublishedPort.from_json(port) for port in document["ports"]),
            document["attached"],
        )
