"""The engine's end of a container's terminal: a socket to which the runtime sends it (runc's ``--console-socket``)."""

from __future__ import annotations

import array
import os
import select
import socket
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE_S = 20.0


class Console:
    """A listening socket, and the terminal once it has come."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "console.sock"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.settimeout(_PATIENCE_S)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._terminal = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._path.unlink()
        if self._terminal != -1:
            os.close(self._terminal)

    @property
    def options(self) -> tuple[str, str]:
        """What the runtime's command line is given."""
        return ("--console-socket", str(self._path))

    @property
    def terminal(self) -> int:
        """The master side, as it was sent."""
        if self._terminal == -1:
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(_PATIENCE_S)
                self._terminal = receive_descriptors(connection)[1][0]
        return self._terminal

    def write(self, text: str) -> None:
        """Type something."""
        os.write(self.terminal, text.encode())

    def read_until(self, text: str) -> str:
        """All that the container has said once it said this."""
        said = ""
        deadline = time.monotonic() + _PATIENCE_S
        while text not in said:
            ready, _, _ = select.select([self.terminal], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text} never came: {said}"
            said += _read(self.terminal)
        return said


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 4096).decode()
    except OSError as error:  # the other side is closed (pty(7))
        raise AssertionError("the terminal was closed") from error


def receive_descriptors(connection: socket.socket, size: int = 65536) -> tuple[bytes, list[int]]:
    """One message, and the descriptors that came with it (unix(7), SCM_RIGHTS)."""
    data, ancillary, _, _ = connection.recvmsg(size, socket.CMSG_SPACE(4 * 16))
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content[: len(content) - len(content) % 4])
    return data, list(descriptors)
