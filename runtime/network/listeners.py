"""Whether a port of the host is free, and if not, which process has it."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.network.errors import NetworkError, PortTaken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.network.ports import PublishedPort

_ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104 - only to ask whether it could be bound
_TYPES = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_INODE, _LOCAL = 9, 1  # columns of /proc/net/tcp (proc(5))


def refuse_listened(port: PublishedPort, versions: set[int]) -> None:
    """Raise `PortTaken` if a process of the host has one of the ports, or `NetworkError` if it lacks the address."""
    for family in _families(port, versions):
        for host_port, _ in port.pairs():
            number = _bind(family, port.protocol, port.host_address or _ANY[family], host_port)
            if number == errno.EADDRINUSE:
                raise PortTaken(f"publish {port}: port {host_port}/{port.protocol} is taken by {_who(port, host_port)}")
            if number == errno.EADDRNOTAVAIL:
                raise NetworkError(f"publish {port}: the host has no address {port.host_address}")


def is_free(port: PublishedPort, versions: set[int]) -> bool:
    """Whether no process of the host has one of the ports."""
    try:
        refuse_listened(port, versions)
    except PortTaken:
        return False
    return True


def _families(port: PublishedPort, versions: set[int]) -> Iterator[socket.AddressFamily]:
    for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        if version in versions and port.publishes(version):
            yield family


def _bind(family: socket.AddressFamily, protocol: str, address: str, number: int) -> int:
    """The errno of binding there for a moment; 0 if it can be."""
    with socket.socket(family, _TYPES[protocol]) as probe:
        if protocol == "tcp":  # what only waits for stray packets is no listener (socket(7))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((address, number))
        except OSError as error:
            return error.errno or 0
    return 0


def _who(port: PublishedPort, number: int) -> str:
    inodes = {inode for name in (port.protocol, f"{port.protocol}6") for inode in _inodes(name, number)}
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        if inodes & set(_sockets(process)):
            with suppress(OSError):
                return f"process {process.name} ({(process / 'comm').read_text(encoding='utf-8').strip()})"
    return "another process"


def _inodes(table: str, number: int) -> Iterator[str]:
    with suppress(OSError):
        for line in Path(f"/proc/thread-self/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            columns = line.split()
            if int(columns[_LOCAL].rpartition(":")[2], 16) == number:
                yield columns[_INODE]


def _sockets(process: Path) -> Iterator[str]:
    with suppress(OSError):
        for entry in os.scandir(process / "fd"):
            with suppress(OSError):
                target = os.readlink(entry.path)  # noqa: PTH115 - one of thousands
                if target.startswith("socket:["):
                    yield target[8:-1]
