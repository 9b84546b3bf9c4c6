"""A client that sees what a container writes as it is written: two pipes of the client's, which we write to.

A client that does not read makes its container wait, and nobody else: what was written to the log already is kept for
it, and nothing more is read from the container until it has taken that.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runtime.supervision.loop import OUT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.supervision.loop import Loop


class Attachment:
    """Pipes by stream. ``relieved`` is called when nothing waits any more."""

    def __init__(self, loop: Loop, pipes: Mapping[str, int], relieved: Callable[[], None]) -> None:
        self._loop = loop
        self._relieved = relieved
        self._pipes = dict(pipes)
        self._waiting: dict[int, bytes] = {}
        self._ending = False
        for fd in self._pipes.values():
            os.set_blocking(fd, False)

    @property
    def is_full(self) -> bool:
        """Whether it has to catch up first."""
        return bool(self._waiting)

    @property
    def has_gone(self) -> bool:
        """Whether the client has closed both pipes."""
        return not self._pipes

    def send(self, stream: str, content: bytes) -> None:
        """Now or as soon as there is room."""
        fd = self._pipes.get(stream)
        if fd is None or not content:
            return
        if fd in self._waiting:
            self._waiting[fd] += content
            return
        rest = self._write(fd, content)
        if rest:
            self._waiting[fd] = rest
            self._loop.watch(fd, OUT, lambda _: self._go_on(fd))

    def _go_on(self, fd: int) -> None:
        rest = self._write(fd, self._waiting.pop(fd, b""))
        if rest:
            self._waiting[fd] = rest
            return
        self._loop.unwatch(fd)
        if self._ending:
            self._close(fd)
        if not self._waiting:
            self._relieved()

    def _write(self, fd: int, content: bytes) -> bytes:
        """What there was no room for."""
        try:
            return content[os.write(fd, content) :]
        except BlockingIOError:
            return content
        except OSError:  # EPIPE: the client has gone
            self._close(fd)
            return b""

    def _close(self, fd: int) -> None:
        for stream in [stream for stream, other in self._pipes.items() if other == fd]:
            del self._pipes[stream]
            self._loop.unwatch(fd)
            os.close(fd)

    def end(self) -> None:
        """Nothing more will come: close the pipes, each once all has been taken. Idempotent."""
        self._ending = True
        for fd in list(self._pipes.values()):
            if fd not in self._waiting:
                self._close(fd)
