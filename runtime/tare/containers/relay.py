"""Between our streams and a container's: bytes both ways, the terminal's size, and our signals.

A container that does not read must not keep us from taking what it writes, or both wait for ever; so what is on its
way in waits here. Signals come as bytes of a pipe, and are handled between others like anything that was read.
"""

from __future__ import annotations

import os
import select

from runtime.linux import signals
from runtime.tare.containers.detaching import KeyWatch
from runtime.unwinding import ExitStack, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

_CHUNK = 65536


class Relay:
    """A context manager: our terminal and our signals are as they were when it is left.

    ``on_signal`` is called with the number of one that is to be handed on, ``on_resize`` with rows and columns.
    """

    def __init__(
        self,
        *,
        on_signal: Callable[[int], None] | None = None,
        on_resize: Callable[[int, int], None] | None = None,
        keys: bytes = b"",
    ) -> None:
        self._on_signal = on_signal
        self._on_resize = on_resize
        self._keys = KeyWatch(keys) if keys else None
        self._outputs: dict[int, int] = {}
        self._target = -1
        self._close_target: Callable[[], None] | None = None
        self._waiting = b""
        self._reading = False
        self._stack = ExitStack()
        self._wakeup = -1

    def __enter__(self) -> Self:
        self._catch_signals()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, source: int, ours: int) -> None:
        """What comes out there is written to ``ours``, until its end."""
        self._outputs[source] = ours

    def feed(self, target: int, close: Callable[[], None]) -> None:
        """What we read goes in there; after its end, ``close`` is called."""
        os.set_blocking(target, False)
        self._target = target
        self._close_target = close
        self._reading = True

    def take_terminal(self) -> None:
        """Ours passes on every key as it is; its size is the container's from now on."""
        from runtime.tare.containers.rawterminal import make_raw

        self._stack.callback(make_raw(0))
        self.resize()

    def resize(self) -> None:
        """Tell the container how large our terminal is."""
        from runtime.tare.containers.rawterminal import size_of

        size = size_of(0) or size_of(1)
        if self._on_resize is not None and size is not None:
            self._on_resize(*size)

    def run(self) -> bool:
        """Until all outputs have ended; False if the keys were typed before that."""
        while self._outputs:
            for fd, events in self._poll():
                if fd == self._wakeup:
                    self._hear()
                elif fd in self._outputs:
                    self._pass_out(fd)
                elif fd == self._target and self._waiting:
                    self._pass_in()
                elif fd == 0 and self._reading and not self._read(gone=bool(events & select.POLLNVAL)):
                    return False
        return True

    def _poll(self) -> list[tuple[int, int]]:
        poll = select.poll()
        for fd in (*self._outputs, self._wakeup):
            poll.register(fd, select.POLLIN)
        if self._waiting:
            poll.register(self._target, select.POLLOUT | (select.POLLIN if self._target in self._outputs else 0))
        elif self._reading:
            poll.register(0, select.POLLIN)
        return poll.poll()

    def _pass_out(self, source: int) -> None:
        """A terminal whose last process has closed it says EIO (pty(7))."""
        if source == self._target and self._waiting:
            self._pass_in()
        try:
            content = os.read(source, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            content = b""
        if not content:
            del self._outputs[source]
            return
        write_all(self._outputs[source], content)

    def _read(self, *, gone: bool) -> bool:
        """Of our stdin; False if the keys were typed."""
        try:
            content = b"" if gone else os.read(0, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            content = b""
        if not content:
            self._end_input()
            return True
        detached = False
        if self._keys is not None:
            content, detached = self._keys.pass_on(content)
        self._waiting += content
        self._pass_in()
        return not detached

    def _pass_in(self) -> None:
        try:
            self._waiting = self._waiting[os.write(self._target, self._waiting) :]
        except BlockingIOError:
            return
        except OSError:  # nobody reads there any more
            self._waiting = b""
            self._end_input()

    def _end_input(self) -> None:
        self._reading = False
        if self._close_target is not None:
            close, self._close_target = self._close_target, None
            with suppress(OSError):
                close()

    def _catch_signals(self) -> None:
        """The handlers do nothing: what counts is the byte in the pipe (signal.set_wakeup_fd)."""
        self._wakeup, ours = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._stack.callback(os.close, self._wakeup)
        self._stack.callback(os.close, ours)
        self._stack.callback(signals.set_wakeup_fd, signals.set_wakeup_fd(ours, warn_on_full_buffer=False))
        wanted = {signals.SIGWINCH} if self._on_resize is not None else set()
        if self._on_signal is not None:
            wanted |= signals.valid_signals() - signals.NOT_FORWARDED
        for number in wanted:
            with suppress(OSError, ValueError):  # those that the C library keeps to itself
                self._stack.callback(signals.signal, number, signals.signal(number, _nothing))

    def _hear(self) -> None:
        for number in os.read(self._wakeup, _CHUNK):
            if number == signals.SIGWINCH:
                self.resize()
            elif self._on_signal is not None and number not in signals.NOT_FORWARDED:
                self._on_signal(number)


def _nothing(*_: object) -> None:
    """A handler."""


def write_all(fd: int, content: bytes) -> None:
    """Also where others have made it not wait."""
    view = memoryview(content)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()
