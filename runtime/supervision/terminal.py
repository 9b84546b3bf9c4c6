"""A container's terminal: its master is ours as long as the container runs, whoever looks at it.

What comes out of it is written into the FIFO that would be the container's stdout, so that it is logged and shown as
any output is, and a reader that is slow makes the container wait. What clients type goes in as there is room.

A master cannot be opened by a name. So its descriptor has a number of its own, beyond those that the kernel gives out,
which is written down; the keeper has it under the same number, and the next supervisor takes it from there.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import socket
import struct
import termios
from typing import TYPE_CHECKING

from runtime.linux import syscalls
from runtime.supervision.errors import SupervisionError
from runtime.supervision.loop import IN

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.supervision.loop import Loop
    from runtime.supervision.record import Place

_FIRST_NUMBER = 1024
_PIECE = 32768
_MOST_TYPED = 1 << 16
_AGAIN_S = 0.02
_FILE = "terminal"


class Terminal:
    """The master, and the FIFO that its output goes to."""

    def __init__(self, loop: Loop, place: Place, master: int) -> None:
        self._loop = loop
        self._master = master
        self._output = os.open(place.path("stdout"), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._rest = b""
        self._typed = b""
        os.set_blocking(master, False)
        loop.watch(master, IN, self._ready)

    @property
    def fd(self) -> int | None:
        """The master, if it is still open."""
        return self._master if self._master >= 0 else None

    def _ready(self, _: int) -> None:
        self.pump()

    def pump(self) -> bool:
        """Move what has been written; whether there may be more."""
        if self._rest and not self._pass_on():
            return True
        try:
            content = os.read(self._master, _PIECE) if self._master >= 0 else b""
        except BlockingIOError:
            return False
        except OSError:  # EIO: nobody has the other end open
            content = b""
        if not content:
            self._loop.unwatch(self._master)
            return False
        self._rest = content
        self._pass_on()
        return True

    def _pass_on(self) -> bool:
        """Whether all of it went into the FIFO. If not, nothing more is read until it does."""
        with contextlib.suppress(BlockingIOError):
            self._rest = self._rest[os.write(self._output, self._rest) :]
        if not self._rest:
            return True
        self._loop.unwatch(self._master)
        self._loop.after(_AGAIN_S, self._go_on)
        return False

    def _go_on(self) -> None:
        if self._master >= 0 and (not self._rest or self._pass_on()):
            self._loop.unwatch(self._master)
            self._loop.watch(self._master, IN, self._ready)

    @property
    def is_full(self) -> bool:
        """Whether so much is typed ahead that no more is taken."""
        return len(self._typed) >= _MOST_TYPED

    def type(self, content: bytes) -> None:
        """Now, or as soon as there is room."""
        waits = bool(self._typed)
        self._typed += content
        if not waits:
            self._type()

    def _type(self) -> None:
        if self._master < 0:
            self._typed = b""
        try:
            while self._typed:
                self._typed = self._typed[os.write(self._master, self._typed) :]
        except BlockingIOError:
            self._loop.after(_AGAIN_S, self._type)
        except OSError:  # nobody will read it
            self._typed = b""

    def resize(self, rows: int, columns: int) -> None:
        """The foreground process hears of it (SIGWINCH, ioctl_tty(2))."""
        if self._master >= 0:
            _resize(self._master, rows, columns)

    def close(self) -> None:
        """Idempotent."""
        if self._master >= 0:
            self._loop.unwatch(self._master)
            os.close(self._master)
            os.close(self._output)
            self._master = -1


def _resize(master: int, rows: int, columns: int) -> None:
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("=4H", rows, columns, 0, 0))


def resize_coming(channel: int, size: tuple[int, int]) -> None:
    """The terminal that a first process has sent, whose master somebody else will receive, before it is looked at."""
    with socket.socket(fileno=os.dup(channel)) as peeked:
        master = _receive(peeked, socket.MSG_PEEK)
    _resize(master, *size)
    os.close(master)


def receive_master(channel: socket.socket, place: Place) -> int:
    """What a container's first process has sent, under a number that is written down; raises `SupervisionError`."""
    received = _receive(channel)
    master = fcntl.fcntl(received, fcntl.F_DUPFD_CLOEXEC, _FIRST_NUMBER)
    os.close(received)
    with open(place.path(_FILE), "w", encoding="ascii") as file:
        file.write(str(master))
    return master


def _receive(channel: socket.socket, flags: int = 0) -> int:
    """A copy of the descriptor that was sent."""
    _, control, _, _ = channel.recvmsg(64, socket.CMSG_SPACE(4), flags | socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC)
    if not control:
        raise SupervisionError("process.terminal: no terminal was sent")
    fds = array.array("i")
    fds.frombytes(control[0][2][:4])
    return fds[0]


def recover_master(keeper: int | None, place: Place) -> int | None:
    """From the keeper, whose pidfd it is; None if there is none any more."""
    try:
        with open(place.path(_FILE), encoding="ascii") as file:
            number = int(file.read())
        found = -1 if keeper is None else syscalls.pidfd_getfd(keeper, number)
    except (OSError, ValueError):
        return None
    if found < 0:
        return None
    os.dup2(found, number, inheritable=False)
    os.close(found)
    return number


class Onlooker:
    """A client in front of a terminal: one socket, which it reads and writes."""

    def __init__(self, loop: Loop, fd: int, typed: Callable[[bytes], bool]) -> None:
        """``typed`` is called with what it types, and tells whether there is room for more."""
        self._loop = loop
        self._typed = typed
        self._fd = os.dup(fd)
        os.set_blocking(self._fd, False)
        self._listen()

    def _listen(self) -> None:
        if self._fd >= 0:
            self._loop.watch(self._fd, IN, lambda _: self._hear())

    def _hear(self) -> None:
        if not self._typed(b""):
            self._loop.unwatch(self._fd)
            self._loop.after(_AGAIN_S, self._listen)
            return
        try:
            content = os.read(self._fd, _PIECE)
        except BlockingIOError:
            return
        except OSError:
            content = b""
        if content:
            self._typed(content)
        else:
            self._loop.unwatch(self._fd)

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            self._loop.unwatch(self._fd)
            os.close(self._fd)
            self._fd = -1
