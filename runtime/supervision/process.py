"""The first process of a container: told when it ends and how, signalled without the risk of meeting another."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING

from runtime.supervision.exits import exit_code_by_kernel, open_process
from runtime.supervision.life import Exit
from runtime.supervision.loop import IN

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.supervision.life import ProcessId
    from runtime.supervision.loop import Loop

_REAPED_WITHIN_S = 3.0


class FirstProcess:
    """One that runs; ``ended`` is called once."""

    def __init__(self, loop: Loop, process: ProcessId, ended: Callable[[Exit], None]) -> None:
        self._loop = loop
        self._ended = ended
        pidfd = open_process(process.pid, process.start_time)
        self._pidfd = -1 if pidfd is None else pidfd

    @classmethod
    def child(cls, loop: Loop, process: ProcessId, ended: Callable[[Exit], None]) -> FirstProcess:
        """One that is a child of ours or will be: how it ends is known."""
        made = cls(loop, process, ended)
        loop.on_end(process, lambda code: made._conclude(Exit(code, "wait")))
        return made

    @classmethod
    def stranger(cls, loop: Loop, process: ProcessId, ended: Callable[[Exit], None]) -> FirstProcess | None:
        """One that a predecessor of ours has started; None if it is not there any more."""
        made = cls(loop, process, ended)
        if made._pidfd < 0:
            return None
        loop.watch(made._pidfd, IN, made._gone)
        return made

    def _gone(self, ready: int) -> None:
        """A process that is not our child has ended. How, the kernel may tell once its parent has reaped it."""
        if ready & select.EPOLLHUP:
            self._ended_somehow()
        else:
            self._loop.rewatch(self._pidfd, 0)
            self._loop.after(_REAPED_WITHIN_S, self._ended_somehow)

    def _ended_somehow(self) -> None:
        if self._pidfd >= 0:
            code = exit_code_by_kernel(self._pidfd)
            self._conclude(Exit() if code is None else Exit(code, "kernel"))

    def _conclude(self, how: Exit) -> None:
        if self._pidfd >= 0:
            self._loop.unwatch(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self._ended(how)

    def send(self, number: int) -> bool:
        """A signal; False if it cannot be sent."""
        if self._pidfd < 0:
            return False
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            return False
        return True
