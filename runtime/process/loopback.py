"""The loopback link of a new network namespace, which the kernel makes but leaves down."""

from __future__ import annotations

import struct

from runtime.linux.program import Call, Memory

_AF_INET, _SOCK_DGRAM, _SOCK_CLOEXEC = 2, 2, 0o2000000
_SIOCSIFFLAGS = 0x8914  # linux/sockios.h
_IFREQ = struct.Struct("=16sH22x")  # struct ifreq, netdevice(7)
_IFF_UP = 1


def plan_loopback() -> tuple[Call, ...]:
    """Set it up. Engines expect it of the runtime, as runc does it; the specification has no word about it."""
    what = "linux.namespaces: set the loopback link up"
    socket = Call(what, "socket", (_AF_INET, _SOCK_DGRAM | _SOCK_CLOEXEC, 0))
    return (
        socket,
        Call(what, "ioctl", (socket, _SIOCSIFFLAGS, Memory(_IFREQ.pack(b"lo", _IFF_UP)))),
        Call(what, "close", (socket,)),
    )
