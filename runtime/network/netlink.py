"""A route netlink socket that stays open and sends many requests at once (netlink(7), rtnetlink(7)).

pyroute2 encodes what is sent (`runtime.network.messages`); opening one of its sockets for each container costs
13-33 ms, this one 0.1 ms once. A socket belongs to the network namespace that it was opened in, whoever uses it
afterwards, and to one process: answers to a copy that a fork made would go to whichever side reads first.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

from runtime.network.errors import LinkError, NetworkError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIOCGIFINDEX = 0x8933  # linux/sockios.h
_NLMSG_ERROR = 2
_HEADER = struct.Struct("=IHHII")
_SEQUENCE_AT = 8
_BUFFER_BYTES = 1 << 16
_BATCH = 64  # answers to it fit the receive buffer
_TIMEOUT_S = 20.0
_NAME_BYTES = 16


class Refused(LinkError):
    """The kernel refused the ``position``-th request."""

    def __init__(self, number: int, position: int) -> None:
        super().__init__(os.strerror(number).lower())
        self.errno = number
        self.position = position


class NetlinkSocket:
    """Requests to the kernel about the network namespace that the opening thread was in."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._sequence = 0
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.settimeout(_TIMEOUT_S)
        self._socket.bind((0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self._socket.close()

    def send(self, requests: Sequence[bytes], *, ignored: tuple[int, ...] = ()) -> None:
        """Send the requests in order; raises `Refused` for the first that failed with an errno that is not ignored.

        Later ones of the same batch have been tried nevertheless.
        """
        if os.getpid() != self._pid:
            raise NetworkError("use a netlink socket: it belongs to the process that this one was forked from")
        with self._lock:
            for start in range(0, len(requests), _BATCH):
                self._exchange(requests[start : start + _BATCH], start, ignored)

    def index(self, name: str) -> int | None:
        """The index of the link of this name, in the socket's own namespace; None if there is none."""
        query = struct.pack("=16sI20x", name.encode(), 0)
        try:
            answer = fcntl.ioctl(self._socket, _SIOCGIFINDEX, query)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise LinkError(f"find link {name}: {os.strerror(error.errno or 0).lower()}") from error
        return int(struct.unpack_from("=I", answer, _NAME_BYTES)[0])

    def _exchange(self, requests: Sequence[bytes], start: int, ignored: tuple[int, ...]) -> None:
        first = self._sequence + 1
        self._sequence += len(requests)
        self._socket.send(b"".join(_numbered(request, first + place) for place, request in enumerate(requests)))
        results: dict[int, int] = {}
        while len(results) < len(requests):
            results |= {sequence: result for sequence, result in self._receive() if sequence >= first}
        for sequence, result in sorted(results.items()):
            if result and result not in ignored:
                raise Refused(result, start + sequence - first)

    def _receive(self) -> list[tuple[int, int]]:
        try:
            data = self._socket.recv(_BUFFER_BYTES)
        except OSError as error:
            raise LinkError(f"hear from the kernel about links: {error}") from error
        return _results(data)


def _numbered(request: bytes, sequence: int) -> bytes:
    end = _SEQUENCE_AT + 4
    return b"".join((request[:_SEQUENCE_AT], struct.pack("=I", sequence), request[end:], bytes(-len(request) % 4)))


def _results(data: bytes) -> list[tuple[int, int]]:
    """Sequence number and errno of each answer in a datagram."""
    results, offset = [], 0
    while offset + _HEADER.size <= len(data):
        length, kind, _, sequence, _ = _HEADER.unpack_from(data, offset)
        if kind == _NLMSG_ERROR:
            results.append((sequence, -struct.unpack_from("=i", data, offset + _HEADER.size)[0]))
        offset += max(_HEADER.size, length + -length % 4)
    return results
