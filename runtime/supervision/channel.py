"""A client's end of the supervisor's socket, by the C half of the socket module: that imports enum and selectors.

Messages come whole (SOCK_SEQPACKET, unix(7)), and descriptors with them (SCM_RIGHTS).
"""

from __future__ import annotations

import _socket
import struct

_UCRED = struct.Struct("=iII")
_FD = struct.Struct("=i")

Channel = _socket.socket


def connect(address: str) -> Channel:
    """Raises `OSError`."""
    channel = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        channel.connect(address)
    except OSError:
        channel.close()
        raise
    return channel


def pair() -> tuple[Channel, Channel]:
    """Two ends of a stream."""
    return _socket.socketpair()


def send(channel: Channel, data: bytes, fds: tuple[int, ...]) -> None:
    """A message, with copies of descriptors of ours."""
    rights = b"".join(map(_FD.pack, fds))
    channel.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if fds else [])


def receive(channel: Channel, size: int) -> tuple[bytes, list[int]]:
    """A message, empty at the end, and the descriptors that came with it: at most one."""
    space = _socket.CMSG_SPACE(_FD.size)
    data, control, _, _ = channel.recvmsg(size, space, _socket.MSG_CMSG_CLOEXEC)
    return data, [_FD.unpack(content[: _FD.size])[0] for _, _, content in control]


def peer_uid(channel: Channel) -> int:
    """Of whoever connected or listened, as the kernel noted it then (SO_PEERCRED, unix(7))."""
    credentials = channel.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[1])
