"""What is said between a client and its launcher: one request, one reply.

Values of Python's own, pickled: the only two ends are a process and the child that it started itself, joined by a
socket pair that has no name.
"""

from __future__ import annotations

import os
import pickle
import socket
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.spec.container import ContainerSpec, Network, Process

_MESSAGE_BYTES = 1 << 17


class MessageError(Exception):
    """A message that the other end would get cut off."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Make a container and start it. Reply: `Started`."""

    spec: ContainerSpec


@dataclass(frozen=True, slots=True)
class Stock:
    """Make the network of a container that will be launched later; None is that of one without. Reply: `Done`."""

    network: Network | None


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a process of the host, with no container round it but a root directory. Reply: `Started`."""

    id: str
    root: str
    process: Process
    log_path: str


@dataclass(frozen=True, slots=True)
class Exec:
    """Start another process in a running container; stdout and stderr come as descriptors. Reply: `Started`."""

    id: str
    exec_id: str
    process: Process


@dataclass(frozen=True, slots=True)
class Signal:
    """Send a signal to the first process. Reply: `Done`, also when it has gone."""

    id: str
    signal: int


@dataclass(frozen=True, slots=True)
class Query:
    """Ask how a process is. Reply: `Status`."""

    id: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Kill what still runs and release everything. Reply: `Done`, also when there is nothing of this id."""

    id: str


@dataclass(frozen=True, slots=True)
class Started:
    """The process has executed."""

    pid: int


@dataclass(frozen=True, slots=True)
class Status:
    """``exit_status`` is None while it runs, and 128+n when signal n ended it."""

    pid: int
    exit_status: int | None


@dataclass(frozen=True, slots=True)
class Done:
    """It is so."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It could not be done; nothing is left of the attempt."""

    reason: str


Request = Launch | Stock | Spawn | Exec | Signal | Query | Remove
Reply = Started | Status | Done | Refused


def send(channel: socket.socket, message: Request | Reply, fds: tuple[int, ...] = ()) -> None:
    """Send one message, whole; raises `MessageError`."""
    data = pickle.dumps(message)
    if len(data) > _MESSAGE_BYTES:
        raise MessageError(f"a request of {len(data)} bytes is longer than {_MESSAGE_BYTES}")
    socket.send_fds(channel, [data], fds)


def receive(channel: socket.socket) -> tuple[Any, list[int]]:
    """The next message and its descriptors; raises `EOFError` when the other end has gone."""
    data, fds, _flags, _address = socket.recv_fds(channel, _MESSAGE_BYTES, 2, socket.MSG_CMSG_CLOEXEC)
    if not data:
        raise EOFError
    for fd in fds:
        os.set_inheritable(fd, False)  # noqa: FBT003 - the standard library's own
    return pickle.loads(data), fds  # noqa: S301 - from our own parent or child only, see above
