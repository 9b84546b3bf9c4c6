"""Who is at the other end of a socket."""

from __future__ import annotations

import socket
import struct

_UCRED = struct.Struct("=iII")


def peer_uid(channel: socket.socket) -> int:
    """Of whoever connected or listened, as the kernel noted it then (SO_PEERCRED, unix(7))."""
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[1])
