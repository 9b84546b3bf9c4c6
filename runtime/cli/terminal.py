"""The caller's terminal in front of a container's: bytes both ways, its size, and raw mode until the end."""

from __future__ import annotations

import array
import fcntl
import os
import select
import signal
import socket
import sys
import termios
import tty

from runtime.cli.foreground import exit_status
from runtime.container.errors import ContainerError
from runtime.unwinding import ExitStack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_CHUNK = 65536
_FD_BYTES = 4


class Relay:
    """Receives the master of the container's terminal at ``console_fd``, and stands between it and our own streams."""

    def __enter__(self) -> Self:
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._theirs.set_inheritable(True)
        self.console_fd = self._theirs.fileno()
        self._master = -1
        self._stack = ExitStack()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._ours.close()
        self._theirs.close()
        if self._master >= 0:
            os.close(self._master)

    def begin(self) -> None:
        """Take the master, and our own terminal, if we have one, out of its line discipline."""
        self._theirs.close()
        _, control, _, _ = self._ours.recvmsg(64, socket.CMSG_SPACE(_FD_BYTES))
        if not control:
            raise ContainerError("process.terminal: no terminal was sent")
        fds = array.array("i")
        fds.frombytes(control[0][2][:_FD_BYTES])
        self._master = fds[0]
        if os.isatty(sys.stdin.fileno()):
            before = termios.tcgetattr(0)
            self._stack.callback(termios.tcsetattr, 0, termios.TCSADRAIN, before)
            tty.setraw(0)
            self._resize()
            self._stack.callback(signal.signal, signal.SIGWINCH, signal.signal(signal.SIGWINCH, self._resize))

    def _resize(self, *_: Any) -> None:
        size = fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def wait(self, pid: int) -> int:
        """Until the process has ended and what it wrote is written."""
        pidfd = os.pidfd_open(pid)
        try:
            self._relay(pidfd)
        finally:
            os.close(pidfd)
        return exit_status(os.waitpid(pid, 0)[1])

    def _relay(self, pidfd: int) -> None:
        poll = select.poll()
        for fd in (0, self._master, pidfd):
            poll.register(fd, select.POLLIN)
        ended = False
        while True:
            ready = {fd for fd, _ in poll.poll(0 if ended else None)}
            if self._master in ready:
                if not _move(self._master, 1):
                    return
            elif ended:
                return
            if 0 in ready and not _move(0, self._master):
                poll.unregister(0)
            ended = ended or pidfd in ready


def _move(source: int, target: int) -> bool:
    """What can be read, written as a whole; False at the end. A terminal whose other end is closed says EIO."""
    try:
        content = os.read(source, _CHUNK)
        while content:
            content = content[os.write(target, content) :]
            if not content:
                return True
    except OSError:
        return False
    return False
