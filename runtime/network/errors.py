"""What can go wrong with a network.

    NetworkError
    ├── AddressError      no address is left, or not this one
    ├── SubnetError       a subnet is malformed, overlaps another, or none is free
    ├── NetworkNotFound   no network of this name
    ├── NameTaken         a network of this name is there already
    ├── NetworkInUse      containers are attached
    ├── PortTaken         somebody has the published port
    ├── NamespaceError    a network namespace could not be made, joined or removed
    ├── LinkError         the kernel refused a link, an address, a route or a neighbour
    ├── FirewallError     nftables refused a transaction
    └── StoreBusy         another process holds the store for too long
"""

from __future__ import annotations


class NetworkError(Exception):
    """Something about a network failed; the message is one sentence."""


class AddressError(NetworkError):
    """There is no address left, or no such one."""


class SubnetError(NetworkError):
    """A subnet is malformed, overlaps another, or none is free."""


class NetworkNotFound(NetworkError):
    """No network of this name."""


class NameTaken(NetworkError):
    """A network of this name is there already."""


class NetworkInUse(NetworkError):
    """Containers are attached to the network, or have reserved addresses of it."""


class PortTaken(NetworkError):
    """Somebody has the published port; the message says who."""


class NamespaceError(NetworkError):
    """A network namespace could not be made, joined or removed."""


class LinkError(NetworkError):
    """The kernel refused a link, an address, a route or a neighbour."""


class FirewallError(NetworkError):
    """nftables refused a transaction; nothing of it was done."""


class StoreBusy(NetworkError):
    """Another process holds the store for too long."""
