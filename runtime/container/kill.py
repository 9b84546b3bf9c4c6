"""``kill``: send a signal to a container; and `end` one for good."""

from __future__ import annotations

import os
import select

from runtime.container.errors import ContainerError, WrongStatus
from runtime.container.state import Status
from runtime.linux import signals
from runtime.linux.processes import start_time_of
from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.container.state import State
    from runtime.container.store import Container

_ENDS_WITHIN_S = 10.0


def kill(container: Container, number: int, *, everybody: bool = False) -> None:
    """Send the signal to the first process, or to every process of the container."""
    state = container.state()
    status = container.status(state)
    if status is Status.STOPPED and not everybody:
        raise WrongStatus(f"kill container {container.id!r}: container not running")
    if everybody:
        state.group.kill(number)
    else:
        send(state, number)
        # A frozen group on version 1 would hold on to what is killed.
        if status is Status.PAUSED and number == signals.SIGKILL:
            state.group.thaw()


def send(state: State, number: int) -> None:
    """To the first process and no other that has its pid by now; one that has gone is no error."""
    with suppress(ProcessLookupError):
        pidfd = os.pidfd_open(state.pid)
        try:
            if start_time_of(state.pid) == state.start_time:
                signals.pidfd_send_signal(pidfd, number)
        finally:
            os.close(pidfd)


def end(state: State) -> None:
    """Kill every process and wait until the first has ended; raises `ContainerError` if it does not."""
    send(state, signals.SIGKILL)
    state.group.kill(signals.SIGKILL)
    with suppress(ProcessLookupError):
        pidfd = os.pidfd_open(state.pid)
        try:
            if start_time_of(state.pid) == state.start_time and not _ends(pidfd):
                raise ContainerError(f"kill container {state.id!r}: pid {state.pid} has not ended")
        finally:
            os.close(pidfd)


def _ends(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(_ENDS_WITHIN_S * 1000))
