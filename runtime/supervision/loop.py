"""The one loop of the supervisor: descriptors, timers, and children that end; single-threaded, on one epoll.

As a subreaper (PR_SET_CHILD_SUBREAPER) we also get children that we never had: what our helpers leave behind, which are
the containers, and what containers without a pid namespace leave behind. So everybody is reaped, and whoever is waited
for may have ended before somebody waits: a process that nobody knows is remembered as long as a helper is about.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import signal
import time
from itertools import count
from typing import TYPE_CHECKING

from runtime.supervision.exits import started_at
from runtime.supervision.life import ProcessId, exit_code_of

if TYPE_CHECKING:
    from collections.abc import Callable

IN, OUT = select.EPOLLIN, select.EPOLLOUT
_LONGEST_S = 3600.0


class Timer:
    """Something that is to be done later, unless it is cancelled."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Do not do it. Idempotent."""
        self.action = None


class Loop:
    """What waits for what."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._serial = count()
        self._waited: dict[ProcessId, Callable[[int], None]] = {}
        self._unclaimed: dict[ProcessId, int] = {}
        self.helpers = 0
        self._woken, wakes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.watch(self._woken, IN, lambda _: self._reap())

    def watch(self, fd: int, mask: int, handler: Callable[[int], None]) -> None:
        """Call the handler with what is ready, again and again as long as it is."""
        self._epoll.register(fd, mask)
        self._handlers[fd] = handler

    def rewatch(self, fd: int, mask: int) -> None:
        """For something else; with a mask of 0 for the other end's going only."""
        self._epoll.modify(fd, mask)

    def unwatch(self, fd: int) -> None:
        """No longer. Idempotent."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def after(self, seconds: float, action: Callable[[], None]) -> Timer:
        """Do it then."""
        timer = Timer(action)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._serial), timer))
        return timer

    def on_end(self, process: ProcessId, action: Callable[[int], None]) -> None:
        """Call the action with the exit code, 128+n for signal n, of a process that is a child of ours or will be."""
        if process in self._unclaimed:
            code = self._unclaimed.pop(process)
            self.after(0, lambda: action(code))
        else:
            self._waited[process] = action

    def turn(self) -> None:
        """Wait for something, and do all that is due."""
        for fd, ready in self._epoll.poll(self._patience()):
            handler = self._handlers.get(fd)  # an earlier handler may have closed it
            if handler is not None:
                handler(ready)
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            action, timer.action = timer.action, None
            if action is not None:
                action()

    def _patience(self) -> float:
        while self._timers and self._timers[0][2].action is None:
            heapq.heappop(self._timers)
        return min(max(self._timers[0][0] - time.monotonic(), 0), _LONGEST_S) if self._timers else _LONGEST_S

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._woken, 4096):
                pass
        with contextlib.suppress(ChildProcessError):
            # Looked at first, for its start time goes with it.
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                process = ProcessId(ended.si_pid, started_at(ended.si_pid))
                _, status = os.waitpid(ended.si_pid, 0)
                self._ended(process, exit_code_of(status))
        if not self.helpers:
            self._unclaimed.clear()

    def _ended(self, process: ProcessId, code: int) -> None:
        action = self._waited.pop(process, None)
        if action is not None:
            action(code)
        else:
            self._unclaimed[process] = code


def forget_loop() -> None:
    """In a child: signals are nobody's business any more."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
