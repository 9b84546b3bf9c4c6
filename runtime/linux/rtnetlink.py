"""Network devices by rtnetlink(7), as far as moving one takes: no library is loaded for it.

A socket belongs to the network namespace that its thread was in when it was opened (network_namespaces(7)).
"""

from __future__ import annotations

import os
import struct
from _socket import AF_NETLINK, SOCK_CLOEXEC, SOCK_RAW, if_nametoindex, socket

from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h
_NETLINK_ROUTE = 0
_ERROR, _DONE = 2, 3
_NEWLINK, _GETLINK, _NEWADDR, _GETADDR = 16, 18, 20, 22
_REQUEST, _ACK, _DUMP, _EXCL_CREATE = 0x1, 0x4, 0x300, 0x600
_IFLA_IFNAME, _IFLA_NET_NS_FD = 3, 28
_IFA_LOCAL, _IFA_FLAGS = 2, 8
_IFA_F_NODAD, _IFA_F_PERMANENT = 0x02, 0x80
_SCOPE_UNIVERSE = 0
IFF_UP = 0x1

_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_BUFFER_BYTES = 1 << 17


class Address(Value):
    """An address of a device: its header and its attributes, as the kernel has told them."""

    family: int
    prefix: int
    flags: int
    attributes: tuple[tuple[int, bytes], ...]


class Link(Value):
    """A device: its index, flags (IFF_UP …) and name."""

    index: int
    flags: int
    name: str


class Route:
    """A socket of the calling thread's network namespace; errors are `OSError` with the kernel's errno."""

    def __init__(self) -> None:
        self._socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, _NETLINK_ROUTE)

    def close(self) -> None:
        """Idempotent."""
        self._socket.close()

    def links(self) -> tuple[Link, ...]:
        """Every device there is."""
        found = []
        for content in self._dump(_GETLINK, _LINK.pack(0, 0, 0, 0, 0)):
            _, _, index, flags, _ = _LINK.unpack_from(content)
            names = [data for kind, data in _attributes(content[_LINK.size :]) if kind == _IFLA_IFNAME]
            found.append(Link(index, flags, os.fsdecode(names[0].rstrip(b"\0"))))
        return tuple(found)

    def permanent_addresses(self, index: int) -> tuple[Address, ...]:
        """Those of a device that nobody's lease limits, and that are valid everywhere (RT_SCOPE_UNIVERSE)."""
        found = []
        for content in self._dump(_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0)):
            family, prefix, flags, scope, of = _ADDRESS.unpack_from(content)
            attributes = _attributes(content[_ADDRESS.size :])
            flags = next((struct.unpack("=I", data)[0] for kind, data in attributes if kind == _IFA_FLAGS), flags)
            if of == index and scope == _SCOPE_UNIVERSE and flags & _IFA_F_PERMANENT:
                kept = tuple((kind, data) for kind, data in attributes if kind <= _IFA_LOCAL or kind == 4)
                found.append(Address(family, prefix, flags, kept))
        return tuple(found)

    def move(self, index: int, namespace_fd: int, name: str) -> None:
        """To another namespace and name; ``eth%d`` takes the first number that is free there."""
        attributes = _attribute(_IFLA_NET_NS_FD, struct.pack("=I", namespace_fd))
        attributes += _attribute(_IFLA_IFNAME, os.fsencode(name) + b"\0")
        self._change(_NEWLINK, 0, _LINK.pack(0, 0, index, 0, 0) + attributes)

    def add(self, index: int, address: Address) -> None:
        """Give a device an address, which is valid at once."""
        head = _ADDRESS.pack(address.family, address.prefix, 0, _SCOPE_UNIVERSE, index)
        flags = struct.pack("=I", address.flags | _IFA_F_NODAD)
        attributes = b"".join(_attribute(kind, data) for kind, data in (*address.attributes, (_IFA_FLAGS, flags)))
        self._change(_NEWADDR, _EXCL_CREATE, head + attributes)

    def set_up(self, index: int) -> None:
        """Let a device send and receive."""
        self._change(_NEWLINK, 0, _LINK.pack(0, 0, index, IFF_UP, IFF_UP))

    def _change(self, kind: int, flags: int, content: bytes) -> None:
        self._send(kind, _REQUEST | _ACK | flags, content)
        for answer, data in self._receive():
            if answer == _ERROR:
                _raise(data)
                return

    def _dump(self, kind: int, content: bytes) -> Iterator[bytes]:
        self._send(kind, _REQUEST | _DUMP, content)
        while True:
            for answer, data in self._receive():
                if answer == _DONE:
                    return
                if answer == _ERROR:
                    _raise(data)
                yield data

    def _send(self, kind: int, flags: int, content: bytes) -> None:
        self._socket.send(_HEADER.pack(_HEADER.size + len(content), kind, flags, 1, 0) + content)

    def _receive(self) -> Iterator[tuple[int, bytes]]:
        data = self._socket.recv(_BUFFER_BYTES)
        while data:
            length, kind, *_ = _HEADER.unpack_from(data)
            yield kind, data[_HEADER.size : length]
            data = data[_aligned(length) :]


def index_of(name: str) -> int:
    """Of a device in the calling thread's namespace; raises `OSError` where there is none."""
    return if_nametoindex(name)


def _raise(data: bytes) -> None:
    (number,) = struct.unpack_from("=i", data)
    if number:
        raise OSError(-number, os.strerror(-number))


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _attribute(kind: int, data: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(data)
    return (_ATTRIBUTE.pack(length, kind) + data).ljust(_aligned(length), b"\0")


def _attributes(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        found.append((kind & 0x3FFF, data[_ATTRIBUTE.size : length]))
        data = data[_aligned(length) :]
    return found
