"""Move network devices into a container's namespace (runtime-spec, config-linux.md, "Network Devices").

They arrive with their permanent addresses, and up. When the container cannot be made they come back as they were.
Otherwise they are the namespace's, and go with it.
"""

from __future__ import annotations

import errno
import os
import time

from runtime.linux import constants as c
from runtime.linux import syscalls
from runtime.linux.rtnetlink import IFF_UP, Route, index_of
from runtime.spec.reader import SpecError, show
from runtime.unwinding import ExitStack, contextmanager, suppress
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.linux.rtnetlink import Address
    from runtime.spec.namespaces import NetDevice


_LOOKS, _BETWEEN_LOOKS_S = 20, 0.005


class Moved(Value):
    """A device on its way: what it was on the host, and its index in the container."""

    host_name: str
    was_up: bool
    addresses: tuple[Address, ...]
    index: int


def move_devices(undo: ExitStack, pid: int, devices: tuple[NetDevice, ...]) -> None:
    """All of them, to the namespace of this process; raises `SpecError`. ``undo`` takes them back."""
    for device in devices:
        where = f"linux.netDevices[{show(device.host_name)}]"
        try:
            with _two_namespaces(pid) as (host, there, _, fd):
                moved = _move(host, there, fd, device)
                undo.callback(_take_back, pid, moved)
                _settle(there, moved.index, moved.addresses, up=True)
        except OSError as error:
            taken = error.errno == errno.EEXIST
            problem = f"{show(device.name)} is there already" if taken else os.strerror(error.errno or 0).lower()
            raise SpecError(where, f"move it to the container: {problem}") from error


@contextmanager
def _two_namespaces(pid: int) -> Iterator[tuple[Route, Route, int, int]]:
    """Sockets and descriptors of our own network namespace and of that of a process."""
    with ExitStack() as held:
        fds = []
        for path in ("/proc/self/ns/net", f"/proc/{pid}/ns/net"):
            fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            held.callback(os.close, fds[-1])
        own, other = fds
        host = Route()
        held.callback(host.close)
        syscalls.setns(other, c.CLONE_NEWNET)
        try:
            there = Route()
        finally:
            syscalls.setns(own, c.CLONE_NEWNET)
        held.callback(there.close)
        yield host, there, own, other


def _move(host: Route, there: Route, fd: int, device: NetDevice) -> Moved:
    if device.name in {link.name for link in there.links()}:
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))  # the kernel would move it first and then not rename it
    index = index_of(device.host_name)
    was_up = any(link.flags & IFF_UP for link in host.links() if link.index == index)
    addresses = host.permanent_addresses(index)
    before = {link.index for link in there.links()}
    host.move(index, fd, device.name)
    return Moved(device.host_name, was_up, addresses, _new_index(there, before))


def _new_index(there: Route, before: set[int]) -> int:
    """Of the link that was not there before: it may have another index now, and a number in its name for %d.

    The kernel lists links without holding them still, and may leave one out while it changes (rtnetlink(7)).
    """
    for _ in range(_LOOKS):
        for link in there.links():
            if link.index not in before:
                return link.index
        time.sleep(_BETWEEN_LOOKS_S)
    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))


def _settle(route: Route, index: int, addresses: tuple[Address, ...], *, up: bool) -> None:
    for address in addresses:
        route.add(index, address)
    if up:
        route.set_up(index)


def _take_back(pid: int, moved: Moved) -> None:
    """Best effort: a virtual device has gone if its namespace has."""
    with suppress(OSError), _two_namespaces(pid) as (host, there, host_fd, _):
        there.move(moved.index, host_fd, moved.host_name)
        _settle(host, index_of(moved.host_name), moved.addresses, up=moved.was_up)
