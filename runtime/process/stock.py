"""Network namespaces made ahead, with their link, address and routes, for containers that are asked for later.

Making one takes most of a launch. It is made by a child in a pid namespace of its own, where it is pid 1 and so the one
that the requests for a container's network mean; the child shares our descriptors, and leaves us that of its namespace.
"""

from __future__ import annotations

import os

from runtime.linux import constants
from runtime.linux.interpreter import Program
from runtime.linux.program import ANY_ERRNO, Call, Slot
from runtime.process.clone import Birth, LaunchError, bear
from runtime.process.init import NetworkSlots, open_socket, plan_network, wants_index
from runtime.process.launch import numbered, request_contents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.spec.container import Network

_AT_FDCWD = -100
_REQUEST_BYTES = 511


class _Maker:
    """The program for networks of one kind."""

    def __init__(self, network: Network | None) -> None:
        self._slots = {name: Slot(_REQUEST_BYTES) for name in request_contents(network)}
        netlink = open_socket()
        slots = None
        if network is not None:
            guest = tuple(zip(numbered(self._slots, "guest"), map(wants_index, network.guest), strict=True))
            slots = NetworkSlots(network.link, netlink, numbered(self._slots, "host"), guest)
        flags = os.O_RDONLY | os.O_CLOEXEC
        self._open = Call("keep the namespace", "openat", (_AT_FDCWD, b"/proc/thread-self/ns/net", flags, 0))
        child = (*plan_network(slots), self._open, Call("end", "exit_group", (0,)))
        self._birth = Birth(child, constants.CLONE_NEWPID | constants.CLONE_NEWNET | constants.CLONE_FILES)
        close = Call("close", "close", (netlink,), ANY_ERRNO)
        self._program = Program((netlink, self._birth.call, *child, close, Call("return", "return")))

    def make(self, network: Network | None) -> int:
        """A descriptor of the namespace; raises `LaunchError`."""
        for name, content in request_contents(network).items():
            self._program.put(self._slots[name], content)
        child = bear(self._program, self._birth)
        os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
        os.close(child.pidfd)
        return self._program.result(self._open)


class Stock:
    """What is there, by the network's own requests: each has an address and a name of its own."""

    def __init__(self) -> None:
        self._makers: dict[tuple[object, ...], _Maker] = {}
        self._ready: dict[Network | None, list[int]] = {}

    def add(self, network: Network | None) -> None:
        """Make one, for the container that is to have this network, or for any that is to have none."""
        if network is not None and self._ready.get(network):
            raise LaunchError("make a network ahead: it is there")
        kind = (None,) if network is None else (network.link, len(network.host), *map(wants_index, network.guest))
        if kind not in self._makers:
            self._makers[kind] = _Maker(network)
        self._ready.setdefault(network, []).append(self._makers[kind].make(network))

    def take(self, network: Network | None) -> int | None:
        """A descriptor of the namespace, which belongs to the caller now; None where there is none."""
        fds = self._ready.get(network, [])
        fd = fds.pop() if fds else None
        if not fds:
            self._ready.pop(network, None)
        return fd

    def close(self) -> None:
        """Let go of all that is left. Idempotent."""
        for fds in self._ready.values():
            for fd in fds:
                os.close(fd)
        self._ready.clear()
