"""Hand the descriptor of seccomp notifications to the agent that the file names (config-linux.md, "Seccomp").

The process cannot send it itself once the filter is on: it waits, and the descriptor is fetched (pidfd_getfd(2)).
"""

from __future__ import annotations

import errno
import os
import time

from runtime.container.errors import ContainerError
from runtime.linux.interpreter import perform
from runtime.linux.program import Call, Failure
from runtime.process.listener import ListenerError, send_listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.linux.seccomp import Seccomp

_APPEARS_WITHIN_S = 10.0


def hand_over(seccomp: Seccomp, pid: int, number: int, state: dict[str, Any]) -> None:
    """Fetch the descriptor ``number`` of the process, and send it with the states of process and container."""
    listener = _fetch(pid, number)
    try:
        send_listener(seccomp, listener, pid, state)
    except ListenerError as error:
        raise ContainerError(f"linux.seccomp.listenerPath: {error}") from error
    finally:
        os.close(listener)


def _fetch(pid: int, number: int) -> int:
    """As soon as it is there; raises `ContainerError` when it never is."""
    pidfd = os.pidfd_open(pid)
    deadline = time.monotonic() + _APPEARS_WITHIN_S
    try:
        while True:
            try:
                return perform((Call("linux.seccomp: fetch the listener", "pidfd_getfd", (pidfd, number, 0)),))[0]
            except Failure as failure:
                if failure.errno != errno.EBADF or time.monotonic() > deadline:
                    raise ContainerError(str(failure)) from failure
                time.sleep(0.0005)
    finally:
        os.close(pidfd)
